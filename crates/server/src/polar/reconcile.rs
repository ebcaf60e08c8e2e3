//! What Polar is asked for, so that a lost or late delivery changes nothing for long.

use std::collections::HashMap;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::client::PolarApiError;
use super::event::Facts;
use super::products::Products;
use super::retry::Failure;
use super::snapshot::{Customer, Snapshot};
use super::{Api, Polar, rest};
use crate::error::chain;
use crate::store::{ActiveSubscription, FactSource, RecurringJob, StoreError};

const POLL_EVERY: Duration = Duration::from_secs(1);
/// How many lookups are taken at once; others can take the rest meanwhile.
const BATCH: i64 = 20;
/// When a lookup that was taken comes up again, if nothing came of it.
const AGAIN_MS: i64 = 60_000;
/// Later than those that were taken with it, which must not wait behind it each time.
const FAILED_AGAIN_MS: i64 = 2 * AGAIN_MS;
/// How long all questions pause after Polar asked for patience without saying for how long.
const PATIENCE: Duration = Duration::from_secs(60);
/// Whatever Polar asks for: people whose renewal nobody told of wait for the answer.
const MOST_PATIENCE: Duration = Duration::from_secs(15 * 60);
/// A page after the last that could be, in case Polar's answers never end.
const MOST_PAGES: u32 = 10_000;

/// Why the comparison with Polar stopped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReconcileError {
    #[error(transparent)]
    Api(#[from] PolarApiError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ReconcileError {
    /// How long to leave Polar alone after this.
    fn pause(&self) -> Duration {
        match self {
            Self::Api(error) => match error.failure() {
                Failure::RateLimited { retry_after } => {
                    retry_after.unwrap_or(PATIENCE).min(MOST_PATIENCE)
                }
                Failure::Transient => POLL_EVERY * 5,
                Failure::Lasting => POLL_EVERY,
            },
            Self::Store(_) => POLL_EVERY,
        }
    }
}

impl Polar {
    pub(super) async fn run_reconcile(&self, api: &Api, cancel: &CancellationToken) {
        loop {
            let pause = tokio::select! {
                () = cancel.cancelled() => return,
                pause = self.reconcile(api) => pause,
            };
            if !rest(pause, cancel).await {
                return;
            }
        }
    }

    /// Does everything that is due; how long to wait before the next time.
    async fn reconcile(&self, api: &Api) -> Duration {
        let mut pause = POLL_EVERY;
        for outcome in [self.check_due(api).await, self.sweep_if_due(api).await] {
            if let Err(error) = outcome {
                tracing::warn!(error = %chain(&error), "Polar could not be compared with");
                pause = pause.max(error.pause());
            }
        }
        pause
    }

    /// Looks up the subscriptions whose time has come, as many as fit between two sweeps.
    pub(super) async fn check_due(&self, api: &Api) -> Result<(), ReconcileError> {
        let now = self.now();
        let due = self
            .store
            .claim_due_checks(now, now + AGAIN_MS, BATCH)
            .await?;
        for id in due {
            match self.check(api, &id).await {
                Err(ReconcileError::Api(error)) if error.failure() == Failure::Lasting => {
                    tracing::warn!(
                        polar.subscription = id,
                        error = %chain(&error),
                        "a subscription cannot be looked up"
                    );
                }
                Err(ReconcileError::Api(error)) if error.failure() == Failure::Transient => {
                    let again_at = self.now() + FAILED_AGAIN_MS;
                    self.store.put_check(&id, Some(again_at)).await?;
                    return Err(error.into());
                }
                checked => checked?,
            }
            tokio::time::sleep(api.client.pace()).await;
        }
        Ok(())
    }

    async fn check(&self, api: &Api, id: &str) -> Result<(), ReconcileError> {
        match api.client.find_subscription(id, self.now()).await? {
            Some(facts) => self.learn(&facts).await?,
            None => {
                tracing::warn!(
                    polar.subscription = id,
                    "Polar does not know a subscription"
                );
                self.store.put_check(id, None).await?;
            }
        }
        metrics::counter!("bm_polar_checks_total").increment(1);
        Ok(())
    }

    async fn learn(&self, facts: &Facts) -> Result<(), StoreError> {
        let id = facts
            .snapshot
            .as_ref()
            .map_or("", |snapshot| snapshot.id.as_str());
        let origin = self.origin(&format!("lookup {id}"));
        self.store
            .apply_facts(facts, FactSource::Api, &self.products, &origin)
            .await?;
        Ok(())
    }

    async fn sweep_if_due(&self, api: &Api) -> Result<(), ReconcileError> {
        let now = self.now();
        let job = RecurringJob::SweepPolar;
        // A sweep that fails comes up again soon; one that ends puts itself off for long.
        let taken = self
            .store
            .claim_recurring_job(job, now, now + 5 * AGAIN_MS)
            .await?;
        if !taken {
            return Ok(());
        }
        self.sweep(api).await?;
        let next_at = now + api.sweep_every_ms;
        self.store
            .claim_recurring_job(job, now + 5 * AGAIN_MS, next_at)
            .await?;
        Ok(())
    }

    /// Compares all active subscriptions, here and there.
    ///
    /// What Polar has and this server has not, or has older, is learned. What is active here
    /// only is looked up one by one: it ended, and nobody told.
    async fn sweep(&self, api: &Api) -> Result<(), ReconcileError> {
        let known = self.store.list_active_subscriptions().await?;
        let mut known: HashMap<String, ActiveSubscription> = known
            .into_iter()
            .map(|active| (active.id.clone(), active))
            .collect();
        let mut learned = 0;
        let mut unreadable = 0;
        for number in 1..=MOST_PAGES {
            let page = api.client.list_active(number, self.now()).await?;
            unreadable += page.unreadable;
            for facts in &page.found {
                let Some(snapshot) = &facts.snapshot else {
                    continue;
                };
                let here = known.remove(&snapshot.id);
                if !here.is_some_and(|here| {
                    says_as_much(&here, snapshot, facts.customer.as_ref(), &self.products)
                }) {
                    self.learn(facts).await?;
                    learned += 1;
                }
            }
            if page.is_last {
                break;
            }
            tokio::time::sleep(api.client.pace()).await;
        }
        let gone = known.len();
        let now = self.now();
        let mut gone_ids: Vec<String> = known.into_keys().collect();
        gone_ids.sort_unstable();
        for id in gone_ids {
            self.store.put_check(&id, Some(now)).await?;
        }
        tracing::info!(learned, gone, unreadable, "all subscriptions were compared");
        Ok(())
    }
}

/// Whether nothing that was told is news to what is here.
fn says_as_much(
    here: &ActiveSubscription,
    told: &Snapshot,
    told_of: Option<&Customer>,
    products: &Products,
) -> bool {
    let same_person = told_of.is_none_or(|customer| customer.external_id == here.external_id);
    let as_new = told.revision <= here.revision && told.product_id == here.product_id;
    // None is planned where its product did not count when it was learned.
    let planned = here.check_at.is_some() || !products.include(told);
    same_person && as_new && planned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polar_is_not_left_alone_for_longer_than_people_can_wait() {
        let pause = |retry_after| {
            let error = PolarApiError::RateLimited { retry_after };
            ReconcileError::Api(error).pause()
        };
        assert_eq!(pause(None), PATIENCE);
        assert_eq!(pause(Some(PATIENCE * 2)), PATIENCE * 2);
        assert_eq!(pause(Some(Duration::MAX)), MOST_PATIENCE);
    }
}
