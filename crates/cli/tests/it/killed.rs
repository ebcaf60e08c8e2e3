//! `bm-cloud bisync` killed at any moment.

use std::fs;
use std::time::{Duration, Instant};

use testkit::{Server, scratch, wait_until};

use crate::device::{ANA, Device, SOON, files, processes_at};
use crate::recorder::Recorder;

const ROUNDS: u64 = 20;

/// Numbers without a pattern, the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

#[tokio::test]
async fn killed_at_any_moment_it_loses_no_line() {
    let state = scratch();
    let server = Server::start(state.path()).await;
    server.activate(ANA).await;
    let recorder = Recorder::start(&server).await;
    let (laptop, desktop) = (Device::new("laptop"), Device::new("desktop"));
    for device in [&laptop, &desktop] {
        device.sign_in_at(&recorder.url, &server).await;
        device
            .ok(&["setup", "--folder", device.folder(), "--profile", "safe"])
            .await;
    }
    let mut dice = Dice(7);
    let mut lines = Vec::new();
    let mut killed = 0;
    for round in 0..ROUNDS {
        for (device, name) in [(&laptop, "laptop"), (&desktop, "desktop")] {
            let own = format!("{name} {}.md", dice.below(3));
            for path in ["shared.md", "Deep/shared too.md", &own] {
                let line = format!("<{round} {name} {path}>\n");
                append(device, path, &line);
                lines.push(line);
            }
        }
        let began = Instant::now();
        desktop.ok(&["bisync"]).await;
        let whole = u64::try_from(began.elapsed().as_millis()).unwrap();
        let mut run = laptop.start(&["bisync"]);
        tokio::time::sleep(Duration::from_millis(dice.below(whole))).await;
        killed += u64::from(run.ended().is_none());
        run.kill();
    }
    assert!(killed >= ROUNDS / 4, "only {killed} runs were caught alive");
    // Killed again and again while it renews its sign-in, a device may hold a used token only.
    if laptop.run(&["status"]).await.code == Some(4) {
        laptop.sign_in_at(&recorder.url, &server).await;
    }
    for device in [&laptop, &desktop, &laptop, &desktop] {
        device.ok(&["bisync"]).await;
    }
    assert_eq!(
        laptop.all(),
        desktop.all(),
        "both folders have become the same"
    );
    let versions = laptop.home().join("versions");
    recorder.copy_versions(&versions).await;
    let mut kept = Vec::new();
    for folder in [
        laptop.notes(),
        &laptop.history(),
        desktop.notes(),
        &desktop.history(),
        &versions,
    ] {
        for file in files(folder) {
            kept.extend(fs::read(file).unwrap_or_default());
        }
    }
    let kept = String::from_utf8_lossy(&kept).into_owned();
    let lost: Vec<&String> = lines
        .iter()
        .filter(|line| !kept.contains(line.as_str()))
        .collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    wait_until(SOON, async || processes_at(laptop.home()).is_empty()).await;
}

/// What an editor does: the text with a line more, in one step.
fn append(device: &Device, path: &str, line: &str) {
    let text = device.read(path).unwrap_or_default() + line;
    let file = device.notes().join(path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    let draft = file.with_extension("draft~");
    fs::write(&draft, text).unwrap();
    fs::rename(draft, file).unwrap();
}
