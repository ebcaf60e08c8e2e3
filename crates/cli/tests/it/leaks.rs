//! Secrets stay where they belong: in memory and in the sealed file.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use testkit::{Server, scratch};

use crate::device::{ANA, Device, Said, files};
use crate::recorder::Recorder;

#[tokio::test]
async fn no_secret_is_in_arguments_environments_output_or_files() {
    let state = scratch();
    let server = Server::start(state.path()).await;
    server.activate(ANA).await;
    let recorder = Recorder::start(&server).await;
    let device = Device::new("laptop").with("BM_CLOUD_LOG", "trace");
    for number in 0..200 {
        device.write(
            &format!("{number}.md"),
            &format!("note {number}\n").repeat(40),
        );
    }
    let login = device.sign_in_at(&recorder.url, &server).await;
    assert_eq!(login.code, Some(0), "{login:#?}");
    let mut said = vec![login];
    let mut sightings = Sightings::default();
    for words in [
        &["setup", "--folder", device.folder()][..],
        &["bisync", "--resync"],
        &["status", "--json"],
    ] {
        let mut child = device.start(words);
        while child.ended().is_none() {
            sightings.look();
            tokio::task::yield_now().await;
        }
        said.push(Said::of(&mut child).await);
    }
    for said in &said {
        assert_eq!(said.code, Some(0), "{said:#?}");
    }
    let secrets: BTreeSet<String> = ["access_token", "refresh_token", "secret_key", "device_code"]
        .into_iter()
        .flat_map(|name| {
            let values = recorder.values(name);
            assert!(!values.is_empty(), "no {name} came by");
            values
        })
        .collect();
    assert!(
        secrets.iter().all(|secret| secret.len() > 15),
        "{secrets:?}"
    );
    assert!(
        sightings.commands.iter().any(|it| it.contains("rclone")),
        "rclone was seen at work"
    );
    for secret in &secrets {
        for text in sightings.commands.iter().chain(&sightings.environments) {
            assert!(!text.contains(secret), "in a process: {text}");
        }
        for said in &said {
            assert!(
                !said.out.contains(secret) && !said.err.contains(secret),
                "in the output"
            );
        }
    }
    let found = files(device.home());
    assert!(found.len() > 200, "the home was searched");
    for file in found {
        let bytes = fs::read(&file).unwrap();
        for secret in &secrets {
            assert!(!holds(&bytes, secret.as_bytes()), "{}", file.display());
        }
    }
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// What other processes could read of the running ones.
#[derive(Default)]
struct Sightings {
    commands: BTreeSet<String>,
    environments: BTreeSet<String>,
}

impl Sightings {
    fn look(&mut self) {
        for process in fs::read_dir("/proc").unwrap().flatten() {
            if !process
                .file_name()
                .to_string_lossy()
                .starts_with(|it: char| it.is_ascii_digit())
            {
                continue;
            }
            let read = |name: &str| read(&process.path().join(name));
            self.commands.extend(read("cmdline"));
            self.environments.extend(read("environ"));
        }
    }
}

fn read(path: &Path) -> Option<String> {
    let bytes = fs::read(path).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
