use std::hash::Hash;
use std::ops::Range;

use similar::{Algorithm, DiffOp, capture_diff_slices};

/// A run of items that one sequence has in the place of a run of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hunk {
    pub(crate) old: Range<usize>,
    pub(crate) new: Range<usize>,
}

/// Where `new` differs from `old`, in order; between two hunks there is at least one equal item.
///
/// Only the equal runs are taken from the library: the positions it tells for deletions and
/// insertions can be off after it has tidied them.
pub(crate) fn hunks<T: Hash + Eq + Ord>(old: &[T], new: &[T]) -> Vec<Hunk> {
    let steps = capture_diff_slices(Algorithm::Myers, old, new);
    let equal = steps.into_iter().filter_map(|step| match step {
        DiffOp::Equal {
            old_index,
            new_index,
            len,
        } => Some((old_index, new_index, len)),
        DiffOp::Delete { .. } | DiffOp::Insert { .. } | DiffOp::Replace { .. } => None,
    });
    let mut found = Vec::new();
    let (mut at, mut there) = (0, 0);
    for (old_index, new_index, len) in equal.chain([(old.len(), new.len(), 0)]) {
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
