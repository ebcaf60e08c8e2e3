use serde::{Deserialize, Serialize};

/// `POST /sync` at an instance: where to look in the bucket. Hints only; `ETag`s decide.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncIn {
    #[serde(default)]
    pub changes: Vec<SyncChange>,
    /// Compare everything, whatever the changes say.
    #[serde(default)]
    pub full: bool,
}

/// One object that changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncChange {
    /// The object's key.
    pub path: String,
    pub kind: SyncKind,
    #[serde(default)]
    pub etag: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SyncKind {
    Written,
    Removed,
}

/// The answer to [`SyncIn`]: how many changes will be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncOut {
    pub accepted: usize,
}

/// What an instance says of itself at `GET /health`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceHealth {
    pub status: InstanceStatus,
    pub tenant_id: String,
    /// The generation of Basic Memory, as `0.24`; empty where there is none.
    pub generation: String,
    pub files: FilesHealth,
    pub upstream: UpstreamHealth,
    pub lag: Lag,
    /// RFC 3339.
    pub timestamp: String,
    /// Of the instance's program.
    pub version: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InstanceStatus {
    Ok,
    Degraded,
    Starting,
    Failed,
}

/// The bucket as files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilesHealth {
    /// `mount`, `replica`, `tigrisfs` or `none`.
    pub driver: String,
    pub state: InstanceStatus,
    pub message: Option<String>,
}

/// The Basic Memory behind the instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpstreamHealth {
    pub state: InstanceStatus,
    /// As it is installed; `None` where there is none.
    pub version: Option<String>,
    pub message: Option<String>,
}

/// What is known to have changed and cannot be found yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lag {
    pub pending: usize,
    /// How long the oldest of it waits, in milliseconds.
    pub oldest_ms: u64,
}
