//! What a disk says of itself.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "macos")]
mod macos;
#[cfg(windows)]
mod windows;

use std::path::Path;

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(target_os = "macos")]
use macos as system;
#[cfg(windows)]
use windows as system;

/// How much a disk holds, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    /// What this user can still write.
    pub(crate) free: u64,
    pub(crate) total: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DiskKind {
    Local,
    Network,
    /// FAT and its kin.
    WithoutLinks,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writing {
    Allowed,
    #[cfg_attr(windows, expect(dead_code, reason = "only trying would tell there"))]
    Refused,
}

/// `None` where the system does not tell.
pub(crate) fn room(place: &Path) -> Option<Room> {
    let found = fs4::statvfs(place).ok()?;
    Some(Room {
        free: found.available_space(),
        total: found.total_space(),
    })
}

/// What kind of disk a place is on; where the system does not tell, a local one.
pub(crate) fn kind(place: &Path) -> DiskKind {
    system::kind(place).unwrap_or(DiskKind::Local)
}

/// Whether this user may write at a place. Nothing is written to find out.
#[cfg(unix)]
pub(crate) fn writing(place: &Path) -> Writing {
    use rustix::fs::{Access, StatVfsMountFlags, access, statvfs};

    let flags = statvfs(place).map(|found| found.f_flag);
    let read_only = flags.is_ok_and(|flags| flags.contains(StatVfsMountFlags::RDONLY));
    if read_only || access(place, Access::WRITE_OK).is_err() {
        Writing::Refused
    } else {
        Writing::Allowed
    }
}

/// Only trying would tell here.
#[cfg(windows)]
pub(crate) fn writing(_place: &Path) -> Writing {
    Writing::Allowed
}
