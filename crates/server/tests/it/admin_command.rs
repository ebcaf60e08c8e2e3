//! `bm-server admin` beside a server at work.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use testkit::{program, wait_until};

use crate::deployment::Database;
use crate::storage::{new_keys, s3};
use crate::support::{Server, text};

const SOON: Duration = Duration::from_secs(60);
const ANA: &str = "ana@example.org";
const NOBODY: &str = "0190a0a0-0000-4000-8000-000000000000";

fn admin(server: &Server, arguments: &[&str]) -> testkit::Child {
    program(env!("CARGO_BIN_EXE_bm-server"))
        .args(["admin", "tenant"])
        .args(arguments)
        .arg("--json")
        .arg("--state")
        .arg(server.folder.path())
        .spawn()
}

async fn answer(server: &Server, arguments: &[&str]) -> Value {
    let said = admin(server, arguments).success(SOON).await;
    serde_json::from_str(&said).unwrap()
}

async fn status(server: &Server, id: &str) -> String {
    text(&answer(server, &["show", id]).await["tenant"], "status")
}

#[tokio::test]
async fn a_tenant_made_on_the_command_line_is_provisioned_by_the_server() {
    let server = Server::start().await;
    let made = answer(
        &server,
        &["create", "user_new", "--email", "new@example.org"],
    )
    .await;
    let id = text(&made, "tenant_id");
    assert_eq!(made["workos_user_id"], "user_new");
    assert_eq!(made["status"], "provisioning");
    let again = answer(&server, &["create", "user_new"]).await;
    assert_eq!(
        (&again["tenant_id"], &again["email"]),
        (&json!(id), &made["email"])
    );

    // The command works by the system's clock, and the server's stands still.
    server.put_clock_forward(Duration::from_secs(3_600));
    wait_until(SOON, async || status(&server, &id).await == "ready").await;
    let listed = answer(&server, &["list"]).await;
    assert_eq!(listed["tenants"][0]["tenant_id"], json!(id));
    assert_eq!(listed["next"], Value::Null);
    let shown = answer(&server, &["show", &id]).await;
    let done: Vec<&str> = shown["steps"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|step| step["event"] == "done")
        .map(|step| step["step"].as_str().unwrap())
        .collect();
    assert_eq!(done.first(), Some(&"bucket"));
    assert_eq!(done.last(), Some(&"ready"));

    answer(&server, &["provision", &id]).await;
    for arguments in [["show", NOBODY], ["delete", NOBODY], ["provision", "x"]] {
        let mut refused = admin(&server, &arguments);
        assert_eq!(refused.exit(SOON).await.code(), Some(1), "{arguments:?}");
        assert!(
            refused.stderr().contains("there is no tenant"),
            "{}",
            refused.stderr()
        );
    }
}

#[tokio::test]
async fn a_deleted_tenant_is_shut_at_once_and_its_bucket_goes_later() {
    let server = Server::start().await;
    let token = server.ready_member(ANA).await;
    let keys = new_keys(&server, &token).await;
    let put = s3(&keys, "PUT", &keys.bucket_name, "note.md", "hers").await;
    assert_eq!(put.0, StatusCode::OK);

    let deleted = answer(&server, &["delete", &keys.tenant_id]).await;
    assert_eq!(deleted["status"], "deleting");
    let (shut, body) = server.call(&token, "GET", "/tenant/mount/info").await;
    assert_eq!(
        (shut, &body["error"]),
        (StatusCode::FORBIDDEN, &json!("no_tenant"))
    );
    let (_, again) = server.call(&token, "POST", "/tenants/setup").await;
    assert_eq!(again["status"], "ready");
    assert_ne!(again["tenant_id"], json!(keys.tenant_id));

    // Not so far that signatures would be refused for their age.
    server.put_clock_forward(Duration::from_secs(300));
    wait_until(SOON, async || {
        let read = s3(&keys, "GET", &keys.bucket_name, "note.md", "").await;
        read.0 == StatusCode::FORBIDDEN
    })
    .await;
    let others = new_keys(&server, &token).await;
    let put = s3(&others, "PUT", &others.bucket_name, "note.md", "new").await;
    assert_eq!(put.0, StatusCode::OK);
    let blobs = server.folder.path().join("buckets/blobs");
    let blobs = || std::fs::read_dir(&blobs).unwrap().count();
    assert_eq!(
        (blobs(), status(&server, &keys.tenant_id).await.as_str()),
        (2, "deleting")
    );

    server.put_clock_forward(Duration::from_secs(31 * 24 * 60 * 60));
    wait_until(SOON, async || blobs() == 1).await;
    wait_until(SOON, async || {
        let mut shown = admin(&server, &["show", &keys.tenant_id]);
        shown.exit(SOON).await.code() == Some(1)
    })
    .await;
}

#[tokio::test]
async fn a_folder_without_a_database_is_left_empty() {
    let folder = tempfile::tempdir().unwrap();
    let mut refused = program(env!("CARGO_BIN_EXE_bm-server"))
        .args(["admin", "tenant", "list", "--state"])
        .arg(folder.path())
        .spawn();
    assert_eq!(refused.exit(SOON).await.code(), Some(1));
    assert!(
        refused.stderr().contains("no server's database"),
        "{}",
        refused.stderr()
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn old_versions_are_told_and_then_removed_and_the_newest_ones_stay() {
    let server = Server::start().await;
    let token = server.ready_member(ANA).await;
    let keys = new_keys(&server, &token).await;
    for text in ["one", "two", "three", "four", "five"] {
        let put = s3(&keys, "PUT", &keys.bucket_name, "note.md", text).await;
        assert_eq!(put.0, StatusCode::OK);
    }
    let versions = Database::Sqlite(server.folder.path().join("buckets/store.db"));
    let days_ago = "update versions set modified_ms = modified_ms - (200 - seq) * 86400000";
    assert_eq!(versions.execute(days_ago).await, 5);
    let told = answer(&server, &["sweep", &keys.tenant_id, "--dry-run"]).await;
    let expected = json!({
        "tenant_id": keys.tenant_id, "bucket_name": keys.bucket_name,
        "listed": 5, "removable": 1, "removable_bytes": 3, "snapshots": 0,
    });
    assert_eq!(told, expected);
    let count = async || versions.number("select count(*) from versions").await;
    assert_eq!(count().await, 5);

    let due = answer(&server, &["sweep", &keys.tenant_id]).await;
    assert_eq!(due["tenant_id"], json!(keys.tenant_id));
    let server = server.restart().await;
    wait_until(SOON, async || count().await == 4).await;
    let told = answer(&server, &["sweep", &keys.tenant_id, "--dry-run"]).await;
    assert_eq!(told["removable"], 0);
    let mut refused = admin(&server, &["sweep", NOBODY, "--dry-run"]);
    assert_eq!(refused.exit(SOON).await.code(), Some(1));
}
