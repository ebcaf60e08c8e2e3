use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why a local instance could not be started, found or ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LocalError {
    #[cfg_attr(target_os = "linux", expect(dead_code, reason = "for other systems"))]
    #[error(
        "instances cannot run as processes on this system; set instances.kind to fixed or none"
    )]
    Unsupported,
    #[error("{what} could not be read or written")]
    Files {
        what: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("`{0}` is not a tenant's id")]
    BadTenant(String),
    #[error("what the instance was started with cannot be read")]
    Damaged(#[source] serde_json::Error),
    #[error("the tenant has no instance yet")]
    NotProvisioned,
    #[error("{} could not be started", program.display())]
    NotStarted {
        program: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the instance ended while it started; its log says why")]
    EndedEarly,
    #[error("the instance said within {} s neither where it listens nor that it is well", .0.as_secs())]
    TooSlow(Duration),
    #[error("the instance says that it failed")]
    SaysFailed,
    #[error("the instance has failed {0} times in a row and is started again later")]
    BackingOff(u32),
    #[error("the instance is not awake yet")]
    NotYet,
    #[error("something is still mounted at {}; unmount it", .0.display())]
    Mounted(PathBuf),
    #[error("no requests can be made to instances")]
    Client(#[source] reqwest::Error),
}

impl LocalError {
    /// Whether the same may go well later.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Files { .. }
            | Self::NotStarted { .. }
            | Self::EndedEarly
            | Self::TooSlow(_)
            | Self::SaysFailed
            | Self::BackingOff(_)
            | Self::NotYet
            | Self::Mounted(_) => true,
            Self::Unsupported
            | Self::BadTenant(_)
            | Self::Damaged(_)
            | Self::NotProvisioned
            | Self::Client(_) => false,
        }
    }
}
