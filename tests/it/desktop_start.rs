//! How the app starts: with and without a panel, once, twice, and at login.

use std::fs;

use serde_json::json;
use testkit::wait_until;

use crate::desktop::{Desktop, Look, SOON, app_binary};
use crate::person::{Device, at_work};
use crate::tray::Panel;
use crate::webdriver::Window;

const TITLE: &str = "^Basic Memory$";

#[tokio::test]
async fn a_panel_that_comes_late_or_again_gets_the_icon() {
    let desktop = Desktop::start().await;
    let mut app = desktop.app(&[]);
    wait_until(SOON, async || desktop.windows(TITLE).await == 1).await;
    assert!(app.ended().is_none());

    let mut late = Panel::start(&desktop).await;
    late.icon().await.looks("signedOut").await;
    late.stop().await;

    let mut restarted = Panel::start(&desktop).await;
    restarted.icon().await.looks("signedOut").await;
    assert!(app.ended().is_none());
}

#[tokio::test]
async fn a_second_start_shows_the_window_unless_it_is_a_background_start() {
    let desktop = Desktop::start().await;
    let mut panel = Panel::start(&desktop).await;
    let mut first = desktop.app(&["--background"]);
    panel.icon().await.looks("signedOut").await;

    let mut quiet = desktop.app(&["--background"]);
    assert_eq!(quiet.exit(SOON).await.code(), Some(0));
    assert_eq!(desktop.windows(TITLE).await, 0);

    let mut second = desktop.app(&[]);
    assert_eq!(second.exit(SOON).await.code(), Some(0));
    wait_until(SOON, async || desktop.windows(TITLE).await == 1).await;
    assert!(first.ended().is_none());
}

#[tokio::test]
async fn start_at_login_writes_and_removes_an_autostart_entry() {
    let desktop = Desktop::start().await;
    let folder = desktop.home().join(".config/autostart");
    let entries = || -> Vec<String> {
        let files = fs::read_dir(&folder).into_iter().flatten();
        let read = |file: std::io::Result<fs::DirEntry>| fs::read_to_string(file.ok()?.path()).ok();
        files.filter_map(read).collect()
    };
    let mut panel = Panel::start(&desktop).await;
    let _app = desktop.app(&["--background"]);
    let icon = panel.icon().await;
    let menu = |mark: &str| {
        format!(
            "
  - Sign in
  > Sign in…
---
  > Settings…
[{mark}] Start at login
  > Help
      > Documentation
      > Export diagnostics…
      - Basic Memory 0.1.0
---
  > Quit and stop syncing
"
        )
    };
    icon.shows(&menu(" ")).await;
    assert_eq!(entries(), Vec::<String>::new());

    icon.click("Start at login").await;
    icon.shows(&menu("x")).await;
    let [entry] = &entries()[..] else {
        panic!("there is one autostart entry, not {:?}", entries());
    };
    let starts = format!("Exec={} --background", app_binary().display());
    assert!(entry.lines().any(|line| line == starts), "{entry}");

    icon.click("Start at login").await;
    icon.shows(&menu(" ")).await;
    assert_eq!(entries(), Vec::<String>::new());
}

#[tokio::test]
async fn an_entry_that_starts_another_program_is_left_as_it_is() {
    const FOREIGN: &str = "[Desktop Entry]\nType=Application\nExec=/usr/bin/other-notes\n";
    let desktop = Desktop::start().await;
    let folder = desktop.home().join(".config/autostart");
    let mut panel = Panel::start(&desktop).await;
    let _app = desktop.app(&["--background"]);
    let icon = panel.icon().await;
    icon.click("Start at login").await;
    let entry = || Some(fs::read_dir(&folder).ok()?.next()?.ok()?.path());
    wait_until(SOON, async || entry().is_some()).await;
    let entry = entry().unwrap();
    wait_until(SOON, async || {
        icon.text().await.contains("[x] Start at login")
    })
    .await;

    fs::write(&entry, FOREIGN).unwrap();
    icon.click("Start at login").await;
    // Instead of an entry there is the page where it can be asked for.
    wait_until(SOON, async || desktop.windows(TITLE).await == 1).await;
    wait_until(SOON, async || {
        icon.text().await.contains("[ ] Start at login")
    })
    .await;
    assert_eq!(fs::read_to_string(&entry).unwrap(), FOREIGN);
}

#[tokio::test]
async fn the_icon_has_light_ink_on_a_dark_panel() {
    let desktop = Desktop::start_with(Look::Dark).await;
    let mut panel = Panel::start(&desktop).await;
    let _app = desktop.app(&["--background"]);
    panel.icon().await.looks("signedOut").await;
}

#[tokio::test]
async fn the_launcher_s_commands_reach_the_app_that_runs() {
    let (mut desktop, _server, _state, folder, other) = at_work().await;
    desktop.set("BM_CLOUD_INTERVAL_SECONDS", "3600");
    let mut panel = Panel::start(&desktop).await;
    let mut nobody = desktop.app(&["--quit"]);
    assert_eq!(nobody.exit(SOON).await.code(), Some(0));

    // The first one is a start, too.
    let mut app = desktop.app(&["--open-folder"]);
    let wanted = vec![folder.display().to_string()];
    wait_until(SOON, async || desktop.opened() == wanted).await;
    panel.icon().await.looks("idle").await;

    let here = Device::on(&desktop, &folder).await;
    let before = here.last_run();
    other.save("from the desk.md", "Written on the other device.\n");
    other.sync().await;
    let mut second = desktop.app(&["--sync-now"]);
    assert_eq!(second.exit(SOON).await.code(), Some(0));
    wait_until(SOON, async || here.last_run() > before).await;

    assert_eq!(desktop.windows(TITLE).await, 0);
    let mut last = desktop.app(&["--quit"]);
    assert_eq!(last.exit(SOON).await.code(), Some(0));
    assert_eq!(app.exit(SOON).await.code(), Some(0));
}

#[tokio::test]
async fn without_a_session_bus_there_is_still_a_window() {
    let mut desktop = Desktop::start().await;
    let nowhere = format!("unix:path={}/no-bus", desktop.home().display());
    desktop.set("DBUS_SESSION_BUS_ADDRESS", &nowhere);
    let mut app = desktop.app(&[]);
    wait_until(SOON, async || desktop.windows(TITLE).await == 1).await;
    assert!(app.ended().is_none());
    app.terminate();
    assert_eq!(app.exit(SOON).await.code(), Some(0));
}

#[tokio::test]
async fn the_window_knows_of_a_panel_that_went_while_its_watcher_stayed() {
    let desktop = Desktop::start().await;
    let mut panel = Panel::start(&desktop).await;
    let window = Window::open(&desktop).await;
    panel.icon().await.looks("signedOut").await;
    let host = async || window.invoke("tray_host", json!({})).await.unwrap();
    wait_until(SOON, async || host().await == json!("present")).await;
    panel.has_host(false).await;
    wait_until(SOON, async || host().await == json!("missing")).await;
    panel.has_host(true).await;
    wait_until(SOON, async || host().await == json!("present")).await;
    window.close().await;
}
