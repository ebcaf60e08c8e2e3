//! Taking versions off the disk that were kept long enough.

use super::HistoryError;
use crate::cycle::{CycleFailure, StateHandle};
use crate::vault;

const DAY_MS: i64 = 86_400_000;
const MIB: u64 = 1024 * 1024;

/// How much history keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Retention {
    pub(crate) days: u32,
    /// Of one pair.
    pub(crate) budget_mib: u32,
}

/// Removes what is older than the retention or over the budget, and answers how many versions
/// went. A version is forgotten only after its file is gone, so that none is left behind.
pub(crate) async fn tidy(
    state: &StateHandle,
    retention: Retention,
    now_ms: i64,
) -> Result<usize, HistoryError> {
    let before_ms = now_ms - i64::from(retention.days) * DAY_MS;
    let budget = u64::from(retention.budget_mib) * MIB;
    let expired = state
        .with(move |state| state.expired(before_ms, budget))
        .await?;
    if expired.is_empty() {
        return Ok(0);
    }
    let gone = tokio::task::spawn_blocking(move || {
        let went = expired.into_iter().filter(|version| {
            match vault::discard_kept(&version.kept, &version.path) {
                Ok(()) => true,
                Err(error) => {
                    tracing::warn!(%error, "an old version could not be removed");
                    false
                }
            }
        });
        went.map(|version| version.id).collect::<Vec<_>>()
    })
    .await
    .map_err(CycleFailure::panicked)?;
    let count = gone.len();
    state
        .with(move |state| state.forget_versions(&gone))
        .await?;
    Ok(count)
}
