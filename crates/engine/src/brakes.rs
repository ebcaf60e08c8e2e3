//! When a plan may not be carried before a person has looked, and which of its paths wait. Pure.

use std::collections::{BTreeMap, BTreeSet};

use guard::Object;
use md5::{Digest, Md5};

use crate::naming;
use crate::plan::{Difference, Plan, RESERVED, SENTINEL, SENTINEL_TEXT, Side};
use crate::profile::{AccessCheck, Profile};
use crate::state::Baseline;
use crate::vault::Scan;
use crate::view::ChangeAction;

/// How long a delete or rewrite is counted, in milliseconds.
pub(crate) const WINDOW_MS: i64 = 10 * 60_000;

/// Deletes below this number never trip the brake, so that small folders can be tidied.
const FEW_DELETES: usize = 3;
/// So many deletes trip it in a folder of any size.
const MANY_DELETES: usize = 25;
/// A folder at the top with at least so many notes does not go unasked.
const TOP_FOLDER: usize = 5;

const FEW_REWRITES: usize = 5;
const MANY_REWRITES: usize = 50;

/// A reason not to carry a plan, or a part of it, before a person has looked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Brake {
    /// The vault has no notes left although several are known.
    VaultEmptied {
        known: usize,
    },
    CloudEmptied {
        known: usize,
    },
    /// The sentinel is gone from the bucket.
    AccessCheckFailed,
    /// The sentinel in the bucket has another text than ours.
    MarkerRewritten,
    TooManyDeletes {
        /// With those of the last minutes, which are not held.
        deletes: usize,
        known: usize,
        side: ChangeAction,
        held: Vec<String>,
    },
    /// Most of many changes here made notes unreadable.
    MassRewrite {
        changed: usize,
        known: usize,
        held: Vec<String>,
    },
    /// The store forgets what is replaced.
    VersioningOff {
        held: Vec<String>,
    },
    /// The baseline was lost, and these differ.
    ListingsLost {
        held: Vec<String>,
    },
    DiskFull {
        held: Vec<String>,
    },
    /// Nothing is held: the names are problems, each for itself.
    CaseCollision {
        names: Vec<String>,
    },
}

impl Brake {
    /// Whether the other side still has the notes as they were.
    pub(crate) fn can_be_restored(&self) -> bool {
        match self {
            Self::VaultEmptied { .. }
            | Self::CloudEmptied { .. }
            | Self::TooManyDeletes { .. }
            | Self::MassRewrite { .. } => true,
            Self::AccessCheckFailed
            | Self::MarkerRewritten
            | Self::VersioningOff { .. }
            | Self::ListingsLost { .. }
            | Self::DiskFull { .. }
            | Self::CaseCollision { .. } => false,
        }
    }

    /// The paths that wait.
    pub(crate) fn evidence(&self) -> &[String] {
        match self {
            Self::TooManyDeletes { held, .. }
            | Self::MassRewrite { held, .. }
            | Self::VersioningOff { held }
            | Self::ListingsLost { held }
            | Self::DiskFull { held } => held,
            Self::CaseCollision { names } => names,
            Self::VaultEmptied { .. }
            | Self::CloudEmptied { .. }
            | Self::AccessCheckFailed
            | Self::MarkerRewritten => &[],
        }
    }
}

/// A side that is empty or another one than before: nothing moves.
pub(crate) fn emptied(
    plan: &Plan,
    scan: &Scan,
    cloud: &BTreeMap<String, Object>,
    profile: Profile,
) -> Option<Brake> {
    if plan.known >= 2 && cloud.keys().all(|key| key.starts_with(RESERVED)) {
        return Some(Brake::CloudEmptied { known: plan.known });
    }
    if plan.known > 0 && profile.access_check == AccessCheck::Required {
        match cloud.get(SENTINEL) {
            None => return Some(Brake::AccessCheckFailed),
            Some(object) if is_rewritten(object) => return Some(Brake::MarkerRewritten),
            Some(_) => {}
        }
    }
    (plan.known >= 2 && scan.files.is_empty()).then_some(Brake::VaultEmptied { known: plan.known })
}

/// An `ETag` that is an MD5 tells; any other says nothing.
fn is_rewritten(sentinel: &Object) -> bool {
    let is_md5 = sentinel.etag.len() == 32 && sentinel.etag.bytes().all(|b| b.is_ascii_hexdigit());
    is_md5 && sentinel.etag != hex::encode(Md5::digest(SENTINEL_TEXT))
}

/// The paths that one side would lose, but for the copies of settled conflicts.
pub(crate) fn deletes(
    plan: &Plan,
    side: ChangeAction,
    scan: &Scan,
    cloud: &BTreeMap<String, Object>,
) -> Vec<String> {
    let lost = plan
        .scope
        .iter()
        .filter(|(_, difference)| difference.action() == Some(side))
        .filter(|(path, _)| !is_settled_copy(path, side, scan, cloud));
    lost.map(|(path, _)| path.clone()).collect()
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

/// Decides about the deletes on one side. `held` are those that are no renames; `recent` is how
/// many were carried in the last [`WINDOW_MS`].
pub(crate) fn too_many_deletes(
    held: Vec<String>,
    recent: usize,
    baseline: &Baseline,
    side: ChangeAction,
    profile: Profile,
) -> Option<Brake> {
    let deletes = held.len() + recent;
    let known = baseline.len() + recent;
    let share = usize::from(profile.max_delete_percent);
    let many = deletes >= MANY_DELETES
        || deletes >= FEW_DELETES && deletes * 100 > known * share
        || loses_top_folder(&held, baseline);
    (many && !held.is_empty()).then_some(Brake::TooManyDeletes {
        deletes,
        known,
        side,
        held,
    })
}

/// Of deleted notes (path and MD5), those whose bytes have arrived under another name. An arrival
/// stands for one of them: of many notes alike, one new name excuses one deletion.
pub(crate) fn moved<'d>(
    deleted: impl Iterator<Item = (&'d str, &'d str)>,
    arrived: Vec<String>,
) -> BTreeSet<String> {
    let mut free: BTreeMap<String, usize> = BTreeMap::new();
    for md5 in arrived {
        *free.entry(md5).or_default() += 1;
    }
    deleted
        .filter(|(_, md5)| match free.get_mut(*md5) {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            Some(_) | None => false,
        })
        .map(|(path, _)| path.to_owned())
        .collect()
}

fn loses_top_folder(lost: &[String], baseline: &Baseline) -> bool {
    fn top(path: &str) -> Option<&str> {
        path.split_once('/').map(|(folder, _)| folder)
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for folder in lost.iter().filter_map(|path| top(path)) {
        *counts.entry(folder).or_default() += 1;
    }
    counts.into_iter().any(|(folder, count)| {
        let own = format!("{folder}/");
        count >= TOP_FOLDER
            && baseline
                .keys()
                .filter(|path| path.starts_with(&own))
                .count()
                == count
    })
}

/// Notes changed here that one look at their bytes can judge.
pub(crate) fn rewritten_here(plan: &Plan) -> Vec<String> {
    let here = plan.scope.iter().filter(|(_, difference)| {
        matches!(
            difference,
            Difference {
                here: Side::Changed,
                cloud: Side::Same
            }
        )
    });
    here.map(|(path, _)| path.clone()).collect()
}

/// Known notes whose place a file with one more suffix took: `a.md` gone, `a.md.locked` there.
pub(crate) fn resuffixed(plan: &Plan) -> Vec<(String, String)> {
    let mut found: BTreeMap<&str, Vec<(String, String)>> = BTreeMap::new();
    let gone: BTreeSet<&String> = plan
        .scope
        .iter()
        .filter(|(_, difference)| difference.here == Side::Deleted)
        .map(|(path, _)| path)
        .collect();
    for (path, difference) in &plan.scope {
        if difference.here != Side::New {
            continue;
        }
        if let Some((stem, suffix)) = path.rsplit_once('.')
            && let Some(old) = gone.get(&stem.to_owned())
        {
            let pairs = found.entry(suffix).or_default();
            pairs.push(((*old).clone(), path.clone()));
        }
    }
    found.into_values().max_by_key(Vec::len).unwrap_or_default()
}

/// What is known of many changes made here within [`WINDOW_MS`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rewrites {
    pub(crate) changed: usize,
    /// Made unreadable, or given one new suffix.
    pub(crate) spoiled: usize,
    pub(crate) known: usize,
}

impl Rewrites {
    /// Whether so much changed that the bytes are worth a look.
    pub(crate) fn are_many(self) -> bool {
        self.changed >= MANY_REWRITES
            || self.changed >= FEW_REWRITES && self.changed * 100 >= self.known * 20
    }

    pub(crate) fn trip(self) -> bool {
        self.are_many() && self.spoiled * 100 >= self.changed * 60
    }
}

/// Whether a note's bytes became what encryption or damage makes of them.
pub(crate) fn is_spoiled(before: &[u8], after: &[u8]) -> bool {
    looks_spoiled(after)
        && (is_text(before) && !is_text(after) || entropy(before) < 6.0 && entropy(after) > 7.5)
}

/// Whether bytes could be spoiled ones, judged without those from before.
pub(crate) fn looks_spoiled(after: &[u8]) -> bool {
    !is_text(after) || entropy(after) > 7.5
}

/// A character that is cut at the end does not count.
fn is_text(bytes: &[u8]) -> bool {
    match std::str::from_utf8(bytes) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    }
}

/// Bits per byte, from 0 to 8.
#[expect(clippy::cast_precision_loss, reason = "counts of a few thousand bytes")]
fn entropy(bytes: &[u8]) -> f64 {
    let mut counts = [0_usize; 256];
    for byte in bytes {
        counts[usize::from(*byte)] += 1;
    }
    let total = bytes.len() as f64;
    counts
        .into_iter()
        .filter(|count| *count > 0)
        .map(|count| {
            let share = count as f64 / total;
            -share * share.log2()
        })
        .sum()
}

/// The space, in bytes, that stays free on a disk of this size: downloads stop before it is used.
pub(crate) fn reserve(total: u64) -> u64 {
    const MOST: u64 = 64 * 1024 * 1024;
    (total / 20).min(MOST)
}

#[cfg(test)]
mod tests;
