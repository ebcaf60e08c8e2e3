use std::fs;
use std::path::Path;
use std::time::Duration;

use secrecy::ExposeSecret;
use testkit::program;

use crate::client::Client;
use crate::served::{fresh, scratch};

const MINUTE: Duration = Duration::from_secs(60);

/// Runs rclone without any configuration of the machine; gives its standard output.
async fn rclone(client: &Client, arguments: &[&str]) -> String {
    let home = scratch();
    let mut child = program(testkit::rclone())
        .args(arguments)
        .args([
            "--config",
            "",
            "--retries",
            "1",
            "--low-level-retries",
            "1",
            "--stats",
            "0",
        ])
        .env_clear()
        .env("HOME", home.path())
        .env("RCLONE_CONFIG_STORE_TYPE", "s3")
        .env("RCLONE_CONFIG_STORE_PROVIDER", "Other")
        .env("RCLONE_CONFIG_STORE_ENDPOINT", &client.endpoint)
        .env("RCLONE_CONFIG_STORE_ACCESS_KEY_ID", &client.access_key)
        .env(
            "RCLONE_CONFIG_STORE_SECRET_ACCESS_KEY",
            client.secret.expose_secret(),
        )
        .env("RCLONE_CONFIG_STORE_REGION", "auto")
        .env("RCLONE_CONFIG_STORE_FORCE_PATH_STYLE", "true")
        .env("RCLONE_CONFIG_STORE_LIST_VERSION", "2")
        .env("RCLONE_CONFIG_STORE_LIST_URL_ENCODE", "true")
        .env("RCLONE_CONFIG_STORE_CHUNK_SIZE", "5Mi")
        .env("RCLONE_CONFIG_STORE_UPLOAD_CUTOFF", "6Mi")
        .spawn();
    let status = child.exit(MINUTE).await;
    assert!(status.success(), "rclone {arguments:?}: {}", child.stderr());
    child.stdout()
}

const NAMES: [&str; 14] = [
    "plain.md",
    "with space.md",
    "folder one/deep/er/note.md",
    "Zażółć gęślą jaźń.md",
    "日本語/ノート.md",
    "emoji 🗒️.md",
    "quote \"double\" 'single'.md",
    "100% sure.md",
    "%20 literal.md",
    "plus+plus & and=equals.md",
    "semi;colon,comma#hash?.md",
    "[brackets] {braces}.md",
    "back\\slash.md",
    "empty.md",
];

fn write_tree(root: &Path) {
    for name in NAMES {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let text = if name == "empty.md" {
            String::new()
        } else {
            format!("# {name}\n")
        };
        fs::write(path, text).unwrap();
    }
    let large: Vec<u8> = (0..13_000_000_u32)
        .map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0])
        .collect();
    fs::write(root.join("large.bin"), large).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rclone_copies_checks_renames_and_deletes_a_tree_with_odd_names() {
    let (_folder, _served, client) = fresh().await;
    let tree = scratch();
    write_tree(tree.path());
    let local = tree.path().to_str().unwrap();
    rclone(&client, &["copy", local, "store:notes/vault"]).await;
    rclone(
        &client,
        &["check", "--download", local, "store:notes/vault"],
    )
    .await;

    let listed = rclone(
        &client,
        &[
            "lsjson",
            "-R",
            "--files-only",
            "--hash",
            "store:notes/vault",
        ],
    )
    .await;
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let mut found: Vec<&str> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["Path"].as_str().unwrap())
        .collect();
    let mut expected: Vec<&str> = NAMES.to_vec();
    expected.push("large.bin");
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);

    rclone(
        &client,
        &[
            "moveto",
            "store:notes/vault/100% sure.md",
            "store:notes/vault/50% sure.md",
        ],
    )
    .await;
    fs::rename(
        tree.path().join("100% sure.md"),
        tree.path().join("50% sure.md"),
    )
    .unwrap();
    fs::write(tree.path().join("plain.md"), "changed").unwrap();
    fs::remove_file(tree.path().join("with space.md")).unwrap();
    rclone(&client, &["sync", local, "store:notes/vault"]).await;
    rclone(
        &client,
        &["check", "--download", local, "store:notes/vault"],
    )
    .await;

    rclone(&client, &["delete", "store:notes/vault"]).await;
    assert_eq!(rclone(&client, &["lsf", "-R", "store:notes"]).await, "");
    assert!(client.list("versions").await.ok().all("DeleteMarker").len() >= NAMES.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rclone_sees_one_bucket_and_keeps_modification_times() {
    let (_folder, served, client) = fresh().await;
    served.client("foreign");
    let tree = scratch();
    fs::write(tree.path().join("a.md"), "one").unwrap();
    let local = tree.path().to_str().unwrap();
    rclone(&client, &["copy", local, "store:notes"]).await;
    assert_eq!(
        rclone(&client, &["lsd", "store:"])
            .await
            .matches("notes")
            .count(),
        1
    );
    assert_eq!(
        rclone(&client, &["lsd", "store:"])
            .await
            .matches("foreign")
            .count(),
        0
    );
    let back = scratch();
    let target = back.path().to_str().unwrap();
    rclone(&client, &["copy", "store:notes", target]).await;
    let time = |folder: &Path| {
        fs::metadata(folder.join("a.md"))
            .unwrap()
            .modified()
            .unwrap()
    };
    assert_eq!(time(back.path()), time(tree.path()));
}
