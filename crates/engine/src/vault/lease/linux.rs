use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use super::Answer;

/// A lease, given up when dropped.
pub(super) struct Held<'f>(&'f File);

// The kernel tells a lease holder of a waiting writer by SIGIO, which would end the process.
// SIGURG says the same and is ignored unless handled.
const QUIET_SIGNAL: libc::c_int = libc::SIGURG;
const F_SETSIG: libc::c_int = 10;

pub(super) fn take(file: &File) -> Answer<'_> {
    if control(file, F_SETSIG, QUIET_SIGNAL).is_err() {
        return Answer::Unsupported;
    }
    match control(file, libc::F_SETLEASE, libc::F_RDLCK) {
        Ok(_) => Answer::Held(Held(file)),
        Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => Answer::Busy,
        Err(_) => Answer::Unsupported,
    }
}

pub(super) fn has_writers(file: &File) -> bool {
    // Asking anew would give up a lease that is held already.
    !intact(file) && matches!(take(file), Answer::Busy)
}

impl Held<'_> {
    pub(super) fn intact(&self) -> bool {
        intact(self.0)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // A failure means that the lease is gone, which is what is wanted.
        drop(control(self.0, libc::F_SETLEASE, libc::F_UNLCK));
    }
}

fn intact(file: &File) -> bool {
    matches!(control(file, libc::F_GETLEASE, 0), Ok(kind) if kind == libc::F_RDLCK)
}

fn control(file: &File, command: libc::c_int, value: libc::c_int) -> io::Result<libc::c_int> {
    #[expect(unsafe_code, reason = "no safe wrapper knows F_SETLEASE")]
    // SAFETY: the descriptor is open for the whole call, the three commands used here take an
    // int and touch no memory of this process.
    let answer = unsafe { libc::fcntl(file.as_raw_fd(), command, value) };
    if answer == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(answer)
    }
}
