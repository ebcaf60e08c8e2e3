//! The pair's side folder: found once a run, and cleared of interrupted changes before each scan.

use time::OffsetDateTime;

use super::{CycleFailure, CycleInput, StateHandle, blocking};
use crate::state::{HistoryEntry, Publication};
use crate::vault::{self, Applied, RootError, Side};

pub(super) async fn open(input: &CycleInput) -> Result<Side, CycleFailure> {
    let (vault, home, pair) = (
        input.vault.clone(),
        input.side_home.clone(),
        input.pair.clone(),
    );
    tokio::task::spawn_blocking(move || {
        if !vault.exists() {
            return Err(RootError::Missing.into());
        }
        Ok(Side::open(&vault, &home, &pair)?)
    })
    .await
    .map_err(CycleFailure::panicked)?
}

/// Records what went into history before a cycle, a trip or a decision failed or died, and nobody
/// recorded: without it the version is there and cannot be found. Comes before [`vault::recover`],
/// which forgets what was settled.
pub(crate) async fn record_kept(
    state: &StateHandle,
    pair: &str,
    side: &Side,
    at_ms: i64,
) -> Result<(), CycleFailure> {
    let place = side.clone();
    let kept = blocking(move || vault::kept_lately(&place)).await?;
    if kept.is_empty() {
        return Ok(());
    }
    let id = pair.to_owned();
    let mut missing = state.with(move |state| state.unrecorded(&id, kept)).await?;
    if missing.is_empty() {
        return Ok(());
    }
    missing = blocking(move || {
        missing.retain(|(_, kept)| vault::is_whole(kept));
        Ok::<_, CycleFailure>(missing)
    })
    .await?;
    tracing::info!(
        count = missing.len(),
        "versions in history are recorded late"
    );
    let news = Publication {
        at_ms,
        history: missing
            .into_iter()
            .map(|(path, kept)| HistoryEntry {
                path,
                kept,
                reason: "recovered",
            })
            .collect(),
        ..Publication::default()
    };
    let id = pair.to_owned();
    Ok(state.with(move |state| state.publish(&id, &news)).await?)
}

/// Settles what a crash left half applied, and records what that moved to history.
pub(super) async fn recover(input: &CycleInput, side: &Side) -> Result<(), CycleFailure> {
    record_kept(&input.state, &input.pair, side, input.clock.now_ms()).await?;
    let (vault, side, device) = (input.vault.clone(), side.clone(), input.device.clone());
    let now = OffsetDateTime::from(input.clock.now());
    let recovered =
        tokio::task::spawn_blocking(move || vault::recover(&vault, &side, &device, now))
            .await
            .map_err(CycleFailure::panicked)??;
    if recovered.is_empty() {
        return Ok(());
    }
    let mut news = Publication {
        at_ms: input.clock.now_ms(),
        ..Publication::default()
    };
    for settled in recovered {
        tracing::info!(outcome = ?settled.outcome, "an interrupted change was settled");
        if let Applied::Done {
            kept: Some(kept), ..
        } = settled.outcome
        {
            let reason = "recovered";
            news.history.push(HistoryEntry {
                path: settled.path,
                kept,
                reason,
            });
        }
    }
    let pair = input.pair.clone();
    Ok(input
        .state
        .with(move |state| state.publish(&pair, &news))
        .await?)
}
