//! A subscription that ends between two runs, and sessions that end.

use testkit::{Server, scratch};

use crate::device::{ANA, Device};
use crate::recorder::Recorder;
use crate::syncing::{Stage, stage};

#[tokio::test]
async fn a_lapse_lets_downloads_through_and_edits_wait_for_the_renewal() {
    let Stage {
        server,
        laptop,
        desktop,
        ..
    } = &stage("safe").await;
    desktop.write("before.md", "in the cloud before the lapse\n");
    desktop.ok(&["bisync"]).await;
    laptop.write("waits.md", "waits\n");
    server.expire(ANA).await;
    let said = laptop.run(&["bisync", "--json"]).await;
    assert_eq!(said.code, Some(3), "{said:#?}");
    assert_eq!(
        (said.count("downloaded"), said.count("uploaded")),
        (1, 0),
        "{said:#?}"
    );
    assert_eq!(said.count("waiting"), 1, "{said:#?}");
    assert_eq!(
        said.last_json()["subscribeUrl"],
        "https://basicmemory.com/subscribe"
    );
    assert!(
        said.err
            .contains("Read-only since 1 Jan 2001: 1 change waits here."),
        "{said:#?}"
    );
    assert!(laptop.read("before.md").is_some());
    assert_eq!(laptop.read("waits.md").as_deref(), Some("waits\n"));
    assert_eq!(laptop.run(&["bisync"]).await.code, Some(3));

    server.activate(ANA).await;
    let said = laptop.ok(&["bisync", "--json"]).await;
    assert_eq!(
        (said.count("uploaded"), said.count("conflicts")),
        (1, 0),
        "{said:#?}"
    );
    desktop.ok(&["bisync"]).await;
    assert_eq!(laptop.all(), desktop.all());
}

#[tokio::test]
async fn a_revoked_session_says_sign_in_and_loses_no_edit() {
    let state = scratch();
    let server = Server::start(state.path()).await;
    server.activate(ANA).await;
    let recorder = Recorder::start(&server).await;
    let device = Device::new("laptop");
    device.write("a.md", "a\n");
    let said = device.sign_in_at(&recorder.url, &server).await;
    assert_eq!(said.code, Some(0), "{said:#?}");
    device.ok(&["setup", "--folder", device.folder()]).await;
    device.write("edit.md", "waits\n");
    recorder.revoke_session().await;
    let said = device.run(&["bisync", "--json"]).await;
    assert_eq!(said.code, Some(4), "{said:#?}");
    assert_eq!(said.last_json()["code"], "signed_out");
    assert!(
        said.err.contains("session has ended or was revoked"),
        "{said:#?}"
    );
    assert!(said.err.contains("hint: Run `bm-cloud login`"), "{said:#?}");
    assert_eq!(device.read("edit.md").as_deref(), Some("waits\n"));
    let said = device.sign_in_at(&recorder.url, &server).await;
    assert_eq!(said.code, Some(0), "{said:#?}");
    let said = device.ok(&["bisync", "--json"]).await;
    assert_eq!(
        (said.count("uploaded"), said.count("conflicts")),
        (1, 0),
        "{said:#?}"
    );
}
