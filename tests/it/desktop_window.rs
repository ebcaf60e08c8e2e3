//! The window of the real app, from the first start to a synced folder.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use testkit::{Server, scratch, wait_for, wait_until};

use crate::desktop::{Desktop, SOON};
use crate::person::{ANA, Device, save};
use crate::tray::Panel;
use crate::webdriver::{CONTROL, Window};

#[tokio::test]
async fn leads_a_new_person_from_sign_in_to_a_synced_folder() {
    let state = scratch();
    let server = Server::start(state.path()).await;
    let mut desktop = Desktop::start().await;
    desktop.set("BM_CLOUD_SERVER", "https://notes.example.org/?team=1&x=y");
    let folder = desktop.home().join("Notes");
    save(&folder, "Start here.md", "# Start here\n");

    let window = Window::open(&desktop).await;
    window.screen("detect").await;
    let untouched = kept(&desktop);
    window.button("Continue").await.click().await;
    window.screen("signIn").await;
    let offered = "return document.querySelector('#server-url').value";
    let offered = window.run(offered, json!([])).await;
    assert_eq!(offered, "https://notes.example.org/?team=1&x=y");
    let code = ask_for_a_code(&window, &server).await;
    let link = wait_for(SOON, async || desktop.opened().first().cloned()).await;
    assert!(link.starts_with(&server.url), "{link}");
    assert!(link.contains(&code), "{link}");
    server.approve(&code, ANA).await;

    window.screen("subscriptionRequired").await;
    server.activate(ANA).await;

    window.screen("setUp").await;
    look_at_first_sync(&window, &folder).await;
    window.button("Cancel set-up").await.click().await;
    window.screen("detect").await;
    assert_eq!(kept(&desktop), untouched);
    window.button("Continue").await.click().await;
    window.screen("signIn").await;
    let code = ask_for_a_code(&window, &server).await;
    server.approve(&code, ANA).await;
    window.screen("setUp").await;
    start_syncing(&window, &folder).await;

    window.screen("overview").await;
    window.headline("Up to date").await;
    assert_ne!(kept(&desktop), untouched);
    let other = Device::other(&server).await;
    let note = other.in_cloud("Start here.md").await;
    assert_eq!(note.as_deref(), Some("# Start here\n"));

    window.find("#sync-switch").await.click().await;
    window.headline("Sync is off").await;
    window.find("#sync-switch").await.click().await;
    window.headline("Up to date").await;
    other.save("From the desk.md", "Written on the other device.\n");
    other.sync().await;
    window.button("Sync now").await.click().await;
    wait_until(SOON, async || folder.join("From the desk.md").exists()).await;
    window.photograph("first-sync").await;
    window.close().await;
}

#[tokio::test]
async fn a_passphrase_that_was_chosen_at_first_is_asked_for_at_the_next_start() {
    const PASSPHRASE: &str = "correct horse battery";
    let state = scratch();
    let server = Server::start(state.path()).await;
    server.activate(ANA).await;
    let desktop = Desktop::start().await;
    let folder = desktop.home().join("Notes");
    save(&folder, "Start here.md", "# Start here\n");

    let mut panel = Panel::start(&desktop).await;
    let window = Window::open(&desktop).await;
    window.screen("detect").await;
    window
        .find("input[name=keys][value=sealed]")
        .await
        .click()
        .await;
    window.find("#new-passphrase").await.fill(PASSPHRASE).await;
    window.find("#same-passphrase").await.fill(PASSPHRASE).await;
    window.button("Continue").await.click().await;
    window.screen("signIn").await;
    let code = ask_for_a_code(&window, &server).await;
    server.approve(&code, ANA).await;
    window.screen("setUp").await;
    start_syncing(&window, &folder).await;
    window.screen("overview").await;
    window.find("#set-up-done").await;
    window.headline("Up to date").await;
    assert!(!desktop.places().config.join("secrets.key").exists());
    let icon = panel.icon().await;
    icon.quit("Quit and stop syncing").await;
    wait_until(SOON, async || desktop.windows("^Basic Memory$").await == 0).await;
    desktop.app_is_gone().await;
    drop(window);
    panel.stop().await;

    let mut panel = Panel::start(&desktop).await;
    let window = Window::open(&desktop).await;
    let icon = panel.icon().await;
    window.screen("overview").await;
    window.headline("Sync waits for your passphrase").await;
    icon.looks("error").await;
    icon.click("Enter passphrase…").await;
    window.find("#passphrase").await.fill("wrong").await;
    window.button("Open").await.click().await;
    window.find("#passphrase[aria-invalid=true]").await;
    window.find("#passphrase").await.fill(PASSPHRASE).await;
    window.button("Open").await.click().await;
    window.headline("Up to date").await;
    icon.looks("idle").await;
    window.close().await;
}

#[tokio::test]
async fn refuses_the_page_what_no_capability_allows() {
    let desktop = Desktop::start().await;
    let window = Window::open(&desktop).await;
    window.screen("detect").await;

    let view = window.invoke("view", json!({})).await.unwrap();
    assert_eq!(view["status"], "signedOut");
    let forbidden = [
        ("plugin:autostart|enable", json!({})),
        ("plugin:dialog|open", json!({ "options": {} })),
        (
            "plugin:event|emit",
            json!({ "event": "view-changed", "payload": {} }),
        ),
        ("plugin:window|close", json!({ "label": "main" })),
        (
            "plugin:webview|create_webview_window",
            json!({ "options": { "label": "more" } }),
        ),
        ("no_such_command", json!({})),
    ];
    for (command, arguments) in forbidden {
        let refused = window.invoke(command, arguments).await.unwrap_err();
        assert!(
            refused.contains("not allowed") || refused.contains("not found"),
            "{command}: {refused}"
        );
    }
    let link = json!({ "url": "https://example.org/elsewhere" });
    window.invoke("open_link", link).await.unwrap_err();
    assert_eq!(desktop.opened(), Vec::<String>::new());
    assert!(!desktop.home().join(".config/autostart").exists());
    window.close().await;
}

/// From the page that asks for a server to the code for the browser.
pub(crate) async fn ask_for_a_code(window: &Window, server: &Server) -> String {
    window.find("#server-url").await.fill(&server.url).await;
    window.button("Sign in").await.click().await;
    window.screen("awaitingBrowser").await;
    window.find("output").await.text().await
}

/// From the page that asks for a folder to the one that shows what the first sync would do.
pub(crate) async fn look_at_first_sync(window: &Window, folder: &Path) {
    let path = folder.display().to_string();
    window.find("#folder").await.fill(&path).await;
    window.button("Continue").await.click().await;
    window.find("form[data-page=preview]").await;
}

/// The files of settings, account, secrets and state; the database's journal comes and goes.
fn kept(desktop: &Desktop) -> BTreeSet<PathBuf> {
    let places = desktop.places();
    let folders = [places.config, places.state].into_iter();
    let entries = folders.filter_map(|folder| fs::read_dir(folder).ok());
    let paths = entries.flatten().map(|entry| entry.unwrap().path());
    paths
        .filter(|path| !path.display().to_string().contains("state.db"))
        .collect()
}

/// From the page that asks for a folder to the end of the set-up, with what it offers.
async fn start_syncing(window: &Window, folder: &Path) {
    look_at_first_sync(window, folder).await;
    for page in ["choices", "summary"] {
        window.button("Continue").await.click().await;
        window.find(&format!("form[data-page={page}]")).await;
    }
    window.button("Start syncing").await.click().await;
}

#[tokio::test]
async fn what_the_menu_names_is_shown_though_nobody_is_signed_in() {
    let desktop = Desktop::start().await;
    let mut panel = Panel::start(&desktop).await;
    let window = Window::open(&desktop).await;
    let icon = panel.icon().await;
    window.screen("detect").await;
    icon.click("Settings…").await;
    window.screen("settings").await;
    icon.click("Help / Export diagnostics…").await;
    window.screen("diagnostics").await;
    window.button("Back").await.click().await;
    window.screen("detect").await;
    icon.click("Settings…").await;
    window.screen("settings").await;
    icon.click("Sign in…").await;
    window.screen("detect").await;
    window.close().await;
}

#[tokio::test]
async fn the_keys_of_a_browser_make_everything_larger() {
    let desktop = Desktop::start().await;
    let window = Window::open(&desktop).await;
    window.screen("detect").await;
    let width = async || {
        let width = window.run("return window.innerWidth", json!([])).await;
        width.as_f64().unwrap()
    };
    let plain = width().await;
    for _ in 0..5 {
        window.press(&[CONTROL, "+"]).await;
    }
    wait_until(SOON, async || width().await <= plain / 1.9).await;
    let beyond = "return document.documentElement.scrollWidth - window.innerWidth";
    assert_eq!(window.run(beyond, json!([])).await, json!(0));
    window.press(&[CONTROL, "0"]).await;
    wait_until(SOON, async || width().await == plain).await;
    window.close().await;
}

#[tokio::test]
async fn where_no_engine_starts_it_says_why_and_goes_on_by_itself() {
    let desktop = Desktop::start().await;
    let settings = desktop.places().config.join("settings.json");
    fs::create_dir_all(settings.parent().unwrap()).unwrap();
    fs::write(&settings, "{ this is no JSON").unwrap();
    let mut panel = Panel::start(&desktop).await;
    let window = Window::open(&desktop).await;
    let icon = panel.icon().await;
    window.screen("cannotRun").await;
    wait_until(SOON, async || {
        let shown = window.find("main").await.text().await;
        shown.contains("Mend or move away the file")
    })
    .await;
    let menu = icon.text().await;
    assert!(menu.contains("Open window…"), "{menu}");
    assert!(!menu.contains("Settings…"), "{menu}");

    fs::remove_file(&settings).unwrap();
    window.screen("detect").await;
    window.close().await;
}
