//! What each system does with files, behind one face: nothing above it asks where it runs.
//!
//! | | Linux | macOS | Windows |
//! | --- | --- | --- | --- |
//! | below an open folder | `openat` | `openat` | `NtCreateFile` with a root folder |
//! | exchange | `renameat2` | `renameatx_np` | none: files are moved aside |
//! | rename without replacing | `RENAME_NOREPLACE` | `RENAME_EXCL` | `FileRenameInformation` |
//! | a folder becomes durable | `fsync` | `F_FULLFSYNC` | in NTFS's own order, at its own time |
//! | which file it is | device, inode | device, inode | volume, file id |

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix as imp;
#[cfg(windows)]
use windows as imp;

use super::signature::Signature;

pub(super) use imp::{
    Folder, Looks, file_clock_ns, is_no_file, is_plain, make_private, make_version_durable,
    mount_of, open_own, root_ino, stat_of, sync_file_system,
};

/// What the system says about something that is open, or has a name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stat {
    pub kind: Kind,
    pub signature: Signature,
    pub reading: Reading,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Folder,
    Link,
    #[cfg_attr(windows, expect(dead_code, reason = "devices and sockets are Unix's"))]
    Other,
}

/// Who may read a file, as far as that was told by the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    Everybody,
    /// It has to be asked.
    Unknown,
}

/// For whom a new file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Audience {
    Owner,
    /// Whoever the process's settings let read new files.
    Usual,
}

/// What may have one name.
#[derive(Clone, Copy, Debug)]
pub(super) enum Found {
    File(Stat),
    Folder,
    Link,
    Other,
}

impl From<Stat> for Found {
    fn from(stat: Stat) -> Self {
        match stat.kind {
            Kind::File => Self::File(stat),
            Kind::Folder => Self::Folder,
            Kind::Link => Self::Link,
            Kind::Other => Self::Other,
        }
    }
}

/// Why a folder did not open.
#[derive(Debug)]
pub(super) enum NotOpened {
    Missing,
    /// A link, a file, or something else has the name.
    NotAFolder,
    Io(std::io::Error),
}

/// What became of a rename that must not replace anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moved {
    Done,
    /// Something already has the new name; nothing was moved.
    Taken,
    /// Nothing has the old name.
    Gone,
}

/// Links and renames work only within one mount, which is less than one device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mount {
    pub device: u64,
    pub id: Option<u64>,
}
