//! What a finished bisync run means for each path of its scope.
//!
//! Pure. rclone's word is not taken: a path counts as equal only when the mirror, the bucket's
//! answers and the listing tell the same. What is not proven is left to the next cycle.

use std::collections::{BTreeMap, BTreeSet};

use guard::{Object, Stored};

use crate::plan::Difference;
use crate::state::Baseline;
use crate::vault::{Expect, MirrorFile, Signature};

/// Everything known after a run.
pub(crate) struct Evidence<'a> {
    pub(crate) scope: &'a BTreeMap<String, Difference>,
    pub(crate) baseline: &'a Baseline,
    /// What was linked into the mirror before the run.
    pub(crate) linked: &'a BTreeMap<String, Signature>,
    /// Whether a file of the mirror is the one that was linked for this path.
    pub(crate) untouched: &'a dyn Fn(&str, &MirrorFile) -> bool,
    /// What the mirror holds now.
    pub(crate) mirror: &'a BTreeMap<String, MirrorFile>,
    /// The bucket when the cycle began.
    pub(crate) snapshot: &'a BTreeMap<String, Object>,
    /// By the name rclone used.
    pub(crate) uploaded: &'a BTreeMap<String, Stored>,
    pub(crate) deleted: &'a BTreeSet<String>,
    /// Hashes that rclone found in the mirror at the end.
    pub(crate) listed: &'a BTreeMap<String, String>,
    pub(crate) mark: &'a str,
}

/// One object as it is in the bucket now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CloudVersion {
    pub(crate) md5: String,
    pub(crate) etag: String,
    pub(crate) size: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    /// Both sides hold the same bytes; or held them when ours went up, and with no signature what
    /// is here is looked at again.
    Equal {
        version: CloudVersion,
        signature: Signature,
        uploaded: bool,
    },
    /// Neither side has the path.
    Gone { removed_in_cloud: bool },
    /// The cloud's version is in the mirror and belongs into the vault.
    Install {
        version: CloudVersion,
        expect: Expect,
    },
    /// The cloud dropped the path.
    Remove { expect: Expect },
    /// Both sides changed it. The cloud's version has the name in the mirror; ours is in the
    /// mirror as `marked` and in the bucket as `copy`.
    Conflict {
        cloud: CloudVersion,
        ours: CloudVersion,
        marked: String,
        copy: String,
    },
    /// Left to the next cycle.
    Unproven,
}

/// Decides for every path of the scope.
pub(crate) fn settle(evidence: &Evidence<'_>) -> BTreeMap<String, Settled> {
    let marked: BTreeMap<String, &String> = evidence
        .mirror
        .keys()
        .filter_map(|path| Some((original_of(path, evidence.mark)?, path)))
        .collect();
    evidence
        .scope
        .keys()
        .map(|path| {
            let settled = match marked.get(path) {
                Some(marked) => conflict(evidence, path, marked),
                None => single(evidence, path),
            };
            (path.clone(), settled.unwrap_or(Settled::Unproven))
        })
        .collect()
}

fn single(evidence: &Evidence<'_>, path: &str) -> Option<Settled> {
    let before = evidence.linked.get(path);
    let after = evidence.mirror.get(path);
    match (before, after) {
        (None, None) => {
            let removed_in_cloud = evidence.deleted.contains(path);
            let absent = removed_in_cloud || !evidence.snapshot.contains_key(path);
            absent.then_some(Settled::Gone { removed_in_cloud })
        }
        (Some(_), None) => {
            let known = evidence.baseline.get(path)?;
            let cloud_dropped = !evidence.snapshot.contains_key(path);
            cloud_dropped.then(|| Settled::Remove {
                expect: Expect::Content {
                    md5: known.md5.clone(),
                },
            })
        }
        (Some(linked), Some(file)) if (evidence.untouched)(path, file) => {
            let Some(version) = cloud_now(evidence, path) else {
                return overtaken(evidence, path);
            };
            let uploaded = evidence.uploaded.contains_key(path);
            Some(Settled::Equal {
                version,
                signature: *linked,
                uploaded,
            })
        }
        (before, Some(_)) => {
            let version = downloaded(evidence, path)?;
            let expect = match before {
                None => Expect::Absent,
                Some(_) => Expect::Content {
                    md5: evidence.baseline.get(path)?.md5.clone(),
                },
            };
            Some(Settled::Install { version, expect })
        }
    }
}

/// Ours went up and was saved in place before rclone looked at it again. The bucket has our
/// version: what is here now is newer than it, and no conflict.
fn overtaken(evidence: &Evidence<'_>, path: &str) -> Option<Settled> {
    let stored = evidence.uploaded.get(path)?;
    let is_plain = stored.key == path && !stored.etag.contains('-');
    is_plain.then(|| Settled::Equal {
        version: CloudVersion {
            md5: stored.etag.clone(),
            etag: stored.etag.clone(),
            size: stored.size,
        },
        signature: Signature::unknown(),
        uploaded: true,
    })
}

fn conflict(evidence: &Evidence<'_>, path: &str, marked: &str) -> Option<Settled> {
    let ours_is_linked = (evidence.untouched)(path, evidence.mirror.get(marked)?);
    let stored = evidence.uploaded.get(marked)?;
    let md5 = proven(evidence.listed.get(marked)?, &stored.etag)?;
    evidence.mirror.get(path)?;
    let cloud = downloaded(evidence, path)?;
    ours_is_linked.then(|| Settled::Conflict {
        cloud,
        ours: CloudVersion {
            md5,
            etag: stored.etag.clone(),
            size: stored.size,
        },
        marked: marked.to_owned(),
        copy: stored.key.clone(),
    })
}

/// The object under `path` if the listing's hash agrees with it.
fn cloud_now(evidence: &Evidence<'_>, path: &str) -> Option<CloudVersion> {
    let (etag, size) = match evidence.uploaded.get(path) {
        Some(stored) => (&stored.etag, stored.size),
        None if evidence.deleted.contains(path) => return None,
        None => {
            let object = evidence.snapshot.get(path)?;
            (&object.etag, object.size)
        }
    };
    let md5 = proven(evidence.listed.get(path)?, etag)?;
    Some(CloudVersion {
        md5,
        etag: etag.clone(),
        size,
    })
}

/// The object whose bytes rclone put into the mirror. Its listing leaves out the winner of a
/// conflict; then the `ETag` stands in, and safe apply hashes the file against it.
fn downloaded(evidence: &Evidence<'_>, path: &str) -> Option<CloudVersion> {
    if evidence.listed.contains_key(path) {
        return cloud_now(evidence, path);
    }
    let object = evidence.snapshot.get(path)?;
    let etag = object.etag.clone();
    let size = object.size;
    (!etag.contains('-')).then(|| CloudVersion {
        md5: etag.clone(),
        etag,
        size,
    })
}

/// A single upload's `ETag` is its MD5 and has to agree; a multipart one contains a dash and says
/// nothing about the bytes, which rclone then checked by its own metadata.
fn proven(md5: &str, etag: &str) -> Option<String> {
    (md5 == etag || etag.contains('-')).then(|| md5.to_owned())
}

/// The note that a path marked by rclone belongs to: `a/note.MARK1.md` → `a/note.md`.
pub(crate) fn original_of(path: &str, mark: &str) -> Option<String> {
    let needle = format!(".{mark}");
    let start = path.rfind(&needle)?;
    let rest = &path[start + needle.len()..];
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let rest = &rest[digits..];
    let whole_part = digits > 0 && (rest.is_empty() || rest.starts_with('.'));
    whole_part.then(|| format!("{}{rest}", &path[..start]))
}

#[cfg(test)]
mod tests;
