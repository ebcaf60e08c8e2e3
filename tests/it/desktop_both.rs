//! A set-up of everything at once: folder, drive, start at login.

use std::fs;

use serde_json::json;
use testkit::{MountPoint, Server, scratch, wait_until};

use crate::desktop::{Desktop, SOON};
use crate::desktop_window::{ask_for_a_code, look_at_first_sync};
use crate::person::{ANA, save};
use crate::webdriver::Window;

#[tokio::test]
async fn folder_drive_and_start_at_login_are_agreed_to_on_one_page() {
    let state = scratch();
    let server = Server::start(state.path()).await;
    server.activate(ANA).await;
    let desktop = Desktop::start().await;
    let (folder, autostart) = (
        desktop.home().join("Notes"),
        desktop.home().join(".config/autostart"),
    );
    let drive = MountPoint::new(desktop.home().join("Cloud"));
    save(&folder, "Start here.md", "# Start here\n");
    let window = Window::open(&desktop).await;
    window.screen("detect").await;
    window.button("Continue").await.click().await;
    window.screen("signIn").await;
    let code = ask_for_a_code(&window, &server).await;
    server.approve(&code, ANA).await;
    window.screen("setUp").await;
    let both = "return document.querySelector('input[value=both]') !== null";
    if window.run(both, json!([])).await == json!(false) {
        eprintln!("SKIPPED: nothing can be mounted here");
        return window.close().await;
    }
    window.find("input[value=both]").await.click().await;
    look_at_first_sync(&window, &folder).await;
    window.button("Continue").await.click().await;
    let path = drive.folder().display().to_string();
    window.find("#mount-folder").await.fill(&path).await;
    window.find("input[type=checkbox]").await.click().await;
    window.button("Continue").await.click().await;
    window.find("form[data-page=summary]").await;
    window.photograph("set-up-of-everything").await;
    assert!(!autostart.exists() && !drive.is_mounted());

    window.button("Start syncing").await.click().await;
    window.screen("overview").await;
    window.headline("Up to date").await;
    let shown = drive.folder().join("Start here.md");
    wait_until(SOON, async || shown.exists()).await;
    assert_eq!(fs::read_to_string(&shown).unwrap(), "# Start here\n");
    assert_eq!(fs::read_dir(&autostart).unwrap().count(), 1);
    window.close().await;
}
