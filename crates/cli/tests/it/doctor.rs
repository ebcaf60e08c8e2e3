//! What `doctor` sees, mends and packs.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;
use testkit::{Server, scratch};

use crate::device::{ANA, Device, Said};
use crate::recorder::Recorder;

fn codes(report: &Value) -> Vec<String> {
    let findings = report["findings"].as_array().unwrap();
    let troubles = findings.iter().filter(|it| it["level"] != "ok");
    troubles
        .map(|it| it["code"].as_str().unwrap().to_owned())
        .collect()
}

async fn examined(device: &Device) -> (Said, Vec<String>) {
    let said = device.run(&["doctor", "--json"]).await;
    let codes = codes(&said.last_json());
    (said, codes)
}

#[tokio::test]
async fn signed_out_and_without_rclone_each_has_its_finding() {
    let device = Device::new("laptop").with("BM_CLOUD_RCLONE", "/nonexistent/rclone");
    let (said, codes) = examined(&device).await;
    assert_eq!(said.code, Some(1), "{said:#?}");
    assert!(codes.contains(&"signed_out".to_owned()), "{codes:?}");
    assert!(codes.contains(&"rclone".to_owned()), "{codes:?}");
    let words = device.run(&["doctor"]).await;
    assert!(
        words
            .out
            .contains("  repair: bm-cloud doctor --repair install_rclone")
    );
    let unknown = device.run(&["doctor", "--repair", "everything"]).await;
    assert_eq!(unknown.code, Some(1), "{unknown:#?}");
}

#[tokio::test]
async fn what_the_upstream_command_line_left_is_found_and_mended() {
    let state = scratch();
    let server = Server::start(state.path()).await;
    server.activate(ANA).await;
    let device = Device::new("laptop");
    device.write("a.md", "a\n");
    device.set_up(&server, "safe").await;
    let config = device.home().join(".config/rclone/rclone.conf");
    device.ok(&["rclone", "export"]).await;
    let right = fs::read_to_string(&config).unwrap();
    let endpoint = right
        .lines()
        .find(|line| line.starts_with("endpoint = "))
        .unwrap();
    let wrong = right.replace(endpoint, "endpoint = https://fly.storage.tigris.dev");
    fs::write(&config, &wrong).unwrap();
    fs::set_permissions(&config, fs::Permissions::from_mode(0o644)).unwrap();

    let (said, found) = examined(&device).await;
    assert_eq!(said.code, Some(0), "warnings do not stop sync: {said:#?}");
    for code in ["upstream_endpoint", "config_permissions"] {
        assert!(found.contains(&code.to_owned()), "{code}: {found:?}");
    }
    device
        .ok(&["doctor", "--repair", "config_permissions"])
        .await;
    let mode = fs::metadata(&config).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    assert_eq!(fs::read_to_string(&config).unwrap(), wrong);
    device
        .ok(&["doctor", "--repair", "upstream_endpoint"])
        .await;
    assert_eq!(fs::read_to_string(&config).unwrap(), right);
    let backups = fs::read_dir(config.parent().unwrap()).unwrap().flatten();
    let kept = backups
        .filter(|it| it.file_name().to_string_lossy().contains(".backup-"))
        .any(|it| fs::read_to_string(it.path()).unwrap() == wrong);
    assert!(kept, "a backup of the file before the repair stays");
    let (_, found) = examined(&device).await;
    assert!(
        !found
            .iter()
            .any(|it| it.starts_with("config") || it.starts_with("upstream"))
    );

    fs::remove_file(&config).unwrap();
    let (_, found) = examined(&device).await;
    assert!(found.contains(&"orphaned_keys".to_owned()), "{found:?}");
    device.ok(&["doctor", "--repair", "orphaned_keys"]).await;
    let keys = device.json(&["credentials"]).await;
    assert_eq!(keys["credentials"].as_array().unwrap().len(), 1, "{keys}");
    device.ok(&["bisync"]).await;
}

#[tokio::test]
async fn an_unreachable_server_is_told_apart() {
    let state = scratch();
    let mut server = Server::start(state.path()).await;
    server.activate(ANA).await;
    let device = Device::new("laptop");
    device.set_up(&server, "safe").await;
    let (said, found) = examined(&device).await;
    assert_eq!(said.code, Some(0), "{said:#?}");
    assert!(!found.contains(&"server_unreachable".to_owned()));
    server.kill();
    let (said, found) = examined(&device).await;
    assert_eq!(said.code, Some(1), "{said:#?}");
    for code in ["server_unreachable", "storage_unreachable"] {
        assert!(found.contains(&code.to_owned()), "{code}: {found:?}");
    }
}

#[tokio::test]
async fn what_is_packed_for_others_has_no_secret_and_no_notes_name() {
    let state = scratch();
    let server = Server::start(state.path()).await;
    server.activate(ANA).await;
    let recorder = Recorder::start(&server).await;
    let device = Device::new("laptop");
    device.write("My private thought.md", "very private\n");
    device.sign_in_at(&recorder.url, &server).await;
    device.ok(&["setup", "--folder", device.folder()]).await;
    let file = device.home().join("help.zip");
    let path = file.to_str().unwrap();
    device.ok(&["doctor", "--export", path]).await;
    let bytes = fs::read(&file).unwrap();
    let packed = String::from_utf8_lossy(&bytes);
    for part in ["findings.json", "view.json", "settings.json", "README.txt"] {
        assert!(packed.contains(part), "{part}");
    }
    assert!(packed.contains("\"version\""), "it can be searched");
    for name in [
        "access_token",
        "refresh_token",
        "secret_key",
        "access_key",
        "device_code",
    ] {
        let values = recorder.values(name);
        assert!(!values.is_empty(), "no {name} came by");
        assert!(
            !values.iter().any(|it| packed.contains(it.as_str())),
            "{name}"
        );
    }
    for text in ["My private thought", "very private", ANA] {
        assert!(!packed.contains(text), "{text}");
    }
    let mode = fs::metadata(&file).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let again = device.run(&["doctor", "--export", path]).await;
    assert_eq!(again.code, Some(1), "{again:#?}");
    assert_eq!(fs::read(&file).unwrap(), bytes);
}
