//! The last half of a cycle: conflicts get their winner, the vault gets its changes, and one
//! transaction publishes what is now equal.

use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

use guard::{BucketError, Precondition};
use time::OffsetDateTime;
use uuid::Uuid;

use super::carry::Carried;
use super::settle::{CloudVersion, Settled};
use super::verify::touched_nodes;
use super::{CycleFailure, CycleInput, Next, Tally};
use crate::clock::unix_ms;
use crate::config::Step;
use crate::profile::ConflictRule;
use crate::state::{HistoryEntry, Node, Publication};
use crate::vault::{self, Applied, ApplyStep, Change, Expect, Kept, Side, Signature};
use crate::view::{ChangeAction, ConflictState, ConflictView};

/// What is being gathered for the publication.
struct Gathered<'a> {
    input: &'a CycleInput,
    side: Side,
    news: Publication,
    tally: &'a mut Tally,
    next: Next,
    /// Files that were linked into the mirror; they are hashed again once it is empty.
    linked: Vec<String>,
}

pub(super) async fn apply_and_publish(
    input: &CycleInput,
    side: &Side,
    carried: Carried,
    tally: &mut Tally,
) -> Result<Next, CycleFailure> {
    let Carried {
        verified,
        settled,
        moved,
        problems,
    } = carried;
    tally.problems.extend(problems);
    let set = touched_nodes(&verified.baseline, &verified.touched);
    let root_ino = Some(verified.root_ino);
    let at_ms = input.clock.now_ms();
    let mut gathered = Gathered {
        input,
        side: side.clone(),
        news: Publication {
            at_ms,
            set,
            root_ino,
            ..Publication::default()
        },
        tally,
        next: if moved.is_empty() {
            Next::Settled
        } else {
            Next::Again
        },
        linked: Vec::new(),
    };
    let total = settled.len() as u64;
    for (done, (path, settled)) in settled.into_iter().enumerate() {
        input.report("apply", done as u64, total);
        gathered.take(path, settled).await?;
    }
    input.observer.reached(Step::Applied);
    gathered.publish().await
}

impl Gathered<'_> {
    async fn take(&mut self, path: String, settled: Settled) -> Result<(), CycleFailure> {
        match settled {
            Settled::Equal {
                version,
                signature,
                uploaded,
            } => {
                if uploaded {
                    self.tally.uploaded += 1;
                    self.note(&path, ChangeAction::Upload);
                }
                self.linked.push(path.clone());
                self.record(path, version, signature);
            }
            Settled::Gone { removed_in_cloud } => {
                if removed_in_cloud {
                    self.tally.removed_in_cloud += 1;
                    self.note(&path, ChangeAction::RemoveInCloud);
                }
                self.news.forget.push(path);
            }
            Settled::Install { version, expect } => {
                if self
                    .install(&path, &path, &version, expect, "replaced")
                    .await?
                {
                    self.tally.downloaded += 1;
                    self.note(&path, ChangeAction::Download);
                }
            }
            Settled::Remove { expect } => self.remove(path, expect).await?,
            Settled::Conflict {
                cloud,
                ours,
                marked,
                copy,
            } => {
                self.tally.conflicts += 1;
                self.note(&path, ChangeAction::Conflict);
                self.conflict(path, cloud, ours, &marked, copy).await?;
            }
            Settled::Unproven => {
                tracing::debug!("a path was not proven equal and is compared again");
                self.next = Next::Again;
            }
        }
        Ok(())
    }

    async fn conflict(
        &mut self,
        path: String,
        cloud: CloudVersion,
        ours: CloudVersion,
        marked: &str,
        copy: String,
    ) -> Result<(), CycleFailure> {
        let ours_file = self.side.mirror.join(marked);
        let ours_saved_ms = modified_ms(&ours_file);
        let expect = Expect::Content {
            md5: ours.md5.clone(),
        };
        let rule = self.input.profile.conflict;
        let cloud_saved_ms = match rule {
            ConflictRule::KeepBoth => None,
            ConflictRule::Newer => self.cloud_saved_ms(&path, &cloud).await,
        };
        let ours_newer = match (rule, ours_saved_ms, cloud_saved_ms) {
            (ConflictRule::Newer, Some(ours), Some(theirs)) => Some(ours > theirs),
            (ConflictRule::Newer | ConflictRule::KeepBoth, _, _) => None,
        };
        let (state, copy_path) = match ours_newer {
            None => {
                self.install(&copy, marked, &ours, Expect::Absent, "replaced")
                    .await?;
                self.install(&path, &path, &cloud, expect, "conflict")
                    .await?;
                (ConflictState::Open, Some(copy))
            }
            Some(false) => {
                self.install(&path, &path, &cloud, expect, "conflict")
                    .await?;
                self.input.bucket.delete(&copy, &ours.etag).await?;
                (ConflictState::Resolved, None)
            }
            Some(true) => match self.win(&path, &cloud, &ours, ours_file).await? {
                Next::Settled => {
                    self.input.bucket.delete(&copy, &ours.etag).await?;
                    (ConflictState::Resolved, None)
                }
                // Someone wrote again: this conflict is over, the next cycle finds the new one.
                Next::Again => {
                    self.next = Next::Again;
                    return Ok(());
                }
            },
        };
        self.news.conflicts.push(ConflictView {
            id: Uuid::now_v7().to_string(),
            pair: self.input.pair.clone(),
            path,
            copy_path,
            device: self.input.device.clone(),
            at_ms: self.news.at_ms,
            state,
        });
        Ok(())
    }

    /// Puts our newer version under the note's name in the cloud and keeps the cloud's in history.
    async fn win(
        &mut self,
        path: &str,
        cloud: &CloudVersion,
        ours: &CloudVersion,
        ours_file: PathBuf,
    ) -> Result<Next, CycleFailure> {
        let side = self.side.clone();
        let theirs = self.side.mirror.join(path);
        let (kept_path, now) = (path.to_owned(), self.now());
        let kept = blocking(move || vault::keep_version(&side, &theirs, &kept_path, now)).await?;
        self.keep(path, kept, "conflict");
        let meta = modified_ms(&ours_file).map(|ms| ("mtime", seconds_text(ms)));
        let meta: Vec<(&str, String)> = meta.into_iter().collect();
        let when = Precondition::Match(cloud.etag.clone());
        let body = fs::File::open(&ours_file)
            .map_err(|source| CycleFailure::Disk {
                what: "the mirror",
                source,
            })?
            .into();
        let etag = match self.input.bucket.put(path, body, when, &meta).await {
            Ok(etag) => etag,
            Err(BucketError::PreconditionFailed { .. }) => return Ok(Next::Again),
            Err(error) => return Err(error.into()),
        };
        self.input.observer.reached(Step::WinnerUploaded);
        if etag != ours.md5 && !etag.contains('-') {
            return Ok(Next::Again);
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
        let version = CloudVersion {
            etag,
            ..ours.clone()
        };
        self.record(path.to_owned(), version, signature);
        Ok(Next::Settled)
    }

    /// Answers whether the vault now holds `version` under `path`.
    async fn install(
        &mut self,
        path: &str,
        mirror_path: &str,
        version: &CloudVersion,
        expect: Expect,
        reason: &'static str,
    ) -> Result<bool, CycleFailure> {
        let from = self.side.mirror.join(mirror_path);
        let change = Change::Install {
            path: path.to_owned(),
            mtime_ms: modified_ms(&from),
            from,
            md5: version.md5.clone(),
            expect,
        };
        match self.apply(change).await? {
            Applied::Done {
                signature: Some(signature),
                kept,
            } => {
                if let Some(kept) = kept {
                    self.keep(path, kept, reason);
                }
                self.record(path.to_owned(), version.clone(), signature);
                Ok(true)
            }
            Applied::Done {
                signature: None, ..
            }
            | Applied::UserSaved => {
                self.next = Next::Again;
                Ok(false)
            }
            Applied::KeptBoth { copy } => {
                tracing::info!(copy, "a save during the change was kept beside the note");
                self.next = Next::Again;
                Ok(false)
            }
            Applied::Blocked(problem) => {
                self.tally.problems.push(problem);
                Ok(false)
            }
        }
    }

    async fn remove(&mut self, path: String, expect: Expect) -> Result<(), CycleFailure> {
        match self
            .apply(Change::Remove {
                path: path.clone(),
                expect,
            })
            .await?
        {
            Applied::Done { kept, .. } => {
                if let Some(kept) = kept {
                    self.keep(&path, kept, "removed");
                }
                self.tally.removed_here += 1;
                self.note(&path, ChangeAction::RemoveHere);
                self.news.forget.push(path);
            }
            Applied::UserSaved | Applied::KeptBoth { .. } => self.next = Next::Again,
            Applied::Blocked(problem) => self.tally.problems.push(problem),
        }
        Ok(())
    }

    async fn apply(&self, change: Change) -> Result<Applied, CycleFailure> {
        let (vault, side) = (self.input.vault.clone(), self.side.clone());
        let (device, now) = (self.input.device.clone(), self.now());
        let observer = self.input.observer.clone();
        blocking(move || {
            let reached = |step: ApplyStep| observer.reached(step.into());
            vault::apply(&vault, &side, &change, &device, now, &reached)
        })
        .await
    }

    async fn publish(mut self) -> Result<Next, CycleFailure> {
        self.input.report("publish", 0, 1);
        let side = self.side.clone();
        blocking(move || vault::clear_mirror(&side)).await?;
        self.refresh_signatures().await?;
        self.input.observer.reached(Step::BeforeCommit);
        let (pair, news) = (self.input.pair.clone(), self.news);
        self.input
            .state
            .with(move |state| state.publish(&pair, &news))
            .await?;
        self.input.observer.reached(Step::Committed);
        Ok(self.next)
    }

    /// Links that came and went changed the files' ctime. Where the bytes are still the same, the
    /// baseline takes the new one, so that the next verify need not hash them; where they are not,
    /// the user saved during the run and another cycle follows.
    async fn refresh_signatures(&mut self) -> Result<(), CycleFailure> {
        let vault = self.input.vault.clone();
        let linked = std::mem::take(&mut self.linked);
        let fresh = blocking(move || {
            let read = linked.into_iter().filter_map(|path| {
                let hashed = vault::md5_of(&vault.join(&path)).ok()?;
                Some((path, hashed))
            });
            Ok::<_, CycleFailure>(read.collect::<Vec<_>>())
        })
        .await?;
        for (path, (md5, signature)) in fresh {
            match self.news.set.get_mut(&path) {
                Some(node) if node.md5 == md5 => node.signature = signature,
                Some(_) | None => self.next = Next::Again,
            }
        }
        Ok(())
    }

    /// When the cloud's version was saved: what its writer says, else when it was stored.
    async fn cloud_saved_ms(&self, path: &str, cloud: &CloudVersion) -> Option<i64> {
        let object = self.input.bucket.head(path).await.ok()??;
        (object.etag == cloud.etag).then(|| object.mtime_ms.unwrap_or(object.last_modified_ms))
    }

    fn record(&mut self, path: String, version: CloudVersion, signature: Signature) {
        let CloudVersion { md5, etag, size } = version;
        self.news.set.insert(
            path,
            Node {
                md5,
                etag,
                size,
                signature,
            },
        );
    }

    fn keep(&mut self, path: &str, kept: Kept, reason: &'static str) {
        self.news.history.push(HistoryEntry {
            path: path.to_owned(),
            kept,
            reason,
        });
    }

    fn note(&mut self, path: &str, action: ChangeAction) {
        self.news.activity.push((path.to_owned(), action));
    }

    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::from(self.input.clock.now())
    }
}

impl From<ApplyStep> for Step {
    fn from(step: ApplyStep) -> Self {
        match step {
            ApplyStep::Staged => Self::ApplyStaged,
            ApplyStep::Intended => Self::ApplyIntended,
            ApplyStep::Swapped => Self::ApplySwapped,
            ApplyStep::Verified => Self::ApplyVerified,
            ApplyStep::Kept => Self::ApplyKept,
            ApplyStep::PutBack => Self::ApplyPutBack,
            ApplyStep::Synced => Self::ApplySynced,
            ApplyStep::Settled => Self::ApplySettled,
        }
    }
}

async fn blocking<T: Send + 'static, E: Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, CycleFailure>
where
    CycleFailure: From<E>,
{
    Ok(tokio::task::spawn_blocking(work)
        .await
        .map_err(CycleFailure::panicked)??)
}

fn modified_ms(path: &std::path::Path) -> Option<i64> {
    let modified: SystemTime = fs::symlink_metadata(path).ok()?.modified().ok()?;
    Some(unix_ms(modified))
}

/// rclone keeps a file's time as decimal seconds in the object's `mtime`.
fn seconds_text(ms: i64) -> String {
    format!("{}.{:03}", ms.div_euclid(1000), ms.rem_euclid(1000))
}
