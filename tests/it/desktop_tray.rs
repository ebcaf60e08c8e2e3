//! The tray of the real app, read and clicked as a panel does it.

use std::time::{Duration, Instant};

use engine::view::ProfileName;
use testkit::wait_until;

use crate::desktop::{Desktop, SOON};
use crate::person::{Device, at_work, save};
use crate::tray::Panel;

pub(crate) const UP_TO_DATE: &str = "
  - Up to date · checked just now
  > Open notes folder
  > Open window…
---
[x] Sync
  > Pause
      > 30 minutes
      > 1 hour
      > Until tomorrow
  > Sync now
---
  > Folders
      - Notes
      > Open
      > Sync now
    (o) Safe: keep both versions
    ( ) Balanced: newer version wins
    ( ) Fast: fewer checks
---
  > ana@example.org · development, renews 1 Jan 2099
  - … of notes in the cloud
---
  > Settings…
[ ] Start at login
  > Help
      > Documentation
      > Set up again…
      > Export diagnostics…
      - Basic Memory 0.1.0
---
  > Quit and stop syncing
";

/// The pause entries, as they are while sync is on.
const PAUSE: &str = "  > Pause
      > 30 minutes
      > 1 hour
      > Until tomorrow
";

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
  > Settings…
[ ] Start at login
  > Help
      > Documentation
      > Export diagnostics…
      - Basic Memory 0.1.0
---
  > Quit and stop syncing
",
    )
    .await;
    icon.looks("signedOut").await;
    icon.quit("Quit and stop syncing").await;
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
    icon.says("13 B of notes in the cloud").await;

    save(&folder, "on.md", "Saved while sync is on.\n");
    let began = Instant::now();
    wait_until(SOON, async || other.in_cloud("on.md").await.is_some()).await;
    let usual = began.elapsed();

    icon.click("Sync").await;
    icon.shows(
        &UP_TO_DATE
            .replace("Up to date · checked just now", "Sync is off")
            .replace("[x]", "[ ]")
            .replace(PAUSE, ""),
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
    icon.says("62 B of notes in the cloud").await;

    icon.quit("Quit and stop syncing").await;
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
        &UP_TO_DATE
            .replace("Up to date · checked just now", "1 conflict to review")
            .replace(
                "  > Sync now\n---\n  > Folders",
                "  > Sync now\n---\n  > 1 conflict to review…\n---\n  > Folders",
            ),
    )
    .await;
    icon.looks("attention").await;
    assert_eq!(icon.urgency().await, "NeedsAttention");
}

#[tokio::test]
async fn a_pause_has_an_end_and_the_toggle_ends_it_before() {
    let (desktop, _server, _state, folder, other) = at_work().await;
    let mut panel = Panel::start(&desktop).await;
    let _app = desktop.app(&["--background"]);
    let icon = panel.icon().await;
    icon.shows(UP_TO_DATE).await;
    assert_eq!(icon.urgency().await, "Active");

    icon.click("Pause / Until tomorrow").await;
    icon.shows(
        &UP_TO_DATE
            .replace(
                "Up to date · checked just now",
                "Paused until tomorrow, 08:00",
            )
            .replace("  > Pause\n", "  > Paused until tomorrow, 08:00\n")
            .replace("[x]", "[ ]"),
    )
    .await;
    icon.looks("paused").await;

    save(&folder, "later.md", "Saved during the pause.\n");
    icon.click("Sync").await;
    icon.shows(UP_TO_DATE).await;
    wait_until(SOON, async || other.in_cloud("later.md").await.is_some()).await;
}

#[tokio::test]
async fn the_profile_is_chosen_in_the_menu_and_an_entry_keeps_its_number() {
    let (desktop, _server, _state, folder, _other) = at_work().await;
    let mut panel = Panel::start(&desktop).await;
    let _app = desktop.app(&["--background"]);
    let icon = panel.icon().await;
    icon.shows(UP_TO_DATE).await;
    let here = Device::on(&desktop, &folder).await;

    let sync_now = icon.number("Sync now").await;
    let pause = icon.number("Pause / 1 hour").await;
    icon.click("Folders / Fast: fewer checks").await;
    icon.shows(
        &UP_TO_DATE
            .replace("(o) Safe", "( ) Safe")
            .replace("( ) Fast", "(o) Fast"),
    )
    .await;
    wait_until(SOON, async || here.profile() == ProfileName::Fast).await;

    icon.click("Sync").await;
    icon.looks("paused").await;
    assert_eq!(icon.number("Sync now").await, sync_now);
    // It left the menu with the toggle; a click that was on its way still does what it said.
    icon.click_number(pause).await;
    wait_until(SOON, async || icon.text().await.contains("Paused until")).await;
}

#[tokio::test]
async fn a_left_click_shows_the_window() {
    let desktop = Desktop::start().await;
    let mut panel = Panel::start(&desktop).await;
    let _app = desktop.app(&["--background"]);
    let icon = panel.icon().await;
    icon.looks("signedOut").await;
    assert_eq!(desktop.windows("^Basic Memory$").await, 0);
    icon.activate().await;
    wait_until(SOON, async || desktop.windows("^Basic Memory$").await == 1).await;
}

#[tokio::test]
async fn a_menu_that_is_opened_tells_the_age_of_this_moment() {
    let (mut desktop, _server, _state, _folder, _other) = at_work().await;
    desktop.set("BM_CLOUD_INTERVAL_SECONDS", "3600");
    let mut panel = Panel::start(&desktop).await;
    let _app = desktop.app(&["--background"]);
    let icon = panel.icon().await;
    icon.shows(UP_TO_DATE).await;
    assert_eq!(icon.strangers(&[0, 4711]).await, [4711]);
    // Nobody but who opens the menu asks before half a minute is over.
    wait_until(SOON, async || {
        icon.open().await;
        let told = icon.text().await;
        ["10", "20"]
            .iter()
            .any(|age| told.contains(&format!("checked {age} s ago")))
    })
    .await;
}

#[tokio::test]
async fn a_folder_stays_in_reach_after_its_account_is_signed_out() {
    let (desktop, _server, _state, folder, _other) = at_work().await;
    let mut panel = Panel::start(&desktop).await;
    let _app = desktop.app(&["--background"]);
    let icon = panel.icon().await;
    icon.shows(UP_TO_DATE).await;
    Device::on(&desktop, &folder).await.sign_out().await;
    icon.shows(
        "
  - Sign in again
  > Sign in…
  > Open notes folder
---
  > Settings…
[ ] Start at login
  > Help
      > Documentation
      > Export diagnostics…
      - Basic Memory 0.1.0
---
  > Quit and stop syncing
",
    )
    .await;
    icon.click("Open notes folder").await;
    let wanted = vec![folder.display().to_string()];
    wait_until(SOON, async || desktop.opened() == wanted).await;
}
