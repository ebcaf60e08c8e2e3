use std::fs::File;
use std::marker::PhantomData;
use std::os::windows::io::{AsRawHandle as _, FromRawHandle as _, OwnedHandle};

use windows_sys::Win32::Foundation::{
    ERROR_SHARING_VIOLATION, GENERIC_READ, GENERIC_WRITE, GetLastError, INVALID_HANDLE_VALUE,
};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_SHARE_DELETE, FILE_SHARE_MODE, FILE_SHARE_READ, FILE_SHARE_WRITE, FlushFileBuffers,
    ReOpenFile,
};

use super::Answer;

/// The same file once more, open without letting others write.
pub(super) struct Held<'f>(OwnedHandle, PhantomData<&'f File>);

const READERS: FILE_SHARE_MODE = FILE_SHARE_READ | FILE_SHARE_DELETE;

/// What others have written so far becomes durable on the way: once nobody may write, nobody may
/// flush either.
pub(super) fn take(file: &File) -> Answer<'_> {
    flush(file);
    match again(file, GENERIC_READ, READERS) {
        Ok(handle) => Answer::Held(Held(handle, PhantomData)),
        Err(ERROR_SHARING_VIOLATION) => Answer::Busy,
        Err(_) => Answer::Unsupported,
    }
}

pub(super) fn has_writers(file: &File) -> bool {
    matches!(
        again(file, GENERIC_READ, READERS),
        Err(ERROR_SHARING_VIOLATION)
    )
}

impl Held<'_> {
    /// It cannot be broken while the handle is open.
    pub(super) fn intact(&self) -> bool {
        !self.0.as_raw_handle().is_null()
    }
}

fn flush(file: &File) {
    let Ok(writable) = again(file, GENERIC_WRITE, READERS | FILE_SHARE_WRITE) else {
        return;
    };
    #[expect(unsafe_code, reason = "a call of the system")]
    // SAFETY: the handle is open for the whole call.
    unsafe {
        FlushFileBuffers(writable.as_raw_handle());
    }
}

fn again(file: &File, access: u32, share: FILE_SHARE_MODE) -> Result<OwnedHandle, u32> {
    #[expect(
        unsafe_code,
        reason = "only the system opens the file of a handle again"
    )]
    // SAFETY: the handle of `file` is open for the whole call; the new one is nobody else's.
    unsafe {
        let handle = ReOpenFile(file.as_raw_handle(), access, share, 0);
        if handle == INVALID_HANDLE_VALUE {
            return Err(GetLastError());
        }
        Ok(OwnedHandle::from_raw_handle(handle))
    }
}
