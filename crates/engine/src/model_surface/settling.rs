//! What a run of bisync proved.

use std::collections::{BTreeMap, BTreeSet};

use guard::{Object, Stored};

use super::{Memory, Planned, Stat};
use crate::cycle::surface as cycle;
use crate::vault::{Expect, MirrorFile, Signature};

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
