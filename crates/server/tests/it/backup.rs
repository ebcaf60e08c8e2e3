//! An embedded deployment that loses its state folder and gets it back.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reqwest::StatusCode;
use testkit::{Child, program};
use wire::MountCredentials;

use crate::storage::s3;
use crate::support::Server;

const SOON: Duration = Duration::from_secs(60);
const ANA: &str = "ana@example.org";

fn bm_server(arguments: &[&str], state: &Path, place: &Path) -> Child {
    program(env!("CARGO_BIN_EXE_bm-server"))
        .args(arguments)
        .arg("--state")
        .arg(state)
        .arg(place)
        .spawn()
}

async fn done(mut child: Child) -> serde_json::Value {
    assert!(child.exit(SOON).await.success(), "{}", child.stderr());
    serde_json::from_str(&child.stdout()).unwrap()
}

/// People, their tokens, keys and every byte they stored.
#[tokio::test]
async fn a_server_that_lost_its_state_is_what_it_was_at_the_backup() {
    let server = Server::start().await;
    let token = server.ready_member(ANA).await;
    let (status, keys) = server
        .call(&token, "POST", "/tenant/mount/credentials")
        .await;
    assert_eq!(status, StatusCode::OK, "{keys}");
    let keys: MountCredentials = serde_json::from_value(keys).unwrap();
    let put = async |name: &str, text: &str| {
        let (status, body) = s3(&keys, "PUT", &keys.bucket_name, name, text).await;
        assert_eq!(status, StatusCode::OK, "{body}");
    };
    let get = async |name: &str| {
        let (status, body) = s3(&keys, "GET", &keys.bucket_name, name, "").await;
        assert_eq!(status, StatusCode::OK, "{body}");
        body
    };
    for number in 0..50 {
        put(&format!("note-{number}.md"), &format!("text {number}")).await;
    }
    put("changing.md", "version 0").await;
    let place = tempfile::tempdir().unwrap();
    let backup = place.path().join("backup");

    // The server works on while the backup is taken.
    let taking = done(bm_server(&["backup"], server.folder.path(), &backup));
    let mut taking = std::pin::pin!(taking);
    let mut number = 1;
    let report = loop {
        let text = format!("version {number}");
        let writing = put("changing.md", &text);
        number += 1;
        tokio::select! {
            report = &mut taking => break report,
            () = writing => {}
        }
    };
    assert!(report["files"].as_u64().unwrap() > 50, "{report}");
    put("note-0.md", "after the backup").await;
    let before = (server.s3.clone(), server.url.clone());
    let lost = server.folder.path().to_owned();
    server.stop().await;
    assert!(!lost.exists(), "the state is lost");

    let state = Arc::new(tempfile::tempdir().unwrap());
    let restored = done(bm_server(&["restore"], state.path(), &backup)).await;
    assert!(restored["moved_aside"].is_null(), "{restored}");
    let again = Server::start_in(Arc::clone(&state)).await;
    assert_eq!(
        (again.s3.clone(), again.url.clone()),
        before,
        "clients find it"
    );
    let (status, info) = again.call(&token, "GET", "/tenant/mount/info").await;
    assert_eq!(status, StatusCode::OK, "{info}");
    for number in 0..50 {
        assert_eq!(
            get(&format!("note-{number}.md")).await,
            format!("text {number}")
        );
    }
    assert!(get("changing.md").await.starts_with("version "));
    put("new.md", "it goes on").await;

    for (arguments, said) in [
        (&["restore"][..], "is there already and not empty"),
        (&["restore", "--replace"], "stop its server first"),
    ] {
        let mut refused = bm_server(arguments, state.path(), &backup);
        assert_eq!(refused.exit(SOON).await.code(), Some(1));
        assert!(refused.stderr().contains(said), "{}", refused.stderr());
    }
}
