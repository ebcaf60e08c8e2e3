//! Denials in the audit, as many as tell the story: the first of a kind in a while.

use std::time::Duration;

use moka::sync::Cache;

use crate::error::ApiError;
use crate::store::{Origin, Store};

/// One actor's denials for one reason within this time count as one.
const SAMPLE_EVERY: Duration = Duration::from_secs(60);
const REMEMBERED: u64 = 10_000;

/// Writes denials to the audit, and keeps anybody from filling it with them.
pub(crate) struct Denials {
    recent: Cache<(String, &'static str), ()>,
}

impl Default for Denials {
    fn default() -> Self {
        Self {
            recent: Cache::builder()
                .max_capacity(REMEMBERED)
                .time_to_live(SAMPLE_EVERY)
                .build(),
        }
    }
}

impl Denials {
    /// Notes that `error` was what a request got, if it is a denial.
    ///
    /// A denial stands whether or not it can be written down; a failure to do so is logged.
    pub(crate) async fn note(&self, store: &dyn Store, origin: &Origin, error: &ApiError) {
        if !is_denial(error) {
            return;
        }
        let code = error.code();
        let kind = (origin.actor.clone(), code);
        if !self.recent.entry(kind).or_insert(()).is_fresh() {
            return;
        }
        tracing::info!(code, "access denied");
        if let Err(error) = store.record_denial(code, origin).await {
            tracing::error!(%error, "a denial could not be written to the audit");
        }
    }
}

fn is_denial(error: &ApiError) -> bool {
    matches!(
        error.code(),
        "unauthenticated"
            | wire::SUBSCRIPTION_REQUIRED
            | "no_tenant"
            | "forbidden"
            | "invalid_request"
            | "method_not_allowed"
    )
}
