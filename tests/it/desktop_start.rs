//! How the app starts: with and without a panel, once, twice, and at login.

use std::fs;

use testkit::wait_until;

use crate::desktop::{Desktop, Look, SOON, app_binary};
use crate::tray::Panel;

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
