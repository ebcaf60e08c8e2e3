//! Both sides changed a note: which version has its name, and what becomes of the other.
//!
//! What was decided is committed before it is carried out, so that a crash in between neither
//! hides a conflict nor leaves a resolved one's copy behind.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use bytes::Bytes;
use guard::{Access, Body, BucketError, Precondition};
use md5::{Digest, Md5};

use super::resolve::{Gathered, blocking, modified_ms};
use super::settle::{CloudVersion, Settled};
use super::verify::Verified;
use super::{CycleFailure, CycleInput, Next};
use crate::config::Step;
use crate::plan::{Difference, Side as Standing};
use crate::profile::ConflictRule;
use crate::state::{
    ConflictRow, Copy, Decided, IfKnown, Publication, Resolution, Stamp, is_mergeable,
};
use crate::vault::{self, Expect, NewBytes, Side, Signature};
use crate::view::{ChangeAction, ConflictKind, ConflictState};

/// What S3 takes in one PUT, in bytes.
const LARGEST_PUT: u64 = 5 * 1024 * 1024 * 1024;

/// A conflict and who has the note's name afterwards.
pub(super) struct Verdict {
    path: String,
    cloud: CloudVersion,
    ours: CloudVersion,
    /// Our version in the mirror.
    ours_file: PathBuf,
    marked: String,
    copy: String,
    kind: ConflictKind,
    base_md5: Option<String>,
    ours_saved_ms: Option<i64>,
    cloud_saved_ms: Option<i64>,
    cloud_device: Option<String>,
    winner: Winner,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Winner {
    /// The cloud's version has the name, ours is visible beside it.
    Both,
    Ours,
    Theirs,
    /// Neither: this text has what both wrote.
    Merged(Merged),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Merged {
    text: Bytes,
    md5: String,
}

/// Decides every conflict of a run and commits the decisions.
pub(super) async fn decide(
    input: &CycleInput,
    side: &Side,
    verified: &Verified,
    settled: &BTreeMap<String, Settled>,
) -> Result<Vec<Verdict>, CycleFailure> {
    let mut verdicts = Vec::new();
    for (path, settled) in settled {
        let Settled::Conflict {
            cloud,
            ours,
            marked,
            copy,
        } = settled
        else {
            continue;
        };
        let ours_file = side.mirror.join(marked);
        let mut verdict = Verdict {
            path: path.clone(),
            cloud: cloud.clone(),
            ours: ours.clone(),
            marked: marked.clone(),
            copy: copy.clone(),
            kind: kind(verified.plan.scope.get(path)),
            base_md5: verified.baseline.get(path).map(|node| node.md5.clone()),
            ours_saved_ms: modified_ms(&ours_file),
            cloud_saved_ms: cloud_saved_ms(input, path, cloud).await,
            cloud_device: cloud_device(input, path, &cloud.etag).await,
            ours_file,
            winner: Winner::Both,
        };
        verdict.winner = match input.profile.conflict {
            // Two creations have no common past: neither is the newer state of the other.
            _ if verdict.base_md5.is_none() => Winner::Both,
            ConflictRule::KeepBoth => Winner::Both,
            ConflictRule::MergeOrKeepBoth => {
                merged(input, side, &verdict).await?.unwrap_or(Winner::Both)
            }
            ConflictRule::Newer => match merged(input, side, &verdict).await? {
                Some(winner) => winner,
                None => {
                    let newer = newer(verdict.ours_saved_ms, verdict.cloud_saved_ms);
                    storable(newer, verdict.ours.size)
                }
            },
        };
        verdicts.push(verdict);
    }
    let at_ms = input.clock.now_ms();
    let mut decided = against_deletions(input, verified, settled, at_ms).await;
    decided.extend(verdicts.iter().map(|verdict| verdict.decided(input, at_ms)));
    if decided.is_empty() {
        return Ok(verdicts);
    }
    let resolved = verdicts
        .iter()
        .filter(|verdict| verdict.winner != Winner::Both);
    let copies: Vec<Copy> = resolved
        .map(|verdict| Copy {
            key: verdict.copy.clone(),
            etag: verdict.ours.etag.clone(),
        })
        .collect();
    let pair = input.pair.clone();
    input
        .state
        .with(move |state| state.decide_conflicts(&pair, &decided, &copies))
        .await?;
    Ok(verdicts)
}

fn kind(difference: Option<&Difference>) -> ConflictKind {
    match difference {
        Some(Difference {
            here: Standing::New,
            cloud: Standing::New,
        }) => ConflictKind::CreatedTwice,
        Some(_) | None => ConflictKind::BothEdited,
    }
}

/// What both versions make together, if they came from a known text and no place is left to
/// choose.
async fn merged(
    input: &CycleInput,
    side: &Side,
    verdict: &Verdict,
) -> Result<Option<Winner>, CycleFailure> {
    let fits = |version: &CloudVersion| is_mergeable(&verdict.path, version.size);
    let Some(base_md5) = verdict.base_md5.clone() else {
        return Ok(None);
    };
    if !fits(&verdict.ours) || !fits(&verdict.cloud) {
        return Ok(None);
    }
    let base = input
        .state
        .with(move |state| state.base_text(&base_md5))
        .await?;
    let Some(base) = base else {
        return Ok(None);
    };
    let (ours, theirs) = (verdict.ours_file.clone(), side.mirror.join(&verdict.path));
    let text = blocking(move || {
        let read = |file| {
            fs::read(file)
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok())
        };
        let texts = read(ours).zip(read(theirs));
        Ok::<_, CycleFailure>(
            texts.and_then(|(ours, theirs)| merge::merge(&base, &ours, &theirs).text),
        )
    })
    .await?;
    Ok(text.map(|text| {
        let md5 = hex::encode(Md5::digest(&text));
        if md5 == verdict.cloud.md5 {
            Winner::Theirs
        } else if md5 == verdict.ours.md5 {
            Winner::Ours
        } else {
            Winner::Merged(Merged {
                text: text.into(),
                md5,
            })
        }
    }))
}

/// An edit is never lost to a deletion on the other side; that there was one is told.
async fn against_deletions(
    input: &CycleInput,
    verified: &Verified,
    settled: &BTreeMap<String, Settled>,
    at_ms: i64,
) -> Vec<Decided> {
    let mut decided = Vec::new();
    for (path, difference) in &verified.plan.scope {
        let (kind, version, saved_ms) = match (difference.here, difference.cloud, settled.get(path))
        {
            (
                Standing::Changed,
                Standing::Deleted,
                Some(Settled::Equal {
                    version, signature, ..
                }),
            ) => (
                ConflictKind::EditedHereRemovedThere,
                version,
                Some(signature.mtime_ns / 1_000_000),
            ),
            (Standing::Deleted, Standing::Changed, Some(Settled::Install { version, .. })) => {
                (ConflictKind::RemovedHereEditedThere, version, None)
            }
            (
                Standing::Absent
                | Standing::Same
                | Standing::New
                | Standing::Changed
                | Standing::Deleted,
                _,
                _,
            ) => continue,
        };
        let edited = Stamp {
            md5: Some(version.md5.clone()),
            at_ms: saved_ms,
            size: Some(version.size),
        };
        let (mine, theirs, theirs_device) = match kind {
            ConflictKind::EditedHereRemovedThere => (edited, Stamp::default(), None),
            ConflictKind::RemovedHereEditedThere
            | ConflictKind::BothEdited
            | ConflictKind::CreatedTwice => {
                let device = cloud_device(input, path, &version.etag).await;
                (Stamp::default(), edited, device)
            }
        };
        let id = conflict_id(&input.pair, &format!("{path}\n{}", version.md5));
        let asks = input.profile.conflict != ConflictRule::Newer;
        let resolution = Resolution {
            undo: id.clone(),
            conflict: id.clone(),
            path: path.clone(),
            was: Some(version.md5.clone()),
            became: Some(version.md5.clone()),
            copy: None,
            copy_was: None,
            copy_became: None,
        };
        let row = ConflictRow {
            id,
            pair: input.pair.clone(),
            path: path.clone(),
            copy_path: None,
            device: input.device.clone(),
            at_ms,
            state: if asks {
                ConflictState::Open
            } else {
                ConflictState::Resolved
            },
            kind,
            base_md5: verified.baseline.get(path).map(|node| node.md5.clone()),
            mine,
            theirs,
            theirs_device,
            merged: false,
            undo: None,
        };
        decided.push(Decided {
            row,
            resolution: (!asks).then_some(resolution),
            if_known: IfKnown::Replace,
        });
    }
    decided
}

/// Removes the copies of resolved conflicts from the bucket. By then the version that lost is in
/// history, or still under the note's name here.
pub(super) async fn drop_copies(input: &CycleInput) -> Result<(), CycleFailure> {
    if input.access == Access::ReadOnly {
        return Ok(());
    }
    let pair = input.pair.clone();
    for copy in input.state.with(move |state| state.copies(&pair)).await? {
        match input.bucket.delete(&copy.key, &copy.etag).await {
            Ok(()) | Err(BucketError::PreconditionFailed { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let pair = input.pair.clone();
        input
            .state
            .with(move |state| state.forget_copy(&pair, &copy.key))
            .await?;
    }
    Ok(())
}

/// The later save wins; where a time is not known, both stay visible.
pub(crate) fn newer(ours_ms: Option<i64>, theirs_ms: Option<i64>) -> Winner {
    match (ours_ms, theirs_ms) {
        (Some(ours), Some(theirs)) if ours > theirs => Winner::Ours,
        (Some(_), Some(_)) => Winner::Theirs,
        (None, _) | (_, None) => Winner::Both,
    }
}

/// When the cloud's version was saved: what its writer says, else when it was stored.
async fn cloud_saved_ms(input: &CycleInput, path: &str, cloud: &CloudVersion) -> Option<i64> {
    let object = input.bucket.head(path).await.ok()??;
    (object.etag == cloud.etag).then(|| object.mtime_ms.unwrap_or(object.last_modified_ms))
}

/// Who stored this version, as it is written beside the object.
async fn cloud_device(input: &CycleInput, path: &str, etag: &str) -> Option<String> {
    input.bucket.find_writer(path, etag).await.ok()?
}

/// Whoever wins is stored in one piece; where ours is too large for that, both stay visible.
fn storable(winner: Winner, ours_size: u64) -> Winner {
    if winner == Winner::Ours && ours_size > LARGEST_PUT {
        Winner::Both
    } else {
        winner
    }
}

impl Verdict {
    fn decided(&self, input: &CycleInput, at_ms: i64) -> Decided {
        let id = conflict_id(&input.pair, &self.copy);
        let became = match &self.winner {
            Winner::Both => None,
            Winner::Ours => Some(self.ours.md5.clone()),
            Winner::Theirs => Some(self.cloud.md5.clone()),
            Winner::Merged(merged) => Some(merged.md5.clone()),
        };
        let (state, copy_path) = match &became {
            None => (ConflictState::Open, Some(self.copy.clone())),
            Some(_) => (ConflictState::Resolved, None),
        };
        let stamp = |version: &CloudVersion, at_ms| Stamp {
            md5: Some(version.md5.clone()),
            at_ms,
            size: Some(version.size),
        };
        let resolution = became.map(|became| Resolution {
            undo: id.clone(),
            conflict: id.clone(),
            path: self.path.clone(),
            was: Some(self.cloud.md5.clone()),
            became: Some(became),
            copy: Some(self.copy.clone()),
            copy_was: Some(self.ours.md5.clone()),
            copy_became: None,
        });
        let row = ConflictRow {
            id,
            pair: input.pair.clone(),
            path: self.path.clone(),
            copy_path,
            device: input.device.clone(),
            at_ms,
            state,
            kind: self.kind,
            base_md5: self.base_md5.clone(),
            mine: stamp(&self.ours, self.ours_saved_ms),
            theirs: stamp(&self.cloud, self.cloud_saved_ms),
            theirs_device: self.cloud_device.clone(),
            merged: matches!(self.winner, Winner::Merged(_)),
            undo: None,
        };
        Decided {
            row,
            resolution,
            if_known: match self.winner {
                // Only a merge that was interrupted leaves one side with all of the other's.
                Winner::Theirs => IfKnown::Leave,
                Winner::Both | Winner::Ours | Winner::Merged(_) => IfKnown::Replace,
            },
        }
    }
}

/// The same conflict has the same id however often a cycle is begun again: its copy is named by
/// note, device and time of the save.
fn conflict_id(pair: &str, copy: &str) -> String {
    hex::encode(Md5::digest(format!("{pair}\n{copy}")))
}

impl Gathered<'_> {
    pub(super) async fn conflict(&mut self, verdict: Verdict) -> Result<(), CycleFailure> {
        self.tally.conflicts += 1;
        self.note(&verdict.path, ChangeAction::Conflict);
        let Verdict {
            path,
            cloud,
            ours,
            marked,
            copy,
            ..
        } = &verdict;
        let expect = Expect::Content {
            md5: ours.md5.clone(),
        };
        match &verdict.winner {
            Winner::Both => {
                self.install(copy, marked, ours, Expect::Absent, "replaced")
                    .await?;
                self.install(path, path, cloud, expect, "conflict").await?;
            }
            Winner::Theirs => {
                self.install(path, path, cloud, expect, "conflict").await?;
            }
            Winner::Ours => self.win(&verdict).await?,
            Winner::Merged(merged) => self.join(&verdict, merged).await?,
        }
        Ok(())
    }

    /// Puts the merged text under the note's name, in the cloud and then here; both parents are in
    /// history.
    async fn join(&mut self, verdict: &Verdict, merged: &Merged) -> Result<(), CycleFailure> {
        let path = &verdict.path;
        self.keep_at_once(path, "merged").await?;
        let now_ms = self.input.clock.now_ms();
        let when = Precondition::Match(verdict.cloud.etag.clone());
        let body = Body::Bytes(merged.text.clone());
        let meta = [("mtime", seconds_text(now_ms))];
        let etag = match self.input.bucket.put(path, body, when, &meta).await {
            Ok(etag) => etag,
            Err(BucketError::PreconditionFailed { .. }) => {
                self.next = Next::Again;
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        self.input.observer.reached(Step::WinnerUploaded);
        if etag != merged.md5 && !etag.contains('-') {
            self.next = Next::Again;
            return Ok(());
        }
        let version = CloudVersion {
            md5: merged.md5.clone(),
            etag,
            size: merged.text.len() as u64,
        };
        let expect = Expect::Content {
            md5: verdict.ours.md5.clone(),
        };
        let bytes = NewBytes::Here(merged.text.clone());
        self.install_bytes(path, bytes, &version, expect, "merged")
            .await?;
        Ok(())
    }

    /// Keeps the cloud's version in history, and commits that it is there: once the cloud has
    /// another, an interrupted cycle would not find it again.
    async fn keep_at_once(&mut self, path: &str, reason: &'static str) -> Result<(), CycleFailure> {
        let (side, theirs) = (self.side.clone(), self.side.mirror.join(path));
        let (kept_path, now) = (path.to_owned(), self.now());
        let kept = blocking(move || vault::keep_version(&side, &theirs, &kept_path, now)).await?;
        let before = std::mem::take(&mut self.news.history);
        self.keep(path, kept, reason);
        let news = Publication {
            at_ms: self.news.at_ms,
            history: std::mem::replace(&mut self.news.history, before),
            ..Publication::default()
        };
        let pair = self.input.pair.clone();
        self.input
            .state
            .with(move |state| state.publish(&pair, &news))
            .await?;
        Ok(())
    }

    /// Puts our newer version under the note's name in the cloud and keeps the cloud's in history.
    async fn win(&mut self, verdict: &Verdict) -> Result<(), CycleFailure> {
        let Verdict {
            path,
            cloud,
            ours,
            ours_file,
            ..
        } = verdict;
        self.keep_at_once(path, "conflict").await?;
        let meta: Vec<(&str, String)> = modified_ms(ours_file)
            .map(|ms| ("mtime", seconds_text(ms)))
            .into_iter()
            .collect();
        let when = Precondition::Match(cloud.etag.clone());
        let body = fs::File::open(ours_file)
            .map_err(|source| CycleFailure::Disk {
                what: "the mirror",
                source,
            })?
            .into();
        let etag = match self.input.bucket.put(path, body, when, &meta).await {
            Ok(etag) => etag,
            // Someone wrote again: this conflict is over, the next cycle finds the new one.
            Err(BucketError::PreconditionFailed { .. }) => {
                self.next = Next::Again;
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        self.input.observer.reached(Step::WinnerUploaded);
        if etag != ours.md5 && !etag.contains('-') {
            self.next = Next::Again;
            return Ok(());
        }
        let file = self.input.vault.join(path);
        let hashed = blocking(move || Ok::<_, CycleFailure>(vault::md5_of(&file).ok())).await?;
        // A save that came meanwhile is newer than what went up: the next cycle carries it.
        let signature = match hashed {
            Some((md5, signature)) if md5 == ours.md5 => signature,
            Some(_) | None => {
                self.next = Next::Again;
                Signature::unknown()
            }
        };
        self.record(
            path.clone(),
            CloudVersion {
                etag,
                ..ours.clone()
            },
            signature,
        );
        Ok(())
    }
}

/// rclone keeps a file's time as decimal seconds in the object's `mtime`.
fn seconds_text(ms: i64) -> String {
    format!("{}.{:03}", ms.div_euclid(1000), ms.rem_euclid(1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_later_save_wins_and_an_unknown_time_keeps_both() {
        assert_eq!(newer(Some(2), Some(1)), Winner::Ours);
        assert_eq!(newer(Some(1), Some(2)), Winner::Theirs);
        assert_eq!(newer(Some(1), Some(1)), Winner::Theirs);
        assert_eq!(newer(None, Some(1)), Winner::Both);
        assert_eq!(newer(Some(1), None), Winner::Both);
    }

    #[test]
    fn a_version_too_large_for_one_put_does_not_win_and_stays_visible() {
        assert_eq!(storable(Winner::Ours, LARGEST_PUT), Winner::Ours);
        assert_eq!(storable(Winner::Ours, LARGEST_PUT + 1), Winner::Both);
        assert_eq!(storable(Winner::Theirs, LARGEST_PUT + 1), Winner::Theirs);
    }

    #[test]
    fn times_before_1970_are_written_as_rclone_reads_them() {
        assert_eq!(seconds_text(1_500), "1.500");
        assert_eq!(seconds_text(-1), "-1.999");
    }
}
