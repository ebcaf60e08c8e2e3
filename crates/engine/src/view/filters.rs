use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// What a pair's filters would do, before they are set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct FilterEffect {
    /// Lines that cannot be used; the counts are those of the other lines.
    pub errors: Vec<FilterError>,
    /// Files, here or in the cloud, that would not sync.
    #[ts(type = "number")]
    pub hidden: u64,
    /// Files that would.
    #[ts(type = "number")]
    pub shown: u64,
    /// Files that sync now and would stay as they are, on both sides; at most 100.
    pub newly_hidden: Vec<String>,
    #[ts(type = "number")]
    pub newly_hidden_count: u64,
    /// Files that would begin to sync; at most 100.
    pub newly_shown: Vec<String>,
    #[ts(type = "number")]
    pub newly_shown_count: u64,
}

/// A line that cannot be used. Lines count from 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct FilterError {
    pub line: u32,
    pub message: String,
}
