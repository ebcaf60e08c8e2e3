use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::child::{self, Companion, Input};

const SOON: Duration = Duration::from_secs(20);

/// A message bus of our own with an unlocked keyring on it, so that a person's is left alone.
pub(crate) struct Bus {
    address: String,
    // Dropped in this order: the keyring goes before the bus it speaks on.
    _keyring: Companion,
    _daemon: Companion,
}

impl Bus {
    /// Starts both with the environment that `dress` gives to a command.
    pub(crate) fn start(dress: impl Fn(&mut Command), logs: &Path, name: &str) -> Result<Self> {
        let mut command = child::tied("dbus-daemon");
        command.args(["--session", "--nofork", "--print-address=1"]);
        dress(&mut command);
        let daemon = Companion::start(
            "dbus-daemon",
            &mut command,
            Input::Nothing,
            &logs.join(format!("{name}-bus.log")),
        )?;
        let address = daemon.line(SOON)?;

        let mut command = child::tied("gnome-keyring-daemon");
        command.args(["--foreground", "--unlock", "--components=secrets"]);
        dress(&mut command);
        command.env("DBUS_SESSION_BUS_ADDRESS", &address);
        let keyring = Companion::start(
            "gnome-keyring-daemon",
            &mut command,
            // Any password but the empty one makes a new, unlocked keyring.
            Input::Text("demo"),
            &logs.join(format!("{name}-keyring.log")),
        )?;
        wait_for_owner(&address, "org.freedesktop.secrets")?;
        Ok(Self {
            address,
            _keyring: keyring,
            _daemon: daemon,
        })
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }
}

/// Waits until somebody answers to `name` on the bus.
pub(crate) fn wait_for_owner(address: &str, name: &str) -> Result<()> {
    child::wait_for(&format!("{name} on the bus"), SOON, || {
        let answer = call(
            address,
            "org.freedesktop.DBus",
            "/org/freedesktop/DBus",
            "org.freedesktop.DBus.NameHasOwner",
            &[name],
        )?;
        Ok((answer.trim() == "(true,)").then_some(()))
    })
}

/// Calls a method and gives its answer in the bus's text form.
pub(crate) fn call(
    address: &str,
    destination: &str,
    object: &str,
    method: &str,
    arguments: &[&str],
) -> Result<String> {
    let output = Command::new("gdbus")
        .env("DBUS_SESSION_BUS_ADDRESS", address)
        // It writes "?" for every letter that the locale lacks.
        .env("LC_ALL", "C.UTF-8")
        .args([
            "call",
            "--session",
            "--timeout",
            "10",
            "--dest",
            destination,
        ])
        .args(["--object-path", object, "--method", method, "--"])
        .args(arguments)
        .output()?;
    if !output.status.success() {
        bail!(
            "{method} was refused: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
