use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// How soon a mount shows what others changed, and how long it believes a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub enum MountProfileName {
    /// Listings are believed for 5 seconds.
    Fast,
    /// 10 seconds.
    Balanced,
    /// 15 seconds.
    Safe,
}

/// The bucket, shown as a drive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct MountView {
    pub id: String,
    pub folder: String,
    pub profile: MountProfileName,
    pub state: MountState,
    /// Files saved in the mount that are not in the cloud yet.
    #[ts(type = "number")]
    pub waiting: u64,
    #[ts(type = "number")]
    pub waiting_bytes: u64,
    /// What stands in the way, in words for a person.
    pub message: Option<String>,
    pub hint: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub enum MountState {
    Starting,
    Mounted,
    /// It went away by itself and is brought back.
    Reconnecting,
    /// What was saved goes up first.
    Unmounting,
    Unmounted,
    /// Waits for a person.
    Failed,
}

/// Whether this machine can mount at all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
#[ts(export)]
pub enum MountSupport {
    Ready { driver: String },
    Missing { message: String, hint: String },
}
