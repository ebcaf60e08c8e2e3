//! Windows: everything below a folder is opened by its name relative to that folder's handle, never
//! by a full path, and never through a link or a junction.

mod looks;
mod native;

use std::fs::File;
use std::io;
use std::os::windows::fs::OpenOptionsExt as _;
use std::os::windows::io::{AsRawHandle as _, OwnedHandle};
use std::path::Path;

use windows_sys::Win32::Storage::FileSystem::{
    DELETE, FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OPEN_REPARSE_POINT, FILE_READ_ATTRIBUTES,
    FlushFileBuffers,
};
use windows_sys::Win32::System::SystemInformation::GetSystemTimeAsFileTime;

use self::native::{Access, As, Failure, Opening};
use super::{Audience, Found, Mount, Moved, NotOpened, Stat};

pub(in crate::vault) use self::looks::Looks;

/// An open folder. It stays the same folder when it is moved or renamed.
#[derive(Debug)]
pub(in crate::vault) struct Folder(OwnedHandle);

impl Folder {
    /// Opens a folder by its full path; here, and only here, links are followed.
    pub(in crate::vault) fn open_root(path: &Path) -> io::Result<Self> {
        let file = File::options()
            .access_mode(Access::FOLDER.0)
            .share_mode(native::SHARE_ALL)
            .custom_flags(FILE_FLAG_BACKUP_SEMANTICS)
            .open(path)?;
        let handle = OwnedHandle::from(file);
        if native::stat(&handle)?.kind == super::Kind::Folder {
            Ok(Self(handle))
        } else {
            Err(io::ErrorKind::NotADirectory.into())
        }
    }

    pub(in crate::vault) fn open_folder(&self, name: &str) -> Result<Self, NotOpened> {
        match native::open(&self.0, name, Access::FOLDER, As::Folder, Opening::Existing) {
            Ok(handle) => Ok(Self(handle)),
            Err(Failure::Missing) => Err(NotOpened::Missing),
            Err(Failure::Link | Failure::OtherKind) => Err(NotOpened::NotAFolder),
            Err(failure @ (Failure::Taken | Failure::Busy | Failure::Io(_))) => {
                Err(NotOpened::Io(failure.into()))
            }
        }
    }

    /// Makes a folder; says whether it was not there yet.
    pub(in crate::vault) fn make_folder(&self, name: &str) -> io::Result<bool> {
        match native::open(&self.0, name, Access::FOLDER, As::Folder, Opening::New) {
            Ok(_) => Ok(true),
            Err(Failure::Taken) => Ok(false),
            Err(failure) => Err(failure.into()),
        }
    }

    pub(in crate::vault) fn find(&self, name: &str) -> io::Result<Option<Found>> {
        match native::open(&self.0, name, Access::LOOK, As::Itself, Opening::Existing) {
            Ok(handle) => Ok(Some(native::stat(&handle)?.into())),
            Err(Failure::Missing) => Ok(None),
            Err(failure) => Err(failure.into()),
        }
    }

    /// Opens a file for reading; links are refused.
    pub(in crate::vault) fn open_file(&self, name: &str) -> io::Result<File> {
        self.file(name, Access::READ, Opening::Existing)
    }

    /// Makes a new file; fails when the name is taken. Who may read it follows from the folder's
    /// own list.
    pub(in crate::vault) fn create_file(
        &self,
        name: &str,
        _audience: Audience,
    ) -> io::Result<File> {
        self.file(name, Access::WRITE, Opening::New)
    }

    fn file(&self, name: &str, access: Access, opening: Opening) -> io::Result<File> {
        let handle = native::open(&self.0, name, access, As::File, opening)?;
        Ok(File::from(handle))
    }

    /// The system tells it by refusing; nothing is known before.
    #[expect(clippy::unused_self, reason = "other systems ask the folder")]
    pub(in crate::vault) fn lets_change(&self) -> bool {
        true
    }

    /// Renames without ever replacing anything.
    pub(in crate::vault) fn move_to(
        &self,
        name: &str,
        to: &Self,
        new_name: &str,
    ) -> io::Result<Moved> {
        let access = Access(DELETE | FILE_READ_ATTRIBUTES);
        let file = match native::open(&self.0, name, access, As::Itself, Opening::Existing) {
            Ok(file) => file,
            Err(Failure::Missing) => return Ok(Moved::Gone),
            Err(failure) => return Err(failure.into()),
        };
        match native::name_anew(&file, native::Naming::Rename, &to.0, new_name) {
            Ok(()) => Ok(Moved::Done),
            Err(Failure::Taken) => Ok(Moved::Taken),
            Err(Failure::Missing) => Ok(Moved::Gone),
            Err(failure) => Err(failure.into()),
        }
    }

    /// Windows has no exchange: `ReplaceFileW` renames twice, replaces what comes between, and
    /// wants full paths.
    #[expect(clippy::unused_self, reason = "the other systems have one")]
    pub(in crate::vault) fn exchange(
        &self,
        _name: &str,
        _with: &Self,
        _other: &str,
    ) -> io::Result<Moved> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Makes a second name for one file. The name must be free.
    pub(in crate::vault) fn link_to(
        &self,
        name: &str,
        to: &Self,
        new_name: &str,
    ) -> io::Result<()> {
        let access = Access(FILE_READ_ATTRIBUTES);
        let file = native::open(&self.0, name, access, As::File, Opening::Existing)?;
        Ok(native::name_anew(
            &file,
            native::Naming::Link,
            &to.0,
            new_name,
        )?)
    }

    /// Removes a file of ours: only for the stage and for probes, never for vault paths.
    pub(in crate::vault) fn discard_own(&self, name: &str) -> io::Result<()> {
        match self.remove(name, As::File) {
            Ok(()) | Err(Failure::Missing) => Ok(()),
            Err(failure) => Err(failure.into()),
        }
    }

    /// Removes a folder if it is empty; says whether it went.
    pub(in crate::vault) fn remove_empty(&self, name: &str) -> bool {
        self.remove(name, As::Folder).is_ok()
    }

    fn remove(&self, name: &str, kind: As) -> Result<(), Failure> {
        let access = Access(DELETE | FILE_READ_ATTRIBUTES);
        let handle = native::open(&self.0, name, access, kind, Opening::Existing)?;
        native::remove(&handle)
    }

    /// The names in this folder, in no order; those that are no Unicode come lossily in `Err`.
    pub(in crate::vault) fn names(&self) -> io::Result<Vec<Result<String, String>>> {
        native::names(&self.0)
    }

    /// Whether the process may read a file.
    pub(in crate::vault) fn may_read(&self, name: &str) -> bool {
        match self.open_file(name) {
            Ok(_) => true,
            Err(error) => error.kind() != io::ErrorKind::PermissionDenied,
        }
    }

    /// Makes the bytes of a file here durable, unless this user may not write it, or a program
    /// keeps others from writing it.
    pub(in crate::vault) fn flush_file(&self, name: &str) -> io::Result<()> {
        let file = match self.file(name, Access::FLUSH, Opening::Existing) {
            Ok(file) => file,
            Err(error) => {
                use io::ErrorKind::{PermissionDenied, ResourceBusy};
                return if [PermissionDenied, ResourceBusy].contains(&error.kind()) {
                    Ok(())
                } else {
                    Err(error)
                };
            }
        };
        #[expect(unsafe_code, reason = "a call of the system")]
        // SAFETY: the handle is open for the whole call.
        let done = unsafe { FlushFileBuffers(file.as_raw_handle()) };
        if done == 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    pub(in crate::vault) fn stat(&self) -> io::Result<Stat> {
        native::stat(&self.0)
    }

    /// NTFS writes names down in the order in which they change, at a time of its own: after a
    /// power cut the folder is as it was at some moment before. There is nothing to ask for.
    #[expect(
        clippy::unused_self,
        clippy::unnecessary_wraps,
        reason = "the other systems have to be asked"
    )]
    pub(in crate::vault) fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    pub(in crate::vault) fn again(&self) -> io::Result<Self> {
        Ok(Self(self.0.try_clone()?))
    }
}

/// Whether a name means itself and nothing else: no path, no stream, no device, and nothing that
/// other programs would not find again.
pub(in crate::vault) fn is_plain(name: &str) -> bool {
    crate::naming::fits_windows(name)
}

pub(in crate::vault) fn stat_of(file: &File) -> io::Result<Stat> {
    native::stat(file)
}

/// Opens a file by its full path, such as one of ours in the mirror; not through a link.
///
/// What is kept elsewhere, compressed or deduplicated reads as zeros through its own tag, so it is
/// opened again as usual; a link's own handle is no file to whoever looks.
pub(in crate::vault) fn open_own(path: &Path) -> io::Result<File> {
    let open = |flags| {
        File::options()
            .read(true)
            .share_mode(native::SHARE_ALL)
            .custom_flags(flags | FILE_FLAG_BACKUP_SEMANTICS)
            .open(path)
    };
    let itself = open(FILE_FLAG_OPEN_REPARSE_POINT)?;
    if !native::is_kept_elsewhere(&itself)? {
        return Ok(itself);
    }
    let whole = open(0)?;
    let number = |file: &File| native::stat(file).map(|it| (it.signature.dev, it.signature.ino));
    // A link may have taken the name in between.
    if number(&whole)? != number(&itself)? {
        return Err(io::Error::other("another file took the name"));
    }
    Ok(whole)
}

/// Whether an open failed because the name is not a file's: here it does not, and the file's kind
/// tells.
pub(in crate::vault) fn is_no_file(_error: &io::Error) -> bool {
    false
}

/// What was read is durable already: the lease that it was read under saw to that.
#[expect(clippy::unnecessary_wraps, reason = "the other systems do it here")]
pub(in crate::vault) fn make_version_durable(_file: &File) -> io::Result<()> {
    Ok(())
}

/// The file id of a folder, links followed.
pub(in crate::vault) fn root_ino(path: &Path) -> io::Result<u64> {
    Ok(Folder::open_root(path)?.stat()?.signature.ino)
}

/// Makes a folder and its parents. In a person's profile their list keeps others out; elsewhere
/// the list of the folder above goes on.
pub(in crate::vault) fn make_private(place: &Path) -> io::Result<()> {
    std::fs::create_dir_all(place)
}

pub(in crate::vault) fn mount_of(folder: &Folder) -> io::Result<Mount> {
    let device = folder.stat()?.signature.dev;
    Ok(Mount { device, id: None })
}

/// Makes a whole file system durable; `None`: only an administrator may here.
pub(in crate::vault) fn sync_file_system(_folder: &Folder) -> Option<io::Result<()>> {
    None
}

/// The longest that a stamp may be behind the clock.
const TICK_NS: i64 = 16_000_000;

/// The time that a file stamped from now on has at least, in nanoseconds since 1970: the clock that
/// stamps files ticks every few milliseconds, 64 times a second at the slowest.
pub(in crate::vault) fn file_clock_ns() -> i64 {
    let mut now = windows_sys::Win32::Foundation::FILETIME::default();
    #[expect(unsafe_code, reason = "a call of the system")]
    // SAFETY: it writes to `now` only.
    unsafe {
        GetSystemTimeAsFileTime(&mut now);
    }
    let ticks = (u64::from(now.dwHighDateTime) << 32) | u64::from(now.dwLowDateTime);
    native::since_1970(ticks.cast_signed()) - TICK_NS
}
