//! Read leases: the kernel's word that no program has a file open for writing.
//!
//! Linux has them as such. On Windows a file that is open without letting others write is one, but
//! for memory that stays mapped for writing after its file was closed. macOS has none.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(any(target_os = "linux", windows)))]
mod none;
#[cfg(windows)]
mod windows;

use std::fs::File;
use std::time::Duration;

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(not(any(target_os = "linux", windows)))]
use none as system;
#[cfg(windows)]
use windows as system;

/// The answer to a wish for a lease.
pub(super) enum Claim<'f> {
    Held(Lease<'f>),
    /// A program has the file open, or mapped, for writing.
    Busy,
    /// This system, file system or ownership knows no leases.
    Unsupported,
}

/// While it is held, no program gets the file open for writing: on Linux it waits, on Windows it is
/// refused.
pub(super) struct Lease<'f>(system::Held<'f>);

/// What a system says at once.
#[cfg_attr(
    not(any(target_os = "linux", windows)),
    expect(dead_code, reason = "no leases are known there")
)]
enum Answer<'f> {
    Held(system::Held<'f>),
    Busy,
    Unsupported,
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
                Answer::Held(held) => return Self::Held(Lease(held)),
                Answer::Unsupported => return Self::Unsupported,
                Answer::Busy if waited >= patience => return Self::Busy,
                Answer::Busy => {}
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
    system::has_writers(file)
}

impl Lease<'_> {
    /// Whether no program has asked to write since the lease was taken.
    pub(super) fn intact(&self) -> bool {
        self.0.intact()
    }
}
