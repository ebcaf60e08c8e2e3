//! `bm-cloud mount`, `unmount` and `mount-status`, for real.

use std::fs;

use serde_json::Value;
use testkit::{Child, MountPoint, Server, scratch, wait_until};

use crate::device::{ANA, Device, SOON};

async fn mounted(device: &Device, words: &[&str]) -> (Child, Value) {
    let mut child = device.start(words);
    let told = child.json_line(SOON).await;
    assert_eq!(told["ok"], true, "{told}");
    (child, told)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drive_is_mounted_shown_killed_mounted_again_and_taken_away() {
    let state = scratch();
    let server = Server::start(state.path()).await;
    server.activate(ANA).await;
    let device = Device::new("laptop");
    let drive = MountPoint::new(device.home().join("Drive"));
    let folder = drive.folder().to_str().unwrap();

    let refused = device.run(&["mount", folder]).await;
    assert_eq!(refused.code, Some(4), "{refused:#?}");
    device.sign_in(&server).await;
    let status = device.json(&["mount-status"]).await;
    assert_eq!(status["mounts"].as_array().map(Vec::len), Some(0));
    if status["support"]["type"] == "missing" {
        let refused = device.run(&["mount", folder]).await;
        assert_eq!(refused.code, Some(1), "{refused:#?}");
        let message = status["support"]["message"].as_str().unwrap();
        eprintln!("SKIPPED: {message}");
        assert!(refused.err.contains(message), "{refused:#?}");
        return;
    }

    let words = ["mount", folder, "--profile", "fast", "--json"];
    let (mut first, told) = mounted(&device, &words).await;
    assert_eq!(told["mount"]["state"], "mounted");
    assert_eq!(told["mount"]["profile"], "fast");
    let note = drive.folder().join("note.md");
    fs::write(&note, "kept\n").unwrap();
    let status = device.ok(&["mount-status"]).await;
    let expected = format!("{folder}  mounted\n  profile  fast");
    assert!(status.out.starts_with(&expected), "{status:#?}");
    wait_until(SOON, async || {
        let status = device.json(&["mount-status"]).await;
        status["mounts"][0]["waiting"] == 0
    })
    .await;

    first.kill();
    first.exit(SOON).await;
    let status = device.ok(&["mount-status"]).await;
    assert!(status.out.contains("not mounted"), "{status:#?}");
    let (mut second, told) = mounted(&device, &["mount", "--json"]).await;
    assert_eq!(told["mount"]["folder"], folder, "the drive known");
    assert_eq!(told["mount"]["profile"], "fast");
    assert_eq!(fs::read_to_string(&note).unwrap(), "kept\n");

    let said = device.ok(&["unmount", folder]).await;
    assert!(said.err.contains("Unmounted"), "{said:#?}");
    assert!(second.exit(SOON).await.success());
    assert!(!drive.is_mounted());
    let said = device.run(&["unmount", "elsewhere"]).await;
    assert_eq!(said.code, Some(1), "{said:#?}");

    let (mut third, _) = mounted(&device, &["mount", "--json"]).await;
    third.terminate();
    third.exit(SOON).await;
    assert!(!drive.is_mounted(), "a signal unmounts too");
}
