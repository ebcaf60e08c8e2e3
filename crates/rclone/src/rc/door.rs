//! Where a child's remote control answers, and how nobody else gets in.
//!
//! A Unix socket in a folder that only its owner can enter. On Windows a loopback port that the
//! system chose, which the child itself tells us in its log, and a password of that one launch: the
//! child gets its hash in a file, since neither its command line nor its environment is secret.

#[cfg(any(windows, test))]
mod loopback;
#[cfg(unix)]
mod socket;

#[cfg(windows)]
pub(crate) use loopback::Door;
#[cfg(unix)]
pub(crate) use socket::Door;

/// Why a folder can have no door.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoDoor {
    #[cfg_attr(windows, expect(dead_code, reason = "only sockets have paths"))]
    #[error("the path of the folder for sockets is too long")]
    PathTooLong,
    #[error(transparent)]
    Io(#[from] std::io::Error),
}
