use crate::bisync::PARTIAL_SUFFIX;
use crate::error::CycleError;
use crate::log::{Cause, Progress, Side};
use crate::supervisor::Exit;
use crate::transcript::Transcript;

/// What a successful run did, as its log tells. What is true in the end is in the trees and in
/// the listings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Finished {
    /// Both sides had changed differently: the bucket's version kept the name on both sides.
    ///
    /// rclone leaves the names that were kept (`from`) out of the new listings; one more run
    /// adds them.
    pub conflicts: Vec<Renamed>,
    pub copied: Vec<Copied>,
    pub deleted: Vec<Deleted>,
    /// What a dry run would have done; empty otherwise.
    pub planned: Vec<Planned>,
    pub stats: Progress,
}

/// A conflict: the local version of `from` is `to` now, on both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renamed {
    pub from: String,
    pub to: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// The side that had the file.
    pub from: Side,
    pub path: String,
    pub bytes: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deleted {
    /// The side that lost the file.
    pub on: Side,
    pub path: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    pub action: PlannedAction,
    pub path: String,
    pub bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PlannedAction {
    Upload,
    Download,
    DeleteLocal,
    DeleteRemote,
    /// Both sides changed differently; both versions would be kept.
    Conflict,
}

/// What the workdir looks like after a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Files {
    pub(crate) lock: Presence,
    /// `Present` if the run wrote both of the listings it was to write.
    pub(crate) fresh_listings: Presence,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    Present,
    Absent,
}

/// How a run ended, and whether it had been asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) exit: Exit,
    pub(crate) stop: Stop,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    Asked,
    NotAsked,
}

/// Decides what became of a run. Success needs every sign of it at once.
pub(crate) fn outcome(
    ended: Ended,
    transcript: Transcript,
    files: Files,
) -> Result<Finished, CycleError> {
    if ended.stop == Stop::Asked {
        return Err(CycleError::Stopped);
    }
    let code = match ended.exit {
        Exit::Signal(signal) => return Err(CycleError::Died { signal }),
        Exit::Code(code @ (130 | 143)) => return Err(CycleError::Died { signal: code - 128 }),
        Exit::Code(code) => code,
    };
    let whole = transcript.successful
        && files
            == Files {
                lock: Presence::Absent,
                fresh_listings: Presence::Present,
            };
    if code == 0 && whole {
        return Ok(Finished {
            conflicts: transcript.conflicts,
            copied: transcript.copied,
            deleted: transcript.deleted,
            planned: transcript.planned,
            stats: transcript.stats,
        });
    }
    let exit = (code != 0).then_some(code);
    let message = match (
        exit,
        transcript.successful,
        files.lock,
        files.fresh_listings,
    ) {
        (None, true, Presence::Present, _) => "a lock file was left behind".to_owned(),
        (None, true, Presence::Absent, _) => "the listings were not renewed".to_owned(),
        _ => transcript.explanation(),
    };
    let worst = transcript.failures.iter().map(|(cause, _)| *cause).min();
    Err(match worst {
        None | Some(Cause::Unexplained) => CycleError::Unknown {
            exit,
            message,
            last_lines: transcript.last_lines.into(),
        },
        Some(Cause::BadOption) => CycleError::BadOption { message },
        Some(Cause::SocketTaken) => CycleError::SocketTaken,
        Some(Cause::WorkdirLocked) => CycleError::WorkdirLocked,
        Some(Cause::TooManyDeletes {
            percent,
            deletes,
            total,
        }) => CycleError::TooManyDeletes {
            percent,
            deletes,
            total,
        },
        Some(Cause::AccessCheckFailed) => CycleError::AccessCheckFailed,
        Some(Cause::ListingsLost) => CycleError::ListingsLost,
        Some(Cause::FiltersChanged) => CycleError::FiltersChanged,
        Some(Cause::RootEmptied(side)) => CycleError::RootEmptied { side },
        Some(Cause::AllChanged(side)) => CycleError::AllChanged { side },
        Some(Cause::Forbidden) => CycleError::GuardRefused,
        Some(Cause::PreconditionFailed) => CycleError::LostRace {
            keys: named(transcript.failures, Cause::PreconditionFailed),
        },
        Some(Cause::DiskFull) => CycleError::DiskFull,
        Some(Cause::Unreachable) => CycleError::Unreachable,
        Some(Cause::Corrupted) => CycleError::Corrupted {
            keys: named(transcript.failures, Cause::Corrupted),
        },
        Some(Cause::SourceMoved) => CycleError::SourceMoved,
        Some(Cause::RootMissing) => CycleError::RootMissing,
        Some(Cause::StoppedBySignal) => CycleError::Stopped,
    })
}

/// The objects that failed for this cause.
fn named(failures: Vec<(Cause, Option<String>)>, wanted: Cause) -> Vec<String> {
    let mut keys: Vec<String> = failures
        .into_iter()
        .filter(|(cause, _)| *cause == wanted)
        .filter_map(|(_, object)| object)
        .map(|object| without_partial_suffix(&object).to_owned())
        .collect();
    keys.sort();
    keys.dedup();
    keys
}

/// A file is written as `NAME.HASH` with [`PARTIAL_SUFFIX`] until it is whole.
fn without_partial_suffix(object: &str) -> &str {
    let stem = object
        .strip_suffix(PARTIAL_SUFFIX)
        .and_then(|hashed| hashed.rsplit_once('.'));
    stem.map_or(object, |(name, _)| name)
}

#[cfg(test)]
mod tests;
