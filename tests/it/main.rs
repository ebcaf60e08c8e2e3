//! The real app on a private desktop: its tray over D-Bus and its window over `WebDriver`.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod desktop;
mod desktop_both;
mod desktop_notifications;
mod desktop_reader;
mod desktop_screens;
mod desktop_start;
mod desktop_together;
mod desktop_tray;
mod desktop_window;
mod notifications;
mod packages;
mod person;
mod reader;
mod tray;
mod webdriver;
mod x11;

#[test]
fn no_test_file_is_forgotten() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let declared = include_str!("main.rs");
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        assert!(
            name == "main" || declared.contains(&format!("mod {name};")),
            "{name} is forgotten"
        );
    }
}
