//! What the real app tells a person who has not asked.

use testkit::wait_until;

use crate::desktop::{Desktop, SOON};
use crate::notifications::Notifications;
use crate::person::{Device, at_work, save};
use crate::tray::Panel;

const TITLE: &str = "^Basic Memory$";

#[tokio::test]
async fn many_conflicts_make_one_notification_that_leads_to_them_and_goes_with_them() {
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

    let seen = told.wait_for(|seen| !seen.shown.is_empty()).await;
    let [shown] = &seen.shown[..] else {
        panic!("one cause makes one notification: {seen:#?}");
    };
    assert!(shown.title.contains("3 conflicts"), "{shown:#?}");
    assert_eq!(shown.actions[..2], ["default", "Review"]);

    assert_eq!(desktop.windows(TITLE).await, 0);
    told.press(shown.number, "default").await;
    wait_until(SOON, async || desktop.windows(TITLE).await == 1).await;

    Device::on(&desktop, &folder).await.keep_mine().await;
    let seen = told.wait_for(|seen| !seen.closed.is_empty()).await;
    assert_eq!(seen.closed, [shown.number]);
    assert_eq!(seen.shown.len(), 1, "{seen:#?}");
}

#[tokio::test]
async fn a_start_that_nobody_can_see_is_told_once() {
    let desktop = Desktop::start().await;
    let mut told = Notifications::start(&desktop).await;
    let mut app = desktop.app(&["--background"]);
    let seen = told.wait_for(|seen| !seen.shown.is_empty()).await;
    assert_eq!(seen.shown[0].title, "Basic Memory is running");
    app.terminate();
    app.exit(SOON).await;

    let marker = desktop.places().state.join("told-of-missing-tray");
    wait_until(SOON, async || marker.is_file()).await;
    let mut panel = Panel::start(&desktop).await;
    let _again = desktop.app(&["--background"]);
    panel.icon().await.looks("signedOut").await;
    assert_eq!(told.seen().shown.len(), 1);
}
