use std::path::PathBuf;

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use ts_rs::TS;

use crate::view::{
    ConflictChoice, ConflictDetail, ConflictView, CredentialView, ExplainState, FilterEffect,
    Finding, InstallWayView, MountProfileName, NotesFolder, ProfileName, SetUpPreview,
    SettingsView, VersionView,
};

/// Everything that a front end can ask of the engine.
///
/// Long work answers at once with a run number; its progress and result appear in the view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
#[ts(export)]
pub enum Request {
    /// Starts the device flow; the code and link appear in [`crate::View`].
    SignIn {
        server_url: String,
        open_browser: bool,
        #[serde(default)]
        keep: SignInKeep,
    },
    CancelSignIn,
    /// Keeps a provisional sign-in from now on; one that is kept already stays as it is.
    KeepSignIn,
    /// Revokes this device's credentials, forgets the tokens, leaves the folder as it is.
    SignOut,
    /// Opens the encrypted file of secrets. Without a file yet, the one that a sign-in makes is
    /// sealed with it. It is kept in memory only, and asked for again after the next start.
    OpenSecrets {
        #[ts(type = "string")]
        passphrase: Passphrase,
    },
    /// Puts an encrypted file aside whose passphrase is lost, and signs out.
    ForgetSecrets,
    /// Asks the server again what the account has.
    CheckSubscription,
    /// Makes `folder` and the account's bucket one pair, and shows the bucket as a drive as well
    /// where that is wanted: all of it, or nothing. A missing folder is created.
    SetUp {
        #[ts(type = "string")]
        folder: PathBuf,
        profile: ProfileName,
        /// The halted pair whose place it takes, where that halt offers to choose a folder; it
        /// keeps the filters. Files of the old folder stay as they are.
        #[serde(default)]
        #[ts(optional)]
        instead_of: Option<String>,
        #[serde(default)]
        #[ts(optional)]
        mount: Option<NewMount>,
    },
    SetProfile {
        pair: String,
        profile: ProfileName,
    },
    /// Looks at a folder and the cloud before a set-up; changes nothing, the folder need not be
    /// there, and the key that the look takes is taken back when it ends.
    PreviewSetUp {
        #[ts(type = "string")]
        folder: PathBuf,
        /// As in the set-up that is looked ahead to.
        #[serde(default)]
        #[ts(optional)]
        instead_of: Option<String>,
    },
    /// Tells whether a drive could be shown at a folder once `notes` is in sync; changes nothing.
    PreviewMount {
        #[ts(type = "string")]
        folder: PathBuf,
        #[serde(default)]
        #[ts(optional, type = "string")]
        notes: Option<PathBuf>,
    },
    /// Tells what these filter lines would do; changes nothing.
    CheckFilters {
        pair: String,
        lines: Vec<String>,
    },
    /// What is hidden from now on stays as it is on both sides and is forgotten; what is shown is
    /// compared like on a first sync.
    SetFilters {
        pair: String,
        lines: Vec<String>,
    },
    ChangeSettings {
        settings: SettingsView,
    },
    /// The toggle: `false` stops carrying changes, deletes nothing, and is remembered.
    SetSync {
        on: bool,
    },
    /// Stops carrying changes until the time given (Unix milliseconds).
    PauseUntil {
        #[ts(type = "number")]
        until_ms: i64,
    },
    SyncNow {
        pair: Option<String>,
        run: RunKind,
    },
    /// A person saw the evidence of a halt and wants the next cycle to go on.
    ConfirmHalt {
        pair: String,
    },
    /// Brings the notes back that a halt holds, where that is one of its ways out.
    RestoreHalted {
        pair: String,
    },
    /// Earlier versions, newest first, 100 on a page; those in the cloud only for one `path`.
    ListHistory {
        pair: Option<String>,
        path: Option<String>,
        /// What comes after a page: its `next`.
        after: Option<String>,
    },
    ReadVersion {
        id: String,
    },
    /// Puts a version back under its note's name, as a save; what was there goes to history first.
    RestoreVersion {
        id: String,
    },
    /// Tells whether a file syncs, and if not, why and what helps. A relative path is one in the
    /// folder that knows it.
    Explain {
        path: String,
    },
    /// Puts everything back that the last run replaced or removed here, and runs again.
    UndoLastSync {
        pair: String,
    },
    DismissConflict {
        id: String,
    },
    /// Puts a conflict back on the list that was put off until the next start.
    RecallConflict {
        id: String,
    },
    /// Everything a person needs to decide: both versions, their base, differences, a merge.
    ReadConflict {
        id: String,
    },
    /// All conflicts, where a view holds only the first.
    ListConflicts,
    /// Decides conflicts, all or many at once; one undo takes all of it back.
    ResolveConflicts {
        choices: Vec<ConflictChoice>,
    },
    /// Makes the folder what it was before a resolution. Takes what `Resolved` answered, or a
    /// conflict's id.
    UndoResolution {
        undo: String,
    },
    /// Shows the bucket as a drive in `folder`, which is made if it is missing.
    Mount {
        #[ts(type = "string")]
        folder: PathBuf,
        profile: MountProfileName,
    },
    /// Waits for what was saved, then takes the drive away. What cannot be stored now is kept.
    Unmount {
        id: String,
    },
    /// Mounts again with other times.
    SetMountProfile {
        id: String,
        profile: MountProfileName,
    },
    /// Forgets an unmounted drive; refused while files of it wait.
    ForgetMount {
        id: String,
    },
    OpenFolder {
        pair: Option<String>,
    },
    /// Finds rclone again, and installs the app's own copy if none is fit.
    InstallRclone,
    /// The ways to get rclone that this machine has, best first; runs nothing.
    ListInstallWays,
    /// Gets rclone in one of these ways. Whoever asks has shown its command, and the person
    /// agreed. Answers when it is done.
    InstallRcloneWith {
        way: String,
    },
    /// Asks a program whether it is an rclone that is fit, and answers with it. Nothing is
    /// remembered.
    TestRclone {
        #[ts(type = "string")]
        path: PathBuf,
    },
    /// As `TestRclone`, and if it is fit, it is used from now on, before any other. Without a path
    /// an earlier choice is forgotten.
    UseRclone {
        #[ts(type = "string | null")]
        path: Option<PathBuf>,
    },
    /// Looks whether there are notes on this computer: the vaults that Obsidian lists, and `draft`,
    /// a folder that the front end would offer.
    FindNotes {
        #[ts(type = "string")]
        draft: PathBuf,
    },
    /// The keys that open the account's bucket.
    ListCredentials,
    /// Takes a key away from whoever has it. If it is this device's own, a new one takes its place
    /// first and sync goes on.
    RevokeCredential {
        id: String,
    },
    /// Makes a key for something that is not this program and writes it to a new file that only
    /// its owner can read, as a section of an rclone configuration.
    CreateCredential {
        name: String,
        #[ts(type = "string")]
        file: PathBuf,
    },
    /// Writes the bucket as a remote into the person's own rclone configuration, with a key of its
    /// own. Without `config` it is the file that rclone uses. What the file had stays in a backup.
    ExportRclone {
        #[ts(type = "string | null")]
        config: Option<PathBuf>,
    },
    /// Looks for what is wrong with this machine and its way to the cloud; changes nothing.
    Diagnose,
    /// Mends what a finding names as its `repair`.
    Repair {
        code: String,
    },
    /// Packs how things are into a new file for whoever helps, without secrets and notes' names.
    ExportDiagnostics {
        #[ts(type = "string")]
        file: PathBuf,
    },
    /// Asks the engine's process to end.
    Quit,
}

/// A drive that is set up together with a folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct NewMount {
    #[ts(type = "string")]
    pub folder: PathBuf,
    pub profile: MountProfileName,
}

/// From when on a sign-in outlives the engine's process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub enum SignInKeep {
    /// At once.
    #[default]
    Now,
    /// From the first folder or drive on that is set up; until then it is provisional: in memory
    /// only, and revoked by a sign-out or by the engine's end. Where an account is known already,
    /// or has something set up, it is kept at once all the same.
    WithSetUp,
}

/// A passphrase on its way to the engine. No text of it but its own can be made.
#[derive(Clone, Deserialize)]
#[serde(from = "String")]
pub struct Passphrase(SecretString);

impl Passphrase {
    pub(crate) fn secret(self) -> SecretString {
        self.0
    }
}

impl From<String> for Passphrase {
    fn from(text: String) -> Self {
        Self(SecretString::from(text))
    }
}

impl Serialize for Passphrase {
    /// Only the private socket between programs of one person carries requests.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose_secret())
    }
}

impl std::fmt::Debug for Passphrase {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Passphrase(…)")
    }
}

impl PartialEq for Passphrase {
    fn eq(&self, other: &Self) -> bool {
        self.0.expose_secret() == other.0.expose_secret()
    }
}

impl Eq for Passphrase {}

/// What a requested run does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub enum RunKind {
    /// Carry what differs.
    Sync,
    /// Only tell what would happen; the result is the pair's `preview`.
    DryRun,
    /// Forget the baseline and compare again: equal files are adopted, different ones become
    /// conflicts, nothing is overwritten.
    Resync,
    /// Compare both sides byte by byte and change nothing; the result is the pair's `check`.
    Check,
}

/// What the engine answers to a request it took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
#[ts(export)]
pub enum Reply {
    Done,
    /// Work was queued; it is finished when the pair's `lastRun.number` reaches this.
    Run {
        #[ts(type = "number")]
        number: u64,
    },
    Filters {
        effect: FilterEffect,
    },
    SetUpPreview {
        preview: SetUpPreview,
    },
    InstallWays {
        ways: Vec<InstallWayView>,
    },
    /// An rclone that is fit.
    Rclone {
        version: String,
        path: String,
    },
    NotesFound {
        /// Folders that are there, best first; at most 10.
        folders: Vec<NotesFolder>,
    },
    History {
        versions: Vec<VersionView>,
        /// What `ListHistory` takes as `after` for the older ones; absent where there are none.
        next: Option<String>,
    },
    Version {
        version: VersionView,
        /// Absent where it is no text, or too large to show.
        text: Option<String>,
    },
    Restored {
        path: String,
        /// The version that made room; restoring it takes this back.
        undo: Option<String>,
    },
    Explanation {
        state: ExplainState,
        reason: String,
        /// What a person can do, in words or as a command.
        action: Option<String>,
    },
    Credentials {
        credentials: Vec<CredentialView>,
    },
    Diagnosis {
        findings: Vec<Finding>,
    },
    /// A file was written; what it replaced is in `backup`.
    Exported {
        path: String,
        backup: Option<String>,
    },
    Conflict {
        conflict: Box<ConflictDetail>,
    },
    Conflicts {
        conflicts: Vec<ConflictView>,
    },
    /// The conflicts in `stale` are as they were: one of their versions is no longer the one that
    /// was decided about.
    Resolved {
        undo: String,
        stale: Vec<String>,
    },
}

/// Why the engine did not take a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, thiserror::Error)]
#[error("{message}")]
#[ts(export)]
pub struct Refusal {
    /// Stable; scripts may branch on it.
    pub code: String,
    pub message: String,
    pub hint: Option<String>,
    /// The form field at fault, where there is one.
    pub field: Option<String>,
}

impl Refusal {
    pub(crate) fn new(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
            hint: None,
            field: None,
        }
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }

    pub(crate) fn field(self, field: &str) -> Self {
        Self {
            field: Some(field.to_owned()),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passphrase_goes_over_the_socket_and_shows_nowhere_else() {
        let request = Request::OpenSecrets {
            passphrase: Passphrase::from("correct horse".to_owned()),
        };
        assert!(!format!("{request:?}").contains("horse"));
        let line = serde_json::to_string(&request).unwrap();
        assert_eq!(
            line,
            r#"{"type":"openSecrets","passphrase":"correct horse"}"#
        );
        assert_eq!(serde_json::from_str::<Request>(&line).unwrap(), request);
    }
}
