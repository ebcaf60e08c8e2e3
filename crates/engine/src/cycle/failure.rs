use std::io;

use guard::{BucketError, RefusedReason, SessionOutcome};

use crate::brakes::Brake;
use crate::state::StateError;
use crate::vault::{ApplyError, MirrorError, RootError, SideError};

/// Why a cycle did not finish. Nothing of it counts, and nothing is lost by it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CycleFailure {
    #[error("{}", super::halt::words(.0).message)]
    Braked(Brake),
    #[error("The notes folder is another one than before")]
    RootReplaced,
    #[error(transparent)]
    Root(#[from] RootError),
    #[error(transparent)]
    Side(#[from] SideError),
    #[error(transparent)]
    Mirror(#[from] MirrorError),
    #[error(transparent)]
    Apply(#[from] ApplyError),
    #[error(transparent)]
    Bucket(#[from] BucketError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error("rclone: {0}")]
    Rclone(#[source] rclone::CycleError),
    #[error("another device changed {count} of the same notes meanwhile")]
    LostRace { count: usize },
    #[error("something changed each time that the two sides were compared")]
    Unsettled,
    #[error("the bucket does not take changes from this device any more")]
    Refused,
    #[error("the cloud cannot be reached")]
    Unreachable,
    #[error("{}", super::halt::skew_words(*.ahead_ms))]
    ClockSkew {
        /// How far this clock is ahead, in milliseconds, where the cloud said its time.
        ahead_ms: Option<i64>,
    },
    #[error("this cloud storage does not protect a note from being overwritten")]
    UnsafeStore,
    #[error(transparent)]
    Name(#[from] rclone::NameTooLong),
    #[error("rclone's listing could not be read: {0}")]
    Listing(#[from] rclone::listing::ListingError),
    #[error("could not write {what}: {source}")]
    Disk {
        what: &'static str,
        source: io::Error,
    },
    #[error("the run was stopped")]
    Stopped,
    #[error("a part of the run ended unexpectedly: {detail}")]
    Panicked { detail: String },
}

impl CycleFailure {
    #[expect(clippy::needless_pass_by_value, reason = "shaped for map_err")]
    pub(crate) fn panicked(error: tokio::task::JoinError) -> Self {
        Self::Panicked {
            detail: error.to_string(),
        }
    }

    /// The guard knows more about a failed transfer than rclone's exit does.
    pub(crate) fn from_run(error: rclone::CycleError, outcome: &SessionOutcome) -> Self {
        if matches!(error, rclone::CycleError::Stopped) {
            return Self::Stopped;
        }
        let lost = |reason: &RefusedReason| *reason == RefusedReason::LostRace;
        let races = outcome
            .refused
            .iter()
            .filter(|refused| lost(&refused.reason))
            .count();
        if races > 0 {
            return Self::LostRace { count: races };
        }
        match (outcome.refused.last(), error) {
            (Some(refused), _) if refused.reason == RefusedReason::Unreachable => Self::Unreachable,
            (Some(refused), _) if refused.reason == RefusedReason::ClockSkew => {
                Self::ClockSkew { ahead_ms: None }
            }
            (Some(_), _) => Self::Refused,
            (None, rclone::CycleError::AccessCheckFailed) => Self::Braked(Brake::AccessCheckFailed),
            (None, error) => Self::Rclone(error),
        }
    }

    /// Names a wrong clock with what is known of it.
    pub(crate) fn timed(self, now_ms: i64) -> Self {
        if let Self::Bucket(BucketError::ClockSkew { server_ms }) = self {
            let ahead_ms = server_ms.map(|server| now_ms - server);
            return Self::ClockSkew { ahead_ms };
        }
        self
    }

    /// Whether the same cycle is worth another try this moment.
    pub(crate) fn heals_at_once(&self) -> bool {
        match self {
            Self::LostRace { .. } => true,
            Self::Rclone(error) => {
                matches!(
                    error,
                    rclone::CycleError::Corrupted { .. }
                        | rclone::CycleError::SourceMoved
                        | rclone::CycleError::SocketTaken
                )
            }
            Self::Bucket(error) => matches!(error, BucketError::PreconditionFailed { .. }),
            Self::Braked(_)
            | Self::RootReplaced
            | Self::Root(_)
            | Self::Side(_)
            | Self::Mirror(_)
            | Self::Apply(_)
            | Self::State(_)
            | Self::Unsettled
            | Self::Refused
            | Self::Unreachable
            | Self::ClockSkew { .. }
            | Self::UnsafeStore
            | Self::Name(_)
            | Self::Listing(_)
            | Self::Disk { .. }
            | Self::Stopped
            | Self::Panicked { .. } => false,
        }
    }

    /// Whether a single file that cannot be read may be the cause.
    pub(crate) fn may_be_a_file_s(&self) -> bool {
        matches!(self, Self::Mirror(MirrorError::Io { .. }) | Self::Rclone(_))
    }

    /// Whether it is tried again by itself later.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Bucket(error) => error.is_transient(),
            Self::Rclone(error) => error.is_transient(),
            Self::LostRace { .. }
            | Self::Unsettled
            | Self::Unreachable
            | Self::Stopped
            | Self::Panicked { .. } => true,
            Self::Root(_) | Self::Disk { .. } | Self::Apply(_) | Self::Mirror(_) => true,
            Self::Braked(_)
            | Self::RootReplaced
            | Self::Side(_)
            | Self::State(_)
            | Self::Refused
            | Self::ClockSkew { .. }
            | Self::UnsafeStore
            | Self::Name(_)
            | Self::Listing(_) => false,
        }
    }

    /// Whether the cause is a network or server that does not answer.
    pub(crate) fn is_offline(&self) -> bool {
        match self {
            Self::Unreachable => true,
            Self::Bucket(error) => error.is_transient(),
            Self::Rclone(error) => matches!(error, rclone::CycleError::Unreachable),
            Self::Braked(_)
            | Self::RootReplaced
            | Self::Root(_)
            | Self::Side(_)
            | Self::Mirror(_)
            | Self::Apply(_)
            | Self::State(_)
            | Self::LostRace { .. }
            | Self::Unsettled
            | Self::Refused
            | Self::ClockSkew { .. }
            | Self::UnsafeStore
            | Self::Name(_)
            | Self::Listing(_)
            | Self::Disk { .. }
            | Self::Stopped
            | Self::Panicked { .. } => false,
        }
    }

    /// Whether the bucket does not accept our key.
    pub(crate) fn is_refused(&self) -> bool {
        matches!(
            self,
            Self::Refused | Self::Bucket(BucketError::Refused { .. })
        )
    }

    /// Stable name for scripts and logs.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Braked(brake) => super::halt::words(brake).code,
            Self::RootReplaced => "RootReplaced",
            Self::Root(_) => "RootMissing",
            Self::Side(_) => "side_folder",
            Self::Mirror(MirrorError::DiskFull) => "DiskFull",
            Self::Mirror(_) => "mirror",
            Self::Apply(ApplyError::DiskFull) => "DiskFull",
            Self::Apply(error) => error.code(),
            Self::ClockSkew { .. } | Self::Bucket(BucketError::ClockSkew { .. }) => "ClockSkew",
            Self::Bucket(error) => error.code(),
            Self::State(_) => "state",
            Self::Rclone(rclone::CycleError::DiskFull) => "DiskFull",
            Self::Rclone(error) => error.code(),
            Self::LostRace { .. } => "lost_race",
            Self::Unsettled => "unsettled",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::UnsafeStore => "unsafe_store",
            Self::Name(_) => "name_too_long",
            Self::Listing(_) => "listing",
            Self::Disk { source, .. } if source.kind() == io::ErrorKind::StorageFull => "DiskFull",
            Self::Disk { .. } => "disk",
            Self::Stopped => "stopped",
            Self::Panicked { .. } => "internal",
        }
    }

    /// What a person can do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        let hint = match self.code() {
            "RootMissing" => {
                "Bring the folder back (connect its disk); sync goes on by itself. \
                 Nothing was deleted in the cloud."
            }
            "DiskFull" => "Free some space; sync goes on by itself.",
            "ClockSkew" => "Set this computer's clock right; sync goes on by itself.",
            "unreachable" => "Check the connection; changes wait here and go up by themselves.",
            "unsafe_store" => {
                "Ask whoever runs the server for a store with conditional writes (If-Match)."
            }
            "refused" => "Sign in again.",
            "name_too_long" | "side_folder" => {
                "Choose a folder with a shorter path on a local disk."
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }
}
