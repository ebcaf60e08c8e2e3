//! Files and folders below an open folder, one path component at a time, never through a link.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{self, AtFlags, Dir, FileType, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;

/// An open folder. It stays the same folder when it is moved or renamed.
#[derive(Debug)]
pub(super) struct Folder(OwnedFd);

#[derive(Debug, thiserror::Error)]
pub(super) enum PathError {
    #[error("the path is no relative path of plain names")]
    Malformed,
    #[error("a folder on the way is missing")]
    Missing,
    #[error("a link stands where a folder should be")]
    Link,
    #[error("a file stands where a folder should be")]
    NotAFolder,
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<PathError> for io::Error {
    fn from(error: PathError) -> Self {
        match error {
            PathError::Io(source) => source,
            PathError::Malformed | PathError::Missing | PathError::Link | PathError::NotAFolder => {
                Self::other(error)
            }
        }
    }
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

/// What may have one name.
#[derive(Clone, Copy, Debug)]
pub(super) enum Found {
    File(Stat),
    Folder,
    Link,
    Other,
}

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
    pub(super) fn open_root(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(fs::open(path, flags, Mode::empty())?))
    }

    pub(super) fn child(&self, name: &str) -> Result<Self, PathError> {
        // A name that is a folder again by the time it is looked at is tried again, not for ever.
        for _ in 0..8 {
            match fs::openat(&self.0, name, FOLDER, Mode::empty()) {
                Ok(fd) => return Ok(Self(fd)),
                Err(Errno::NOENT) => return Err(PathError::Missing),
                Err(Errno::LOOP | Errno::NOTDIR) => match self.find(name)? {
                    Some(Found::Folder) => {}
                    Some(Found::Link) => return Err(PathError::Link),
                    Some(Found::File(_) | Found::Other) => return Err(PathError::NotAFolder),
                    None => return Err(PathError::Missing),
                },
                Err(error) => return Err(PathError::Io(error.into())),
            }
        }
        Err(PathError::Link)
    }

    /// Opens the folder that holds `path`, and gives the last name.
    pub(super) fn parent_of<'p>(&self, path: &'p str) -> Result<(Self, &'p str), PathError> {
        let (folders, name) = split(path)?;
        let mut folder = self.again()?;
        for component in folders {
            folder = folder.child(component)?;
        }
        Ok((folder, name))
    }

    /// As [`Folder::parent_of`], making the folders that are missing, durably.
    pub(super) fn make_parent_of<'p>(&self, path: &'p str) -> Result<(Self, &'p str), PathError> {
        self.make_folders(path, Self::make)
    }

    /// As [`Folder::make_parent_of`], for folders that need not outlive a power cut.
    pub(super) fn make_parent_of_undurably<'p>(
        &self,
        path: &'p str,
    ) -> io::Result<(Self, &'p str)> {
        Ok(self.make_folders(path, Self::make_undurably)?)
    }

    fn make_folders<'p>(
        &self,
        path: &'p str,
        make: impl Fn(&Self, &str) -> io::Result<bool>,
    ) -> Result<(Self, &'p str), PathError> {
        let (folders, name) = split(path)?;
        let mut folder = self.again()?;
        for component in folders {
            folder = match folder.child(component) {
                Err(PathError::Missing) => {
                    make(&folder, component)?;
                    folder.child(component)?
                }
                other => other?,
            };
        }
        Ok((folder, name))
    }

    fn make(&self, name: &str) -> io::Result<bool> {
        let made = self.make_undurably(name)?;
        if made {
            self.sync()?;
        }
        Ok(made)
    }

    fn make_undurably(&self, name: &str) -> io::Result<bool> {
        match fs::mkdirat(&self.0, name, Mode::from_raw_mode(0o777)) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn find(&self, name: &str) -> io::Result<Option<Found>> {
        match fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(match FileType::from_raw_mode(stat.st_mode) {
                FileType::RegularFile => Found::File(stat),
                FileType::Directory => Found::Folder,
                FileType::Symlink => Found::Link,
                FileType::Fifo
                | FileType::Socket
                | FileType::CharacterDevice
                | FileType::BlockDevice
                | FileType::Unknown => Found::Other,
            })),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens a file for reading; links and waiting pipes are refused by the system.
    pub(super) fn open_file(&self, name: &str) -> io::Result<File> {
        Ok(File::from(fs::openat(&self.0, name, READ, Mode::empty())?))
    }

    /// Makes a new file; fails when the name is taken.
    pub(super) fn create_file(&self, name: &str, mode: u32) -> io::Result<File> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        #[cfg_attr(
            target_os = "linux",
            expect(
                clippy::useless_conversion,
                reason = "a mode is 16 bits wide on other systems"
            )
        )]
        let mode = Mode::from_raw_mode(mode.try_into().map_err(|_| Errno::INVAL)?);
        Ok(File::from(fs::openat(&self.0, name, flags, mode)?))
    }

    /// Renames without ever replacing anything.
    pub(super) fn move_to(&self, name: &str, to: &Self, new_name: &str) -> io::Result<Moved> {
        match fs::renameat_with(&self.0, name, &to.0, new_name, RenameFlags::NOREPLACE) {
            Ok(()) => Ok(Moved::Done),
            Err(Errno::EXIST) => Ok(Moved::Taken),
            Err(Errno::NOENT) => Ok(Moved::Gone),
            Err(error) => Err(error.into()),
        }
    }

    /// Exchanges two names in one step. `Gone` if either has nothing.
    pub(super) fn exchange(&self, name: &str, with: &Self, other: &str) -> io::Result<Moved> {
        match fs::renameat_with(&self.0, name, &with.0, other, RenameFlags::EXCHANGE) {
            Ok(()) => Ok(Moved::Done),
            Err(Errno::NOENT) => Ok(Moved::Gone),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes a second name for one file. The name must be free.
    pub(super) fn link_to(&self, name: &str, to: &Self, new_name: &str) -> io::Result<()> {
        Ok(fs::linkat(
            &self.0,
            name,
            &to.0,
            new_name,
            AtFlags::empty(),
        )?)
    }

    /// Removes a file of ours: only for the stage and for probes, never for vault paths.
    pub(super) fn discard_own(&self, name: &str) -> io::Result<()> {
        match fs::unlinkat(&self.0, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes a folder if it is empty; says whether it went.
    pub(super) fn remove_empty(&self, name: &str) -> bool {
        fs::unlinkat(&self.0, name, AtFlags::REMOVEDIR).is_ok()
    }

    /// The names in this folder, in no order; those that are no UTF-8 come lossily in `Err`.
    pub(super) fn names(&self) -> io::Result<Vec<Result<String, String>>> {
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
    pub(super) fn may_read(&self, name: &str) -> bool {
        fs::accessat(&self.0, name, fs::Access::READ_OK, AtFlags::EACCESS).is_ok()
    }

    pub(super) fn stat(&self) -> io::Result<Stat> {
        Ok(fs::fstat(&self.0)?)
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        Ok(fs::fsync(&self.0)?)
    }

    fn again(&self) -> io::Result<Self> {
        Ok(Self(self.0.try_clone()?))
    }
}

impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Whether an operation failed for want of space.
pub(super) fn is_full(error: &io::Error) -> bool {
    [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded].contains(&error.kind())
}

/// Cuts a relative path into its folders and its last name; refuses what could leave the root.
fn split(path: &str) -> Result<(Vec<&str>, &str), PathError> {
    let mut components: Vec<&str> = path.split('/').collect();
    let plain =
        |name: &&str| !name.is_empty() && *name != "." && *name != ".." && !name.contains('\0');
    if !components.iter().all(plain) {
        return Err(PathError::Malformed);
    }
    let name = components.pop().ok_or(PathError::Malformed)?;
    Ok((components, name))
}
