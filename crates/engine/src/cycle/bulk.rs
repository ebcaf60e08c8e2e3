//! Many notes at once that need no decision, ahead of bisync: what only this side has goes up on
//! the condition that the cloud has nothing of that name, what only the cloud has comes down to
//! where nothing is, and what both sides hold alike is taken down as equal.
//!
//! The lane's move with the cycle's plan. bisync would hold the whole scope in memory and read
//! each note three times for the same end. Everything that is not that plain stays in the plan.

mod note;
mod pick;
mod publish;

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use self::note::{Came, Carried, Carrier};
use self::pick::Pick;
pub(crate) use self::pick::{Way, plain};
use self::publish::{Published, Publisher};
use super::verify::{Verified, sentinel};
use super::{CycleFailure, CycleInput, Next, Tally};
use crate::state::BaseText;
use crate::vault::{Arrival, Side};
use crate::view::ProgressView;

/// Requests under way at once.
const AT_ONCE: usize = 32;
/// Notes that are made durable and published together, at most.
const PART: usize = 4096;
/// The same in bytes, and in time: on a slow line notes appear as they come.
const PART_BYTES: u64 = 16 * 1024 * 1024;
const PART_TIME: Duration = Duration::from_secs(5);
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
    side: &Side,
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
        carrier: Arc::new(Carrier::of(input, side)),
        publisher: Publisher::of(input, side, verified.root_ino),
        total: picks.len() as u64,
        done: 0,
        texts: 0,
        part: Vec::with_capacity(PART),
        part_bytes: 0,
        part_since: Instant::now(),
        publishing: JoinSet::new(),
        settled: Vec::with_capacity(picks.len()),
        next: Next::Settled,
    };
    let result = bulk.go(picks).await;
    let Bulk { settled, next, .. } = bulk;
    for (path, way) in settled {
        verified.plan.scope.remove(&path);
        match way {
            Came::Uploaded => tally.uploaded += 1,
            Came::Downloaded => tally.downloaded += 1,
            Came::Equal => {}
        }
        tally.carried = true;
    }
    result.map(|()| next)
}

struct Bulk<'a> {
    input: &'a CycleInput,
    carrier: Arc<Carrier>,
    publisher: Publisher,
    total: u64,
    done: u64,
    /// Bytes of the texts that were kept so far.
    texts: usize,
    part: Vec<(Carried, Option<Box<Arrival>>)>,
    part_bytes: u64,
    part_since: Instant,
    publishing: JoinSet<Result<Published, CycleFailure>>,
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
        let (mut carried, arrival) = match came {
            note::Outcome::Carried(carried) => (carried, None),
            note::Outcome::Staged(carried, arrival) => (carried, Some(arrival)),
            note::Outcome::LeftToBisync => return Ok(()),
            note::Outcome::CloudMoved => {
                self.next = Next::Again;
                return Ok(());
            }
        };
        let size = carried.text.as_ref().map_or(0, BaseText::size);
        if self.texts + size > TEXTS {
            carried.text = None;
        } else {
            self.texts += size;
        }
        self.part_bytes += carried.node.size;
        self.part.push((carried, arrival));
        if self.part.len() >= PART
            || self.part_bytes >= PART_BYTES
            || self.part_since.elapsed() >= PART_TIME
        {
            self.publish_part().await?;
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
        (self.part_bytes, self.part_since) = (0, Instant::now());
        if !part.is_empty() {
            let publisher = self.publisher.clone();
            self.publishing
                .spawn(async move { publisher.publish(part).await });
        }
        Ok(())
    }

    async fn published(&mut self) -> Result<(), CycleFailure> {
        if let Some(published) = self.publishing.join_next().await {
            let Published { settled, next } = published.map_err(CycleFailure::panicked)??;
            self.settled.extend(settled);
            if next == Next::Again {
                self.next = Next::Again;
            }
        }
        Ok(())
    }
}
