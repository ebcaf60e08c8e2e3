//! Many notes at once that need no decision, ahead of bisync: what only this side has goes up on
//! the condition that the cloud has nothing of that name, and what both sides hold alike is taken
//! down as equal.
//!
//! The lane's move with the cycle's plan. bisync would hold the whole scope in memory and read
//! each note three times for the same end. Everything that is not that plain stays in the plan.

mod note;
mod pick;

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::task::JoinSet;

use self::note::{Came, Carried, Carrier};
use self::pick::Pick;
pub(crate) use self::pick::{Way, plain};
use super::verify::{Verified, sentinel};
use super::{CycleFailure, CycleInput, Next, Tally, blocking};
use crate::config::Step;
use crate::state::{BaseText, Node, Publication};
use crate::vault;
use crate::view::{ChangeAction, ProgressView};

/// Requests under way at once.
const AT_ONCE: usize = 32;
/// Notes that are made durable and published together.
const PART: usize = 4096;
/// Texts kept of one run, in bytes: no more than there is room for.
const TEXTS: usize = BaseText::BUDGET;
/// Progress is told each time that so many notes are through.
const TOLD_EACH: u64 = 32;

/// Carries what is plain of a large plan and takes it out of it.
///
/// # Errors
/// What stops every note; what got through until then is published.
pub(super) async fn carry(
    input: &CycleInput,
    verified: &mut Verified,
    tally: &mut Tally,
) -> Result<Next, CycleFailure> {
    let picks = pick::pick(&verified.plan, &verified.scan, &verified.cloud);
    if picks.is_empty() {
        return Ok(Next::Settled);
    }
    sentinel(input, &verified.cloud).await?;
    tracing::info!(notes = picks.len(), "new notes go ahead of bisync");
    let mut bulk = Bulk {
        input,
        root_ino: verified.root_ino,
        carrier: Arc::new(Carrier::of(input)),
        total: picks.len() as u64,
        done: 0,
        texts: 0,
        part: Vec::with_capacity(PART),
        publishing: JoinSet::new(),
        settled: Vec::with_capacity(picks.len()),
        next: Next::Settled,
    };
    let result = bulk.go(picks).await;
    let Bulk { settled, next, .. } = bulk;
    for (path, way) in settled {
        verified.plan.scope.remove(&path);
        if way == Came::Uploaded {
            tally.uploaded += 1;
        }
        tally.carried = true;
    }
    result.map(|()| next)
}

struct Bulk<'a> {
    input: &'a CycleInput,
    root_ino: u64,
    carrier: Arc<Carrier>,
    total: u64,
    done: u64,
    /// Bytes of the texts that were kept so far.
    texts: usize,
    part: Vec<Carried>,
    publishing: JoinSet<Result<(), CycleFailure>>,
    settled: Vec<(String, Came)>,
    next: Next,
}

impl Bulk<'_> {
    async fn go(&mut self, picks: Vec<Pick>) -> Result<(), CycleFailure> {
        let carried = self.all(picks).await;
        // After a failure, too: what is in the cloud is known then, and compared no more.
        self.publish_part().await?;
        self.published().await?;
        carried
    }

    async fn all(&mut self, picks: Vec<Pick>) -> Result<(), CycleFailure> {
        let mut picks = picks.into_iter();
        let mut under_way = JoinSet::new();
        let mut result = Ok(());
        loop {
            while under_way.len() < AT_ONCE
                && result.is_ok()
                && let Some(pick) = picks.next()
            {
                let carrier = Arc::clone(&self.carrier);
                under_way.spawn(async move { carrier.carry(pick).await });
            }
            let Some(came) = under_way.join_next().await else {
                return result;
            };
            match came.map_err(CycleFailure::panicked) {
                Ok(Ok(came)) => self.take(came).await?,
                Ok(Err(failure)) | Err(failure) => result = result.and(Err(failure)),
            }
            if self.input.cancel.is_cancelled() {
                result = result.and(Err(CycleFailure::Stopped));
            }
        }
    }

    async fn take(&mut self, came: note::Outcome) -> Result<(), CycleFailure> {
        self.done += 1;
        if self.done.is_multiple_of(TOLD_EACH) {
            self.tell();
        }
        match came {
            note::Outcome::Carried(mut carried) => {
                let size = carried.text.as_ref().map_or(0, BaseText::size);
                if self.texts + size > TEXTS {
                    carried.text = None;
                } else {
                    self.texts += size;
                }
                self.part.push(carried);
                if self.part.len() >= PART {
                    self.publish_part().await?;
                }
            }
            note::Outcome::LeftToBisync => {}
            note::Outcome::CloudMoved => self.next = Next::Again,
        }
        Ok(())
    }

    fn tell(&self) {
        let view = ProgressView::new(self.input.number, "bisync", self.done, self.total);
        self.input.progress.send_replace(Some(view));
    }

    /// Begins to publish what came so far, while more is on its way.
    async fn publish_part(&mut self) -> Result<(), CycleFailure> {
        self.published().await?;
        let part = std::mem::take(&mut self.part);
        if part.is_empty() {
            return Ok(());
        }
        let paths: Vec<String> = part.iter().map(|note| note.path.clone()).collect();
        let came = part.iter().map(|note| (note.path.clone(), note.came));
        self.settled.extend(came);
        let news = self.news(part);
        let (vault, pair) = (self.input.vault.clone(), self.input.pair.clone());
        let (state, observer) = (self.input.state.clone(), self.input.observer.clone());
        self.publishing.spawn(async move {
            blocking(move || {
                vault::make_durable(&vault, &vault, &paths).map_err(|source| CycleFailure::Disk {
                    what: "the notes folder",
                    source,
                })
            })
            .await?;
            observer.reached(Step::BeforeCommit);
            state.with(move |state| state.publish(&pair, &news)).await?;
            observer.reached(Step::Committed);
            Ok(())
        });
        Ok(())
    }

    async fn published(&mut self) -> Result<(), CycleFailure> {
        match self.publishing.join_next().await {
            Some(published) => published.map_err(CycleFailure::panicked)?,
            None => Ok(()),
        }
    }

    fn news(&self, part: Vec<Carried>) -> Publication {
        let mut news = Publication {
            at_ms: self.input.clock.now_ms(),
            root_ino: Some(self.root_ino),
            batch: i64::try_from(self.input.number).unwrap_or(i64::MAX),
            ..Publication::default()
        };
        let mut set: BTreeMap<String, Node> = BTreeMap::new();
        for carried in part {
            let Carried {
                path,
                node,
                text,
                came,
            } = carried;
            news.texts.extend(text);
            match came {
                Came::Uploaded => news.activity.push((path.clone(), ChangeAction::Upload)),
                Came::Equal => {}
            }
            set.insert(path, node);
        }
        news.set = set;
        news
    }
}
