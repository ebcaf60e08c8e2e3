//! Conflicts in a person's hands: reading the versions, carrying out a decision, taking it back.
//!
//! A decision changes the folder by safe apply, and the next trip of the lane or the next cycle
//! carries that like any other change. Only a drive's conflicts, which have no folder, are decided in
//! the cloud ([`Drives`]).

mod decide;
mod detail;
mod drive;
mod live;
mod resolve;
mod undo;

use std::collections::BTreeMap;
use std::path::PathBuf;

use time::OffsetDateTime;

use crate::Clock;
use crate::config::Observer;
use crate::cycle::{CycleFailure, StateHandle, blocking, record_kept};
use crate::state::{HistoryEntry, Publication};
use crate::vault::{self, Applied, ApplyStep, Change, Kept, Side};

pub(crate) use detail::detail;
pub(crate) use drive::{Drives, Touched};
pub(crate) use resolve::{close_equal, resolve};
pub(crate) use undo::{Undone, undo};

/// A pair's folder, for as long as decisions are carried out there.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) pair: String,
    pub(crate) vault: PathBuf,
    pub(crate) side_home: PathBuf,
    pub(crate) state: StateHandle,
    pub(crate) device: String,
    pub(crate) clock: Clock,
    pub(crate) observer: Observer,
}

/// The desks of a request, and the working folders of those that were needed.
struct Desks {
    desks: Vec<Desk>,
    open: BTreeMap<String, Side>,
}

/// A change of the folder that was, or was not, carried out.
enum Carried {
    Done(Option<Kept>),
    /// The person saved meanwhile, or the place cannot be written.
    Refused,
}

impl Desks {
    fn new(desks: Vec<Desk>) -> Self {
        Self {
            desks,
            open: BTreeMap::new(),
        }
    }

    /// The desk of a pair with its working folder, where interrupted changes are settled.
    async fn get(&mut self, pair: &str) -> Result<Option<(Desk, Side)>, CycleFailure> {
        let Some(desk) = self.desks.iter().find(|desk| desk.pair == pair).cloned() else {
            return Ok(None);
        };
        if let Some(side) = self.open.get(pair) {
            return Ok(Some((desk, side.clone())));
        }
        let (vault, home, name) = (
            desk.vault.clone(),
            desk.side_home.clone(),
            desk.pair.clone(),
        );
        let side = blocking(move || Side::open(&vault, &home, &name)).await?;
        desk.recover(&side).await?;
        self.open.insert(pair.to_owned(), side.clone());
        Ok(Some((desk, side)))
    }
}

impl Desk {
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::from(self.clock.now())
    }

    async fn recover(&self, side: &Side) -> Result<(), CycleFailure> {
        record_kept(&self.state, &self.pair, side, self.clock.now_ms()).await?;
        let (vault, side, device) = (self.vault.clone(), side.clone(), self.device.clone());
        let now = self.now();
        let settled = blocking(move || vault::recover(&vault, &side, &device, now)).await?;
        let kept = settled
            .into_iter()
            .filter_map(|settled| match settled.outcome {
                Applied::Done {
                    kept: Some(kept), ..
                } => Some(HistoryEntry {
                    path: settled.path,
                    kept,
                    reason: "recovered",
                }),
                Applied::Done { kept: None, .. }
                | Applied::UserSaved
                | Applied::KeptBoth { .. }
                | Applied::Blocked(_) => None,
            });
        self.keep(kept.collect()).await
    }

    /// Commits what went to history.
    async fn keep(&self, history: Vec<HistoryEntry>) -> Result<(), CycleFailure> {
        if history.is_empty() {
            return Ok(());
        }
        let news = Publication {
            at_ms: self.clock.now_ms(),
            history,
            ..Publication::default()
        };
        let pair = self.pair.clone();
        Ok(self
            .state
            .with(move |state| state.publish(&pair, &news))
            .await?)
    }

    async fn apply(&self, side: &Side, change: Change) -> Result<Carried, CycleFailure> {
        let (vault, side, device) = (self.vault.clone(), side.clone(), self.device.clone());
        let (now, observer) = (self.now(), self.observer.clone());
        let applied = blocking(move || {
            let reached = |step: ApplyStep| observer.reached(step.into());
            vault::apply(&vault, &side, &change, &device, now, &reached)
        })
        .await?;
        Ok(match applied {
            Applied::Done { kept, .. } => Carried::Done(kept),
            Applied::UserSaved | Applied::KeptBoth { .. } | Applied::Blocked(_) => Carried::Refused,
        })
    }
}
