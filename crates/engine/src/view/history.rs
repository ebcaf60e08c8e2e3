use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// What the history of this device holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct HistoryView {
    /// How long a version is kept.
    pub days: u32,
    #[ts(type = "number")]
    pub budget_mib: u64,
    #[ts(type = "number")]
    pub used_bytes: u64,
    #[ts(type = "number")]
    pub versions: u64,
}

/// An earlier version of a note.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct VersionView {
    pub id: String,
    pub pair: String,
    pub path: String,
    /// When it was taken out here, or stored in the cloud (Unix milliseconds).
    #[ts(type = "number")]
    pub at_ms: i64,
    #[ts(type = "number")]
    pub size: u64,
    pub reason: VersionReason,
    /// Who saved it, where that is known.
    pub device: Option<String>,
    /// Whether the note reads so now.
    pub current: bool,
}

/// Why a version is in history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub enum VersionReason {
    /// A newer version came from the cloud.
    Replaced,
    /// The note was removed elsewhere.
    Removed,
    /// It lost a conflict.
    Resolved,
    /// It went into a merge.
    Merged,
    /// It made room for a version that was restored.
    Restored,
    /// The cloud keeps it.
    InCloud,
}

/// Whether a file syncs, and if not, why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub enum ExplainState {
    Synced,
    Waiting,
    Hidden,
    CannotSync,
    Paused,
    Conflict,
    ReadOnly,
    Unknown,
}
