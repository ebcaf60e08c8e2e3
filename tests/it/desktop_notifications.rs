//! What the real app tells a person who has not asked.

use std::fs;
use std::path::Path;

use testkit::wait_until;

use crate::desktop::{Desktop, SOON};
use crate::notifications::{Notifications, Seen, Shown};
use crate::person::{Device, at_work, save};
use crate::tray::{Icon, Panel};

const TITLE: &str = "^Basic Memory$";

#[tokio::test]
async fn many_conflicts_make_one_notification_that_leads_to_them() {
    let (desktop, _server, _state, folder, other) = at_work().await;
    let mut told = Notifications::start(&desktop).await;
    let mut panel = Panel::start(&desktop).await;
    let _app = desktop.app(&["--background"]);
    let icon = panel.icon().await;
    icon.looks("idle").await;

    icon.click("Sync").await;
    icon.looks("paused").await;
    for note in ["one.md", "two.md", "three.md"] {
        save(&folder, note, "On the laptop.\n");
        other.save(note, "At the desk.\n");
    }
    other.sync().await;
    icon.click("Sync").await;
    icon.looks("attention").await;

    let shown = told.titled("3 conflicts to review").await;
    assert_eq!(of_conflicts(&told.seen()), [&shown]);
    assert_eq!(shown.actions[..2], ["default", "Review"]);

    assert_eq!(desktop.windows(TITLE).await, 0);
    told.press(shown.number, "default").await;
    wait_until(SOON, async || desktop.windows(TITLE).await == 1).await;
    assert_eq!(of_conflicts(&told.seen()), [&shown]);
}

/// One cause makes one notification.
fn of_conflicts(seen: &Seen) -> Vec<&Shown> {
    let shown = seen.shown.iter();
    shown
        .filter(|shown| shown.title.contains("conflict"))
        .collect()
}

#[tokio::test]
async fn notices_wait_for_a_server_and_are_taken_back_from_the_one_that_showed_them() {
    let (desktop, _server, _state, folder, other) = at_work().await;
    let mut panel = Panel::start(&desktop).await;
    let _app = desktop.app(&["--background"]);
    let icon = panel.icon().await;
    icon.looks("idle").await;
    make_a_conflict(&icon, &folder, &other).await;
    // The notice is there, and nobody shows it.
    let here = Device::on(&desktop, &folder).await;
    wait_until(SOON, async || here.notices() == 1).await;

    let mut first = Notifications::start(&desktop).await;
    first.titled("1 conflict to review").await;
    first.stop().await;

    // Its numbers mean nothing to the next one.
    let mut second = Notifications::start(&desktop).await;
    here.keep_mine().await;
    icon.looks("idle").await;
    fs::rename(&folder, folder.with_file_name("Elsewhere")).unwrap();
    icon.click("Open notes folder").await;
    let is_refusal = |shown: &Shown| shown.title.ends_with("Notes is not there");
    let seen = second
        .wait_for(|seen| seen.shown.iter().any(is_refusal))
        .await;
    assert_eq!(of_conflicts(&seen), Vec::<&Shown>::new());
    let refusal = seen.shown.iter().find(|shown| is_refusal(shown)).unwrap();
    assert!(refusal.body.starts_with("Bring the folder back"));
    assert_eq!(seen.closed, Vec::<u32>::new());
    wait_until(SOON, async || desktop.windows(TITLE).await == 1).await;
}

#[tokio::test]
async fn an_app_that_is_told_to_end_takes_its_notifications_back() {
    let (desktop, _server, _state, folder, other) = at_work().await;
    let mut told = Notifications::start(&desktop).await;
    let mut panel = Panel::start(&desktop).await;
    let mut app = desktop.app(&["--background"]);
    let icon = panel.icon().await;
    icon.looks("idle").await;
    make_a_conflict(&icon, &folder, &other).await;
    let shown = told.titled("1 conflict to review").await;

    app.terminate();
    assert_eq!(app.exit(SOON).await.code(), Some(0));
    // What the app asked last may come after it is gone.
    told.wait_for(|seen| seen.closed.contains(&shown.number))
        .await;
    assert_eq!(desktop.helpers(), Vec::<String>::new());
}

#[tokio::test]
async fn a_notification_goes_with_its_cause() {
    let (desktop, _server, _state, folder, other) = at_work().await;
    let mut told = Notifications::start(&desktop).await;
    let mut panel = Panel::start(&desktop).await;
    let _app = desktop.app(&["--background"]);
    let icon = panel.icon().await;
    icon.looks("idle").await;
    make_a_conflict(&icon, &folder, &other).await;
    let shown = told.titled("1 conflict to review").await;

    Device::on(&desktop, &folder).await.keep_mine().await;
    let is_closed = |seen: &Seen| seen.closed.contains(&shown.number);
    let after = told.wait_for(is_closed).await;
    assert_eq!(of_conflicts(&after), [&shown]);
}

#[tokio::test]
async fn a_panel_that_only_came_late_takes_back_that_there_is_none() {
    let desktop = Desktop::start().await;
    let mut told = Notifications::start(&desktop).await;
    let _app = desktop.app(&["--background"]);
    let seen = told.wait_for(|seen| !seen.shown.is_empty()).await;
    let marker = desktop.places().state.join("told-of-missing-tray");
    wait_until(SOON, async || marker.is_file()).await;

    let mut panel = Panel::start(&desktop).await;
    panel.icon().await.looks("signedOut").await;
    let seen_later = told.wait_for(|seen| !seen.closed.is_empty()).await;
    assert_eq!(seen_later.closed, [seen.shown[0].number]);
    wait_until(SOON, async || !marker.exists()).await;
}

async fn make_a_conflict(icon: &Icon, folder: &Path, other: &Device) {
    icon.click("Sync").await;
    icon.looks("paused").await;
    save(folder, "one.md", "On the laptop.\n");
    other.save("one.md", "At the desk.\n");
    other.sync().await;
    icon.click("Sync").await;
    icon.looks("attention").await;
}

#[tokio::test]
async fn a_start_that_nobody_can_see_is_told_once() {
    let desktop = Desktop::start().await;
    let mut told = Notifications::start(&desktop).await;
    let mut app = desktop.app(&["--background"]);
    let seen = told.wait_for(|seen| !seen.shown.is_empty()).await;
    assert_eq!(seen.shown[0].title, "Basic Memory is running");
    let marker = desktop.places().state.join("told-of-missing-tray");
    wait_until(SOON, async || marker.is_file()).await;
    app.terminate();
    app.exit(SOON).await;

    let mut panel = Panel::start(&desktop).await;
    let _again = desktop.app(&["--background"]);
    panel.icon().await.looks("signedOut").await;
    assert_eq!(told.seen().shown.len(), 1);
}

#[tokio::test]
async fn who_closes_the_window_is_told_once_that_the_app_goes_on() {
    const GOES_ON: &str = "Basic Memory keeps running";
    let (desktop, _server, _state, _folder, _other) = at_work().await;
    let mut told = Notifications::start(&desktop).await;
    let mut panel = Panel::start(&desktop).await;
    let mut app = desktop.app(&[]);
    let icon = panel.icon().await;
    icon.looks("idle").await;
    wait_until(SOON, async || desktop.windows(TITLE).await == 1).await;
    desktop.close_window(TITLE).await;
    let shown = told.titled(GOES_ON).await;
    assert!(shown.body.contains("Quit"), "{shown:#?}");
    let marker = desktop.places().state.join("told-of-closed-window");
    wait_until(SOON, async || marker.is_file()).await;
    wait_until(SOON, async || desktop.windows(TITLE).await == 0).await;

    icon.activate().await;
    wait_until(SOON, async || desktop.windows(TITLE).await == 1).await;
    desktop.close_window(TITLE).await;
    wait_until(SOON, async || desktop.windows(TITLE).await == 0).await;
    // What is said is said before the app ends, and taken back then.
    icon.quit("Quit and stop syncing").await;
    assert_eq!(app.exit(SOON).await.code(), Some(0));
    let seen = told.seen();
    assert_eq!(seen.titled(GOES_ON), [&shown], "{seen:#?}");
}
