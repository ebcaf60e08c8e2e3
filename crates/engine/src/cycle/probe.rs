//! What the bucket's store can do is tried, not believed: once a day, before something is carried.

use guard::Support;

use super::{CycleFailure, CycleInput};
use crate::plan::RESERVED;

/// What the names of a trial's objects go on with; the server's sweeper knows them, too.
const TRIAL: &str = "probe-";
/// How long a trial holds, in milliseconds; what is older than that is of no running one.
const HOLDS_MS: i64 = 24 * 3_600_000;

/// Whether a trial of then still counts.
pub(crate) fn holds(tried_at: Option<i64>, now_ms: i64) -> bool {
    tried_at.is_some_and(|at| (0..HOLDS_MS).contains(&(now_ms - at)))
}

/// Refuses a store that ignores conditions: without them two devices would overwrite each other.
/// Answers whether it keeps old versions.
pub(super) async fn check(input: &CycleInput) -> Result<Support, CycleFailure> {
    let bucket = input.bucket.name().to_owned();
    let (tried_at, versioning) = input
        .state
        .with(move |state| Ok((state.probed_at(&bucket)?, state.versioning(&bucket)?)))
        .await?;
    let now_ms = input.clock.now_ms();
    if holds(tried_at, now_ms) {
        return Ok(versioning);
    }
    again(input).await
}

/// Tries the store whatever is known of it.
pub(super) async fn again(input: &CycleInput) -> Result<Support, CycleFailure> {
    let scratch = format!("{RESERVED}{TRIAL}{}", uuid::Uuid::now_v7().simple());
    let found = input.bucket.probe(&scratch).await?;
    tracing::info!(?found, "the store was tried");
    if found.compare_and_swap() != Support::Proven {
        return Err(CycleFailure::UnsafeStore);
    }
    let bucket = input.bucket.name().to_owned();
    let (versioning, now_ms) = (found.versioning, input.clock.now_ms());
    let prefix = format!("{RESERVED}{TRIAL}");
    let left = input.bucket.sweep_trials(&prefix, now_ms - HOLDS_MS);
    match left.await {
        Ok(0) => {}
        Ok(removed) => tracing::info!(removed, "removed what trials left that were cut short"),
        Err(error) => tracing::debug!(%error, "what trials left stays until the next one"),
    }
    input
        .state
        .with(move |state| state.set_probed(&bucket, now_ms, versioning))
        .await?;
    Ok(versioning)
}
