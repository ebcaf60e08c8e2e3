//! The pair's side folder: found once a run, and cleared of interrupted changes before each scan.

use time::OffsetDateTime;

use super::{CycleFailure, CycleInput};
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

/// Settles what a crash left half applied, and records what that moved to history.
pub(super) async fn recover(input: &CycleInput, side: &Side) -> Result<(), CycleFailure> {
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
