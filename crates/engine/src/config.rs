use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::{Clock, Places, SecretChoice};

/// Everything that the engine takes from its surroundings; mains read it, tests make it up.
#[derive(Clone, Debug)]
pub struct Config {
    pub places: Places,
    /// This device's name, as shown in conflict copies.
    pub device: String,
    pub clock: Clock,
    pub mode: Mode,
    pub secrets: SecretChoice,
    /// An rclone to use before any other.
    pub rclone: Option<PathBuf>,
    /// The value of `PATH`, searched for rclone last.
    pub path_variable: Option<OsString>,
    pub observer: Observer,
}

/// When the engine works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Follows file events and the interval; without one here, that of the settings.
    Background { interval: Option<Duration> },
    /// Only when asked.
    OnRequest,
}

/// A named moment of a cycle, in order. A crash may come at any of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Verified,
    SentinelReady,
    LaneUploaded,
    MirrorFilled,
    BisyncStarting,
    BisyncEnded,
    WinnerUploaded,
    ApplyStaged,
    ApplyIntended,
    ApplySwapped,
    ApplyVerified,
    ApplyKept,
    ApplyPutBack,
    ApplySynced,
    ApplySettled,
    Applied,
    BeforeCommit,
    Committed,
}

/// Told about each [`Step`] as it is reached; production ignores it.
#[derive(Clone)]
pub struct Observer(Arc<dyn Fn(Step) + Send + Sync>);

impl Observer {
    pub fn none() -> Self {
        Self(Arc::new(|_| ()))
    }

    pub fn new(reached: impl Fn(Step) + Send + Sync + 'static) -> Self {
        Self(Arc::new(reached))
    }

    pub(crate) fn reached(&self, step: Step) {
        (self.0)(step);
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Observer")
    }
}

/// This device's name for people: what they chose, else the host's, else "this device".
/// `lookup` reads an environment variable.
pub fn device_name(lookup: impl Fn(&str) -> Option<OsString>) -> String {
    let chosen = lookup("BM_CLOUD_DEVICE").or_else(|| lookup("COMPUTERNAME"));
    let name = chosen
        .map(|name| name.to_string_lossy().into_owned())
        .or_else(host_name);
    name.map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "this device".to_owned())
}

#[cfg(unix)]
fn host_name() -> Option<String> {
    let name = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    name.split('.').next().map(str::to_owned)
}

#[cfg(not(unix))]
fn host_name() -> Option<String> {
    None
}
