//! The decisions of sync, for the model test (`crates/model`). Not part of the crate's face.
//!
//! Each item wraps the function that cycles and the lane call, and decides nothing itself.

mod carrying;
mod conflicts;
mod memory;
mod planning;
mod settling;

pub use carrying::{Pace, Way, lane_moves};
pub use conflicts::{Winner, beside, copy_name, newer, original_of};
pub use guard::{Access, Object, Stored};
pub use memory::{Memory, Rules, Seen, Stat};
pub use planning::{Ahead, Caution, Meaning, On, Planned, ahead, plan, too_many_deletes};
pub use settling::{Evidence, Mirrored, Verdict, Version, settle};

use crate::{brakes, plan as planner};

/// The object that proves a bucket to be the one a pair was made with.
pub const SENTINEL: &str = planner::SENTINEL;

/// How long a delete is counted, in milliseconds.
pub const WINDOW_MS: i64 = brakes::WINDOW_MS;
