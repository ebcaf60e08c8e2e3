use std::fs::{DirBuilder, File, Permissions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{self, AtFlags, Dir, FileType, Gid, Mode, OFlags, RawMode, RenameFlags, Uid};
use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};

use super::{Audience, Found, Kind, Mount, Moved, NotOpened, Reading, Stat};
use crate::vault::signature::{Signature, nanoseconds};

/// An open folder. It stays the same folder when it is moved or renamed.
#[derive(Debug)]
pub(in crate::vault) struct Folder(OwnedFd);

const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);
const READ: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::CLOEXEC);

impl Folder {
    /// Opens a folder by its full path; here, and only here, links are followed.
    pub(in crate::vault) fn open_root(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(fs::open(path, flags, Mode::empty())?))
    }

    pub(in crate::vault) fn open_folder(&self, name: &str) -> Result<Self, NotOpened> {
        match fs::openat(&self.0, name, FOLDER, Mode::empty()) {
            Ok(fd) => Ok(Self(fd)),
            Err(Errno::NOENT) => Err(NotOpened::Missing),
            Err(Errno::LOOP | Errno::NOTDIR) => Err(NotOpened::NotAFolder),
            Err(error) => Err(NotOpened::Io(error.into())),
        }
    }

    /// Makes a folder; says whether it was not there yet.
    pub(in crate::vault) fn make_folder(&self, name: &str) -> io::Result<bool> {
        match fs::mkdirat(&self.0, name, Mode::from_raw_mode(0o777)) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    pub(in crate::vault) fn find(&self, name: &str) -> io::Result<Option<Found>> {
        match fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(Stat::from(&stat).into())),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens a file for reading; links and waiting pipes are refused by the system.
    pub(in crate::vault) fn open_file(&self, name: &str) -> io::Result<File> {
        Ok(File::from(fs::openat(&self.0, name, READ, Mode::empty())?))
    }

    /// Makes a new file; fails when the name is taken.
    pub(in crate::vault) fn create_file(&self, name: &str, audience: Audience) -> io::Result<File> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(match audience {
            Audience::Owner => 0o600,
            Audience::Usual => 0o666,
        });
        Ok(File::from(fs::openat(&self.0, name, flags, mode)?))
    }

    /// Whether names in it can be made, given away and taken, as far as the system tells.
    pub(in crate::vault) fn lets_change(&self) -> bool {
        let access = fs::Access::WRITE_OK | fs::Access::EXEC_OK;
        let told = fs::accessat(&self.0, ".", access, AtFlags::EACCESS);
        !matches!(told, Err(Errno::ACCESS | Errno::PERM | Errno::ROFS))
    }

    /// Renames without ever replacing anything.
    pub(in crate::vault) fn move_to(
        &self,
        name: &str,
        to: &Self,
        new_name: &str,
    ) -> io::Result<Moved> {
        match fs::renameat_with(&self.0, name, &to.0, new_name, RenameFlags::NOREPLACE) {
            Ok(()) => Ok(Moved::Done),
            Err(Errno::EXIST) => Ok(Moved::Taken),
            Err(Errno::NOENT) => Ok(Moved::Gone),
            Err(error) => Err(error.into()),
        }
    }

    /// Exchanges two names in one step. `Gone` if either has nothing.
    pub(in crate::vault) fn exchange(
        &self,
        name: &str,
        with: &Self,
        other: &str,
    ) -> io::Result<Moved> {
        match fs::renameat_with(&self.0, name, &with.0, other, RenameFlags::EXCHANGE) {
            Ok(()) => Ok(Moved::Done),
            Err(Errno::NOENT) => Ok(Moved::Gone),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes a second name for one file. The name must be free.
    pub(in crate::vault) fn link_to(
        &self,
        name: &str,
        to: &Self,
        new_name: &str,
    ) -> io::Result<()> {
        Ok(fs::linkat(
            &self.0,
            name,
            &to.0,
            new_name,
            AtFlags::empty(),
        )?)
    }

    /// Removes a file of ours: only for the stage and for probes, never for vault paths.
    pub(in crate::vault) fn discard_own(&self, name: &str) -> io::Result<()> {
        match fs::unlinkat(&self.0, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes a folder if it is empty; says whether it went.
    pub(in crate::vault) fn remove_empty(&self, name: &str) -> bool {
        fs::unlinkat(&self.0, name, AtFlags::REMOVEDIR).is_ok()
    }

    /// The names in this folder, in no order; those that are no UTF-8 come lossily in `Err`.
    pub(in crate::vault) fn names(&self) -> io::Result<Vec<Result<String, String>>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.0)? {
            let name = entry?.file_name().to_owned();
            match name.into_string() {
                Ok(name) if name == "." || name == ".." => {}
                Ok(name) => names.push(Ok(name)),
                Err(error) => {
                    names.push(Err(error.into_cstring().to_string_lossy().into_owned()));
                }
            }
        }
        Ok(names)
    }

    /// Whether the process may read a file.
    pub(in crate::vault) fn may_read(&self, name: &str) -> bool {
        fs::accessat(&self.0, name, fs::Access::READ_OK, AtFlags::EACCESS).is_ok()
    }

    /// Makes the bytes of a file here durable.
    pub(in crate::vault) fn flush_file(&self, name: &str) -> io::Result<()> {
        self.open_file(name)?.sync_data()
    }

    pub(in crate::vault) fn stat(&self) -> io::Result<Stat> {
        Ok(Stat::from(&fs::fstat(&self.0)?))
    }

    /// Makes the names in this folder durable.
    pub(in crate::vault) fn sync(&self) -> io::Result<()> {
        #[cfg(target_vendor = "apple")]
        if fs::fcntl_fullfsync(&self.0).is_ok() {
            return Ok(());
        }
        Ok(fs::fsync(&self.0)?)
    }

    pub(in crate::vault) fn again(&self) -> io::Result<Self> {
        Ok(Self(self.0.try_clone()?))
    }
}

impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<&fs::Stat> for Stat {
    #[expect(
        clippy::unnecessary_cast,
        reason = "the fields of stat have other widths on other systems"
    )]
    fn from(stat: &fs::Stat) -> Self {
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Folder,
            FileType::Symlink => Kind::Link,
            FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Unknown => Kind::Other,
        };
        Self {
            kind,
            signature: Signature {
                ino: stat.st_ino as u64,
                dev: stat.st_dev as u64,
                size: u64::try_from(stat.st_size).unwrap_or(0),
                mtime_ns: nanoseconds(stat.st_mtime as i64, stat.st_mtime_nsec as i64),
                ctime_ns: nanoseconds(stat.st_ctime as i64, stat.st_ctime_nsec as i64),
            },
            reading: if stat.st_mode & 0o444 == 0o444 {
                Reading::Everybody
            } else {
                Reading::Unknown
            },
        }
    }
}

/// Mode and owner of a file, which a version in its place is to have too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::vault) struct Looks {
    mode: RawMode,
    owner: Option<(Uid, Gid)>,
}

impl Looks {
    pub(in crate::vault) fn of(file: &File) -> io::Result<Self> {
        let stat = fs::fstat(file)?;
        Ok(Self {
            mode: stat.st_mode & 0o777,
            owner: Some((Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid))),
        })
    }

    /// What a new file gets, as `usual` got it.
    pub(in crate::vault) fn of_new(usual: &File) -> io::Result<Self> {
        Ok(Self {
            mode: fs::fstat(usual)?.st_mode & 0o666,
            owner: None,
        })
    }

    pub(in crate::vault) fn give_to(&self, copy: &File) -> io::Result<()> {
        let own = fs::fstat(copy)?;
        let own = (Uid::from_raw(own.st_uid), Gid::from_raw(own.st_gid));
        if let Some((user, group)) = self.owner
            && (user, group) != own
        {
            // Only an administrator may give files away; a group of one's own is worth trying.
            fs::fchown(copy, Some(user), Some(group))
                .or_else(|_| fs::fchown(copy, None, Some(group)))
                .ok();
        }
        Ok(fs::fchmod(copy, Mode::from_raw_mode(self.mode))?)
    }
}

/// Whether a name means itself and nothing else.
pub(in crate::vault) fn is_plain(name: &str) -> bool {
    !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\0'])
}

pub(in crate::vault) fn stat_of(file: &File) -> io::Result<Stat> {
    Ok(Stat::from(&fs::fstat(file)?))
}

/// Opens a file by its full path, such as one of ours in the mirror; not through a link.
pub(in crate::vault) fn open_own(path: &Path) -> io::Result<File> {
    Ok(File::from(fs::open(path, READ, Mode::empty())?))
}

/// Whether an open failed because the name is not a file's.
pub(in crate::vault) fn is_no_file(error: &io::Error) -> bool {
    let number = error.raw_os_error();
    [Errno::LOOP, Errno::NXIO]
        .map(|known| Some(known.raw_os_error()))
        .contains(&number)
}

/// Makes durable what was just read from a file.
pub(in crate::vault) fn make_version_durable(file: &File) -> io::Result<()> {
    file.sync_all()
}

/// The inode number of a folder, links followed.
pub(in crate::vault) fn root_ino(path: &Path) -> io::Result<u64> {
    Ok(std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(
        path,
    )?))
}

/// Makes a folder and its parents, the last one for its owner only.
pub(in crate::vault) fn make_private(place: &Path) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(place)?;
    std::fs::set_permissions(place, Permissions::from_mode(0o700))
}

#[cfg(target_os = "linux")]
pub(in crate::vault) fn mount_of(folder: &Folder) -> io::Result<Mount> {
    use rustix::fs::StatxFlags;

    let device = folder.stat()?.signature.dev;
    let id = fs::statx(folder, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID)
        .ok()
        .filter(|answer| answer.stx_mask & StatxFlags::MNT_ID.bits() != 0)
        .map(|answer| answer.stx_mnt_id);
    Ok(Mount { device, id })
}

#[cfg(not(target_os = "linux"))]
pub(in crate::vault) fn mount_of(folder: &Folder) -> io::Result<Mount> {
    let device = folder.stat()?.signature.dev;
    Ok(Mount { device, id: None })
}

/// Makes a whole file system durable; `None` where nothing does.
#[cfg(target_os = "linux")]
#[expect(
    clippy::unnecessary_wraps,
    reason = "other systems have nothing like it"
)]
pub(in crate::vault) fn sync_file_system(folder: &Folder) -> Option<io::Result<()>> {
    Some(fs::syncfs(folder).map_err(io::Error::from))
}

#[cfg(not(target_os = "linux"))]
pub(in crate::vault) fn sync_file_system(_folder: &Folder) -> Option<io::Result<()>> {
    None
}

/// The clock that stamps files, in nanoseconds since 1970; on Linux it ticks every few
/// milliseconds.
pub(in crate::vault) fn file_clock_ns() -> i64 {
    #[cfg(target_os = "linux")]
    let clock = ClockId::RealtimeCoarse;
    #[cfg(not(target_os = "linux"))]
    let clock = ClockId::Realtime;
    let now = clock_gettime(clock);
    nanoseconds(now.tv_sec, now.tv_nsec)
}
