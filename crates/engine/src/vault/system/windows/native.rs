//! The system's own calls, each behind a function that cannot be used wrongly.

use std::io;
use std::mem::{offset_of, size_of};
use std::os::windows::io::{AsRawHandle, FromRawHandle as _, OwnedHandle};
use std::ptr;

use windows_sys::Wdk::Foundation::OBJECT_ATTRIBUTES;
use windows_sys::Wdk::Storage::FileSystem::{
    FILE_CREATE, FILE_DIRECTORY_FILE, FILE_DISPOSITION_DELETE,
    FILE_DISPOSITION_IGNORE_READONLY_ATTRIBUTE, FILE_DISPOSITION_INFORMATION,
    FILE_DISPOSITION_INFORMATION_EX, FILE_DISPOSITION_POSIX_SEMANTICS, FILE_INFORMATION_CLASS,
    FILE_NON_DIRECTORY_FILE, FILE_OPEN, FILE_OPEN_REPARSE_POINT, FILE_RENAME_INFORMATION,
    FILE_SYNCHRONOUS_IO_NONALERT, FileDispositionInformation, FileDispositionInformationEx,
    FileLinkInformation, FileRenameInformation, NtCreateFile, NtSetInformationFile,
};
use windows_sys::Win32::Foundation::{
    ERROR_NO_MORE_FILES, HANDLE, NTSTATUS, OBJ_CASE_INSENSITIVE, OBJ_DONT_REPARSE,
    RtlNtStatusToDosError, STATUS_DELETE_PENDING, STATUS_DIRECTORY_NOT_EMPTY,
    STATUS_FILE_IS_A_DIRECTORY, STATUS_INVALID_INFO_CLASS, STATUS_INVALID_PARAMETER,
    STATUS_NO_SUCH_FILE, STATUS_NOT_A_DIRECTORY, STATUS_NOT_IMPLEMENTED, STATUS_NOT_SUPPORTED,
    STATUS_OBJECT_NAME_COLLISION, STATUS_OBJECT_NAME_NOT_FOUND, STATUS_OBJECT_PATH_NOT_FOUND,
    STATUS_REPARSE_POINT_ENCOUNTERED, STATUS_SHARING_VIOLATION, UNICODE_STRING,
};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_ACCESS_RIGHTS, FILE_ATTRIBUTE_DIRECTORY, FILE_ATTRIBUTE_NORMAL,
    FILE_ATTRIBUTE_REPARSE_POINT, FILE_ATTRIBUTE_TAG_INFO, FILE_BASIC_INFO, FILE_FULL_DIR_INFO,
    FILE_GENERIC_READ, FILE_GENERIC_WRITE, FILE_ID_INFO, FILE_INFO_BY_HANDLE_CLASS,
    FILE_LIST_DIRECTORY, FILE_READ_ATTRIBUTES, FILE_SHARE_DELETE, FILE_SHARE_MODE, FILE_SHARE_READ,
    FILE_SHARE_WRITE, FILE_STANDARD_INFO, FILE_TRAVERSE, FileAttributeTagInfo, FileBasicInfo,
    FileFullDirectoryInfo, FileFullDirectoryRestartInfo, FileIdInfo, FileStandardInfo,
    GetFileInformationByHandleEx, SYNCHRONIZE, WRITE_DAC,
};
use windows_sys::Win32::System::IO::IO_STATUS_BLOCK;

use crate::vault::signature::Signature;
use crate::vault::system::{Kind, Reading, Stat};

pub(super) const SHARE_ALL: FILE_SHARE_MODE =
    FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;

/// A tag with this bit makes its file stand for another one, as links and junctions do.
const NAME_SURROGATE: u32 = 0x2000_0000;

/// Between 1601, where the system's times begin, and 1970, in their unit of 100 ns.
const EPOCH: i64 = 116_444_736_000_000_000;

#[derive(Clone, Copy)]
pub(super) struct Access(pub(super) FILE_ACCESS_RIGHTS);

impl Access {
    pub(super) const FOLDER: Self =
        Self(FILE_LIST_DIRECTORY | FILE_TRAVERSE | FILE_READ_ATTRIBUTES | SYNCHRONIZE);
    pub(super) const LOOK: Self = Self(FILE_READ_ATTRIBUTES);
    pub(super) const READ: Self = Self(FILE_GENERIC_READ);
    pub(super) const WRITE: Self = Self(FILE_GENERIC_READ | FILE_GENERIC_WRITE | WRITE_DAC);
    pub(super) const FLUSH: Self = Self(FILE_GENERIC_WRITE);
}

/// What a name is to be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum As {
    File,
    Folder,
    /// Whatever it is, a link included.
    Itself,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    Existing,
    New,
}

#[derive(Debug)]
pub(super) enum Failure {
    Missing,
    Taken,
    /// A link or a junction has the name.
    Link,
    /// A folder where a file should be, or the reverse.
    OtherKind,
    /// Another program keeps the file from this use.
    Busy,
    Io(io::Error),
}

impl Failure {
    fn of(status: NTSTATUS) -> Self {
        match status {
            STATUS_OBJECT_NAME_NOT_FOUND
            | STATUS_OBJECT_PATH_NOT_FOUND
            | STATUS_NO_SUCH_FILE
            | STATUS_DELETE_PENDING => Self::Missing,
            STATUS_OBJECT_NAME_COLLISION => Self::Taken,
            STATUS_SHARING_VIOLATION => Self::Busy,
            STATUS_NOT_A_DIRECTORY | STATUS_FILE_IS_A_DIRECTORY => Self::OtherKind,
            STATUS_REPARSE_POINT_ENCOUNTERED => Self::Link,
            STATUS_DIRECTORY_NOT_EMPTY => Self::Io(io::ErrorKind::DirectoryNotEmpty.into()),
            other => Self::Io(error_of(other)),
        }
    }
}

impl From<Failure> for io::Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Missing => io::ErrorKind::NotFound.into(),
            Failure::Taken => io::ErrorKind::AlreadyExists.into(),
            Failure::Busy => io::ErrorKind::ResourceBusy.into(),
            Failure::Link => Self::new(io::ErrorKind::InvalidInput, "a link has the name"),
            Failure::OtherKind => Self::new(io::ErrorKind::InvalidInput, "not that kind of file"),
            Failure::Io(error) => error,
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn error_of(status: NTSTATUS) -> io::Error {
    #[expect(unsafe_code, reason = "a call of the system")]
    // SAFETY: it only looks a number up.
    let code = unsafe { RtlNtStatusToDosError(status) };
    io::Error::from_raw_os_error(code.cast_signed())
}

/// Opens or makes what has a name in a folder.
pub(super) fn open(
    folder: &OwnedHandle,
    name: &str,
    access: Access,
    kind: As,
    opening: Opening,
) -> Result<OwnedHandle, Failure> {
    let handle = create(folder, name, access, kind, opening, Links::AsThemselves)?;
    if opening == Opening::New || kind == As::Itself {
        return Ok(handle);
    }
    match tag_of(&handle)? {
        None => Ok(handle),
        Some(tag) if tag & NAME_SURROGATE != 0 => Err(Failure::Link),
        // Kept elsewhere, compressed or deduplicated: its content comes by opening it as usual.
        Some(_) => create(folder, name, access, kind, opening, Links::Refused),
    }
}

#[derive(Clone, Copy)]
enum Links {
    AsThemselves,
    Refused,
}

fn create(
    folder: &OwnedHandle,
    name: &str,
    access: Access,
    kind: As,
    opening: Opening,
    links: Links,
) -> Result<OwnedHandle, Failure> {
    let mut name: Vec<u16> = name.encode_utf16().collect();
    let bytes = u16::try_from(name.len() * 2)
        .map_err(|_| Failure::Io(io::ErrorKind::InvalidFilename.into()))?;
    let name = UNICODE_STRING {
        Length: bytes,
        MaximumLength: bytes,
        Buffer: name.as_mut_ptr(),
    };
    let (reparse, attributes) = match links {
        Links::AsThemselves => (FILE_OPEN_REPARSE_POINT, OBJ_CASE_INSENSITIVE),
        Links::Refused => (0, OBJ_CASE_INSENSITIVE | OBJ_DONT_REPARSE),
    };
    let object = OBJECT_ATTRIBUTES {
        #[expect(clippy::cast_possible_truncation, reason = "a few bytes")]
        Length: size_of::<OBJECT_ATTRIBUTES>() as u32,
        RootDirectory: folder.as_raw_handle(),
        ObjectName: &raw const name,
        Attributes: attributes,
        SecurityDescriptor: ptr::null(),
        SecurityQualityOfService: ptr::null(),
    };
    let kind = match kind {
        As::File => FILE_NON_DIRECTORY_FILE,
        As::Folder => FILE_DIRECTORY_FILE,
        As::Itself => 0,
    };
    let opening = match opening {
        Opening::Existing => FILE_OPEN,
        Opening::New => FILE_CREATE,
    };
    let mut handle: HANDLE = ptr::null_mut();
    let mut answer = IO_STATUS_BLOCK::default();
    #[expect(unsafe_code, reason = "only this call opens relative to a folder")]
    // SAFETY: all that is pointed to lives until the call returns; the handle that it gives is
    // nobody else's.
    unsafe {
        let status = NtCreateFile(
            &raw mut handle,
            access.0 | SYNCHRONIZE,
            &raw const object,
            &raw mut answer,
            ptr::null(),
            FILE_ATTRIBUTE_NORMAL,
            SHARE_ALL,
            opening,
            kind | reparse | FILE_SYNCHRONOUS_IO_NONALERT,
            ptr::null(),
            0,
        );
        if status < 0 {
            return Err(Failure::of(status));
        }
        Ok(OwnedHandle::from_raw_handle(handle))
    }
}

/// Whether a file gets another name, or one more.
#[derive(Clone, Copy)]
pub(super) enum Naming {
    Rename,
    Link,
}

/// Gives an open file a name that must be free.
pub(super) fn name_anew(
    file: &OwnedHandle,
    naming: Naming,
    folder: &OwnedHandle,
    name: &str,
) -> Result<(), Failure> {
    // Links and renames are asked for in the same form.
    const NAME_AT: usize = offset_of!(FILE_RENAME_INFORMATION, FileName);
    const ROOT_AT: usize = offset_of!(FILE_RENAME_INFORMATION, RootDirectory);
    const LENGTH_AT: usize = offset_of!(FILE_RENAME_INFORMATION, FileNameLength);
    let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_ne_bytes).collect();
    let length = u32::try_from(name.len())
        .map_err(|_| Failure::Io(io::ErrorKind::InvalidFilename.into()))?;
    let size = (NAME_AT + name.len()).max(size_of::<FILE_RENAME_INFORMATION>());
    let mut request = Aligned::zeroed(size);
    // The first field stays zero: nothing may be replaced.
    let bytes = request.bytes_mut();
    let root = (folder.as_raw_handle() as usize).to_ne_bytes();
    bytes[ROOT_AT..ROOT_AT + root.len()].copy_from_slice(&root);
    bytes[LENGTH_AT..LENGTH_AT + 4].copy_from_slice(&length.to_ne_bytes());
    bytes[NAME_AT..NAME_AT + name.len()].copy_from_slice(&name);
    let class = match naming {
        Naming::Rename => FileRenameInformation,
        Naming::Link => FileLinkInformation,
    };
    set(file, class, request.bytes())
}

/// Removes an open file's name, or an open folder if it is empty.
pub(super) fn remove(handle: &OwnedHandle) -> Result<(), Failure> {
    let at_once = FILE_DISPOSITION_INFORMATION_EX {
        Flags: FILE_DISPOSITION_DELETE
            | FILE_DISPOSITION_POSIX_SEMANTICS
            | FILE_DISPOSITION_IGNORE_READONLY_ATTRIBUTE,
    };
    match set_status(
        handle,
        FileDispositionInformationEx,
        &at_once.Flags.to_ne_bytes(),
    ) {
        // Before Windows 10, and on file systems of other kinds.
        STATUS_INVALID_INFO_CLASS
        | STATUS_INVALID_PARAMETER
        | STATUS_NOT_IMPLEMENTED
        | STATUS_NOT_SUPPORTED => {
            let once_closed = FILE_DISPOSITION_INFORMATION { DeleteFile: true };
            set(
                handle,
                FileDispositionInformation,
                &[u8::from(once_closed.DeleteFile)],
            )
        }
        status if status < 0 => Err(Failure::of(status)),
        _ => Ok(()),
    }
}

fn set(file: &OwnedHandle, class: FILE_INFORMATION_CLASS, request: &[u8]) -> Result<(), Failure> {
    let status = set_status(file, class, request);
    if status < 0 {
        return Err(Failure::of(status));
    }
    Ok(())
}

fn set_status(file: &OwnedHandle, class: FILE_INFORMATION_CLASS, request: &[u8]) -> NTSTATUS {
    let mut answer = IO_STATUS_BLOCK::default();
    let length = u32::try_from(request.len()).unwrap_or(0);
    #[expect(unsafe_code, reason = "a call of the system")]
    // SAFETY: it reads `length` bytes of the request, which live until it returns.
    unsafe {
        NtSetInformationFile(
            file.as_raw_handle(),
            &raw mut answer,
            request.as_ptr().cast(),
            length,
            class,
        )
    }
}

/// The tag of something that is more than a plain file or folder.
fn tag_of(handle: &impl AsRawHandle) -> io::Result<Option<u32>> {
    let mut basic = FILE_BASIC_INFO::default();
    ask(handle, FileBasicInfo, &mut basic)?;
    if basic.FileAttributes & FILE_ATTRIBUTE_REPARSE_POINT == 0 {
        return Ok(None);
    }
    let mut tag = FILE_ATTRIBUTE_TAG_INFO::default();
    ask(handle, FileAttributeTagInfo, &mut tag)?;
    Ok(Some(tag.ReparseTag))
}

/// Whether a file's content comes only by opening it as usual.
pub(super) fn is_kept_elsewhere(handle: &impl AsRawHandle) -> io::Result<bool> {
    Ok(tag_of(handle)?.is_some_and(|tag| tag & NAME_SURROGATE == 0))
}

/// A disk that keeps no time of change gives one that is never past, so that what was read there
/// is read again.
pub(super) fn stat(handle: &impl AsRawHandle) -> io::Result<Stat> {
    let mut basic = FILE_BASIC_INFO::default();
    ask(handle, FileBasicInfo, &mut basic)?;
    let mut standard = FILE_STANDARD_INFO::default();
    ask(handle, FileStandardInfo, &mut standard)?;
    let mut id = FILE_ID_INFO::default();
    ask(handle, FileIdInfo, &mut id)?;
    let surrogate = tag_of(handle)?.is_some_and(|tag| tag & NAME_SURROGATE != 0);
    let kind = if surrogate {
        Kind::Link
    } else if basic.FileAttributes & FILE_ATTRIBUTE_DIRECTORY != 0 {
        Kind::Folder
    } else {
        Kind::File
    };
    Ok(Stat {
        kind,
        signature: Signature {
            ino: folded(id.FileId.Identifier),
            dev: id.VolumeSerialNumber,
            size: u64::try_from(standard.EndOfFile).unwrap_or(0),
            mtime_ns: since_1970(basic.LastWriteTime),
            ctime_ns: if basic.ChangeTime == 0 {
                i64::MAX
            } else {
                since_1970(basic.ChangeTime)
            },
        },
        // A list that forbids reading shows when the note is read.
        reading: Reading::Everybody,
    })
}

/// NTFS numbers files with 64 bits and leaves the others zero; `ReFS` uses all of them.
fn folded(id: [u8; 16]) -> u64 {
    let id = u128::from_le_bytes(id);
    let low = u64::try_from(id & u128::from(u64::MAX)).unwrap_or(0);
    let high = u64::try_from(id >> 64).unwrap_or(0);
    low ^ high.rotate_left(32)
}

/// Nanoseconds since 1970 of a time of the system's.
pub(super) fn since_1970(ticks: i64) -> i64 {
    ticks.saturating_sub(EPOCH).saturating_mul(100)
}

/// A form of the system's that is plain numbers, for which any bytes will do.
trait Form: Default {}
impl Form for FILE_BASIC_INFO {}
impl Form for FILE_STANDARD_INFO {}
impl Form for FILE_ID_INFO {}
impl Form for FILE_ATTRIBUTE_TAG_INFO {}

fn ask<F: Form>(
    handle: &impl AsRawHandle,
    class: FILE_INFO_BY_HANDLE_CLASS,
    form: &mut F,
) -> io::Result<()> {
    let size = u32::try_from(size_of::<F>()).map_err(io::Error::other)?;
    #[expect(unsafe_code, reason = "a call of the system")]
    // SAFETY: it writes at most `size` bytes of numbers to `form`.
    let done = unsafe {
        GetFileInformationByHandleEx(
            handle.as_raw_handle(),
            class,
            ptr::from_mut(form).cast(),
            size,
        )
    };
    if done == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// The names in a folder.
pub(super) fn names(folder: &OwnedHandle) -> io::Result<Vec<Result<String, String>>> {
    let mut names = Vec::new();
    let mut class = FileFullDirectoryRestartInfo;
    let mut answer = Aligned::zeroed(64 * 1024);
    loop {
        let size = u32::try_from(answer.bytes().len()).map_err(io::Error::other)?;
        #[expect(unsafe_code, reason = "only this call lists a folder by its handle")]
        // SAFETY: it writes at most `size` bytes to `answer`, which is aligned as it wants.
        let done = unsafe {
            GetFileInformationByHandleEx(
                folder.as_raw_handle(),
                class,
                answer.bytes_mut().as_mut_ptr().cast(),
                size,
            )
        };
        if done == 0 {
            let error = io::Error::last_os_error();
            let end = error.raw_os_error() == Some(ERROR_NO_MORE_FILES.cast_signed())
                || error.kind() == io::ErrorKind::NotFound;
            return if end { Ok(names) } else { Err(error) };
        }
        read_names(answer.bytes(), &mut names).ok_or(io::ErrorKind::InvalidData)?;
        class = FileFullDirectoryInfo;
    }
}

fn read_names(answer: &[u8], names: &mut Vec<Result<String, String>>) -> Option<()> {
    const NAME_AT: usize = offset_of!(FILE_FULL_DIR_INFO, FileName);
    const LENGTH_AT: usize = offset_of!(FILE_FULL_DIR_INFO, FileNameLength);
    let number = |bytes: &[u8], at: usize| {
        let bytes = bytes.get(at..at + 4)?.try_into().ok()?;
        usize::try_from(u32::from_ne_bytes(bytes)).ok()
    };
    let mut entry = answer;
    loop {
        let length = number(entry, LENGTH_AT)?;
        let wide: Vec<u16> = entry
            .get(NAME_AT..NAME_AT + length)?
            .chunks_exact(2)
            .map(|pair| u16::from_ne_bytes([pair[0], pair[1]]))
            .collect();
        match String::from_utf16(&wide) {
            Ok(name) if name == "." || name == ".." => {}
            Ok(name) => names.push(Ok(name)),
            Err(_) => names.push(Err(String::from_utf16_lossy(&wide))),
        }
        match number(entry, 0)? {
            0 => return Some(()),
            next => entry = entry.get(next..)?,
        }
    }
}

/// Bytes where the system's forms may begin.
struct Aligned {
    words: Vec<u64>,
    size: usize,
}

impl Aligned {
    fn zeroed(size: usize) -> Self {
        Self {
            words: vec![0; size.div_ceil(8)],
            size,
        }
    }

    fn bytes(&self) -> &[u8] {
        #[expect(unsafe_code, reason = "words seen as bytes")]
        // SAFETY: the words are at least `size` bytes, borrowed as long as the slice.
        unsafe {
            std::slice::from_raw_parts(self.words.as_ptr().cast(), self.size)
        }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        #[expect(unsafe_code, reason = "words seen as bytes")]
        // SAFETY: as in `bytes`, and borrowed from nobody else.
        unsafe {
            std::slice::from_raw_parts_mut(self.words.as_mut_ptr().cast(), self.size)
        }
    }
}
