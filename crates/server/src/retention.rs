//! What was replaced or deleted leaves the store after a while, but for what a snapshot shows.
//!
//! The server says which versions go, not a rule of the store: a rule goes by age alone, and a
//! snapshot is a moment whose versions may be of any age. One job sweeps one bucket after the
//! other, a bounded part at a time; how far it came is in the database, so any replica goes on.

mod decide;
mod walk;

use std::sync::Arc;
use std::time::Duration;

use metrics::counter;
use tokio_util::sync::CancellationToken;

use crate::app::RequestId;
use crate::buckets::{BucketError, Buckets};
use crate::clock::Clock;
use crate::error::chain;
use crate::provisioning::millis;
use crate::store::{Origin, Store, StoreError, Sweep, SweepReport};

pub(crate) use decide::{Terms, VersionRule};
pub(crate) use walk::{Tally, Walk};

const ACTOR: &str = "job:versions";
const REMOVED: &str = "bm_versions_removed_total";
const REMOVED_BYTES: &str = "bm_versions_removed_bytes_total";
const UPLOADS_ENDED: &str = "bm_uploads_ended_total";
const SWEEPS: &str = "bm_version_sweeps_total";
/// An upload in parts that takes longer is not going to end.
const UPLOADS_LAST: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Between the end of a bucket's sweep and its next one.
const EVERY: Duration = Duration::from_secs(24 * 60 * 60);
/// Between two rounds that look for buckets whose time has come.
const ROUND: Duration = Duration::from_secs(30);
/// A sweep that was not reported on is begun again.
const LEASE: Duration = Duration::from_secs(10 * 60);
/// A sweep that comes so much later than it was due may come from a clock that jumped ahead, and what
/// it removes is gone for good: it waits once more, for a clock that is wrong to be put right.
const TRUSTED_DELAY: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Before the same part of a bucket is tried again after a failure.
const AFTER_FAILURE: Duration = Duration::from_secs(60 * 60);
/// Of a thousand versions each; the next sweep goes on behind them.
const PAGES_A_SWEEP: usize = 20;

/// What one round did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Round {
    pub(crate) sweeps: usize,
    pub(crate) failed: usize,
    pub(crate) tally: Tally,
}

/// The job.
pub(crate) struct Sweeper {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) buckets: Arc<dyn Buckets>,
    pub(crate) rule: VersionRule,
    pub(crate) clock: Clock,
}

/// How a sweep of a part of a bucket ended.
struct Swept {
    tally: Tally,
    /// The key behind which the next sweep goes on.
    after: Option<String>,
    error: Option<BucketError>,
}

impl Sweeper {
    /// Goes round until `cancel`.
    pub(crate) async fn run(self, cancel: CancellationToken) {
        let mut rounds = tokio::time::interval(ROUND);
        rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = cancel.cancelled() => return,
                _ = rounds.tick() => {}
            }
            let round = tokio::select! {
                () = cancel.cancelled() => return,
                round = self.round() => round,
            };
            match round {
                Ok(round) if round.tally.removed > 0 => {
                    tracing::info!(?round, "removed versions whose time was over");
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::error!(error = %chain(&error), "no bucket could be swept");
                }
            }
        }
    }

    /// Sweeps every bucket whose time has come.
    pub(crate) async fn round(&self) -> Result<Round, StoreError> {
        let mut round = Round::default();
        loop {
            let now = (self.clock)();
            let (made_before, lease_until) = (now - millis(EVERY), now + millis(LEASE));
            let claimed = self.store.claim_sweep(now, made_before, lease_until);
            let Some(sweep) = claimed.await? else {
                return Ok(round);
            };
            if now.saturating_sub(sweep.due_at) > millis(TRUSTED_DELAY) {
                self.put_off(sweep, now).await?;
                continue;
            }
            let swept = self.sweep(&sweep, now).await;
            round.sweeps += 1;
            round.tally.add(swept.tally);
            let outcome = match (&swept.error, &swept.after) {
                (Some(_), _) => "failed",
                (None, Some(_)) => "part",
                (None, None) => "done",
            };
            counter!(SWEEPS, "outcome" => outcome).increment(1);
            counter!(REMOVED).increment(swept.tally.removed);
            counter!(REMOVED_BYTES).increment(swept.tally.bytes);
            let pause = match outcome {
                "failed" => AFTER_FAILURE,
                "part" => Duration::ZERO,
                _ => EVERY,
            };
            if let Some(error) = &swept.error {
                round.failed += 1;
                tracing::warn!(
                    tenant.id = sweep.tenant_id,
                    error = %chain(error),
                    "a bucket was not swept to its end"
                );
            }
            let report = SweepReport {
                tenant_id: sweep.tenant_id,
                removed: swept.tally.removed,
                after: swept.after,
                due_at: (self.clock)() + millis(pause),
            };
            self.store.record_sweep(&report, &self.origin()).await?;
        }
    }

    async fn put_off(&self, sweep: Sweep, now: i64) -> Result<(), StoreError> {
        counter!(SWEEPS, "outcome" => "put_off").increment(1);
        tracing::warn!(
            tenant.id = sweep.tenant_id,
            due_at = sweep.due_at,
            now,
            "a sweep is put off: it comes so late that the clock may be wrong"
        );
        let report = SweepReport {
            tenant_id: sweep.tenant_id,
            removed: 0,
            after: sweep.after,
            due_at: now + millis(EVERY),
        };
        self.store.record_sweep(&report, &self.origin()).await
    }

    /// Removes what may go from the next part of a bucket. A failure ends it where it is.
    async fn sweep(&self, sweep: &Sweep, now: i64) -> Swept {
        let terms = Terms {
            rule: self.rule,
            snapshots: &sweep.snapshots,
            now,
        };
        if sweep.after.is_none() {
            self.end_uploads(sweep, now).await;
        }
        let mut walk = Walk::new(&*self.buckets, &sweep.bucket, terms, sweep.after.clone());
        let mut tally = Tally::default();
        let mut pages = 0;
        let error = loop {
            let found = match walk.next().await {
                Ok(Some(found)) => found,
                Ok(None) => break None,
                Err(error) => break Some(error),
            };
            if !found.removals.is_empty() {
                let removed = self.buckets.remove_versions(&sweep.bucket, &found.removals);
                if let Err(error) = removed.await {
                    break Some(error);
                }
            }
            tally.add(found.tally);
            walk.passed();
            pages += 1;
            if pages >= PAGES_A_SWEEP && walk.place() != sweep.after.as_deref() {
                break None;
            }
        };
        Swept {
            tally,
            after: walk.place().map(str::to_owned),
            error,
        }
    }

    /// What fails here is tried again with the bucket's next sweep.
    async fn end_uploads(&self, sweep: &Sweep, now: i64) {
        let begun_before = now - millis(UPLOADS_LAST);
        match self.buckets.end_uploads(&sweep.bucket, begun_before).await {
            Ok(ended) => counter!(UPLOADS_ENDED).increment(ended),
            Err(error) => tracing::warn!(
                tenant.id = sweep.tenant_id,
                error = %chain(&error),
                "unfinished uploads were not ended"
            ),
        }
    }

    fn origin(&self) -> Origin {
        Origin {
            actor: ACTOR.to_owned(),
            request_id: RequestId::new().0,
            at: (self.clock)(),
        }
    }
}

#[cfg(test)]
mod tests;
