//! The user's folder: reading it, and the only code that changes it.
//!
//! Nothing here knows accounts, buckets or rclone. Everything below the vault's root is reached by
//! opening one path component at a time and never through a link, so a folder that is swapped for
//! a link leads no read or write elsewhere. On vault paths only exchange, no-replace renames, hard
//! links, `mkdir` and `rmdir` of empty folders are used.

mod apply;
mod beneath;
mod durable;
mod history;
mod intent;
mod lease;
mod look;
mod mirror;
mod obstacle;
mod problem;
mod recover;
mod scan;
mod side;
mod signature;
mod swap;
mod system;
#[cfg(test)]
mod tests;

pub(crate) use apply::{Applied, ApplyError, ApplyStep, Change, Expect, NewBytes, apply};
pub(crate) use apply::{Arrival, place_arrivals, stage_arrival};
pub(crate) use durable::make_durable;
pub(crate) use history::{Kept, discard_kept, is_whole, keep_version, kept_lately};
pub(crate) use look::{Note, look, read_note};
pub(crate) use mirror::{Filled, MirrorError, MirrorFile, fill};
pub(crate) use mirror::{clear as clear_mirror, read as read_mirror};
pub(crate) use obstacle::obstacles;
pub(crate) use problem::{PathProblem, ProblemCode};
pub(crate) use recover::recover;
pub(crate) use scan::{RootError, Scan, absent, remark_on, root_ino, scan};
pub(crate) use side::{Linking, Side, SideError, SidePlace, foresee};
pub(crate) use signature::{HashError, Signature, md5_of};
