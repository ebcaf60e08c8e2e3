//! What the packers of all systems are told, held against the types they read it into.

use std::path::Path;

use basic_memory_tray::Asked;
use serde_json::{Value, json};
use tauri::utils::config::{BundleTarget, BundleType, Config, Updater};

const TEXT: &str = include_str!("../../tauri.conf.json");

#[test]
fn the_configuration_holds_for_every_system() {
    let config: Config = serde_json::from_str(TEXT).unwrap();
    let bundle = config.bundle;
    let BundleTarget::List(kinds) = &bundle.targets else {
        panic!("{:?}", bundle.targets);
    };
    for kind in [
        BundleType::Deb,
        BundleType::Rpm,
        BundleType::App,
        BundleType::Dmg,
        BundleType::Nsis,
    ] {
        assert!(kinds.contains(&kind), "{kind:?}");
    }
    assert_eq!(bundle.macos.minimum_system_version.as_deref(), Some("12.0"));
    let installer = bundle.windows.nsis.unwrap();
    assert_eq!(json!(installer.install_mode), json!("currentUser"));
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for ending in ["png", "icns", "ico"] {
        let icon = bundle.icon.iter().find(|icon| icon.ends_with(ending));
        let icon = icon.unwrap_or_else(|| panic!("no .{ending}"));
        assert!(root.join(icon).is_file(), "{icon}");
    }
}

#[test]
fn the_launcher_offers_what_the_app_understands() {
    let config: Config = serde_json::from_str(TEXT).unwrap();
    let linux = config.bundle.linux;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let templates = [linux.deb.desktop_template, linux.rpm.desktop_template];
    for template in templates {
        let text = std::fs::read_to_string(root.join(template.unwrap())).unwrap();
        let starts = text.lines().filter_map(|line| line.strip_prefix("Exec="));
        let asked: Vec<Asked> = starts
            .map(|start| Asked::of(start.split(' ').skip(1).map(str::to_owned)))
            .collect();
        let wanted = [
            Asked::Window,
            Asked::OpenFolder,
            Asked::SyncNow,
            Asked::Quit,
        ];
        assert_eq!(asked, wanted);
    }
}

#[test]
fn nothing_updates_itself_until_there_are_keys_that_sign() {
    let config: Config = serde_json::from_str(TEXT).unwrap();
    let made = config.bundle.create_updater_artifacts;
    assert!(matches!(made, Updater::Bool(false)), "{made:?}");
    let updater = &config.plugins.0["updater"];
    assert_eq!(
        *updater,
        json!({ "active": false, "pubkey": "", "endpoints": [] })
    );
}

#[test]
fn what_no_packer_knows_is_refused() {
    for (part, name) in [
        ("macOS", "minimumSystem"),
        ("windows", "nsi"),
        ("linux", "debian"),
    ] {
        let mut config: Value = serde_json::from_str(TEXT).unwrap();
        config["bundle"][part][name] = json!("1");
        let refused = serde_json::from_value::<Config>(config).unwrap_err();
        assert!(refused.to_string().contains(name), "{refused}");
    }
}
