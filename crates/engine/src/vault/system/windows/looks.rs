use std::fs::File;
use std::io;
use std::os::windows::io::AsRawHandle as _;
use std::ptr;

use windows_sys::Win32::Security::{
    DACL_SECURITY_INFORMATION, GetKernelObjectSecurity, SetKernelObjectSecurity,
};

/// Who may do what with a file, which a version in its place is to have too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::vault) struct Looks(Option<Descriptor>);

/// A security descriptor with nothing but its list of rights, as the system wrote it. In words,
/// because the system wants it aligned.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Descriptor(Vec<u64>);

impl Looks {
    /// Disks without rights have nothing to carry over.
    #[expect(clippy::unnecessary_wraps, reason = "the other systems may fail")]
    pub(in crate::vault) fn of(file: &File) -> io::Result<Self> {
        let mut needed = 0;
        read(file, &mut [], &mut needed).ok();
        let mut words = vec![0; (needed as usize).div_ceil(8)];
        let read = read(file, &mut words, &mut needed);
        Ok(Self(read.is_ok().then_some(Descriptor(words))))
    }

    /// What a new file gets: the rights of the folder it is made in.
    #[expect(clippy::unnecessary_wraps, reason = "the other systems look")]
    pub(in crate::vault) fn of_new(_usual: &File) -> io::Result<Self> {
        Ok(Self(None))
    }

    /// A list that cannot be given leaves the note to its owner alone, which is on the safe side.
    #[expect(clippy::unnecessary_wraps, reason = "the other systems may fail")]
    pub(in crate::vault) fn give_to(&self, copy: &File) -> io::Result<()> {
        let Some(Descriptor(words)) = &self.0 else {
            return Ok(());
        };
        #[expect(unsafe_code, reason = "a call of the system")]
        // SAFETY: the words are a descriptor that the system wrote itself, and are only read.
        let done = unsafe {
            SetKernelObjectSecurity(
                copy.as_raw_handle(),
                DACL_SECURITY_INFORMATION,
                words.as_ptr().cast_mut().cast(),
            )
        };
        if done == 0 {
            let error = io::Error::last_os_error();
            tracing::debug!(%error, "a note's list of rights was not carried over");
        }
        Ok(())
    }
}

fn read(file: &File, words: &mut [u64], needed: &mut u32) -> io::Result<()> {
    let size = u32::try_from(size_of_val(words)).map_err(io::Error::other)?;
    let into = if words.is_empty() {
        ptr::null_mut()
    } else {
        words.as_mut_ptr().cast()
    };
    #[expect(unsafe_code, reason = "a call of the system")]
    // SAFETY: it writes at most `size` bytes to the words.
    let done = unsafe {
        GetKernelObjectSecurity(
            file.as_raw_handle(),
            DACL_SECURITY_INFORMATION,
            into,
            size,
            needed,
        )
    };
    if done == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
