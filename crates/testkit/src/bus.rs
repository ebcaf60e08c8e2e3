use std::fs;
use std::time::Duration;

use tempfile::TempDir;

use crate::{Child, program, scratch, wait_for};

const SOON: Duration = Duration::from_secs(20);
const SECRETS: &str = "--dest=org.freedesktop.secrets";
const COLLECTION: &str = "/org/freedesktop/secrets/collection/login";

/// A session bus of the test's own, on which nothing starts by itself.
#[must_use]
pub struct Bus {
    /// For `DBUS_SESSION_BUS_ADDRESS`.
    pub address: String,
    _daemon: Child,
    _folder: TempDir,
}

/// Starts a session bus without service folders: names are owned by what the test starts.
///
/// # Panics
/// If `dbus-daemon` is missing or does not come up.
pub async fn private_bus() -> Bus {
    let folder = scratch();
    let config = folder.path().join("bus.conf");
    let text = format!(
        r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:dir={}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"#,
        folder.path().display()
    );
    fs::write(&config, text).expect("a scratch folder is writable");
    let mut daemon = program("dbus-daemon")
        .arg(format!("--config-file={}", config.display()))
        .args(["--nofork", "--print-address=1"])
        .spawn();
    let address = daemon.line(SOON, |line| line.starts_with("unix:")).await;
    Bus {
        address,
        _daemon: daemon,
        _folder: folder,
    }
}

/// A Secret Service on a private bus, unlocked, with nothing in it.
#[must_use]
pub struct Keyring {
    _daemon: Child,
    _home: TempDir,
}

/// Starts gnome-keyring on `bus` with a home of its own, and waits until it answers.
///
/// # Panics
/// If `gnome-keyring-daemon` or `dbus-send` is missing or the service does not come up.
pub async fn keyring(bus: &Bus) -> Keyring {
    let home = scratch();
    let daemon = program("gnome-keyring-daemon")
        .args(["--unlock", "--foreground", "--components=secrets"])
        .env("DBUS_SESSION_BUS_ADDRESS", &bus.address)
        .env("HOME", home.path())
        .env("XDG_DATA_HOME", home.path())
        .env("XDG_RUNTIME_DIR", home.path())
        .env_remove("DISPLAY")
        .input("test")
        .spawn();
    wait_for(SOON, async || {
        let mut question = program("dbus-send")
            .arg(format!("--bus={}", bus.address))
            .args(["--print-reply=literal", "--dest=org.freedesktop.DBus", "/"])
            .args([
                "org.freedesktop.DBus.NameHasOwner",
                "string:org.freedesktop.secrets",
            ])
            .spawn();
        let asked = question.exit(SOON).await.success();
        (asked && question.stdout().contains("true")).then_some(())
    })
    .await;
    Keyring {
        _daemon: daemon,
        _home: home,
    }
}

/// The paths of what the keyring of this process's own session bus holds, locked or not.
///
/// # Panics
/// If no keyring answers there.
pub async fn keyring_items() -> String {
    let mut question = program("dbus-send")
        .args(["--session", "--print-reply=literal", SECRETS])
        .args([COLLECTION, "org.freedesktop.DBus.Properties.Get"])
        .args(["string:org.freedesktop.Secret.Collection", "string:Items"])
        .spawn();
    assert!(question.exit(SOON).await.success(), "{}", question.stderr());
    question.stdout()
}

/// Locks the keyring of this process's own session bus.
///
/// # Panics
/// If no keyring answers there.
pub async fn lock_keyring() {
    let mut lock = program("dbus-send")
        .args(["--session", "--print-reply", SECRETS])
        .args([
            "/org/freedesktop/secrets",
            "org.freedesktop.Secret.Service.Lock",
        ])
        .arg(format!("array:objpath:{COLLECTION}"))
        .spawn();
    assert!(lock.exit(SOON).await.success(), "{}", lock.stderr());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_keyring_opens_its_default_collection() {
        let bus = private_bus().await;
        let _keyring = keyring(&bus).await;
        let mut alias = program("dbus-send")
            .arg(format!("--bus={}", bus.address))
            .args(["--print-reply=literal", "--dest=org.freedesktop.secrets"])
            .args([
                "/org/freedesktop/secrets",
                "org.freedesktop.Secret.Service.ReadAlias",
            ])
            .arg("string:default")
            .spawn();
        assert!(alias.exit(SOON).await.success(), "{}", alias.stderr());
        assert!(
            alias
                .stdout()
                .contains("/org/freedesktop/secrets/collection/"),
            "{}",
            alias.stdout()
        );
    }
}
