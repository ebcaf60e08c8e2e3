use rclone::{PINNED, RcClient, RcError};
use testkit::{Child, program, wait_for};

use crate::bench::SOON;

async fn daemon(folder: &tempfile::TempDir) -> (Child, RcClient) {
    let socket = folder.path().join("s");
    let child = program(testkit::rclone())
        .args(["rcd", "--config", "", "--rc-no-auth", "--rc-addr"])
        .arg(format!("unix://{}", socket.display()))
        .env_clear()
        .env("HOME", folder.path())
        .spawn();
    let rc = RcClient::new(socket);
    wait_for(SOON, async || rc.pid().await.ok()).await;
    (child, rc)
}

#[tokio::test]
async fn answers_typed_calls_and_quits() {
    let folder = testkit::scratch();
    let (mut child, rc) = daemon(&folder).await;
    assert_eq!(rc.pid().await.unwrap(), child.pid());
    assert_eq!(rc.version().await.unwrap(), PINNED);
    assert_eq!(rc.stats().await.unwrap().bytes, 0);
    rc.quit().await.unwrap();
    assert!(child.exit(SOON).await.success());
    assert!(matches!(rc.pid().await, Err(RcError::Unreachable(_))));
}

#[tokio::test]
async fn a_socket_that_nobody_made_is_unreachable() {
    let folder = testkit::scratch();
    let rc = RcClient::new(folder.path().join("s"));
    assert!(matches!(rc.stats().await, Err(RcError::Unreachable(_))));
}
