use std::io;
use std::path::PathBuf;

use crate::RcError;
use crate::version::{FLOOR, Version};

/// Why there is no mount, told apart by what has to happen next.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    #[error("rclone could not be started: {reason}")]
    NotStarted { reason: String },
    #[error("rclone did not get ready in time")]
    NotReady,
    #[error("rclone {found} is too old for drives, {FLOOR} is needed")]
    TooOld { found: Version },
    /// `last_lines` is for a report; secrets in it are masked.
    #[error("rclone ended ({how})")]
    Died {
        how: String,
        last_lines: Vec<String>,
    },
    #[error("the path of the folder for sockets is too long")]
    SocketPathTooLong,
    #[error("the folder's path is not valid Unicode")]
    PathNotUnicode,
    #[error("the bucket cannot be reached")]
    Unreachable,
    #[error("the bucket refused the request")]
    BucketRefused,
    #[error("the folder is not empty")]
    NotEmpty,
    #[error("something is mounted in the folder already")]
    AlreadyMounted,
    #[error("the folder does not exist")]
    FolderMissing,
    #[error("a program still works in the folder")]
    Busy,
    /// Unmounted from outside.
    #[error("the mount is gone")]
    Gone,
    #[error("the dead mount in {} cannot be taken away", .folder.display())]
    Stuck { folder: PathBuf },
    #[error("rclone could not mount: {message}")]
    Refused { message: String },
    #[error(transparent)]
    Rc(#[from] RcError),
}

impl MountError {
    pub(super) fn not_started(error: &io::Error) -> Self {
        Self::NotStarted {
            reason: error.to_string(),
        }
    }

    pub(super) fn of_listing(error: RcError) -> Self {
        let table = [
            ("StatusCode: 403", Self::BucketRefused),
            ("StatusCode: 404", Self::BucketRefused),
            ("directory not found", Self::BucketRefused),
        ];
        if matches!(error, RcError::TimedOut) {
            return Self::Unreachable;
        }
        Self::of_refusal(error, table, |_| Self::Unreachable)
    }

    pub(super) fn of_mounting(error: RcError) -> Self {
        let table = [
            ("is not empty", Self::NotEmpty),
            ("already mounted", Self::AlreadyMounted),
            ("no such file or directory", Self::FolderMissing),
            ("does not exist", Self::FolderMissing),
        ];
        Self::of_refusal(error, table, |message| Self::Refused { message })
    }

    pub(super) fn of_unmounting(error: RcError) -> Self {
        let table = [
            ("resource busy", Self::Busy),
            ("target is busy", Self::Busy),
            ("mount not found", Self::Gone),
        ];
        Self::of_refusal(error, table, |message| Self::Refused { message })
    }

    fn of_refusal<const N: usize>(
        error: RcError,
        table: [(&str, Self); N],
        otherwise: impl FnOnce(String) -> Self,
    ) -> Self {
        let RcError::Refused { ref message, .. } = error else {
            return Self::Rc(error);
        };
        let mut rows = table.into_iter();
        match rows.find(|(needle, _)| message.contains(needle)) {
            Some((_, cause)) => cause,
            None => otherwise(message.clone()),
        }
    }

    /// Whether another try may succeed without anybody changing anything.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::NotReady
            | Self::Died { .. }
            | Self::Unreachable
            | Self::BucketRefused
            | Self::Busy
            | Self::Gone
            | Self::Rc(_) => true,
            Self::NotStarted { .. }
            | Self::TooOld { .. }
            | Self::SocketPathTooLong
            | Self::PathNotUnicode
            | Self::NotEmpty
            | Self::AlreadyMounted
            | Self::FolderMissing
            | Self::Stuck { .. }
            | Self::Refused { .. } => false,
        }
    }

    /// The stable code of the cause.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotStarted { .. } => "rclone_not_started",
            Self::NotReady => "rclone_not_ready",
            Self::TooOld { .. } => "rclone_too_old",
            Self::Died { .. } => "rclone_died",
            Self::SocketPathTooLong => "socket_path_too_long",
            Self::PathNotUnicode => "path_not_unicode",
            Self::Unreachable => "bucket_unreachable",
            Self::BucketRefused => "bucket_refused",
            Self::NotEmpty => "folder_not_empty",
            Self::AlreadyMounted => "already_mounted",
            Self::FolderMissing => "folder_missing",
            Self::Busy => "folder_busy",
            Self::Gone => "mount_gone",
            Self::Stuck { .. } => "mount_stuck",
            Self::Refused { .. } => "mount_refused",
            Self::Rc(_) => "rclone_no_answer",
        }
    }
}
