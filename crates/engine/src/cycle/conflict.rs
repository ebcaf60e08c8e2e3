//! Both sides changed a note: which version has its name, and what becomes of the other.
//!
//! What was decided is committed before it is carried out, so that a crash in between neither
//! hides a conflict nor leaves a resolved one's copy behind.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use guard::{Access, BucketError, Precondition};
use md5::{Digest, Md5};

use super::resolve::{Gathered, blocking, modified_ms};
use super::settle::{CloudVersion, Settled};
use super::{CycleFailure, CycleInput, Next};
use crate::config::Step;
use crate::profile::ConflictRule;
use crate::state::{Baseline, Copy};
use crate::vault::{self, Expect, Side, Signature};
use crate::view::{ChangeAction, ConflictState, ConflictView};

/// A conflict and who has the note's name afterwards.
pub(super) struct Verdict {
    path: String,
    cloud: CloudVersion,
    ours: CloudVersion,
    /// Our version in the mirror.
    ours_file: PathBuf,
    marked: String,
    copy: String,
    winner: Winner,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Winner {
    /// The cloud's version has the name, ours is visible beside it.
    Both,
    Ours,
    Theirs,
}

/// Decides every conflict of a run and commits the decisions.
pub(super) async fn decide(
    input: &CycleInput,
    side: &Side,
    settled: &BTreeMap<String, Settled>,
    known: &Baseline,
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
        let ours_saved_ms = modified_ms(&ours_file);
        let winner = match input.profile.conflict {
            // Two creations have no common past: neither is the newer state of the other.
            _ if !known.contains_key(path) => Winner::Both,
            ConflictRule::KeepBoth => Winner::Both,
            ConflictRule::Newer => newer(ours_saved_ms, cloud_saved_ms(input, path, cloud).await),
        };
        verdicts.push(Verdict {
            path: path.clone(),
            cloud: cloud.clone(),
            ours: ours.clone(),
            ours_file,
            marked: marked.clone(),
            copy: copy.clone(),
            winner,
        });
    }
    if verdicts.is_empty() {
        return Ok(verdicts);
    }
    let at_ms = input.clock.now_ms();
    let rows: Vec<ConflictView> = verdicts
        .iter()
        .map(|verdict| verdict.row(input, at_ms))
        .collect();
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
        .with(move |state| state.decide_conflicts(&pair, &rows, &copies))
        .await?;
    Ok(verdicts)
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
fn newer(ours_ms: Option<i64>, theirs_ms: Option<i64>) -> Winner {
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

impl Verdict {
    fn row(&self, input: &CycleInput, at_ms: i64) -> ConflictView {
        let (state, copy_path) = match self.winner {
            Winner::Both => (ConflictState::Open, Some(self.copy.clone())),
            Winner::Ours | Winner::Theirs => (ConflictState::Resolved, None),
        };
        ConflictView {
            id: conflict_id(&input.pair, &self.copy),
            pair: input.pair.clone(),
            path: self.path.clone(),
            copy_path,
            device: input.device.clone(),
            at_ms,
            state,
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
        match verdict.winner {
            Winner::Both => {
                self.install(copy, marked, ours, Expect::Absent, "replaced")
                    .await?;
                self.install(path, path, cloud, expect, "conflict").await?;
            }
            Winner::Theirs => {
                self.install(path, path, cloud, expect, "conflict").await?;
            }
            Winner::Ours => self.win(&verdict).await?,
        }
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
        let side = self.side.clone();
        let theirs = self.side.mirror.join(path);
        let (kept_path, now) = (path.clone(), self.now());
        let kept = blocking(move || vault::keep_version(&side, &theirs, &kept_path, now)).await?;
        self.keep(path, kept, "conflict");
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
    fn times_before_1970_are_written_as_rclone_reads_them() {
        assert_eq!(seconds_text(1_500), "1.500");
        assert_eq!(seconds_text(-1), "-1.999");
    }
}
