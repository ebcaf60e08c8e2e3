use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// What a comparison of both sides, byte by byte, found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct CheckView {
    #[ts(type = "number")]
    pub number: u64,
    /// When it ended (Unix milliseconds).
    #[ts(type = "number")]
    pub at_ms: i64,
    /// Files that hold the same bytes on both sides.
    #[ts(type = "number")]
    pub equal: u64,
    /// In the order of their paths; at most 200.
    pub differences: Vec<CheckLine>,
    #[ts(type = "number")]
    pub difference_count: u64,
    /// SHA-256 in hex of the lines `MD5  PATH` of all equal files, sorted by path, each ended by a
    /// line feed. The same on every device that holds the same notes.
    pub receipt: String,
    /// The comparison began after every change of the account up to this number had been told;
    /// absent where no change stream was open.
    #[ts(type = "number | null")]
    pub sequence: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct CheckLine {
    pub path: String,
    pub difference: CheckDifference,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub enum CheckDifference {
    OnlyHere,
    OnlyInCloud,
    Differs,
    /// This side's file could not be read as one complete version.
    Unreadable,
}
