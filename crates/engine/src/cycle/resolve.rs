//! The last half of a cycle: conflicts get their winner, the vault gets its changes, and one
//! transaction publishes what is now equal.

use std::collections::BTreeSet;
use std::fs;
use std::time::SystemTime;

use time::OffsetDateTime;

use super::carry::Carried;
use super::settle::{CloudVersion, Settled};
use super::verify::touched_nodes;
use super::{Confirmed, CycleFailure, CycleInput, Next, Tally, conflict};
use crate::clock::unix_ms;
use crate::config::Step;
use crate::state::{HistoryEntry, Node, Publication};
use crate::vault::{self, Applied, ApplyStep, Change, Expect, Kept, NewBytes, Side, Signature};
use crate::view::ChangeAction;

/// What is being gathered for the publication.
pub(super) struct Gathered<'a> {
    pub(super) input: &'a CycleInput,
    pub(super) side: Side,
    pub(super) news: Publication,
    pub(super) tally: &'a mut Tally,
    pub(super) next: Next,
    /// Files that were linked into the mirror; they are hashed again once it is empty.
    linked: Vec<String>,
    spoiled: BTreeSet<String>,
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
            wanted: input.confirmed == Confirmed::Yes,
            batch: i64::try_from(input.number).unwrap_or(i64::MAX),
            ..Publication::default()
        },
        tally,
        next: if moved.is_empty() {
            Next::Settled
        } else {
            Next::Again
        },
        linked: Vec::new(),
        spoiled: verified.spoiled.clone(),
    };
    for verdict in conflict::decide(input, side, &verified, &settled).await? {
        gathered.conflict(verdict).await?;
    }
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
                    self.news.spoiled.extend(self.spoiled.take(&path));
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
            // Taken before, by what was decided of them.
            Settled::Conflict { .. } => {}
            Settled::Unproven => {
                tracing::debug!("a path was not proven equal and is compared again");
                self.next = Next::Again;
            }
        }
        Ok(())
    }

    /// Answers whether the vault now holds `version` under `path`.
    pub(super) async fn install(
        &mut self,
        path: &str,
        mirror_path: &str,
        version: &CloudVersion,
        expect: Expect,
        reason: &'static str,
    ) -> Result<bool, CycleFailure> {
        let from = NewBytes::File(self.side.mirror.join(mirror_path));
        self.install_bytes(path, from, version, expect, reason)
            .await
    }

    /// As [`Self::install`], from wherever the bytes are.
    pub(super) async fn install_bytes(
        &mut self,
        path: &str,
        from: NewBytes,
        version: &CloudVersion,
        expect: Expect,
        reason: &'static str,
    ) -> Result<bool, CycleFailure> {
        let change = Change::Install {
            path: path.to_owned(),
            mtime_ms: match &from {
                NewBytes::File(file) => modified_ms(file),
                NewBytes::Here(_) => Some(self.input.clock.now_ms()),
            },
            from: from.clone(),
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
                self.remember(path, &version.md5, version.size, from)
                    .await?;
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
        keep_durably(self.input, &self.side, self.linked.clone()).await?;
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
        conflict::drop_copies(self.input).await?;
        Ok(self.next)
    }

    /// Links that came and went changed the files' ctime. Where the bytes are still the same, the
    /// baseline takes the new one, so that the next verify need not hash them; where they are not,
    /// the user saved during the run and another cycle follows.
    async fn refresh_signatures(&mut self) -> Result<(), CycleFailure> {
        let linked = std::mem::take(&mut self.linked);
        let fresh = self.rehash(linked).await?;
        for (path, (md5, signature)) in fresh {
            match self.news.set.get_mut(&path) {
                Some(node) if node.md5 == md5 => node.signature = signature,
                Some(_) | None => self.next = Next::Again,
            }
        }
        Ok(())
    }

    pub(super) fn record(&mut self, path: String, version: CloudVersion, signature: Signature) {
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

    pub(super) fn keep(&mut self, path: &str, kept: Kept, reason: &'static str) {
        self.news.history.push(HistoryEntry {
            path: path.to_owned(),
            kept,
            reason,
        });
    }

    pub(super) fn note(&mut self, path: &str, action: ChangeAction) {
        self.news.activity.push((path.to_owned(), action));
    }

    pub(super) fn now(&self) -> OffsetDateTime {
        OffsetDateTime::from(self.input.clock.now())
    }
}

/// Makes what went up, or was found equal, durable here, while the mirror still has a link to it.
pub(super) async fn keep_durably(
    input: &CycleInput,
    side: &Side,
    paths: Vec<String>,
) -> Result<(), CycleFailure> {
    let (vault, mirror) = (input.vault.clone(), side.mirror.clone());
    blocking(move || {
        vault::make_durable(&vault, &mirror, &paths).map_err(|source| CycleFailure::Disk {
            what: "the notes folder",
            source,
        })
    })
    .await
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

pub(crate) async fn blocking<T: Send + 'static, E: Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, CycleFailure>
where
    CycleFailure: From<E>,
{
    Ok(tokio::task::spawn_blocking(work)
        .await
        .map_err(CycleFailure::panicked)??)
}

pub(super) fn modified_ms(path: &std::path::Path) -> Option<i64> {
    let modified: SystemTime = fs::symlink_metadata(path).ok()?.modified().ok()?;
    Some(unix_ms(modified))
}
