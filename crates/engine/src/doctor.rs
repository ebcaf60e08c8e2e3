//! What can be wrong with a machine, its rclone, its keys and its way to the server.
//!
//! [`gather`] looks, changing nothing; [`findings`] judges what was seen, purely. Each finding that
//! a program can mend names its repair.

mod configs;
mod gather;
mod judge;

pub(crate) use configs::{ConfigSeen, mended_endpoint};
pub(crate) use gather::{Question, gather};
pub(crate) use judge::{abandoned, findings, orphaned};

use std::path::PathBuf;

use crate::view::{CredentialView, RcloneView, SecretStoreView};

/// The repairs, as findings and requests name them.
pub(crate) const INSTALL_RCLONE: &str = "install_rclone";
pub(crate) const MEND_ENDPOINT: &str = "upstream_endpoint";
pub(crate) const CLOSE_CONFIG: &str = "config_permissions";
pub(crate) const REVOKE_ORPHANS: &str = "orphaned_keys";
pub(crate) const REVOKE_UPSTREAM: &str = "upstream_keys";

/// What was seen.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) device: String,
    pub(crate) rclone: RcloneView,
    pub(crate) configs: Vec<ConfigSeen>,
    /// Copies beside them, which upstream makes before each change, as open as the file was.
    pub(crate) copies: Vec<ConfigSeen>,
    pub(crate) server: ServerSeen,
    pub(crate) storage: StorageSeen,
    pub(crate) secrets: SecretStoreView,
    /// Why the tokens cannot be had, with a hint.
    pub(crate) session: Option<(String, Option<String>)>,
    pub(crate) keys: Vec<CredentialView>,
    /// Access keys by the id of their credential.
    pub(crate) access_keys: Vec<(String, String)>,
    /// What drives are missing, with a hint.
    pub(crate) drives: Result<String, (String, String)>,
    /// How many folders the system watches for one person.
    pub(crate) watches: Option<u64>,
    pub(crate) folders: Vec<FolderSeen>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ServerSeen {
    SignedOut,
    Unreachable {
        message: String,
        hint: Option<String>,
    },
    Reached {
        url: String,
        /// Our clock less the server's, in seconds.
        ahead_s: Option<i64>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StorageSeen {
    /// Nothing is set up yet.
    Unknown,
    Reached,
    Unreachable {
        endpoint: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FolderSeen {
    pub(crate) path: PathBuf,
    pub(crate) exists: bool,
    pub(crate) free_bytes: Option<u64>,
    /// Folders in it, itself included.
    pub(crate) folders: u64,
    pub(crate) linking: Option<LinkingSeen>,
    pub(crate) names: Option<NamesSeen>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkingSeen {
    HardLinks,
    Copies,
}

/// Whether `Note.md` and `note.md` are two files here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NamesSeen {
    CaseSensitive,
    CaseInsensitive,
}
