//! The tray of the real app, read and clicked as a panel does it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use testkit::{Server, scratch, wait_until};

use crate::desktop::{Desktop, SOON};
use crate::person::{Device, prepare, save};
use crate::tray::Panel;

const UP_TO_DATE: &str = "
  - Up to date · checked just now
  > Open notes folder
  > Open window…
---
[x] Sync
  > Sync now
---
  - ana@example.org · development
---
[ ] Start at login
  > Quit and stop syncing
";

/// A desktop where Ana is signed in and `~/Notes` is set up, and her other device.
async fn at_work() -> (Desktop, Server, tempfile::TempDir, PathBuf, Device) {
    let state = scratch();
    let server = Server::start(state.path()).await;
    server.activate(crate::person::ANA).await;
    let desktop = Desktop::start().await;
    let folder = desktop.home().join("Notes");
    save(&folder, "Start here.md", "# Start here\n");
    prepare(&desktop, &server, &folder).await;
    let other = Device::other(&server).await;
    (desktop, server, state, folder, other)
}

#[tokio::test]
async fn offers_sign_in_when_nobody_is_signed_in() {
    let desktop = Desktop::start().await;
    let mut panel = Panel::start(&desktop).await;
    let mut app = desktop.app(&["--background"]);
    let icon = panel.icon().await;
    icon.shows(
        "
  - Sign in
  > Sign in…
---
[ ] Start at login
  > Quit and stop syncing
",
    )
    .await;
    icon.looks("signedOut").await;
    icon.click("Quit and stop syncing").await;
    assert_eq!(app.exit(SOON).await.code(), Some(0));
}

#[tokio::test]
async fn the_toggle_pauses_sync_and_lets_it_go_on() {
    let (desktop, _server, _state, folder, other) = at_work().await;
    let mut panel = Panel::start(&desktop).await;
    let mut app = desktop.app(&["--background"]);
    let icon = panel.icon().await;
    icon.shows(UP_TO_DATE).await;
    icon.looks("idle").await;

    save(&folder, "on.md", "Saved while sync is on.\n");
    let began = Instant::now();
    wait_until(SOON, async || other.in_cloud("on.md").await.is_some()).await;
    let usual = began.elapsed();

    icon.click("Sync").await;
    icon.shows(
        &UP_TO_DATE
            .replace("Up to date · checked just now", "Sync is off")
            .replace("[x]", "[ ]"),
    )
    .await;
    icon.looks("paused").await;
    save(&folder, "off.md", "Saved while sync is off.\n");
    let end = Instant::now() + (2 * usual).max(Duration::from_secs(2));
    while Instant::now() < end {
        assert_eq!(other.in_cloud("off.md").await, None);
    }

    icon.click("Sync").await;
    wait_until(SOON, async || other.in_cloud("off.md").await.is_some()).await;
    icon.shows(UP_TO_DATE).await;
    icon.looks("idle").await;

    icon.click("Quit and stop syncing").await;
    assert_eq!(app.exit(SOON).await.code(), Some(0));
    assert_eq!(desktop.helpers(), Vec::<String>::new());
}

#[tokio::test]
async fn sync_now_carries_even_while_the_interval_is_long() {
    let (mut desktop, _server, _state, folder, other) = at_work().await;
    desktop.set("BM_CLOUD_INTERVAL_SECONDS", "3600");
    let mut panel = Panel::start(&desktop).await;
    let _app = desktop.app(&["--background"]);
    let icon = panel.icon().await;
    icon.shows(UP_TO_DATE).await;

    let here = Device::on(&desktop, &folder).await;
    let before = here.last_run();
    assert!(before > 0, "the first pass is over");
    other.save("from the desk.md", "Written on the other device.\n");
    other.sync().await;
    icon.click("Sync now").await;
    wait_until(SOON, async || here.last_run() > before).await;
    let arrived = || folder.join("from the desk.md").exists();
    wait_until(SOON, async || arrived()).await;

    icon.click("Open notes folder").await;
    let wanted = vec![folder.display().to_string()];
    wait_until(SOON, async || desktop.opened() == wanted).await;
}

#[tokio::test]
async fn a_conflict_waits_in_the_menu_for_a_review() {
    let (desktop, _server, _state, folder, other) = at_work().await;
    let mut panel = Panel::start(&desktop).await;
    let _app = desktop.app(&["--background"]);
    let icon = panel.icon().await;
    icon.shows(UP_TO_DATE).await;

    icon.click("Sync").await;
    icon.looks("paused").await;
    save(&folder, "Start here.md", "# Start here, on the laptop\n");
    other.save("Start here.md", "# Start here, at the desk\n");
    other.sync().await;
    icon.click("Sync").await;
    icon.shows(
        "
  - 1 conflict to review
  > Open notes folder
  > Open window…
---
[x] Sync
  > Sync now
---
  > 1 conflict to review…
---
  - ana@example.org · development
---
[ ] Start at login
  > Quit and stop syncing
",
    )
    .await;
    icon.looks("attention").await;
}
