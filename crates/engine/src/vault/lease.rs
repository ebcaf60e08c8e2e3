//! Read leases: the kernel's word that no program has a file open for writing.

use std::fs::File;
use std::time::Duration;

/// The answer to a wish for a lease.
pub(super) enum Claim<'f> {
    Held(Lease<'f>),
    /// A program has the file open, or mapped, for writing.
    Busy,
    /// This system, file system or ownership knows no leases.
    Unsupported,
}

/// While it is held, a program that opens the file for writing waits until it is dropped.
pub(super) struct Lease<'f> {
    file: &'f File,
}

const FIRST_PAUSE: Duration = Duration::from_micros(250);
const LONGEST_PAUSE: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(5);

impl<'f> Claim<'f> {
    /// Asks for a lease on a file that is open for reading only; waits up to five seconds for
    /// writers to close it.
    pub(super) fn take(file: &'f File) -> Self {
        Self::take_within(file, PATIENCE)
    }

    /// As [`Claim::take`], without waiting.
    pub(super) fn take_now(file: &'f File) -> Self {
        Self::take_within(file, Duration::ZERO)
    }

    fn take_within(file: &'f File, patience: Duration) -> Self {
        let (mut pause, mut waited) = (FIRST_PAUSE, Duration::ZERO);
        loop {
            match system::take(file) {
                system::Answer::Held => return Self::Held(Lease { file }),
                system::Answer::Unsupported => return Self::Unsupported,
                system::Answer::Busy if waited >= patience => return Self::Busy,
                system::Answer::Busy => {}
            }
            #[expect(
                clippy::disallowed_methods,
                reason = "no event tells that a writer closed"
            )]
            std::thread::sleep(pause);
            waited += pause;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// Whether a program has a file open, or mapped, for writing at this moment. False where nobody
/// can tell.
pub(super) fn has_writers(file: &File) -> bool {
    // Asking anew would give up a lease that is held already.
    !system::intact(file) && matches!(Claim::take_now(file), Claim::Busy)
}

impl Lease<'_> {
    /// Whether no program has asked to write since the lease was taken.
    pub(super) fn intact(&self) -> bool {
        system::intact(self.file)
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        system::release(self.file);
    }
}

#[cfg(target_os = "linux")]
mod system {
    use std::fs::File;
    use std::io;
    use std::os::fd::AsRawFd;

    pub(super) enum Answer {
        Held,
        Busy,
        Unsupported,
    }

    // The kernel tells a lease holder of a waiting writer by SIGIO, which would end the process.
    // SIGURG says the same and is ignored unless handled.
    const QUIET_SIGNAL: libc::c_int = libc::SIGURG;
    const F_SETSIG: libc::c_int = 10;

    pub(super) fn take(file: &File) -> Answer {
        if control(file, F_SETSIG, QUIET_SIGNAL).is_err() {
            return Answer::Unsupported;
        }
        match control(file, libc::F_SETLEASE, libc::F_RDLCK) {
            Ok(_) => Answer::Held,
            Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => Answer::Busy,
            Err(_) => Answer::Unsupported,
        }
    }

    pub(super) fn intact(file: &File) -> bool {
        matches!(control(file, libc::F_GETLEASE, 0), Ok(kind) if kind == libc::F_RDLCK)
    }

    pub(super) fn release(file: &File) {
        // A failure means that the lease is gone, which is what is wanted.
        drop(control(file, libc::F_SETLEASE, libc::F_UNLCK));
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
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::fs::File;

    pub(super) enum Answer {
        #[expect(dead_code, reason = "only Linux has leases")]
        Held,
        #[expect(dead_code, reason = "only Linux has leases")]
        Busy,
        Unsupported,
    }

    pub(super) fn take(_: &File) -> Answer {
        Answer::Unsupported
    }

    pub(super) fn intact(_: &File) -> bool {
        false
    }

    pub(super) fn release(_: &File) {}
}
