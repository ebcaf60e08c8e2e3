use std::hash::Hash;
use std::ops::Range;

use similar::{Algorithm, DiffOp, capture_diff_slices};

use crate::long;

/// A run of items that one sequence has in the place of a run of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hunk {
    pub(crate) old: Range<usize>,
    pub(crate) new: Range<usize>,
}

/// A run of items that both sequences have: where it begins in each, and its length.
pub(crate) type Equal = (usize, usize, usize);

/// Up to this product of both lengths the shortest difference is looked for, whatever it costs.
const SHORT: usize = 4_000_000;

/// Where `new` differs from `old`, in order; between two hunks there is at least one equal item.
///
/// Only the equal runs are taken from the library: the positions it tells for deletions and
/// insertions can be off after it has tidied them.
pub(crate) fn hunks<T: Hash + Eq + Ord>(old: &[T], new: &[T]) -> Vec<Hunk> {
    let equal = if old.len().saturating_mul(new.len()) <= SHORT {
        shortest(old, new)
    } else {
        long::equal_runs(old, new)
    };
    let mut found = Vec::new();
    let (mut at, mut there) = (0, 0);
    for (old_index, new_index, len) in equal.into_iter().chain([(old.len(), new.len(), 0)]) {
        if (at, there) != (old_index, new_index) {
            found.push(Hunk {
                old: at..old_index,
                new: there..new_index,
            });
        }
        (at, there) = (old_index + len, new_index + len);
    }
    found
}

pub(crate) fn shortest<T: Hash + Eq + Ord>(old: &[T], new: &[T]) -> Vec<Equal> {
    let steps = capture_diff_slices(Algorithm::Myers, old, new);
    let equal = steps.into_iter().filter_map(|step| match step {
        DiffOp::Equal {
            old_index,
            new_index,
            len,
        } => Some((old_index, new_index, len)),
        DiffOp::Delete { .. } | DiffOp::Insert { .. } | DiffOp::Replace { .. } => None,
    });
    equal.collect()
}
