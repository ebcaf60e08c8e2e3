//! Keys to the bucket, and the person's own rclone with one of them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;
use testkit::{Server, program, scratch};

use crate::device::{ANA, Device, SOON};
use crate::syncing::{Stage, stage};

/// What rclone lists with this configuration in the only remote it has.
async fn listed(config: &Path) -> Result<String, String> {
    let text = fs::read_to_string(config).unwrap();
    let place = text
        .lines()
        .find_map(|line| line.strip_prefix("# The notes are in "))
        .unwrap();
    let mut rclone = program(testkit::rclone())
        .arg("--config")
        .arg(config)
        .args(["lsf", "-R", "--files-only", place])
        .args(["--retries", "1", "--low-level-retries", "1"])
        .spawn();
    match rclone.exit(SOON).await.success() {
        true => Ok(rclone.stdout()),
        false => Err(rclone.stderr()),
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

async fn keys(device: &Device) -> Vec<Value> {
    let answer = device.json(&["credentials", "list"]).await;
    answer["credentials"].as_array().unwrap().clone()
}

async fn own(device: &Device) -> String {
    let keys = keys(device).await;
    let mut own = keys.iter().filter(|key| key["thisDevice"] == true);
    let id = own.next().unwrap()["id"].as_str().unwrap().to_owned();
    assert_eq!(own.next(), None, "one key of its own");
    id
}

#[tokio::test]
async fn keys_are_listed_made_and_taken_away() {
    let Stage {
        laptop, desktop, ..
    } = &stage("safe").await;
    let (first, others) = (own(laptop).await, own(desktop).await);
    assert_ne!(first, others);
    assert_eq!(keys(laptop).await.len(), 2);

    let file = laptop.home().join("backup.conf");
    let path = file.to_str().unwrap();
    laptop
        .ok(&["credentials", "create", "--name", "backup", "--file", path])
        .await;
    assert_eq!(mode(&file), 0o600);
    assert!(listed(&file).await.unwrap().contains("a.md\n"));
    let before = fs::read(&file).unwrap();
    let again = laptop
        .run(&["credentials", "create", "--name", "x", "--file", path])
        .await;
    assert_eq!(again.code, Some(1), "{again:#?}");
    assert!(again.err.contains("exists already"), "{again:#?}");
    assert_eq!(fs::read(&file).unwrap(), before);
    let synced = laptop.notes().join("key.conf");
    let synced = synced.to_str().unwrap();
    let refused = laptop
        .run(&[
            "credentials",
            "create",
            "--name",
            "x",
            "--file",
            synced,
            "--json",
        ])
        .await;
    assert_eq!(refused.last_json()["code"], "file_synced");
    let all = keys(laptop).await;
    assert_eq!(all.len(), 3, "what came to nothing left no key: {all:#?}");

    let known = [first.as_str(), others.as_str()];
    let made = all
        .iter()
        .map(|key| key["id"].as_str().unwrap())
        .find(|id| !known.contains(id))
        .unwrap();
    laptop.ok(&["credentials", "revoke", made]).await;
    assert!(listed(&file).await.is_err(), "the key opens nothing");

    let said = laptop.ok(&["credentials", "revoke", &first]).await;
    assert!(
        said.err.contains("a new one has taken its place"),
        "{said:#?}"
    );
    assert_ne!(own(laptop).await, first);
    laptop.write("new.md", "with a new key\n");
    assert_eq!(laptop.ok(&["bisync", "--json"]).await.count("uploaded"), 1);

    laptop.ok(&["credentials", "revoke", &others]).await;
    desktop.write("more.md", "made while revoked\n");
    desktop.ok(&["bisync"]).await;
    assert_ne!(own(desktop).await, others, "the desktop is still signed in");
    assert_eq!(desktop.read("new.md").as_deref(), Some("with a new key\n"));
}

#[tokio::test]
async fn without_a_sign_in_there_are_no_keys_to_show() {
    let device = Device::new("laptop");
    for words in [
        &["credentials"][..],
        &["credentials", "revoke", "x"],
        &["rclone", "export"],
    ] {
        let said = device.run(words).await;
        assert_eq!(said.code, Some(4), "{words:?}: {said:#?}");
    }
}

const FOREIGN: &str = "# mine\n[Drive]\ntype = drive\n; a comment\nToken = {\"a\":\"b\"}\n\n\
                       # the end, without a line end\n[last]\ntype = local";

#[tokio::test]
async fn an_export_gives_the_persons_own_rclone_a_remote_and_touches_nothing_else() {
    let state = scratch();
    let server = Server::start(state.path()).await;
    server.activate(ANA).await;
    let device = Device::new("laptop");
    device.write("a.md", "a\n");
    device.set_up(&server, "safe").await;
    let config = device.home().join(".config/rclone/rclone.conf");
    fs::create_dir_all(config.parent().unwrap()).unwrap();
    fs::write(&config, FOREIGN).unwrap();
    fs::set_permissions(&config, fs::Permissions::from_mode(0o644)).unwrap();

    let first = device.json(&["rclone", "export"]).await;
    assert_eq!(first["path"], config.to_str().unwrap());
    let backup = first["backup"].as_str().unwrap();
    assert_eq!(fs::read_to_string(backup).unwrap(), FOREIGN);
    assert_eq!((mode(&config), mode(Path::new(backup))), (0o600, 0o600));
    let text = fs::read_to_string(&config).unwrap();
    assert!(text.starts_with(FOREIGN), "{text}");
    assert!(listed(&config).await.unwrap().contains("a.md\n"));
    assert_eq!(keys(&device).await.len(), 2);

    let second = device.json(&["rclone", "export"]).await;
    assert_ne!(second["backup"], first["backup"]);
    assert!(listed(&config).await.is_ok());
    assert_eq!(keys(&device).await.len(), 2, "the key before is revoked");
    let again = fs::read_to_string(&config).unwrap();
    assert!(again.starts_with(FOREIGN));
    assert_eq!(again.lines().count(), text.lines().count());

    let other = device.home().join("elsewhere/own.conf");
    let path = other.to_str().unwrap();
    let third = device.json(&["rclone", "export", "--config", path]).await;
    assert_eq!(third["backup"], Value::Null);
    assert!(listed(&other).await.is_ok());
    let encrypted = "# Encrypted rclone configuration File\n\nRCLONE_ENCRYPT_V0:\nAAAA\n";
    fs::write(&other, encrypted).unwrap();
    let refused = device.run(&["rclone", "export", "--config", path]).await;
    assert_eq!(refused.code, Some(1), "{refused:#?}");
    assert!(refused.err.contains("is encrypted"), "{refused:#?}");
    assert!(refused.err.contains("hint: "), "{refused:#?}");
    assert_eq!(fs::read_to_string(&other).unwrap(), encrypted);
}
