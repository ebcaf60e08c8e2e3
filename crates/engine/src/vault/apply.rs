//! Safe apply: the only code that changes a vault.
//!
//! Whatever comes out of the vault is proven to be what the cycle saw (no program has it open for
//! writing, and its hash is the expected one) before it goes to history; otherwise the user saved
//! meanwhile, and it goes back. Nothing that was ever at a vault path is unlinked.

mod arrivals;
mod change;
mod out;
mod work;

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use time::OffsetDateTime;

use super::beneath::is_full;
use super::history::Kept;
use super::problem::{PathProblem, ProblemCode};
use super::side::Side;
use super::signature::Signature;
pub(crate) use arrivals::{Arrival, place_arrivals, stage_arrival};
pub(super) use work::{State, Stop, Work, on_way};

/// One path's change from the mirror to the vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Install {
        path: String,
        from: NewBytes,
        /// MD5 of the new bytes, in lower-case hexadecimal.
        md5: String,
        /// Unix milliseconds; the time of the change where the cloud knows none.
        mtime_ms: Option<i64>,
        expect: Expect,
    },
    Remove {
        path: String,
        expect: Expect,
    },
}

/// Where the new version's bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NewBytes {
    /// A file in the mirror; it is copied.
    File(PathBuf),
    Here(Bytes),
}

/// What the cycle saw in the vault, and rclone decided upon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    Absent,
    Content { md5: String },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Applied {
    /// The vault has the new state, durably.
    Done {
        /// The installed file; `None` for a removal.
        signature: Option<Signature>,
        /// What was replaced or removed.
        kept: Option<Kept>,
    },
    /// The vault is no longer what the cycle saw. It is, or is again, as the user made it.
    UserSaved,
    /// A save fell into the moment of the change: a version of the user's is beside the note.
    KeptBoth { copy: String },
    /// Nothing was changed.
    Blocked(PathProblem),
}

/// The points of [`apply`], in order, at which a test may end the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ApplyStep {
    /// The copy is complete and durable in the stage.
    Staged,
    /// The intent is durable.
    Intended,
    /// The vault has the new state; the old version is in the stage.
    Swapped,
    /// The old version is proven to be the expected one.
    Verified,
    /// The old version is in history.
    Kept,
    /// The user's version is back in the vault.
    PutBack,
    /// The vault's folder is durable.
    Synced,
    /// The intent is gone.
    Settled,
}

impl ApplyStep {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 8] = [
        Self::Staged,
        Self::Intended,
        Self::Swapped,
        Self::Verified,
        Self::Kept,
        Self::PutBack,
        Self::Synced,
        Self::Settled,
    ];
}

/// Why a change could not be carried through. The stage may hold an unsettled intent then, which
/// [`super::recover`] settles.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApplyError {
    #[error("the disk is full")]
    DiskFull,
    #[error("the new bytes are not the version that was announced")]
    WrongSource { path: String },
    #[error("the notes folder cannot be opened")]
    Vault {
        #[source]
        source: io::Error,
    },
    /// The user's version waits in the stage for `recover`.
    #[error("the user's version of a note could not be put back yet")]
    Unfinished { path: String, code: ProblemCode },
    #[error("could not {doing}")]
    Io {
        doing: &'static str,
        #[source]
        source: io::Error,
    },
}

impl ApplyError {
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::DiskFull => "disk_full",
            Self::WrongSource { .. } => "wrong_source",
            Self::Vault { .. } => "vault_unreadable",
            Self::Unfinished { .. } => "apply_unfinished",
            Self::Io { .. } => "apply_failed",
        }
    }
}

/// Carries one change into the vault.
///
/// # Errors
/// [`ApplyError`]: the user's bytes are then in the vault or in the stage, where `recover` finds
/// them. Run `recover` before the next scan.
pub(crate) fn apply(
    vault: &Path,
    side: &Side,
    change: &Change,
    device: &str,
    now: OffsetDateTime,
    reached: &dyn Fn(ApplyStep),
) -> Result<Applied, ApplyError> {
    let work = Work::open(vault, side, device, now, reached)?;
    let (path, result) = match change {
        Change::Install {
            path,
            from,
            md5,
            mtime_ms,
            expect,
        } => {
            let source = change::Source {
                from,
                md5,
                mtime_ms: *mtime_ms,
            };
            (path, work.install(path, &source, expect))
        }
        Change::Remove { path, expect } => (path, work.remove(path, expect)),
    };
    match result {
        Ok(applied) => Ok(applied),
        Err(Stop::Blocked(code)) => Ok(Applied::Blocked(PathProblem::new(path, code))),
        Err(Stop::Error(error)) => Err(error),
    }
}

/// Names what failed.
pub(super) fn doing(doing: &'static str) -> impl Fn(io::Error) -> ApplyError {
    move |source| {
        if is_full(&source) {
            ApplyError::DiskFull
        } else {
            ApplyError::Io { doing, source }
        }
    }
}
