use std::fmt;

use serde::Deserialize;

use crate::listing::unquote;

/// One of bisync's two paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// Path1: the local folder.
    Local,
    /// Path2: the bucket.
    Remote,
}

impl fmt::Display for Side {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Local => "the local folder",
            Self::Remote => "the bucket",
        })
    }
}

/// How far a run is, as rclone counts. Totals grow while it looks around.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Progress {
    pub bytes: u64,
    pub total_bytes: u64,
    pub transfers: u64,
    pub total_transfers: u64,
    pub checks: u64,
    pub deletes: u64,
    pub errors: u64,
    /// `None` while rclone cannot tell.
    #[serde(rename = "eta")]
    pub eta_seconds: Option<f64>,
    /// Bytes per second.
    pub speed: f64,
}

/// What a line of rclone's log tells; everything of no consequence is `Other`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum LogEvent {
    Delta {
        side: Side,
        change: Change,
        path: String,
    },
    BothChanged {
        path: String,
    },
    Equal {
        path: String,
    },
    /// A conflict's loser gets this name, in the folder of the path last named by `BothChanged`.
    Renaming {
        name: String,
    },
    Copied {
        from: Side,
        path: String,
        bytes: u64,
    },
    Deleted {
        on: Side,
        path: String,
    },
    Skipped {
        action: Skipped,
        side: Option<Side>,
        path: String,
        bytes: u64,
    },
    Stats(Progress),
    Successful,
    Failure {
        cause: Cause,
        object: Option<String>,
        text: String,
    },
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    New,
    Changed,
    Deleted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Skipped {
    Copy,
    Delete,
    Rename,
}

/// What is behind an error line. The order is that of precedence: one failure often logs several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cause {
    BadOption,
    SocketTaken,
    WorkdirLocked,
    TooManyDeletes {
        percent: u32,
        deletes: u64,
        total: u64,
    },
    AccessCheckFailed,
    ListingsLost,
    FiltersChanged,
    RootEmptied(Side),
    AllChanged(Side),
    Forbidden,
    PreconditionFailed,
    DiskFull,
    Unreachable,
    Corrupted,
    SourceMoved,
    RootMissing,
    StoppedBySignal,
    Unexplained,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    level: String,
    msg: String,
    object: Option<String>,
    object_type: Option<String>,
    #[serde(default)]
    size: i64,
    skipped: Option<String>,
    stats: Option<Progress>,
}

/// Reads one line of what rclone writes with `--use-json-log`; plain text is looked at too.
pub(crate) fn parse(line: &str) -> LogEvent {
    let Ok(line) = serde_json::from_str::<Line>(line) else {
        return plain(line);
    };
    let side = line.object_type.as_deref().and_then(side_of_type);
    let bytes = u64::try_from(line.size).unwrap_or(0);
    if let Some(stats) = line.stats {
        return LogEvent::Stats(stats);
    }
    if let (Some(skipped), Some(path)) = (&line.skipped, &line.object) {
        let action = match skipped.as_str() {
            "copy" => Skipped::Copy,
            "delete" => Skipped::Delete,
            "rename" | "move" => Skipped::Rename,
            _ => return LogEvent::Other,
        };
        return LogEvent::Skipped {
            action,
            side,
            path: path.clone(),
            bytes,
        };
    }
    if matches!(
        line.level.as_str(),
        "error" | "critical" | "fatal" | "alert" | "emergency"
    ) || line.msg.starts_with("Failed to ")
    {
        return LogEvent::Failure {
            cause: cause(&line.msg),
            object: line.object,
            text: line.msg,
        };
    }
    match (line.msg.as_str(), line.object, side) {
        ("Bisync successful", None, _) => LogEvent::Successful,
        ("Deleted", Some(path), Some(on)) => LogEvent::Deleted { on, path },
        (copied, Some(path), Some(from)) if copied.starts_with("Copied (") => {
            LogEvent::Copied { from, path, bytes }
        }
        (told, None, _) => told
            .strip_prefix("Files are equal! Skipping: ")
            .map(|key| LogEvent::Equal { path: name(key) })
            .or_else(|| table_row(told))
            .unwrap_or(LogEvent::Other),
        (_, Some(_), _) => LogEvent::Other,
    }
}

/// `- Path1             File is new                                 - KEY`
fn table_row(message: &str) -> Option<LogEvent> {
    let (tag, rest) = message.strip_prefix("- ")?.split_once(' ')?;
    let (told, key) = rest.split_once(" - ")?;
    let told = told.trim();
    let side = match tag {
        "Path1" => Side::Local,
        "Path2" => Side::Remote,
        "WARNING" if told == "New or changed in both paths" => {
            return Some(LogEvent::BothChanged { path: name(key) });
        }
        _ => return None,
    };
    let change = match told {
        "File is new" => Change::New,
        "File was deleted" => Change::Deleted,
        changed if changed.starts_with("File changed") => Change::Changed,
        "Renaming Path1 copy" | "Renaming Path2 copy" => {
            let whole = name(key);
            let name = whole.rsplit('/').next()?.to_owned();
            return Some(LogEvent::Renaming { name });
        }
        _ => return None,
    };
    Some(LogEvent::Delta {
        side,
        change,
        path: name(key),
    })
}

/// Names with characters that need it are quoted as in Go.
fn name(key: &str) -> String {
    if key.starts_with('"')
        && let Ok(name) = unquote(key)
    {
        return name;
    }
    key.to_owned()
}

fn side_of_type(object_type: &str) -> Option<Side> {
    if object_type.starts_with("*local.") {
        Some(Side::Local)
    } else if object_type.starts_with("*s3.") {
        Some(Side::Remote)
    } else {
        None
    }
}

fn plain(line: &str) -> LogEvent {
    let cause =
        if line.starts_with("Error: unknown ") || line.starts_with("Error: invalid argument") {
            Cause::BadOption
        } else if line.contains("Failed to start remote control") {
            Cause::SocketTaken
        } else if line.starts_with("panic:") || line.starts_with("fatal error:") {
            Cause::Unexplained
        } else {
            return LogEvent::Other;
        };
    LogEvent::Failure {
        cause,
        object: None,
        text: line.to_owned(),
    }
}

fn cause(text: &str) -> Cause {
    let side = if text.contains("Path2") {
        Side::Remote
    } else {
        Side::Local
    };
    if let Some(deletes) = too_many_deletes(text) {
        return deletes;
    }
    let table = [
        ("Failed to start remote control", Cause::SocketTaken),
        ("prior lock file found", Cause::WorkdirLocked),
        ("check file check failed", Cause::AccessCheckFailed),
        (
            "cannot find prior Path1 or Path2 listings",
            Cause::ListingsLost,
        ),
        ("filters file has changed", Cause::FiltersChanged),
        ("filters file md5 hash not found", Cause::FiltersChanged),
        ("empty current Path", Cause::RootEmptied(side)),
        ("all files were changed on", Cause::AllChanged(side)),
        ("error StatusCode: 412", Cause::PreconditionFailed),
        ("error StatusCode: 403", Cause::Forbidden),
        ("no space left on device", Cause::DiskFull),
        ("exceeded maximum number of attempts", Cause::Unreachable),
        ("corrupted on transfer", Cause::Corrupted),
        ("source file is being updated", Cause::SourceMoved),
        ("error reading source root directory", Cause::RootMissing),
        ("max transfer limit reached", Cause::StoppedBySignal),
    ];
    table
        .iter()
        .find(|(needle, _)| text.contains(needle))
        .map_or(Cause::Unexplained, |&(_, cause)| cause)
}

/// `too many deletes (>25%, 5 of 11) on Path1 …`
fn too_many_deletes(text: &str) -> Option<Cause> {
    let (_, rest) = text.split_once("too many deletes (>")?;
    let (percent, rest) = rest.split_once("%, ")?;
    let (deletes, rest) = rest.split_once(" of ")?;
    let (total, _) = rest.split_once(')')?;
    Some(Cause::TooManyDeletes {
        percent: percent.parse().ok()?,
        deletes: deletes.parse().ok()?,
        total: total.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_named_whatever_failed_because_of_it() {
        let line = "Bisync critical error: write /m/n.md.1a2b.rclone-part: no space left on device";
        assert_eq!(cause(line), Cause::DiskFull);
    }
}
