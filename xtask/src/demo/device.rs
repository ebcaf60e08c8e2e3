use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::child::{self, Companion, Input};
use crate::demo::bus::Bus;
use crate::demo::notes::{self, Notes};
use crate::demo::server::Server;
use crate::repo::Repo;

const SOON: Duration = Duration::from_secs(60);

/// One of the demo user's computers: a home of its own, a bus of its own, one folder of notes.
pub(crate) struct Device {
    name: String,
    home: PathBuf,
    runtime: PathBuf,
    bus: Option<Bus>,
    rclone: PathBuf,
    bm_cloud: PathBuf,
}

/// How a command of ours ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) output: String,
    pub(crate) errors: String,
}

impl Device {
    /// A device with its home and its logs under `base`.
    pub(crate) fn new(repo: &Repo, base: &Path, name: &str) -> Result<Self> {
        let home = base.join(name);
        let logs = base.join("logs");
        // Sockets have short names at most, and checkouts may lie deep.
        let runtime = std::env::temp_dir().join(format!("bm-demo-{}-{name}", std::process::id()));
        let mut device = Self {
            name: name.to_owned(),
            home,
            runtime,
            bus: None,
            rclone: repo.rclone(),
            bm_cloud: repo.binary("bm-cloud"),
        };
        for folder in [
            device.folder(),
            device.home.join(".config"),
            device.runtime.clone(),
            logs.clone(),
        ] {
            std::fs::create_dir_all(&folder)?;
        }
        private(&device.runtime)?;
        let bus = Bus::start(|command| device.dress(command), &logs, name)?;
        device.bus = Some(bus);
        Ok(device)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The folder of notes.
    pub(crate) fn folder(&self) -> PathBuf {
        self.home.join("Notes")
    }

    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    /// What is gone when nobody uses the device, its sockets among it.
    pub(crate) fn runtime(&self) -> &Path {
        &self.runtime
    }

    pub(crate) fn notes(&self) -> Result<Notes> {
        notes::read(&self.folder())
    }

    pub(crate) fn bus_address(&self) -> &str {
        self.bus.as_ref().map_or("", Bus::address)
    }

    /// Gives a command this device's surroundings and nothing of those we were started in.
    pub(crate) fn dress(&self, command: &mut Command) {
        command.env_clear();
        let keep = |name: &str| std::env::var_os(name).map(|value| (name.to_owned(), value));
        command.envs(["PATH", "TMPDIR"].into_iter().filter_map(keep));
        let under_home = [
            ("XDG_CONFIG_HOME", ".config"),
            ("XDG_DATA_HOME", ".local/share"),
            ("XDG_STATE_HOME", ".local/state"),
            ("XDG_CACHE_HOME", ".cache"),
        ];
        command.envs(under_home.map(|(name, folder)| (name, self.home.join(folder))));
        command
            .env("HOME", &self.home)
            .env("XDG_RUNTIME_DIR", &self.runtime)
            .env("LANG", "C.UTF-8")
            .env("USER", "ana")
            .env("NO_COLOR", "1")
            .env("BM_CLOUD_RCLONE", &self.rclone)
            .env("BM_CLOUD_DEVICE", &self.name);
        if let Some(bus) = &self.bus {
            command.env("DBUS_SESSION_BUS_ADDRESS", bus.address());
        }
        command.current_dir(&self.home);
    }

    /// Runs `bm-cloud` to its end.
    pub(crate) fn bm_cloud(&self, arguments: &[&str]) -> Result<Said> {
        let mut command = Command::new(&self.bm_cloud);
        self.dress(&mut command);
        let output = command
            .args(arguments)
            .output()
            .with_context(|| format!("could not start {}", self.bm_cloud.display()))?;
        Ok(Said {
            code: output.status.code(),
            output: String::from_utf8_lossy(&output.stdout).into_owned(),
            errors: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Runs `bm-cloud … --json`, which has to succeed; gives its last line.
    pub(crate) fn json(&self, arguments: &[&str]) -> Result<Value> {
        let mut words = arguments.to_vec();
        words.push("--json");
        let said = self.bm_cloud(&words)?;
        if said.code != Some(0) {
            bail!(
                "on {}: `bm-cloud {}` ended with {:?}\n{}{}",
                self.name,
                words.join(" "),
                said.code,
                said.output,
                said.errors
            );
        }
        said.last_json()
            .with_context(|| format!("`bm-cloud {}`", words.join(" ")))
    }

    /// Signs in as a person would: the program shows a code, the browser (us) confirms it.
    pub(crate) fn sign_in(&self, server: &Server, email: &str) -> Result<Said> {
        self.sign_in_at(server.url(), server, email)
    }

    /// The same, with the server reached at another address than its own.
    pub(crate) fn sign_in_at(&self, url: &str, server: &Server, email: &str) -> Result<Said> {
        let mut command = child::tied(&self.bm_cloud);
        self.dress(&mut command);
        command.args(["login", "--server", url, "--no-browser", "--json"]);
        let log = self.home.join("login.log");
        let login = Companion::start("bm-cloud login", &mut command, Input::Nothing, &log)?;
        let first = login.line(SOON)?;
        let value: Value = serde_json::from_str(&first)
            .with_context(|| format!("`bm-cloud login` should print JSON, not: {first}"))?;
        // Who is signed in already only has the subscription looked at again.
        if let Some(code) = value["userCode"].as_str() {
            server.approve(code, email)?;
        }
        let (status, mut lines) = login.finish(SOON)?;
        lines.insert(0, first);
        let errors = std::fs::read_to_string(&log).unwrap_or_default();
        Ok(Said {
            code: status.code(),
            output: lines.join("\n"),
            errors,
        })
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.bus = None;
        drop(std::fs::remove_dir_all(&self.runtime));
    }
}

impl Said {
    /// The last line of the output that is JSON, or all of it.
    pub(crate) fn last_json(&self) -> Result<Value> {
        serde_json::from_str(&self.output)
            .ok()
            .or_else(|| {
                self.output
                    .lines()
                    .rev()
                    .find_map(|line| serde_json::from_str(line).ok())
            })
            .with_context(|| format!("no JSON in: {}", self.output))
    }
}

/// Finds a number by its name, however deep it lies.
pub(crate) fn number(value: &Value, name: &str) -> Option<u64> {
    match value {
        Value::Object(fields) => fields
            .get(name)
            .and_then(Value::as_u64)
            .or_else(|| fields.values().find_map(|inner| number(inner, name))),
        Value::Array(items) => items.iter().find_map(|inner| number(inner, name)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

/// An environment variable of ours, if it says something.
pub(crate) fn ours(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

fn private(folder: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))
        .with_context(|| format!("could not make {} private", folder.display()))
}
