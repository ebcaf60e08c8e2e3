//! What the packers of all systems are told, held against the types they read it into.

use std::path::Path;

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
