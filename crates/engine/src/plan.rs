//! What differs between vault, bucket and baseline, and whether it may be carried.
//!
//! Pure: a plan is a function of three listings. It decides which paths a cycle is about, never
//! how they are carried.

use std::collections::{BTreeMap, BTreeSet};

use guard::Object;

use crate::filters::Filters;
use crate::naming;
use crate::state::Baseline;
use crate::vault::{PathProblem, ProblemCode, Scan, Signature};
use crate::view::{ChangeAction, PreviewChange};

/// The object that proves a bucket to be the one a pair was made with. It is in the bucket and in
/// the mirror, never in the vault.
pub(crate) const SENTINEL: &str = ".basic-memory-sync";

/// What the sentinel says to whoever finds it.
pub(crate) const SENTINEL_TEXT: &[u8] =
    b"Sync recognizes its bucket by this object. Please leave it here.\n";

/// Objects whose names begin so are sync's own and belong to no folder.
pub(crate) const RESERVED: &str = ".basic-memory-";

/// How one side stands against the baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// In neither.
    Absent,
    Same,
    New,
    Changed,
    Deleted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) here: Side,
    pub(crate) cloud: Side,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// The paths that a cycle has to carry.
    pub(crate) scope: BTreeMap<String, Difference>,
    /// Paths whose file looks different but may have the same bytes; hashing tells.
    pub(crate) suspects: BTreeMap<String, Signature>,
    pub(crate) problems: Vec<PathProblem>,
    /// Paths that the baseline knows.
    pub(crate) known: usize,
}

/// Compares the two sides with what was last known equal.
pub(crate) fn plan(
    baseline: &Baseline,
    scan: &Scan,
    cloud: &BTreeMap<String, Object>,
    filters: &Filters,
) -> Plan {
    let mut plan = Plan {
        known: baseline.len(),
        ..Plan::default()
    };
    let held = held_paths(baseline, scan, cloud, filters, &mut plan.problems);
    let usable_cloud: BTreeMap<&String, &Object> = cloud
        .iter()
        .filter(|(key, _)| !key.starts_with(RESERVED) && filters.includes(key))
        .collect();
    let paths: BTreeSet<&String> = baseline
        .keys()
        .chain(scan.files.keys())
        .chain(usable_cloud.keys().copied())
        .collect();
    for path in paths {
        // What is not seen and not provably gone is neither deleted nor overwritten.
        let hidden = !scan.files.contains_key(path) && !scan.is_gone(path, filters);
        if held.contains(path) || hidden {
            continue;
        }
        if let Some(problem) = unusable(path) {
            plan.problems.push(problem);
            continue;
        }
        let known = baseline.get(path);
        let file = scan.files.get(path);
        let here = match (known, file) {
            (None, None) => Side::Absent,
            (None, Some(_)) => Side::New,
            (Some(_), None) => Side::Deleted,
            (Some(node), Some(signature)) if signature.unchanged_since(&node.signature) => {
                Side::Same
            }
            (Some(_), Some(signature)) => {
                plan.suspects.insert(path.clone(), *signature);
                Side::Changed
            }
        };
        let cloud = match (known, usable_cloud.get(path)) {
            (None, None) => Side::Absent,
            (None, Some(_)) => Side::New,
            (Some(_), None) => Side::Deleted,
            (Some(node), Some(object)) if node.etag == object.etag => Side::Same,
            (Some(_), Some(_)) => Side::Changed,
        };
        if (here, cloud) != (Side::Same, Side::Same) {
            plan.scope.insert(path.clone(), Difference { here, cloud });
        }
    }
    plan
}

impl Plan {
    /// Takes in that a suspect's bytes are those of the baseline after all.
    pub(crate) fn clear_suspect(&mut self, path: &str) {
        self.suspects.remove(path);
        if let Some(difference) = self.scope.get_mut(path) {
            difference.here = Side::Same;
            if difference.cloud == Side::Same {
                self.scope.remove(path);
            }
        }
    }

    /// Leaves only what the cloud has to give: changes made here wait, and so does every removal.
    /// Answers how many changes from here those are.
    pub(crate) fn keep_downloads(&mut self) -> u64 {
        let before = self.waiting();
        self.scope.retain(|_, difference| match difference.here {
            Side::Same | Side::Absent => difference.cloud != Side::Deleted,
            Side::Deleted => difference.cloud == Side::Deleted,
            Side::New | Side::Changed => false,
        });
        before - self.waiting()
    }

    /// Takes in that something is at this path after all: it waits for the next cycle.
    pub(crate) fn drop_path(&mut self, path: &str) {
        self.scope.remove(path);
    }

    /// The paths that count as deleted here.
    pub(crate) fn deleted_here(&self) -> Vec<String> {
        let deleted = self
            .scope
            .iter()
            .filter(|(_, difference)| difference.here == Side::Deleted);
        deleted.map(|(path, _)| path.clone()).collect()
    }

    /// The paths that count as deleted in the cloud because the listing leaves them out.
    pub(crate) fn deleted_in_cloud(&self) -> Vec<String> {
        let deleted = self
            .scope
            .iter()
            .filter(|(_, difference)| difference.cloud == Side::Deleted);
        deleted.map(|(path, _)| path.clone()).collect()
    }

    /// Takes in that an object which the listing left out is there after all.
    pub(crate) fn found_in_cloud(&mut self, object: &Object, baseline: &Baseline) {
        let Some(difference) = self.scope.get_mut(&object.key) else {
            return;
        };
        difference.cloud = match baseline.get(&object.key) {
            None => Side::New,
            Some(node) if node.etag == object.etag => Side::Same,
            Some(_) => Side::Changed,
        };
        if (difference.here, difference.cloud) == (Side::Same, Side::Same) {
            self.scope.remove(&object.key);
        }
    }

    /// Takes paths out that wait for something, and answers how many of them are changes from here.
    pub(crate) fn hold(&mut self, paths: &[String]) -> u64 {
        let before = self.waiting();
        for path in paths {
            self.scope.remove(path);
        }
        before - self.waiting()
    }

    /// How many paths differ because of something done here.
    pub(crate) fn waiting(&self) -> u64 {
        let count = self
            .scope
            .values()
            .filter(|difference| match difference.here {
                Side::New | Side::Changed => true,
                Side::Deleted => difference.cloud != Side::Deleted,
                Side::Same | Side::Absent => false,
            });
        u64::try_from(count.count()).unwrap_or(u64::MAX)
    }

    /// What the cycle will do, for a person to read. Paths new or changed on both sides count as
    /// conflicts unless `identical` holds them.
    pub(crate) fn preview(&self, identical: &BTreeSet<String>) -> Vec<PreviewChange> {
        self.scope
            .iter()
            .filter(|(path, _)| !identical.contains(*path))
            .filter_map(|(path, difference)| {
                let action = difference.action()?;
                Some(PreviewChange {
                    path: path.clone(),
                    action,
                })
            })
            .collect()
    }

    /// The paths both sides made or changed; equal bytes make them no conflict.
    pub(crate) fn contested(&self) -> impl Iterator<Item = &String> {
        self.scope
            .iter()
            .filter(|(_, difference)| difference.action() == Some(ChangeAction::Conflict))
            .map(|(path, _)| path)
    }
}

impl Difference {
    /// What carrying this difference means; `None` where both sides dropped the path.
    pub(crate) fn action(self) -> Option<ChangeAction> {
        match (self.here, self.cloud) {
            (Side::New | Side::Changed, Side::New | Side::Changed) => Some(ChangeAction::Conflict),
            (Side::New | Side::Changed, Side::Same | Side::Absent | Side::Deleted) => {
                Some(ChangeAction::Upload)
            }
            (Side::Same | Side::Absent | Side::Deleted, Side::New | Side::Changed) => {
                Some(ChangeAction::Download)
            }
            (Side::Same, Side::Deleted) => Some(ChangeAction::RemoveHere),
            (Side::Deleted, Side::Same) => Some(ChangeAction::RemoveInCloud),
            (
                Side::Same | Side::Absent | Side::Deleted,
                Side::Same | Side::Absent | Side::Deleted,
            ) => None,
        }
    }
}

/// Keys that no folder can hold as they are.
fn unusable(path: &str) -> Option<PathProblem> {
    let bad_part = |part: &str| part.is_empty() || part == "." || part == "..";
    if path.len() > 1024 || path.split('/').any(|part| part.len() > 255) {
        return Some(PathProblem::new(path, ProblemCode::NameTooLong));
    }
    let bad = path
        .split('/')
        .any(|part| bad_part(part) || !naming::is_portable(part));
    bad.then(|| PathProblem::new(path, ProblemCode::NameNotPortable))
}

/// Paths left alone because two names differ only in capitals or Unicode form: on some systems
/// they are one file, and carrying either would harm the other. Names that the filters hide count
/// beside one that they show, and not among themselves.
fn held_paths(
    baseline: &Baseline,
    scan: &Scan,
    cloud: &BTreeMap<String, Object>,
    filters: &Filters,
    problems: &mut Vec<PathProblem>,
) -> BTreeSet<String> {
    let mut names: BTreeMap<String, (BTreeSet<&String>, BTreeSet<&String>)> = BTreeMap::new();
    for path in scan.files.keys() {
        names
            .entry(naming::fold_key(path))
            .or_default()
            .0
            .insert(path);
    }
    for key in cloud.keys() {
        names
            .entry(naming::fold_key(key))
            .or_default()
            .1
            .insert(key);
    }
    let mut held: BTreeSet<String> = scan
        .problems
        .iter()
        .map(|problem| problem.path.clone())
        .collect();
    problems.extend(scan.problems.iter().cloned());
    for (here, there) in names.values() {
        let known = |path: &&String| baseline.contains_key(*path);
        let crossed = match (here.first(), there.first()) {
            (Some(file), Some(key)) => file != key && !known(file) && !known(key),
            (Some(_), None) | (None, Some(_)) | (None, None) => false,
        };
        let are_twins = here.len() > 1 || there.len() > 1 || crossed;
        if are_twins && (!here.is_empty() || there.iter().any(|key| filters.includes(key))) {
            for path in here.union(there) {
                held.insert((*path).clone());
                problems.push(PathProblem::new(path, ProblemCode::NameTwins));
            }
        }
    }
    held
}

#[cfg(test)]
mod tests;
