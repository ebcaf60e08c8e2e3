//! An rclone of the person's own: tested before it is taken, and remembered.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use engine::view::{ProfileName, RcloneView};
use engine::{Config, Mode, Observer, Reply, Request};
use testkit::Server;

use super::device::{Device, Home, config, rename, write};

/// An installation that knows of no rclone but those in `folders`.
async fn open(home: &Home, folders: &[&Path]) -> Device {
    let known = config(home.root(), "laptop", Mode::OnRequest, Observer::none());
    Device::open(Config {
        rclone: None,
        path_variable: Some(std::env::join_paths(folders).unwrap()),
        ..known
    })
    .await
}

fn script(path: &Path, text: &str) -> PathBuf {
    write(path, &format!("#!/bin/sh\n{text}\n"));
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    path.to_owned()
}

async fn used(device: &Device) -> Option<PathBuf> {
    let known = |view: &RcloneView| match view {
        RcloneView::Unknown | RcloneView::Installing => None,
        RcloneView::Ready { path, .. } => Some(Some(path.into())),
        RcloneView::Missing { .. } | RcloneView::TooOld { .. } => Some(None),
    };
    let view = device.until(|view| known(&view.rclone).is_some()).await;
    known(&view.rclone).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_rclone_of_ones_own_is_tested_then_used_first_and_remembered() {
    let home = Home::new("laptop");
    let at = |name: &str| home.root().join(name);
    let device = open(&home, &[]).await;
    assert_eq!(used(&device).await, None);

    let old = r#"echo '{"version":"v1.60.1-DEV","decomposed":[1,60,1]}'"#;
    let unfit = [
        (PathBuf::from("rclone"), "whole path"),
        (at("missing"), "There is no program"),
        (script(&at("broken"), "exit 3"), "is no working rclone"),
        (script(&at("old"), old), "is too old, 1.74.2 is needed"),
    ];
    let settings = at(".config/basic-memory-cloud/settings.json");
    for (path, words) in unfit {
        for request in [
            Request::TestRclone { path: path.clone() },
            Request::UseRclone { path: Some(path) },
        ] {
            let refusal = device.try_ask(request).await.unwrap_err();
            assert_eq!(refusal.field.as_deref(), Some("rclone"), "{refusal:?}");
            assert!(refusal.message.contains(words), "{refusal:?}");
        }
    }
    let own = at("rclone-of-mine");
    symlink(testkit::rclone(), &own).unwrap();
    let fit = Reply::Rclone {
        version: "1.75.2".into(),
        path: own.display().to_string(),
    };
    let path = own.clone();
    assert_eq!(device.ask(Request::TestRclone { path }).await, fit);
    assert_eq!(used(&device).await, None, "a test chooses nothing");
    assert_eq!(device.view().chosen_rclone, None);
    assert!(!settings.exists());

    let path = Some(own.clone());
    assert_eq!(device.ask(Request::UseRclone { path }).await, fit);
    assert_eq!(used(&device).await, Some(own.clone()));
    let chosen = Some(own.display().to_string());
    assert_eq!(device.view().chosen_rclone, chosen);
    device.close().await;

    let folder = at("bin");
    fs::create_dir(&folder).unwrap();
    let found = folder.join("rclone");
    symlink(testkit::rclone(), &found).unwrap();
    let device = open(&home, &[&folder]).await;
    assert_eq!(used(&device).await, Some(own.clone()));
    device.close().await;

    // What is gone is not missed where there is another.
    rename(&own, &at("moved"));
    let device = open(&home, &[&folder]).await;
    assert_eq!(used(&device).await, Some(found.clone()));
    assert_eq!(device.view().chosen_rclone, chosen);
    rename(&at("moved"), &own);
    assert_eq!(
        device.ask(Request::UseRclone { path: None }).await,
        Reply::Done
    );
    assert_eq!(used(&device).await, Some(found));
    assert_eq!(device.view().chosen_rclone, None);
    device.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_other_devices_can_replace_is_not_taken() {
    let state = testkit::scratch();
    let server = Server::start(state.path()).await;
    let ana = "ana@example.org";
    server.activate(ana).await;
    let home = Home::new("laptop");
    home.save("note.md", "a\n");
    let device = home.join(&server, ana, ProfileName::Balanced).await;
    let path = script(&home.vault().join("rclone"), "exit 0");
    let refusal = device.try_ask(Request::TestRclone { path }).await;
    let refusal = refusal.unwrap_err();
    assert!(refusal.message.contains("is synced"), "{refusal:?}");
    // The one that an installation was started with goes before every choice.
    let path = Some(testkit::rclone());
    let refusal = device.try_ask(Request::UseRclone { path }).await;
    assert_eq!(refusal.unwrap_err().code, "rclone_named");
    device.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_on_a_drive_is_neither_run_nor_taken() {
    let home = Home::new("laptop");
    let at = |name: &str| home.root().join(name);
    let drive = at("Drive");
    let bin = at("bin");
    fs::create_dir_all(&drive).unwrap();
    fs::create_dir_all(&bin).unwrap();
    let ran = at("ran");
    let text = format!(
        "touch '{}'; exec '{}' \"$@\"",
        ran.display(),
        testkit::rclone().display()
    );
    let (there, beside) = (
        script(&drive.join("rclone"), &text),
        script(&bin.join("rclone"), &text),
    );
    let link_to_it = at("link-to-it");
    symlink(&there, &link_to_it).unwrap();
    let link_on_it = drive.join("link");
    symlink(&beside, &link_on_it).unwrap();
    let settings = serde_json::json!({ "mounts": [{
        "id": "mount_1", "folder": drive, "profile": "balanced", "account": "somebody",
        "wanted": "unmounted",
    }] });
    let folder = at(".config/basic-memory-cloud");
    fs::create_dir_all(&folder).unwrap();
    write(&folder.join("settings.json"), &settings.to_string());
    let device = open(&home, &[]).await;
    for path in [there, link_to_it, link_on_it, drive.join("missing")] {
        for request in [
            Request::TestRclone { path: path.clone() },
            Request::UseRclone { path: Some(path) },
        ] {
            let refusal = device.try_ask(request).await.unwrap_err();
            assert_eq!(refusal.field.as_deref(), Some("rclone"), "{refusal:?}");
            assert!(refusal.message.contains("is synced"), "{refusal:?}");
        }
    }
    assert!(!ran.exists());
    assert_eq!(used(&device).await, None);
    let path = Some(beside.clone());
    device.ask(Request::UseRclone { path }).await;
    assert!(ran.exists());
    assert_eq!(used(&device).await, Some(beside));
    device.close().await;
}
