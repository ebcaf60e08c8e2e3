//! Pictures of the window with a real folder, light and dark, in `target/screens/`.

use std::path::Path;

use testkit::{Server, scratch};

use crate::desktop::{Desktop, Look};
use crate::person::{Device, prepare, save, subscribe_to_plus};
use crate::webdriver::Window;

#[tokio::test]
async fn the_overview_shows_a_real_folder_in_light() {
    photograph(Look::Light, "overview").await;
}

#[tokio::test]
async fn the_overview_shows_a_real_folder_in_dark() {
    photograph(Look::Dark, "overview-dark").await;
}

async fn photograph(look: Look, name: &str) {
    let state = scratch();
    let server = Server::start(state.path()).await;
    subscribe_to_plus(&server, state.path()).await;
    let mut desktop = Desktop::start_with(look).await;
    let folder = desktop.home().join("Notes");
    let notes = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/notes");
    copy(&notes, &folder);
    prepare(&desktop, &server, &folder).await;
    let home = desktop.move_in().await;
    let other = Device::other(&server).await;
    other.save("daily/2026-02-19.md", "# Thursday\n\nBread rose well.\n");
    other.sync().await;
    save(&folder, "recipes/Lemon tart.md", "# Lemon tart\n");

    let window = Window::open(&desktop).await;
    window.screen("overview").await;
    window.headline("Up to date").await;
    let look_now = "return matchMedia('(prefers-color-scheme: dark)').matches";
    let dark = window.run(look_now, serde_json::json!([])).await;
    assert_eq!(dark, matches!(look, Look::Dark));
    let shown = window.find("main").await.text().await;
    let notes = home.join("Notes").display().to_string();
    assert!(shown.contains(&notes), "{shown}");
    let listed = window.find("section ol, section ul").await.text().await;
    assert!(!listed.is_empty());
    window.photograph(name).await;
    window.close().await;
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
