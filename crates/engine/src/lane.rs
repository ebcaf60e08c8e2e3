//! The lane: single changed files, carried the moment they change, between cycles.
//!
//! A file event or a hint names a few paths. Each is compared with the baseline by the same pure
//! plan that a cycle makes of everything, and moves only if the other side is provably as it was
//! last known: uploads and deletes are conditional on the baseline's `ETag`, downloads go through
//! safe apply. The lane decides nothing: whatever is not that plain is left to a cycle. Its cost
//! depends on the paths named, never on the number of notes.

mod carry;
mod debounce;
mod decide;
mod sight;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use guard::{Access, Bucket};
use wire::ChangeIn;

use crate::Clock;
use crate::config::Observer;
use crate::cycle::{CycleFailure, StateHandle, Tally};
use crate::filters::Filters;
use crate::state::Growth;

pub(crate) use carry::seconds;
pub(crate) use debounce::Debounce;
pub(crate) use decide::{Move, decide};

/// The largest file that the lane carries, in bytes; it is held in memory meanwhile.
const LARGEST: u64 = 16 * 1024 * 1024;

/// More paths than this at once are a cycle's work.
pub(crate) const MOST_PATHS: usize = 64;

/// All that a trip needs; made anew for each.
pub(crate) struct LaneInput {
    pub(crate) pair: String,
    pub(crate) vault: PathBuf,
    pub(crate) side_home: PathBuf,
    pub(crate) state: StateHandle,
    pub(crate) bucket: Bucket,
    pub(crate) filters: Filters,
    pub(crate) access: Access,
    pub(crate) device: String,
    pub(crate) clock: Clock,
    pub(crate) observer: Observer,
    /// How many deletes may still pass before a cycle, which counts them against everything.
    pub(crate) spare_deletes: usize,
    /// Paths at which something happened here.
    pub(crate) saved: BTreeSet<String>,
    /// Paths at which something may have happened in the cloud.
    pub(crate) hinted: BTreeMap<String, Hint>,
}

/// What the change stream says of a path in the cloud. It may be late or wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Hint {
    /// This version was stored.
    Stored { etag: String, size: u64 },
    /// Something happened; the cloud has to be asked.
    Ask,
}

/// What a trip did.
#[derive(Debug, Default)]
pub(crate) struct Trip {
    pub(crate) tally: Tally,
    /// Paths that only a cycle may judge.
    pub(crate) left: BTreeSet<String>,
    /// Notes that were removed here; their names are free.
    pub(crate) freed: BTreeSet<String>,
    pub(crate) growth: Growth,
    /// What is in the cloud now because of this trip, for others to hear of.
    pub(crate) told: Vec<ChangeIn>,
}

impl Trip {
    /// Deletes that this trip carried.
    pub(crate) fn deletes(&self) -> usize {
        usize::try_from(self.tally.removed_here + self.tally.removed_in_cloud).unwrap_or(usize::MAX)
    }

    /// Whether a removal made room for `path`: a note below the name of one that went, or one that
    /// takes the name of its folder.
    pub(crate) fn makes_room_for(&self, path: &str) -> bool {
        let is_below = |inner: &str, outer: &str| {
            let rest = inner.strip_prefix(outer);
            rest.is_some_and(|rest| rest.starts_with('/'))
        };
        let mut freed = self.freed.iter();
        freed.any(|gone| is_below(path, gone) || is_below(gone, path))
    }
}

/// Carries what is plain of the named paths.
///
/// # Errors
/// What stops every path, as in a cycle; nothing of the trip is recorded then, and the next cycle
/// finds what got through to be equal.
pub(crate) async fn run(input: &LaneInput) -> Result<Trip, CycleFailure> {
    let seen = sight::look(input).await?;
    let (moves, left) = decide(&seen.plan, seen.left, input.access, input.spare_deletes);
    carry::carry(input, seen.baseline, seen.notes, seen.touched, moves, left).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removal_makes_room_for_what_was_in_its_way_and_nothing_else() {
        let trip = Trip {
            freed: ["plan".to_owned(), "old/a.md".to_owned()].into(),
            ..Trip::default()
        };
        let paths = ["plan/a.md", "old", "plan", "planned/a.md", "old/b.md", "ol"];
        assert_eq!(
            paths.map(|path| trip.makes_room_for(path)),
            [true, true, false, false, false, false]
        );
    }
}
