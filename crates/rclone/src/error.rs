use crate::log::Side;
use crate::session::NameTooLong;

/// Why a run did not succeed, told apart by what has to happen next.
///
/// A run that failed in any way must be discarded with its workdir.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CycleError {
    #[error("{deletes} of {total} files would be deleted, more than {percent} %")]
    TooManyDeletes {
        percent: u32,
        deletes: u64,
        total: u64,
    },
    /// The endpoint refused a conditional request: somebody else was faster with these keys.
    #[error("{} of the files changed in the bucket during the run", .keys.len())]
    LostRace { keys: Vec<String> },
    #[error("the check file is missing on one side")]
    AccessCheckFailed,
    #[error("there are no prior listings for these two paths")]
    ListingsLost,
    #[error("the filter rules changed since the last listings")]
    FiltersChanged,
    #[error("{side} lists no files, but did before")]
    RootEmptied { side: Side },
    #[error("the local folder cannot be read")]
    RootMissing,
    #[error("the endpoint refused the request")]
    GuardRefused,
    #[error("the endpoint cannot be reached or is overloaded")]
    Unreachable,
    #[error("the disk is full")]
    DiskFull,
    /// The bytes are not those that were announced: a file changed while it was copied, or an object
    /// is damaged. Each object that the log names.
    #[error("a copy was not the same as what was copied")]
    Corrupted { keys: Vec<String> },
    #[error("a file changed while it was copied")]
    SourceMoved,
    #[error("all files on {side} changed")]
    AllChanged { side: Side },
    #[error("rclone does not know an option: {message}")]
    BadOption { message: String },
    #[error("the remote-control socket is taken or its path too long")]
    SocketTaken,
    #[error("the workdir is locked by another run")]
    WorkdirLocked,
    #[error("the folder's path is too long")]
    PathTooLong(#[from] NameTooLong),
    #[error("the folder's path is not valid Unicode")]
    PathNotUnicode,
    #[error("rclone could not be started: {reason}")]
    NotStarted { reason: String },
    /// The run was asked to stop; even a run that got to its end counts as stopped.
    #[error("the run was stopped")]
    Stopped,
    #[error("rclone was ended by signal {signal}")]
    Died { signal: i32 },
    /// `exit` is `None` if rclone exited with 0 and yet not all signs of success were there.
    #[error("rclone failed{}: {message}", .exit.map_or(String::new(), |code| format!(" ({code})")))]
    /// `last_lines` is for a report; secrets in it are masked.
    Unknown {
        exit: Option<i32>,
        message: String,
        last_lines: Vec<String>,
    },
}

impl CycleError {
    /// Whether the same run may succeed later without anybody doing anything.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::LostRace { .. }
            | Self::Unreachable
            | Self::DiskFull
            | Self::Corrupted { .. }
            | Self::SourceMoved
            | Self::SocketTaken
            | Self::Died { .. }
            | Self::Unknown { .. } => true,
            Self::TooManyDeletes { .. }
            | Self::AccessCheckFailed
            | Self::ListingsLost
            | Self::FiltersChanged
            | Self::RootEmptied { .. }
            | Self::RootMissing
            | Self::GuardRefused
            | Self::AllChanged { .. }
            | Self::BadOption { .. }
            | Self::WorkdirLocked
            | Self::PathTooLong(_)
            | Self::PathNotUnicode
            | Self::NotStarted { .. }
            | Self::Stopped => false,
        }
    }

    /// A stable name for logs, scripts and front ends.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooManyDeletes { .. } => "too_many_deletes",
            Self::LostRace { .. } => "lost_race",
            Self::AccessCheckFailed => "access_check_failed",
            Self::ListingsLost => "listings_lost",
            Self::FiltersChanged => "filters_changed",
            Self::RootEmptied { .. } => "root_emptied",
            Self::RootMissing => "root_missing",
            Self::GuardRefused => "guard_refused",
            Self::Unreachable => "unreachable",
            Self::DiskFull => "disk_full",
            Self::Corrupted { .. } => "corrupted",
            Self::SourceMoved => "source_moved",
            Self::AllChanged { .. } => "all_changed",
            Self::BadOption { .. } => "bad_option",
            Self::SocketTaken => "socket_taken",
            Self::WorkdirLocked => "workdir_locked",
            Self::PathTooLong(_) => "path_too_long",
            Self::PathNotUnicode => "path_not_unicode",
            Self::NotStarted { .. } => "rclone_not_started",
            Self::Stopped => "stopped",
            Self::Died { .. } => "rclone_died",
            Self::Unknown { .. } => "rclone_failed",
        }
    }
}
