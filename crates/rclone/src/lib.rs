//! rclone as a supervised child: found or installed, run for one bisync at a time, its log read as
//! typed outcomes, its remote control spoken over a private Unix socket (on Windows: loopback).
//!
//! Only `supervisor` starts and signals processes. Nothing secret reaches a command line, an
//! environment or a disk: the remote's configuration goes through an anonymous pipe. A run counts
//! as a success only if exit code, log and listing files all say so ([`bisync`]); everything else
//! is a [`CycleError`] named for its cause.
//!
//! This crate must not know who uses it: not what the folders hold, not which server stands behind
//! the endpoint, not what a person is shown. It never resynchronizes, forces or recovers; prior
//! listings are made with [`listing::render`] instead.

mod bisync;
mod child;
mod config;
mod error;
mod find;
mod install;
mod ladder;
pub mod listing;
mod log;
pub mod mount;
mod outcome;
#[cfg(windows)]
pub mod pipe;
mod rc;
mod session;
mod supervisor;
mod transcript;
mod version;

pub use bisync::{Bisync, DryRun, PARTIAL_SUFFIX, Pacing, bisync};
pub use child::{ChildEnd, ChildSpec, run_child};
pub use error::CycleError;
pub use find::{Binary, FindError, candidates, config_file, find, find_again};
pub use install::{InstallError, WheelSource, install};
pub use ladder::{Candidate, Machine, Platform, Rights, Standing, Way, climb, ladder};
pub use log::{Progress, Side};
pub use outcome::{Copied, Deleted, Finished, Planned, PlannedAction, Renamed};
pub use rc::{RcClient, RcError};
pub use session::{NameTooLong, session_name};
pub use version::{FLOOR, PINNED, Version};
