//! Tray, window, folder and cloud together: what one of them does, the others show.

use std::fs;

use serde_json::json;
use testkit::wait_until;

use crate::desktop::SOON;
use crate::desktop_tray::UP_TO_DATE;
use crate::person::{ANA, Device, at_work, save, subscribe_to_plus};
use crate::tray::Panel;
use crate::webdriver::Window;

#[tokio::test]
async fn the_toggle_of_the_tray_is_the_switch_of_the_window() {
    let (desktop, _server, _state, _folder, _other) = at_work().await;
    let mut panel = Panel::start(&desktop).await;
    let window = Window::open(&desktop).await;
    let icon = panel.icon().await;
    window.screen("overview").await;
    window.headline("Up to date").await;
    icon.shows(UP_TO_DATE).await;

    icon.click("Sync").await;
    window.headline("Sync is off").await;
    wait_until(SOON, async || !switch_is_on(&window).await).await;

    window.find("#sync-switch").await.click().await;
    icon.shows(UP_TO_DATE).await;
    icon.looks("idle").await;
    window.headline("Up to date").await;
    wait_until(SOON, async || switch_is_on(&window).await).await;

    icon.click("Settings…").await;
    window.screen("settings").await;
    icon.click("Help / Set up again…").await;
    window.screen("setUp").await;
    window.button("Leave as it is").await.click().await;
    window.screen("overview").await;
    window.close().await;
}

#[tokio::test]
async fn a_conflict_of_two_devices_is_decided_in_the_window_and_taken_back() {
    const LAPTOP: &str = "# Start here\n\nNotes of the garden, by season.\n\n\
        - Peas: sow in March, under glass\n- Beans: not before May\n";
    const DESK: &str = "# Start here\n\nNotes of the garden, by season.\n\n\
        - Peas: sow in April, in the open\n- Beans: not before May\n- Ask Marta for seed potatoes\n";
    let (desktop, server, state, folder, other) = at_work().await;
    subscribe_to_plus(&server, state.path()).await;
    let mut panel = Panel::start(&desktop).await;
    let window = Window::open(&desktop).await;
    let icon = panel.icon().await;
    window.screen("overview").await;
    window.headline("Up to date").await;

    window.find("#sync-switch").await.click().await;
    icon.looks("paused").await;
    save(&folder, "Start here.md", LAPTOP);
    other.save("Start here.md", DESK);
    other.sync().await;
    window.find("#sync-switch").await.click().await;
    window.headline("1 conflict to review").await;
    icon.looks("attention").await;

    icon.click("1 conflict to review…").await;
    window.screen("conflicts").await;
    window.button("Review").await.click().await;
    window.screen("conflict").await;
    window.find(".versions").await;
    window.photograph("conflict").await;
    window.find("[aria-keyshortcuts=\"1\"]").await.click().await;
    window.screen("conflicts").await;
    wait_until(SOON, async || {
        other.in_cloud("Start here.md").await.as_deref() == Some(LAPTOP)
    })
    .await;
    icon.looks("idle").await;
    assert_eq!(texts(&folder), [LAPTOP]);

    window.button("Undo").await.click().await;
    icon.looks("attention").await;
    let mut both = texts(&folder);
    both.sort();
    assert_eq!(both, [DESK, LAPTOP]);
    window.close().await;
}

#[tokio::test]
async fn a_lapse_and_a_renewal_are_seen_without_asking() {
    let (desktop, server, _state, folder, other) = at_work().await;
    let mut panel = Panel::start(&desktop).await;
    let window = Window::open(&desktop).await;
    let icon = panel.icon().await;
    window.screen("overview").await;
    window.headline("Up to date").await;

    server.expire(ANA).await;
    save(
        &folder,
        "while lapsed.md",
        "Written without a subscription.\n",
    );
    icon.looks("expired").await;
    window.find("#lapse").await;
    let menu = icon.text().await;
    assert!(menu.contains("read-only since 1 Jan 2001"), "{menu}");

    server.activate(ANA).await;
    icon.looks("idle").await;
    window.headline("Up to date").await;
    wait_until(SOON, async || {
        other.in_cloud("while lapsed.md").await.is_some()
    })
    .await;
    window.close().await;
}

#[tokio::test]
async fn an_engine_of_another_program_goes_on_after_the_app_has_quit() {
    let (desktop, _server, _state, folder, other) = at_work().await;
    let here = Device::on(&desktop, &folder).await;
    let mut panel = Panel::start(&desktop).await;
    let mut app = desktop.app(&["--background"]);
    let icon = panel.icon().await;
    icon.quit("Quit (sync keeps running)").await;
    assert_eq!(app.exit(SOON).await.code(), Some(0));

    other.save("from the desk.md", "Written on the other device.\n");
    other.sync().await;
    here.sync().await;
    let note = fs::read_to_string(folder.join("from the desk.md"));
    assert_eq!(note.unwrap(), "Written on the other device.\n");
}

async fn switch_is_on(window: &Window) -> bool {
    let script = "return document.querySelector('#sync-switch').checked";
    window.run(script, json!([])).await == json!(true)
}

/// What the notes say whose name begins like the one of the conflict.
fn texts(folder: &std::path::Path) -> Vec<String> {
    let files = fs::read_dir(folder).unwrap().map(Result::unwrap);
    files
        .filter(|file| file.file_name().to_string_lossy().starts_with("Start here"))
        .map(|file| fs::read_to_string(file.path()).unwrap())
        .collect()
}
