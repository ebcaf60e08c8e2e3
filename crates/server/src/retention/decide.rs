//! Which versions of a key may go.
//!
//! Stores tell times in whole seconds and in no certain order within one, so wherever the order is
//! not certain a version stays.

use std::time::Duration;

use crate::buckets::{VersionEntry, VersionKind};
use crate::provisioning::millis;

/// What clients name objects with which they try out what a store can do. One that was cut short
/// leaves them; nobody syncs them, and in stores with versions every trial leaves some.
const SCRATCH: &str = ".basic-memory-probe-";
const SCRATCH_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// In bytes; what is larger is somebody's own.
const SCRATCH_SIZE: u64 = 1;

/// How long what was replaced or deleted stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct VersionRule {
    /// Since it was replaced or deleted; for good if `None`.
    pub(crate) kept_for: Option<Duration>,
    /// Of an object that is there, so many of the newest replaced versions stay whatever their age.
    pub(crate) newest_kept: usize,
}

impl Default for VersionRule {
    fn default() -> Self {
        Self {
            kept_for: Some(Duration::from_secs(90 * 24 * 60 * 60)),
            newest_kept: 3,
        }
    }
}

/// By what is decided.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms<'a> {
    pub(crate) rule: VersionRule,
    /// Moments that somebody wants to go back to, Unix milliseconds; what was written before one
    /// belongs to it.
    pub(crate) snapshots: &'a [i64],
    /// Unix milliseconds.
    pub(crate) now: i64,
}

/// What of a key may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict<'v> {
    Nothing,
    These(Vec<&'v VersionEntry>),
    /// All there is of the key is the mark of a delete long ago. It may go if that is really all:
    /// what it hides would be there again.
    LoneMarker(&'v VersionEntry),
}

/// Judges everything that is listed of one key, in any order.
pub(super) fn judge<'v>(key: &'v [VersionEntry], terms: &Terms<'_>) -> Verdict<'v> {
    let mut latest = key.iter().filter(|entry| entry.is_latest);
    // Without the latest the listing is not whole, with two of them it makes no sense.
    let (Some(latest), None) = (latest.next(), latest.next()) else {
        return Verdict::Nothing;
    };
    if is_scratch(key, terms.now) {
        return Verdict::These(key.iter().collect());
    }
    let Some(kept_for) = terms.rule.kept_for else {
        return Verdict::Nothing;
    };
    let replaced_before = terms.now.saturating_sub(millis(kept_for));
    if key.len() == 1 {
        return match latest.kind {
            VersionKind::DeleteMarker if latest.modified_ms < replaced_before => {
                Verdict::LoneMarker(latest)
            }
            VersionKind::DeleteMarker | VersionKind::Content => Verdict::Nothing,
        };
    }
    let newest_kept = match latest.kind {
        VersionKind::Content => terms.rule.newest_kept,
        VersionKind::DeleteMarker => 0,
    };
    let may_go = |entry: &&VersionEntry| {
        !entry.is_latest
            && replaced_at(entry, key) < replaced_before
            && !is_shown(entry, key, terms.snapshots)
            && !is_among_newest(entry, key, newest_kept)
    };
    let these: Vec<&VersionEntry> = key.iter().filter(may_go).collect();
    match these.is_empty() {
        true => Verdict::Nothing,
        false => Verdict::These(these),
    }
}

fn is_scratch(key: &[VersionEntry], now: i64) -> bool {
    let old = now.saturating_sub(millis(SCRATCH_LIFE));
    key.iter().all(|entry| {
        entry.key.starts_with(SCRATCH) && entry.size <= SCRATCH_SIZE && entry.modified_ms < old
    })
}

/// When something took the entry's place: of two in one unit of time, neither is known to have
/// been replaced by the other.
fn replaced_at(entry: &VersionEntry, key: &[VersionEntry]) -> i64 {
    key.iter()
        .map(|other| other.modified_ms)
        .filter(|at| *at > entry.modified_ms)
        .min()
        .unwrap_or(entry.modified_ms)
}

/// Whether the entry may be what a snapshot has of the key. That holds for the mark of a delete as
/// well, which hides what is older.
fn is_shown(entry: &VersionEntry, key: &[VersionEntry], snapshots: &[i64]) -> bool {
    snapshots.iter().any(|moment| {
        let is_newer = |other: &VersionEntry| {
            other.modified_ms > entry.modified_ms && other.modified_ms < *moment
        };
        entry.modified_ms < *moment && !key.iter().any(is_newer)
    })
}

fn is_among_newest(entry: &VersionEntry, key: &[VersionEntry], kept: usize) -> bool {
    let is_newer = |other: &&VersionEntry| {
        !other.is_latest
            && other.kind == VersionKind::Content
            && other.modified_ms > entry.modified_ms
    };
    entry.kind == VersionKind::Content && key.iter().filter(is_newer).count() < kept
}

#[cfg(test)]
mod tests;
