//! What differs between vault, bucket and baseline, and whether it may be carried.
//!
//! Pure: a plan is a function of three listings. It decides which paths a cycle is about, never
//! how they are carried.

use std::collections::{BTreeMap, BTreeSet};

use guard::Object;

use crate::filters::Filters;
use crate::naming;
use crate::profile::{AccessCheck, Profile};
use crate::state::Baseline;
use crate::vault::{PathProblem, ProblemCode, Scan, Signature};
use crate::view::{ChangeAction, PreviewChange};

/// The object that proves a bucket to be the one a pair was made with. It is in the bucket and in
/// the mirror, never in the vault.
pub(crate) const SENTINEL: &str = ".basic-memory-sync";

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
    let held = held_paths(baseline, scan, cloud, &mut plan.problems);
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

    /// Leaves only what comes from the cloud: changes made here wait.
    pub(crate) fn keep_downloads(&mut self) -> u64 {
        let before = self.scope.len();
        self.scope.retain(|_, difference| match difference.here {
            Side::Same | Side::Absent => true,
            Side::Deleted => difference.cloud == Side::Deleted,
            Side::New | Side::Changed => false,
        });
        u64::try_from(before - self.scope.len()).unwrap_or(u64::MAX)
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

/// A reason not to carry a plan before a person has looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Brake {
    /// The vault has no notes left although several are known.
    VaultEmptied {
        known: usize,
    },
    CloudEmptied {
        known: usize,
    },
    TooManyDeletes {
        deletes: usize,
        known: usize,
        side: ChangeAction,
    },
    /// The sentinel is gone from the bucket.
    AccessCheckFailed,
}

/// Deletes below this number never trip the brake, so that small folders can be tidied.
const FEW_DELETES: usize = 3;

/// Decides whether the plan trips a brake under a profile.
pub(crate) fn brake(
    plan: &Plan,
    scan: &Scan,
    cloud: &BTreeMap<String, Object>,
    profile: Profile,
) -> Option<Brake> {
    if plan.known >= 2 && cloud.keys().all(|key| key.starts_with(RESERVED)) {
        return Some(Brake::CloudEmptied { known: plan.known });
    }
    let sentinel_gone = plan.known > 0 && !cloud.contains_key(SENTINEL);
    if sentinel_gone && profile.access_check == AccessCheck::Required {
        return Some(Brake::AccessCheckFailed);
    }
    if plan.known >= 2 && scan.files.is_empty() {
        return Some(Brake::VaultEmptied { known: plan.known });
    }
    [ChangeAction::RemoveHere, ChangeAction::RemoveInCloud]
        .into_iter()
        .find_map(|side| {
            let deletes = plan
                .scope
                .iter()
                .filter(|(_, difference)| difference.action() == Some(side))
                .filter(|(path, _)| !is_settled_copy(path, side, scan, cloud))
                .count();
            let share = usize::from(profile.max_delete_percent);
            (deletes >= FEW_DELETES && deletes * 100 > plan.known * share).then_some(
                Brake::TooManyDeletes {
                    deletes,
                    known: plan.known,
                    side,
                },
            )
        })
}

/// Whether a deletion is that of a conflict's copy whose note is still there on the deleting side:
/// what is left of a conflict that somebody decided. There may be many at once.
fn is_settled_copy(
    path: &str,
    side: ChangeAction,
    scan: &Scan,
    cloud: &BTreeMap<String, Object>,
) -> bool {
    naming::note_of_copy(path).is_some_and(|note| match side {
        ChangeAction::RemoveHere => cloud.contains_key(&note),
        ChangeAction::RemoveInCloud => scan.files.contains_key(&note),
        ChangeAction::Upload | ChangeAction::Download | ChangeAction::Conflict => false,
    })
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
/// they are one file, and carrying either would harm the other.
fn held_paths(
    baseline: &Baseline,
    scan: &Scan,
    cloud: &BTreeMap<String, Object>,
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
        if here.len() > 1 || there.len() > 1 || crossed {
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
