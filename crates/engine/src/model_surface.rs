//! The decisions of sync, for the model test (`crates/model`). Not part of the crate's face.
//!
//! Each item wraps the function that cycles and the lane call, and decides nothing itself.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

pub use guard::{Access, Object, Stored};

use crate::brakes;
use crate::cycle::surface as cycle;
use crate::filters::Filters;
use crate::lane::{self, Debounce};
use crate::plan::{self, Plan};
use crate::profile::{ConflictRule, Profile};
use crate::state::{Baseline, Node};
use crate::vault::{Expect, MirrorFile, Scan, Signature};
use crate::view::{ChangeAction, ProfileName};

/// The object that proves a bucket to be the one a pair was made with.
pub const SENTINEL: &str = plan::SENTINEL;

/// How long a delete is counted, in milliseconds.
pub const WINDOW_MS: i64 = brakes::WINDOW_MS;

/// What `stat` says about one version of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    pub ino: u64,
    pub size: u64,
    pub mtime_ns: i64,
    pub ctime_ns: i64,
}

impl Stat {
    /// A change time that equals no scanned one.
    pub const UNTRUSTED: i64 = Signature::UNTRUSTED;

    fn signature(self) -> Signature {
        Signature {
            ino: self.ino,
            dev: 1,
            size: self.size,
            mtime_ns: self.mtime_ns,
            ctime_ns: self.ctime_ns,
        }
    }

    fn of(signature: Signature) -> Self {
        Self {
            ino: signature.ino,
            size: signature.size,
            mtime_ns: signature.mtime_ns,
            ctime_ns: signature.ctime_ns,
        }
    }
}

/// The baseline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory(Baseline);

impl Memory {
    pub fn set(&mut self, path: &str, md5: &str, etag: &str, size: u64, stat: Stat) {
        let node = Node {
            md5: md5.to_owned(),
            etag: etag.to_owned(),
            size,
            signature: stat.signature(),
        };
        self.0.insert(path.to_owned(), node);
    }

    pub fn touch(&mut self, path: &str, stat: Stat) {
        if let Some(node) = self.0.get_mut(path) {
            node.signature = stat.signature();
        }
    }

    pub fn forget(&mut self, path: &str) {
        self.0.remove(path);
    }

    #[must_use]
    pub fn md5(&self, path: &str) -> Option<&str> {
        Some(&self.0.get(path)?.md5)
    }

    #[must_use]
    pub fn etag(&self, path: &str) -> Option<&str> {
        Some(&self.0.get(path)?.etag)
    }

    #[must_use]
    pub fn size(&self, path: &str) -> Option<u64> {
        Some(self.0.get(path)?.size)
    }

    #[must_use]
    pub fn stat(&self, path: &str) -> Option<Stat> {
        Some(Stat::of(self.0.get(path)?.signature))
    }

    pub fn paths(&self) -> impl Iterator<Item = &String> {
        self.0.keys()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Only what it knows of these paths, as the lane reads it.
    #[must_use]
    pub fn narrowed(&self, paths: &BTreeSet<String>) -> Self {
        let known = paths.iter().filter_map(|path| self.0.get_key_value(path));
        Self(
            known
                .map(|(path, node)| (path.clone(), node.clone()))
                .collect(),
        )
    }
}

/// What a walk saw.
#[derive(Clone, Debug, Default)]
pub struct Seen(Scan);

impl Seen {
    pub fn saw(&mut self, path: &str, stat: Stat) {
        self.0.files.insert(path.to_owned(), stat.signature());
    }

    #[must_use]
    pub fn stat(&self, path: &str) -> Option<Stat> {
        self.0.files.get(path).copied().map(Stat::of)
    }
}

/// The rules of a vault that syncs everything.
#[derive(Clone, Debug)]
pub struct Rules(Filters);

impl Rules {
    #[must_use]
    pub fn none() -> Option<Self> {
        Filters::of_lines(std::iter::empty()).ok().map(Self)
    }
}

/// What a difference means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    Conflict,
    Upload,
    Download,
    RemoveHere,
    RemoveInCloud,
    Nothing,
}

/// A plan of [`plan`].
#[derive(Clone, Debug, Default)]
pub struct Planned(Plan);

#[must_use]
pub fn plan(
    memory: &Memory,
    seen: &Seen,
    cloud: &BTreeMap<String, Object>,
    rules: &Rules,
) -> Planned {
    Planned(plan::plan(&memory.0, &seen.0, cloud, &rules.0))
}

impl Planned {
    pub fn scope(&self) -> impl Iterator<Item = (&String, Meaning)> {
        self.0.scope.iter().map(|(path, difference)| {
            let meaning = match difference.action() {
                Some(ChangeAction::Conflict) => Meaning::Conflict,
                Some(ChangeAction::Upload) => Meaning::Upload,
                Some(ChangeAction::Download) => Meaning::Download,
                Some(ChangeAction::RemoveHere) => Meaning::RemoveHere,
                Some(ChangeAction::RemoveInCloud) => Meaning::RemoveInCloud,
                None => Meaning::Nothing,
            };
            (path, meaning)
        })
    }

    #[must_use]
    pub fn concerns(&self, path: &str) -> bool {
        self.0.scope.contains_key(path)
    }

    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.0.scope.is_empty()
    }

    /// Paths that are in the scope because of something new or changed here.
    #[must_use]
    pub fn changed_here(&self) -> Vec<String> {
        let changed = self.0.scope.iter();
        changed
            .filter(|(_, difference)| {
                matches!(difference.here, plan::Side::New | plan::Side::Changed)
            })
            .map(|(path, _)| path.clone())
            .collect()
    }

    pub fn take_suspects(&mut self) -> Vec<String> {
        std::mem::take(&mut self.0.suspects).into_keys().collect()
    }

    pub fn clear_suspect(&mut self, path: &str) {
        self.0.clear_suspect(path);
    }

    #[must_use]
    pub fn deleted_here(&self) -> Vec<String> {
        self.0.deleted_here()
    }

    pub fn drop_path(&mut self, path: &str) {
        self.0.drop_path(path);
    }

    /// Leaves only downloads, as without a subscription.
    pub fn keep_downloads(&mut self) {
        self.0.keep_downloads();
    }

    /// Paths left alone because another name differs only in capitals or accents.
    pub fn held(&self) -> impl Iterator<Item = &String> {
        self.0.problems.iter().map(|problem| &problem.path)
    }

    /// Whether a side is empty or another one than before, so that nothing may move.
    #[must_use]
    pub fn is_emptied(
        &self,
        seen: &Seen,
        cloud: &BTreeMap<String, Object>,
        profile: Caution,
    ) -> bool {
        brakes::emptied(&self.0, &seen.0, cloud, profile.profile()).is_some()
    }

    /// The paths that one side would lose, but for the copies of settled conflicts.
    #[must_use]
    pub fn deletes(&self, on: On, seen: &Seen, cloud: &BTreeMap<String, Object>) -> Vec<String> {
        brakes::deletes(&self.0, on.side(), &seen.0, cloud)
    }

    /// The paths with something new on this side.
    #[must_use]
    pub fn arrived(&self, on: On) -> Vec<String> {
        let is_new = |difference: &plan::Difference| match on {
            On::Here => difference.cloud == plan::Side::New,
            On::Cloud => difference.here == plan::Side::New,
        };
        let scope = self.0.scope.iter();
        scope
            .filter(|(_, difference)| is_new(difference))
            .map(|(path, _)| path.clone())
            .collect()
    }

    /// Takes out what waits for a person.
    pub fn hold(&mut self, paths: &[String]) {
        self.0.hold(paths);
    }
}

/// The side that a delete is carried to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    Here,
    Cloud,
}

impl On {
    fn side(self) -> ChangeAction {
        match self {
            Self::Here => ChangeAction::RemoveHere,
            Self::Cloud => ChangeAction::RemoveInCloud,
        }
    }
}

/// Whether so many deletes wait for a person; `recent` is how many were carried in the last
/// [`WINDOW_MS`].
#[must_use]
pub fn too_many_deletes(
    held: Vec<String>,
    recent: usize,
    memory: &Memory,
    on: On,
    profile: Caution,
) -> bool {
    brakes::too_many_deletes(held, recent, &memory.0, on.side(), profile.profile()).is_some()
}

/// A sync profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caution {
    Safe,
    Balanced,
    Fast,
}

impl Caution {
    fn profile(self) -> Profile {
        Profile::named(match self {
            Self::Safe => ProfileName::Safe,
            Self::Balanced => ProfileName::Balanced,
            Self::Fast => ProfileName::Fast,
        })
    }

    #[must_use]
    pub fn keeps_both(self) -> bool {
        self.profile().conflict == ConflictRule::KeepBoth
    }
}

/// What the lane may do with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Upload,
    Download,
    RemoveHere,
    RemoveInCloud,
}

impl Way {
    #[must_use]
    pub fn is_delete(self) -> bool {
        matches!(self, Self::RemoveHere | Self::RemoveInCloud)
    }
}

/// The lane's moves, and what it leaves to a cycle.
#[must_use]
pub fn lane_moves(
    planned: &Planned,
    left: BTreeSet<String>,
    access: Access,
    spare_deletes: usize,
) -> (BTreeMap<String, Way>, BTreeSet<String>) {
    let (moves, left) = lane::decide(&planned.0, left, access, spare_deletes);
    let moves = moves.into_iter().map(|(path, way)| {
        let way = match way {
            lane::Move::Upload => Way::Upload,
            lane::Move::Download => Way::Download,
            lane::Move::RemoveHere => Way::RemoveHere,
            lane::Move::RemoveInCloud => Way::RemoveInCloud,
        };
        (path, way)
    });
    (moves.collect(), left)
}

/// When changed paths are due.
#[derive(Debug)]
pub struct Pace {
    debounce: Debounce,
    start: tokio::time::Instant,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            debounce: Debounce::default(),
            start: tokio::time::Instant::now(),
        }
    }
}

impl Pace {
    pub fn saw(&mut self, path: &str, at_ms: u64) {
        self.debounce.saw(PathBuf::from(path), self.at(at_ms));
    }

    pub fn take_due(&mut self, at_ms: u64) -> Vec<String> {
        let due = self.debounce.take_due(self.at(at_ms)).into_iter();
        due.filter_map(|path| path.into_os_string().into_string().ok())
            .collect()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.debounce.len() == 0
    }

    pub fn clear(&mut self) {
        self.debounce.clear();
    }

    fn at(&self, ms: u64) -> tokio::time::Instant {
        self.start + Duration::from_millis(ms)
    }
}

/// A file of the mirror.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mirrored {
    pub ino: u64,
    pub size: u64,
}

/// What is known after a run of bisync.
#[derive(Debug)]
pub struct Evidence<'a> {
    pub planned: &'a Planned,
    pub memory: &'a Memory,
    pub linked: &'a BTreeMap<String, Stat>,
    /// Inodes of the files that were put into the mirror.
    pub placed: &'a BTreeMap<String, u64>,
    pub mirror: &'a BTreeMap<String, Mirrored>,
    pub snapshot: &'a BTreeMap<String, Object>,
    pub uploaded: &'a BTreeMap<String, Stored>,
    pub deleted: &'a BTreeSet<String>,
    pub listed: &'a BTreeMap<String, String>,
    pub mark: &'a str,
}

/// One object as it is in the bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    pub md5: String,
    pub etag: String,
    pub size: u64,
}

/// What a run of bisync means for one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Equal {
        version: Version,
        stat: Stat,
    },
    Gone {
        /// The bucket lost it in this run.
        removed: bool,
    },
    Install {
        version: Version,
        expect: Option<String>,
    },
    Remove {
        expect: String,
    },
    Conflict {
        cloud: Version,
        ours: Version,
        marked: String,
        copy: String,
    },
    Unproven,
}

#[must_use]
pub fn settle(evidence: &Evidence<'_>) -> BTreeMap<String, Verdict> {
    let linked: BTreeMap<String, Signature> = evidence
        .linked
        .iter()
        .map(|(path, stat)| (path.clone(), stat.signature()))
        .collect();
    let mirror: BTreeMap<String, MirrorFile> = evidence
        .mirror
        .iter()
        .map(|(path, file)| {
            let file = MirrorFile {
                ino: file.ino,
                size: file.size,
                mtime_ns: 0,
            };
            (path.clone(), file)
        })
        .collect();
    let untouched = |path: &str, file: &MirrorFile| {
        evidence
            .placed
            .get(path)
            .is_some_and(|ino| *ino == file.ino)
    };
    let settled = cycle::settle(&cycle::Evidence {
        scope: &evidence.planned.0.scope,
        baseline: &evidence.memory.0,
        linked: &linked,
        untouched: &untouched,
        mirror: &mirror,
        snapshot: evidence.snapshot,
        uploaded: evidence.uploaded,
        deleted: evidence.deleted,
        listed: evidence.listed,
        mark: evidence.mark,
    });
    settled
        .into_iter()
        .map(|(path, settled)| (path, verdict(settled)))
        .collect()
}

fn verdict(settled: cycle::Settled) -> Verdict {
    let of = |version: cycle::CloudVersion| Version {
        md5: version.md5,
        etag: version.etag,
        size: version.size,
    };
    let expected = |expect: Expect| match expect {
        Expect::Absent => None,
        Expect::Content { md5 } => Some(md5),
    };
    match settled {
        cycle::Settled::Equal {
            version, signature, ..
        } => Verdict::Equal {
            version: of(version),
            stat: Stat::of(signature),
        },
        cycle::Settled::Gone { removed_in_cloud } => Verdict::Gone {
            removed: removed_in_cloud,
        },
        cycle::Settled::Install { version, expect } => Verdict::Install {
            version: of(version),
            expect: expected(expect),
        },
        cycle::Settled::Remove { expect } => Verdict::Remove {
            expect: expected(expect).unwrap_or_default(),
        },
        cycle::Settled::Conflict {
            cloud,
            ours,
            marked,
            copy,
        } => Verdict::Conflict {
            cloud: of(cloud),
            ours: of(ours),
            marked,
            copy,
        },
        cycle::Settled::Unproven => Verdict::Unproven,
    }
}

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
