//! What can be wrong with the machine: folder, rclone, own state.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use testkit::{Server, scratch};

use crate::device::{ANA, Device};
use crate::syncing::{Stage, stage};

#[tokio::test]
async fn a_missing_folder_halts_and_deletes_nothing() {
    let Stage {
        laptop, desktop, ..
    } = &stage("safe").await;
    let away = laptop.home().join("Away");
    fs::rename(laptop.notes(), &away).unwrap();
    let said = laptop.run(&["bisync", "--json"]).await;
    assert_eq!(said.code, Some(5), "{said:#?}");
    assert_eq!(said.last_json()["code"], "RootMissing");
    assert!(
        said.err
            .contains("The notes folder is missing\nhint: Bring the folder back"),
        "{said:#?}"
    );
    assert_eq!(laptop.run(&["bisync", "--yes"]).await.code, Some(5));
    let said = desktop.ok(&["bisync"]).await;
    assert!(said.out.starts_with("Up to date · 2 notes"), "{said:#?}");
    fs::rename(&away, laptop.notes()).unwrap();
    let said = laptop.ok(&["bisync"]).await;
    assert!(said.out.starts_with("Up to date · 2 notes"), "{said:#?}");
}

#[tokio::test]
async fn an_emptied_folder_halts_until_somebody_says_yes_or_brings_it_back() {
    let Stage {
        laptop, desktop, ..
    } = &stage("safe").await;
    let notes = laptop.all();
    for path in notes.keys() {
        fs::remove_file(laptop.notes().join(path)).unwrap();
    }
    let said = laptop.run(&["bisync"]).await;
    assert_eq!(said.code, Some(5), "{said:#?}");
    assert!(
        said.err
            .contains("The notes folder is empty, but 2 notes are known"),
        "{said:#?}"
    );
    for (path, text) in &notes {
        laptop.write(path, text);
    }
    laptop.ok(&["bisync"]).await;
    desktop.ok(&["bisync"]).await;
    assert_eq!(desktop.all(), notes);
}

#[tokio::test]
async fn without_any_rclone_the_way_out_is_told() {
    let Stage { laptop, .. } = &mut stage("safe").await;
    laptop.set("BM_CLOUD_RCLONE", "/nonexistent/rclone");
    laptop.write("edit.md", "waits\n");
    let said = laptop.run(&["bisync"]).await;
    assert_eq!(said.code, Some(1), "{said:#?}");
    assert!(said.err.contains("hint: "), "{said:#?}");
    assert!(
        said.err.to_lowercase().contains("rclone") || said.err.contains("ython"),
        "{said:#?}"
    );
    let status = laptop.run(&["status"]).await;
    assert_eq!(status.code, Some(1), "{status:#?}");
    let setup = laptop.run(&["setup", "--folder", laptop.folder()]).await;
    assert_eq!(setup.code, Some(1), "{setup:#?}");
    assert!(
        setup.err.contains("Installing a copy of rclone"),
        "{setup:#?}"
    );
    laptop.set("BM_CLOUD_RCLONE", testkit::rclone());
    let said = laptop.ok(&["bisync", "--json"]).await;
    assert_eq!(said.count("uploaded"), 1, "{said:#?}");
}

#[tokio::test]
async fn an_rclone_of_ones_own_is_tested_and_remembered() {
    let mut device = Device::new("laptop");
    device.unset("BM_CLOUD_RCLONE");
    let path = testkit::rclone();
    let path = path.to_str().unwrap();
    let said = device.run(&["rclone", "use", "/nonexistent/rclone"]).await;
    assert_eq!(said.code, Some(1), "{said:#?}");
    assert!(said.err.contains("There is no program"), "{said:#?}");
    assert_eq!(device.run(&["rclone"]).await.code, Some(1));
    let said = device.ok(&["rclone", "use", path]).await;
    assert!(said.out.contains(path), "{said:#?}");
    let status = device.json(&["rclone"]).await;
    assert_eq!(status["rclone"]["path"], path, "{status}");
    let said = device.run(&["rclone", "use", "--any"]).await;
    assert_eq!(said.code, Some(1), "{said:#?}");
    assert!(said.err.contains("was not found"), "{said:#?}");
}

#[tokio::test]
async fn an_old_rclone_is_refused_with_its_version() {
    let Stage { laptop, .. } = &mut stage("safe").await;
    let old = laptop.home().join("old-rclone");
    fs::write(
        &old,
        "#!/bin/sh\necho '{\"version\": \"v1.60.1-DEV\", \"decomposed\": [1, 60, 1]}'\n",
    )
    .unwrap();
    fs::set_permissions(&old, fs::Permissions::from_mode(0o755)).unwrap();
    laptop.set("BM_CLOUD_RCLONE", &old);
    laptop.write("edit.md", "waits\n");
    let said = laptop.run(&["bisync", "--json"]).await;
    assert_eq!(said.code, Some(1), "{said:#?}");
    assert!(said.err.contains("rclone"), "{said:#?}");
    assert!(said.err.contains("hint: "), "{said:#?}");
    let status = laptop.run(&["status"]).await;
    assert_eq!(status.code, Some(1), "{status:#?}");
    assert!(status.out.contains("1.60.1"), "{status:#?}");
    assert_eq!(laptop.read("edit.md").as_deref(), Some("waits\n"));
}

#[tokio::test]
async fn a_damaged_state_is_put_aside_and_no_note_is_lost() {
    let Stage {
        laptop, desktop, ..
    } = &stage("safe").await;
    damage(laptop);
    let said = laptop.ok(&["bisync"]).await;
    assert!(
        said.err
            .contains("! The sync state was damaged and put aside as"),
        "{said:#?}"
    );
    let names = fs::read_dir(laptop.state()).unwrap();
    let aside = names
        .flatten()
        .any(|it| it.file_name().to_string_lossy().contains("damaged"));
    assert!(aside, "the damaged database is kept");
    assert_eq!(laptop.all(), desktop.all());

    desktop.write("a.md", "a\nfrom desktop\n");
    desktop.ok(&["bisync"]).await;
    laptop.write("Deep/er/b.md", "b\nedited\n");
    damage(laptop);
    let said = laptop.run(&["bisync"]).await;
    assert_eq!(said.code, Some(5), "{said:#?}");
    assert!(said.err.contains("Sync lost its place"), "{said:#?}");
    laptop.ok(&["bisync", "--yes"]).await;
    for device in [desktop, laptop, desktop] {
        device.ok(&["bisync"]).await;
    }
    assert_eq!(laptop.all(), desktop.all());
    let texts: Vec<String> = laptop.all().into_values().collect();
    for text in ["a\nfrom desktop\n", "b\nedited\n"] {
        assert!(
            texts.iter().any(|it| it == text),
            "{text} is lost: {texts:?}"
        );
    }
}

fn damage(device: &Device) {
    let text = "this is no database, and longer than a header of one ".repeat(200);
    fs::write(device.state().join("state.db"), text).unwrap();
    for journal in ["state.db-wal", "state.db-shm"] {
        fs::remove_file(device.state().join(journal)).ok();
    }
}

#[tokio::test]
async fn settings_that_cannot_be_read_are_left_alone() {
    let Stage { laptop, .. } = &stage("safe").await;
    let settings = laptop
        .home()
        .join(".config/basic-memory-cloud/settings.json");
    let good = fs::read(&settings).unwrap();
    fs::write(&settings, "{ \"pairs\": [").unwrap();
    let said = laptop.run(&["bisync"]).await;
    assert_eq!(said.code, Some(1), "{said:#?}");
    assert!(said.err.contains("settings.json"), "{said:#?}");
    assert!(
        said.err.contains("hint: Mend or move away the file"),
        "{said:#?}"
    );
    assert_eq!(fs::read(&settings).unwrap(), b"{ \"pairs\": [");
    fs::write(&settings, good).unwrap();
    laptop.ok(&["bisync"]).await;
}

#[tokio::test]
async fn folders_that_cannot_hold_notes_are_refused() {
    let state = scratch();
    let server = Server::start(state.path()).await;
    server.activate(ANA).await;
    let device = Device::new("laptop");
    device.sign_in(&server).await;
    fs::write(device.home().join("file"), "").unwrap();
    for folder in ["file", ".local/state/basic-memory-cloud/x", "."] {
        let said = device.run(&["setup", "--folder", folder]).await;
        assert_eq!(said.code, Some(1), "{folder}: {said:#?}");
    }
    // A relative path is taken from where the person stands, the default from their home.
    device.ok(&["setup", "--folder", "Some/Notes"]).await;
    assert!(device.home().join("Some/Notes").is_dir());
    let not_set_up = Device::new("desktop");
    not_set_up.sign_in(&server).await;
    let said = not_set_up.run(&["bisync"]).await;
    assert_eq!(said.code, Some(1), "{said:#?}");
    assert!(
        said.err
            .contains("hint: Run `bm-cloud setup --folder PATH`."),
        "{said:#?}"
    );
    not_set_up.ok(&["setup"]).await;
    assert!(not_set_up.home().join("basic-memory").is_dir());
}

#[tokio::test]
async fn logs_are_silent_unless_asked_for() {
    let Stage { laptop, .. } = &mut stage("safe").await;
    assert_eq!(laptop.ok(&["bisync"]).await.err, "");
    let said = laptop.ok(&["bisync", "-v"]).await;
    assert!(said.err.contains("INFO"), "{said:#?}");
    laptop.set("BM_CLOUD_LOG", "debug");
    let said = laptop.ok(&["bisync"]).await;
    assert!(
        said.err.contains("INFO") || said.err.contains("DEBUG"),
        "{said:#?}"
    );
    assert!(
        !said.err.contains('\u{1b}'),
        "no colors in a file: {said:#?}"
    );
}
