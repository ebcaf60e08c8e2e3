//! Which version of a conflict wins, and what the other one is called.

use std::collections::BTreeMap;

use guard::Object;

use crate::cycle::surface as cycle;

/// Which version of a conflict has the note's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Winner {
    Both,
    Ours,
    Theirs,
}

#[must_use]
pub fn newer(ours_ms: Option<i64>, theirs_ms: Option<i64>) -> Winner {
    match cycle::newer(ours_ms, theirs_ms) {
        // Times alone never make a merge.
        cycle::Winner::Both | cycle::Winner::Merged(_) => Winner::Both,
        cycle::Winner::Ours => Winner::Ours,
        cycle::Winner::Theirs => Winner::Theirs,
    }
}

/// The name of a conflict's copy in the bucket.
pub fn copy_name(
    path: &str,
    device: &str,
    mtime_ns: i64,
    md5: &str,
    cloud: &BTreeMap<String, Object>,
    (here, settled): (impl Fn(&str) -> bool, impl Fn(&str) -> bool),
) -> String {
    cycle::free_name(
        path,
        device,
        cycle::time_of(mtime_ns),
        md5,
        cloud,
        (here, settled),
    )
}

/// The name under which safe apply keeps a save beside a note.
#[must_use]
pub fn beside(path: &str, device: &str, now_ns: i64, number: u32) -> String {
    crate::naming::numbered_conflict_name(path, device, cycle::time_of(now_ns), number)
}

/// The note that a path marked by rclone belongs to.
#[must_use]
pub fn original_of(path: &str, mark: &str) -> Option<String> {
    cycle::original_of(path, mark)
}
