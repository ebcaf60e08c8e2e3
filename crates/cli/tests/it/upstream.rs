//! What the published command line of Basic Memory leaves on a computer, and how it is mended.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use testkit::{BasicMemory, Child, Server, basic_memory, program, scratch};

use crate::device::{ANA, Device, Said};

/// Python takes its time on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
const ELSEWHERE: &str = "endpoint = https://fly.storage.tigris.dev";

/// `bm` 0.15.2 in the device's home.
struct Upstream<'a> {
    device: &'a Device,
    server: &'a Server,
}

impl Upstream<'_> {
    /// It writes another store's address into its configuration; only the environment can lead it
    /// to ours until that is mended.
    fn start(&self, words: &[&str], endpoint: Option<&str>) -> Child {
        let rclone = testkit::rclone();
        let tools = rclone.parent().unwrap_or(Path::new("/")).display();
        let bm = program(basic_memory(BasicMemory::V0_15_2).join("bin/bm"))
            .args(words)
            .env_clear()
            .dir(self.device.home())
            .env("HOME", self.device.home())
            .env("PATH", format!("{tools}:/usr/bin:/bin"))
            .env("BROWSER", "/bin/true")
            .env("NO_COLOR", "1")
            .env("COLUMNS", "200")
            .env("PYTHONUNBUFFERED", "1")
            .env("BASIC_MEMORY_CLOUD_HOST", &self.server.url)
            .env(
                "BASIC_MEMORY_CLOUD_DOMAIN",
                format!("{}/idp", self.server.url),
            )
            .env("BASIC_MEMORY_CLOUD_CLIENT_ID", "client_basic_memory_dev")
            .env("BASIC_MEMORY_NO_PROMOS", "1")
            .env("BASIC_MEMORY_AUTO_UPDATE", "false");
        match endpoint {
            Some(endpoint) => bm.env("RCLONE_S3_ENDPOINT", endpoint).spawn(),
            None => bm.spawn(),
        }
    }

    async fn done(&self, words: &[&str], endpoint: Option<&str>) -> String {
        let mut child = self.start(words, endpoint);
        let code = child.exit(PATIENCE).await.code();
        let said = format!("{}{}", child.stdout(), child.stderr());
        assert_eq!(code, Some(0), "{words:?}: {said}");
        said
    }

    async fn sign_in(&self) {
        let mut login = self.start(&["cloud", "login"], None);
        let line = login.line(PATIENCE, |line| user_code(line).is_some()).await;
        self.server.approve(&user_code(&line).unwrap(), ANA).await;
        assert_eq!(login.exit(PATIENCE).await.code(), Some(0));
    }
}

/// The code that the person is shown, such as `BCDF-GHJK`.
fn user_code(line: &str) -> Option<String> {
    let is_code = |word: &&str| {
        word.len() == 9
            && word.bytes().enumerate().all(|(at, byte)| match at {
                4 => byte == b'-',
                _ => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
            })
    };
    line.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-')
        .find(is_code)
        .map(str::to_owned)
}

fn troubles(said: &Said) -> Vec<(String, Option<String>)> {
    let report = said.last_json();
    let findings = report["findings"].as_array().unwrap();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    findings
        .iter()
        .filter(|it| it["level"] != "ok")
        .map(|it| (text(&it["code"]).unwrap(), text(&it["repair"])))
        .filter(|(code, _)| {
            ["config", "upstream", "orphaned"]
                .iter()
                .any(|start| code.starts_with(start))
        })
        .collect()
}

fn trouble(code: &str) -> (String, Option<String>) {
    (code.to_owned(), Some(code.to_owned()))
}

/// The configuration and all copies of it.
fn configs(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().flatten();
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| {
            path.file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with("rclone.conf")
        })
        .collect();
    files.sort();
    files
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

async fn key_names(device: &Device) -> Vec<String> {
    let listed = device.json(&["credentials"]).await;
    let keys = listed["credentials"].as_array().unwrap();
    let mut names: Vec<String> = keys
        .iter()
        .map(|key| key["name"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn what_two_set_ups_of_the_published_program_left_is_explained_and_mended() {
    let state = scratch();
    let server = Server::start(state.path()).await;
    server.activate(ANA).await;
    let device = Device::new("laptop");
    device.write("main/a.md", "a\n");
    device.set_up(&server, "safe").await;
    device.ok(&["bisync"]).await;
    let upstream = Upstream {
        device: &device,
        server: &server,
    };
    upstream.sign_in().await;
    for _ in 0..2 {
        let setup = ["cloud", "setup"];
        upstream.done(&setup, Some(&server.s3_endpoint)).await;
    }
    let theirs = device.home().join("basic-memory-cloud-sync");
    assert_eq!(fs::read_to_string(theirs.join("main/a.md")).unwrap(), "a\n");
    let folder = device.home().join(".config/rclone");
    let config = folder.join("rclone.conf");
    let left = fs::read_to_string(&config).unwrap();
    assert!(left.contains(ELSEWHERE), "{left}");
    assert_eq!(mode(&config), 0o644);
    let upstreams = "CLI mount credentials";
    assert_eq!(key_names(&device).await, [upstreams, upstreams, "laptop"]);

    let said = device.run(&["doctor", "--json"]).await;
    assert_eq!(said.code, Some(0), "warnings do not stop sync: {said:#?}");
    // The configuration, and the copy that the second set-up made of what the first one wrote.
    let expected = [
        "upstream_endpoint",
        "config_permissions",
        "config_permissions",
        "upstream_keys",
    ];
    assert_eq!(troubles(&said), expected.map(trouble));
    let words = device.run(&["doctor"]).await.out;
    for part in [
        "sends this account's key to https://fly.storage.tigris.dev",
        "Others on this computer can read the key in",
        "1 key that `bm cloud setup` made is in no rclone configuration here",
        "Not if another computer was set up that way",
        "  repair: bm-cloud doctor --repair upstream_keys",
    ] {
        assert!(words.contains(part), "{part}: {words}");
    }

    for repair in ["upstream_endpoint", "config_permissions", "upstream_keys"] {
        device.ok(&["doctor", "--repair", repair]).await;
    }
    let said = device.run(&["doctor", "--json"]).await;
    assert_eq!(troubles(&said), []);
    let right = format!("endpoint = {}", server.s3_url);
    let mended = fs::read_to_string(&config).unwrap();
    assert_eq!(mended, left.replace(ELSEWHERE, &right));
    let files = configs(&folder);
    assert!(files.len() >= 3, "a backup of each change: {files:?}");
    for file in &files {
        assert_eq!(mode(file), 0o600, "{}", file.display());
    }
    // The key that the configuration has stays, and the published program finds our store by it.
    assert_eq!(key_names(&device).await, [upstreams, "laptop"]);
    device.write("main/b.md", "b\n");
    device.ok(&["bisync"]).await;
    upstream.done(&["cloud", "bisync"], None).await;
    assert_eq!(fs::read_to_string(theirs.join("main/b.md")).unwrap(), "b\n");
}
