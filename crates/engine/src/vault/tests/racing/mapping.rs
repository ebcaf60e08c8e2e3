use std::ffi::c_void;
use std::fs::File;
use std::ptr;

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// A file's bytes in memory. The handle is closed, and what is written still goes to the file.
pub(super) struct Mapping {
    start: *mut c_void,
    length: usize,
}

impl Mapping {
    /// Maps the first `length` bytes, which the file has, and closes it.
    pub(super) fn of(file: File, length: usize) -> Self {
        let all = ProtFlags::READ | ProtFlags::WRITE;
        #[expect(unsafe_code, reason = "no safe wrapper maps a file for writing")]
        // SAFETY: the kernel chooses the place, so nothing else of this process is there.
        let start = unsafe { mmap(ptr::null_mut(), length, all, MapFlags::SHARED, &file, 0) };
        drop(file);
        Self {
            start: start.unwrap(),
            length,
        }
    }

    pub(super) fn write(&mut self, at: usize, bytes: &[u8]) {
        assert!(at + bytes.len() <= self.length);
        #[expect(unsafe_code, reason = "the memory is the kernel's")]
        // SAFETY: the range is inside the mapping, which lives as long as this value, and no
        // reference to it exists.
        unsafe {
            let to = self.start.cast::<u8>().add(at);
            ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len());
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        #[expect(unsafe_code, reason = "no safe wrapper unmaps")]
        // SAFETY: the range is what was mapped, and nothing refers to it.
        unsafe { munmap(self.start, self.length) }.unwrap();
    }
}
