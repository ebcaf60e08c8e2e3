//! Deliveries: verified, stored by their id, acted on, and answered.

use std::sync::Arc;
use std::time::Duration;

use axum::body;
use axum::extract::{FromRequest, Request};
use tokio_util::sync::CancellationToken;

use super::signature::SignedHeaders;
use super::{Polar, event, rest};
use crate::app::App;
use crate::error::{ApiError, chain};
use crate::principal::{Policy, Principal};
use crate::store::{Applied, ClaimedEvent, FactSource, NewInboxEvent, RecurringJob, StoreError};

const PROVIDER: &str = "polar";
/// The largest body that is read. Products with many prices make large ones.
const MAX_BODY_BYTES: usize = 1024 * 1024;
/// Polar waits 10 s for an answer and wishes for one within 2; what is not acted on by then is
/// acted on later.
const ACT_WITHIN: Duration = Duration::from_millis(1500);
const LEASE_MS: i64 = 30_000;
const POLL_EVERY: Duration = Duration::from_secs(1);
const FIRST_WAIT_MS: i64 = 1_000;
const LONGEST_WAIT_MS: i64 = 300_000;
const DAY_MS: i64 = 24 * 3600 * 1000;
/// How long ids are remembered after their delivery; Polar redelivers for days at most.
const KEPT_MS: i64 = 30 * DAY_MS;
const TRIM_EVERY_MS: i64 = DAY_MS / 4;
const DELIVERIES: &str = "bm_polar_deliveries_total";

/// A delivery that Polar signed, just now.
pub(crate) struct PolarDelivery {
    pub(crate) polar: Arc<Polar>,
    /// The delivery's own id, which survives its repetition.
    pub(crate) id: String,
    pub(crate) body: body::Bytes,
}

impl Principal for PolarDelivery {
    const POLICY: Policy = Policy::PolarDelivery;
}

impl FromRequest<App> for PolarDelivery {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        let polar = app.polar.clone().ok_or(ApiError::NotFound)?;
        let (parts, body) = request.into_parts();
        let refused = |reason| {
            tracing::info!(%reason, "a payment delivery was refused");
            metrics::counter!(DELIVERIES, "outcome" => "refused").increment(1);
            ApiError::SignatureRejected
        };
        let headers = SignedHeaders::read(&parts.headers, app.now().div_euclid(1000));
        let headers = headers.map_err(refused)?;
        let body = body::to_bytes(body, MAX_BODY_BYTES)
            .await
            .map_err(|_| ApiError::TooLarge)?;
        polar.keys.verify(&headers, &body).map_err(refused)?;
        Ok(Self {
            id: headers.id.to_owned(),
            polar,
            body,
        })
    }
}

impl Polar {
    /// Stores a delivery and acts on it. A known id changes nothing.
    ///
    /// Success means that the delivery is safe, not that it is acted on already.
    pub(crate) async fn take(&self, delivery_id: &str, body: &[u8]) -> Result<(), StoreError> {
        let now = self.now();
        let event = NewInboxEvent {
            provider: PROVIDER,
            delivery_id: delivery_id.to_owned(),
            kind: event::kind(body).unwrap_or_default(),
            body: String::from_utf8_lossy(body).replace('\0', "\u{fffd}"),
        };
        let received = self.store.receive(&event, now, now + LEASE_MS).await?;
        let Some(claimed) = received else {
            metrics::counter!(DELIVERIES, "outcome" => "known").increment(1);
            return Ok(());
        };
        metrics::counter!(DELIVERIES, "outcome" => "new").increment(1);
        if tokio::time::timeout(ACT_WITHIN, self.act(&claimed))
            .await
            .is_err()
        {
            tracing::warn!(
                inbox.id = claimed.claim.id,
                "a payment event is acted on after its answer"
            );
        }
        Ok(())
    }

    /// Acts on one claimed event. Whatever happens, the event is settled or comes up again.
    async fn act(&self, claimed: &ClaimedEvent) {
        let id = claimed.claim.id.as_str();
        let kind = claimed.kind.as_str();
        let facts = match event::read(claimed.body.as_bytes()) {
            Ok(facts) => facts,
            Err(error) => {
                let error = chain(&error);
                tracing::warn!(inbox.id = id, kind, error, "a payment event is unreadable");
                metrics::counter!("bm_polar_events_total", "outcome" => "unreadable").increment(1);
                let now = self.now();
                let kept = self
                    .store
                    .reject_inbox_event(&claimed.claim, &error, now)
                    .await;
                return self.give_back(claimed, kept).await;
            }
        };
        let source = FactSource::Inbox(&claimed.claim);
        let origin = self.origin(id);
        let applied = self
            .store
            .apply_facts(&facts, source, &self.products, &origin)
            .await;
        match applied {
            Ok(Applied::Done) => {
                tracing::info!(inbox.id = id, kind, "a payment event was acted on");
                metrics::counter!("bm_polar_events_total", "outcome" => "done").increment(1);
            }
            Ok(Applied::Parked) => {
                tracing::warn!(
                    inbox.id = id,
                    kind,
                    "a payment event is parked: its customer has no external id"
                );
                metrics::counter!("bm_polar_events_total", "outcome" => "parked").increment(1);
            }
            Ok(Applied::ClaimLost) => {
                tracing::debug!(inbox.id = id, "another worker has the payment event");
            }
            Err(error) => self.give_back(claimed, Err(error)).await,
        }
    }

    /// Has a failed event come up again after a while. If even that cannot be written, its lease
    /// ends by itself.
    async fn give_back(&self, claimed: &ClaimedEvent, outcome: Result<(), StoreError>) {
        let Err(error) = outcome else { return };
        let error = chain(&error);
        let id = claimed.claim.id.as_str();
        tracing::warn!(
            inbox.id = id,
            attempt = claimed.attempt,
            error,
            "a payment event failed"
        );
        metrics::counter!("bm_polar_events_total", "outcome" => "failed").increment(1);
        let run_at = self.now() + wait_ms(claimed.attempt, (self.chance)());
        let postponed = self
            .store
            .postpone_inbox_event(&claimed.claim, &error, run_at)
            .await;
        if let Err(error) = postponed {
            tracing::debug!(inbox.id = id, error = %chain(&error), "its lease has to end");
        }
    }

    /// Acts on everything that is due; how much that was.
    pub(crate) async fn work_inbox(&self) -> Result<usize, StoreError> {
        let mut acted = 0;
        loop {
            let now = self.now();
            let claimed = self.store.claim_inbox_event(now, now + LEASE_MS).await?;
            let Some(claimed) = claimed else {
                return Ok(acted);
            };
            self.act(&claimed).await;
            acted += 1;
        }
    }

    pub(super) async fn run_inbox(&self, cancel: &CancellationToken) {
        loop {
            if let Err(error) = self.tend_inbox().await {
                tracing::warn!(error = %chain(&error), "the inbox cannot be worked off");
            }
            if !rest(POLL_EVERY, cancel).await {
                return;
            }
        }
    }

    async fn tend_inbox(&self) -> Result<(), StoreError> {
        self.work_inbox().await?;
        let counts = self.store.count_inbox_events().await?;
        for (state, many) in [
            ("queued", counts.queued),
            ("parked", counts.parked),
            ("unreadable", counts.unreadable),
        ] {
            metrics::gauge!("bm_inbox_events", "state" => state).set(many as f64);
        }
        let now = self.now();
        let due = self
            .store
            .claim_recurring_job(RecurringJob::TrimInbox, now, now + TRIM_EVERY_MS)
            .await?;
        if due {
            let forgotten = self.store.trim_inbox(now - KEPT_MS).await?;
            tracing::info!(forgotten, "settled inbox events were forgotten");
        }
        Ok(())
    }
}

/// How long an event waits after its failed attempt number `attempt` (from 1).
fn wait_ms(attempt: i64, chance: f64) -> i64 {
    let doublings = attempt.clamp(1, 16) - 1;
    let longest = (FIRST_WAIT_MS << doublings).min(LONGEST_WAIT_MS);
    let spread = (longest as f64 / 2.0 * chance.clamp(0.0, 1.0)) as i64;
    longest / 2 + spread
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_event_waits_longer_each_time_but_never_more_than_five_minutes() {
        let longest: Vec<i64> = (1..=10).map(|attempt| wait_ms(attempt, 1.0)).collect();
        assert_eq!(
            longest,
            [
                1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000, 300_000
            ]
        );
        assert_eq!(wait_ms(1, 0.0), 500);
        assert_eq!(wait_ms(i64::MAX, 1.0), 300_000);
    }
}
