//! How two programs of one user find each other on this machine.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(super) use unix::{Listener, Stream, connect};
#[cfg(windows)]
pub(super) use windows::{Listener, Stream, connect};
