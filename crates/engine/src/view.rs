mod check;
mod conflict;
mod filters;
mod history;
mod mounts;
mod notice;
mod settings;
mod setup;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::SignInKeep;
use crate::vault::ProblemCode;

pub use check::{CheckDifference, CheckLine, CheckView};
pub use conflict::{
    Choice, ConflictChoice, ConflictDetail, ConflictKind, ConflictState, ConflictView, DiffKind,
    DiffLine, FrontMatterDiff, KeyDiff, MergeChunk, MergeOrigin, MergeView, SeenVersions,
    VersionText,
};
pub use filters::{FilterEffect, FilterError};
pub use history::{ExplainState, HistoryView, VersionReason, VersionView};
pub use mounts::{MountProfileName, MountState, MountSupport, MountView};
pub use notice::{NoticeAction, NoticeCause, NoticeLevel, NoticeView};
pub use settings::{Limits, Notifications, QuietHours, SettingsView, WhenCostly};
pub use setup::{FolderWarning, NotesFolder, NotesKind, SetUpPreview};

/// Everything that a front end can see. Flat, without secrets, lists cut with their counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct View {
    pub version: String,
    pub device: String,
    pub status: Status,
    /// The status in words without its age: "Up to date", "Syncing 3 of 40".
    pub headline: String,
    pub sync: SyncSwitch,
    /// End of the last completed cycle or verify pass (Unix milliseconds).
    #[ts(type = "number | null")]
    pub checked_at_ms: Option<i64>,
    pub account: AccountView,
    pub subscription: Option<SubscriptionView>,
    pub pairs: Vec<PairView>,
    /// What `OpenFolder` opens where it names none; also of an account that is signed out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub notes_folder: Option<String>,
    /// What a person should hear of: one for each cause, the gravest first.
    pub notices: Vec<NoticeView>,
    /// Open conflicts first, then those put off; at most 100.
    pub conflicts: Vec<ConflictView>,
    /// Conflicts that nobody decided, those put off among them.
    pub open_conflict_count: u32,
    /// Obstacles, then remarks; at most 100.
    pub problems: Vec<ProblemView>,
    /// Obstacles alone.
    pub problem_count: u32,
    /// Newest first; at most 50.
    pub activity: Vec<ActivityView>,
    pub history: HistoryView,
    pub rclone: RcloneView,
    /// An rclone of the person's own, to be used before what is found. Where it cannot be used,
    /// or another was named at the start, `rclone` is that other.
    pub chosen_rclone: Option<String>,
    pub mounts: Vec<MountView>,
    pub mount_support: MountSupport,
    pub secret_store: SecretStoreView,
    pub settings: SettingsView,
}

/// The one status that icon, menu, window, command line and log share.
///
/// Where several hold, the first of this order wins: signed out or expired, error, attention,
/// paused, offline, syncing, idle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub enum Status {
    SignedOut,
    Expired,
    Error,
    Attention,
    Paused,
    Offline,
    Syncing,
    Starting,
    Idle,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
#[ts(export)]
pub enum SyncSwitch {
    On,
    Off,
    PausedUntil {
        #[ts(type = "number")]
        until_ms: i64,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
#[ts(export)]
pub enum AccountView {
    SignedOut {
        /// Why the last sign-in attempt or session ended, in words for a person.
        reason: Option<String>,
    },
    /// The code is asked for.
    SigningIn { server_url: String },
    /// A person has to enter the code in a browser.
    AwaitingBrowser {
        server_url: String,
        user_code: String,
        verification_url: String,
        /// With the code already in it, where the provider offers that.
        verification_url_complete: Option<String>,
        #[ts(type = "number")]
        expires_at_ms: i64,
    },
    SignedIn {
        server_url: String,
        user_id: String,
        email: Option<String>,
        /// False until the server has let this account in: without a subscription cloud mode
        /// stays off.
        cloud_mode: bool,
        /// `withSetUp` while the sign-in is provisional.
        keep: SignInKeep,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct SubscriptionView {
    pub current: bool,
    pub status: String,
    pub plan: Option<String>,
    #[ts(type = "number | null")]
    pub period_end_ms: Option<i64>,
    pub subscribe_url: String,
    pub manage_url: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub enum ProfileName {
    Safe,
    Balanced,
    Fast,
}

/// A folder and its bucket, kept equal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct PairView {
    pub id: String,
    pub folder: String,
    pub bucket: String,
    pub profile: ProfileName,
    /// Notes known equal on both sides.
    #[ts(type = "number")]
    pub files: u64,
    /// What these notes take up in the cloud, older versions aside.
    #[ts(type = "number")]
    pub bytes: u64,
    #[ts(type = "number | null")]
    pub checked_at_ms: Option<i64>,
    /// Changes seen here that are not in the cloud yet.
    #[ts(type = "number")]
    pub waiting: u64,
    pub running: Option<ProgressView>,
    pub last_run: Option<RunView>,
    pub halt: Option<HaltView>,
    pub preview: Option<PreviewView>,
    /// The newest comparison byte by byte of this engine.
    pub check: Option<CheckView>,
    /// What does not sync, line by line.
    pub filters: Vec<String>,
}

impl PairView {
    /// A pair of which nothing is known yet.
    pub fn new(id: &str, folder: &str, bucket: &str, profile: ProfileName) -> Self {
        Self {
            id: id.to_owned(),
            folder: folder.to_owned(),
            bucket: bucket.to_owned(),
            profile,
            files: 0,
            bytes: 0,
            checked_at_ms: None,
            waiting: 0,
            running: None,
            last_run: None,
            halt: None,
            preview: None,
            check: None,
            filters: Vec::new(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct ProgressView {
    #[ts(type = "number")]
    pub number: u64,
    /// `verify`, `refresh`, `bisync`, `apply`, `check` or `lane`.
    pub phase: String,
    #[ts(type = "number")]
    pub done: u64,
    #[ts(type = "number")]
    pub total: u64,
    /// The file that was last seen on its way.
    pub file: Option<String>,
    #[ts(type = "number")]
    pub bytes_done: u64,
    /// 0 where it is not known.
    #[ts(type = "number")]
    pub bytes_total: u64,
}

impl ProgressView {
    pub(crate) fn new(number: u64, phase: &str, done: u64, total: u64) -> Self {
        Self {
            number,
            phase: phase.to_owned(),
            done,
            total,
            file: None,
            bytes_done: 0,
            bytes_total: 0,
        }
    }
}

/// How the newest finished run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct RunView {
    #[ts(type = "number")]
    pub number: u64,
    #[ts(type = "number")]
    pub ended_at_ms: i64,
    #[ts(type = "number")]
    pub duration_ms: u64,
    pub result: RunResult,
    #[ts(type = "number")]
    pub uploaded: u64,
    #[ts(type = "number")]
    pub downloaded: u64,
    #[ts(type = "number")]
    pub removed_here: u64,
    #[ts(type = "number")]
    pub removed_in_cloud: u64,
    #[ts(type = "number")]
    pub conflicts: u64,
    /// Requests sent to the bucket.
    #[ts(type = "number")]
    pub requests: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
#[ts(export)]
pub enum RunResult {
    /// Nothing differed; rclone was not started.
    Verified,
    Synced,
    Previewed,
    /// A safety stop; see the pair's `halt`.
    Halted {
        code: String,
    },
    /// Will be tried again by itself where `transient`.
    Failed {
        code: String,
        message: String,
        hint: Option<String>,
        transient: bool,
    },
    /// Stopped by a pause or at the end of the program.
    Stopped,
}

/// A safety stop that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct HaltView {
    /// The halt's name, such as `TooManyDeletes`.
    pub code: String,
    pub message: String,
    pub hint: String,
    /// Whether `ConfirmHalt` is a way out.
    pub can_confirm: bool,
    /// The paths that show the cause; at most 50.
    pub evidence: Vec<String>,
    #[ts(type = "number")]
    pub evidence_count: u64,
    /// The ways out, the safest first; empty where it heals by itself.
    pub actions: Vec<HaltAction>,
}

/// A way out of a halt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub enum HaltAction {
    /// Go on: `ConfirmHalt`.
    Confirm,
    /// Adopt what is equal and make the rest conflicts: `SyncNow` with `Resync`.
    CompareAgain,
    /// Set up a folder again: `SetUp`.
    ChooseFolder,
    /// Bring the notes back as they were: `RestoreHalted`.
    Restore,
}

/// What a cycle would do, or the first sync will do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct PreviewView {
    #[ts(type = "number")]
    pub number: u64,
    /// At most 200 lines.
    pub changes: Vec<PreviewChange>,
    #[ts(type = "number")]
    pub change_count: u64,
    #[ts(type = "number")]
    pub identical: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct PreviewChange {
    pub path: String,
    pub action: ChangeAction,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub enum ChangeAction {
    Upload,
    Download,
    RemoveHere,
    RemoveInCloud,
    Conflict,
}

/// An obstacle on one path, or a remark about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct ProblemView {
    pub pair: String,
    pub path: String,
    pub code: String,
    pub message: String,
}

impl ProblemView {
    /// Whether the path syncs all the same: this is only good to know.
    pub fn is_remark(&self) -> bool {
        self.code == ProblemCode::NameNotEverywhere.as_str()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct ActivityView {
    #[ts(type = "number")]
    pub at_ms: i64,
    pub path: String,
    pub action: ChangeAction,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
#[ts(export)]
pub enum RcloneView {
    /// Not looked for yet.
    Unknown,
    Ready {
        version: String,
        path: String,
    },
    Installing,
    Missing {
        message: String,
        hint: String,
    },
    TooOld {
        version: String,
        path: String,
        message: String,
        hint: String,
    },
}

/// Where tokens and keys are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub enum SecretStoreView {
    Keyring,
    /// The keyring did not answer in time; it is probably locked.
    KeyringLocked,
    EncryptedFile,
    /// The encrypted file waits for its passphrase.
    FileLocked,
}

/// A key to the account's bucket, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct CredentialView {
    pub id: String,
    /// The device or program that it was made for, as far as that is known.
    pub name: String,
    #[ts(type = "number | null")]
    pub created_at_ms: Option<i64>,
    /// Only where the store tells it.
    #[ts(type = "number | null")]
    pub last_used_at_ms: Option<i64>,
    #[ts(type = "number | null")]
    pub expires_at_ms: Option<i64>,
    pub this_device: bool,
    pub state: CredentialState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub enum CredentialState {
    Active,
    /// Asked to go; the store has not confirmed it.
    Revoking,
    /// Taken off the record, but the store still has it; the server tries again.
    RevokeFailed,
}

/// Something that was looked at, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct Finding {
    /// Stable; scripts may branch on it.
    pub code: String,
    pub level: FindingLevel,
    pub message: String,
    pub hint: Option<String>,
    /// What `Repair` takes, where a program can mend it.
    pub repair: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub enum FindingLevel {
    Ok,
    /// Good to know.
    Note,
    /// May get in the way.
    Warning,
    /// In the way of sync.
    Error,
}

/// A way to get rclone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct InstallWayView {
    /// What `InstallRcloneWith` takes.
    pub way: String,
    /// What would be run; empty for a copy that is this app's alone.
    pub command: String,
    /// Whether it changes the system for all who use it, with an administrator's rights.
    pub administrator: bool,
}
