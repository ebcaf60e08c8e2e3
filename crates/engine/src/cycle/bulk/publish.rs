//! A part of a bulk: what was staged takes its place, all of it becomes durable, one transaction
//! records it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use time::OffsetDateTime;

use super::note::{Came, Carried};
use crate::Clock;
use crate::config::{Observer, Step};
use crate::cycle::{CycleFailure, CycleInput, Next, StateHandle, blocking};
use crate::state::Publication;
use crate::vault::{self, Applied, ApplyStep, Arrival, Side};
use crate::view::ChangeAction;

/// What all parts of a run share.
#[derive(Clone)]
pub(super) struct Publisher {
    number: u64,
    pair: String,
    vault: PathBuf,
    side: Side,
    root_ino: u64,
    state: StateHandle,
    clock: Clock,
    observer: Observer,
}

/// What of a part is recorded, and whether a person changed something meanwhile.
pub(super) struct Published {
    pub(super) settled: Vec<(String, Came)>,
    pub(super) next: Next,
}

impl Publisher {
    pub(super) fn of(input: &CycleInput, side: &Side, root_ino: u64) -> Self {
        Self {
            number: input.number,
            pair: input.pair.clone(),
            vault: input.vault.clone(),
            side: side.clone(),
            root_ino,
            state: input.state.clone(),
            clock: input.clock.clone(),
            observer: input.observer.clone(),
        }
    }

    pub(super) async fn publish(
        self,
        part: Vec<(Carried, Option<Box<Arrival>>)>,
    ) -> Result<Published, CycleFailure> {
        let mut next = Next::Settled;
        let (mut carried, mut coming) = (Vec::with_capacity(part.len()), BTreeMap::new());
        let mut arrivals = Vec::new();
        for (note, arrival) in part {
            match arrival {
                None => carried.push(note),
                Some(arrival) => {
                    coming.insert(note.path.clone(), note);
                    arrivals.push(*arrival);
                }
            }
        }
        for (path, applied) in self.place(arrivals).await? {
            match (applied, coming.remove(&path)) {
                (
                    Applied::Done {
                        signature: Some(signature),
                        ..
                    },
                    Some(mut note),
                ) => {
                    note.node.signature = signature;
                    carried.push(note);
                }
                // It stays in the plan, and what stands in the way is found and told there.
                (Applied::Blocked(_), _) => {}
                (Applied::Done { .. } | Applied::UserSaved | Applied::KeptBoth { .. }, _) => {
                    next = Next::Again;
                }
            }
        }
        let settled = carried.iter().map(|note| (note.path.clone(), note.came));
        let settled = settled.collect::<Vec<_>>();
        self.record(carried).await?;
        Ok(Published { settled, next })
    }

    async fn place(&self, arrivals: Vec<Arrival>) -> Result<Vec<(String, Applied)>, CycleFailure> {
        if arrivals.is_empty() {
            return Ok(Vec::new());
        }
        let (vault, side) = (self.vault.clone(), self.side.clone());
        let (now, observer) = (
            OffsetDateTime::from(self.clock.now()),
            self.observer.clone(),
        );
        blocking(move || {
            let reached = |step: ApplyStep| observer.reached(step.into());
            vault::place_arrivals(&vault, &side, now, arrivals, &reached)
        })
        .await
    }

    async fn record(&self, carried: Vec<Carried>) -> Result<(), CycleFailure> {
        if carried.is_empty() {
            return Ok(());
        }
        let paths: Vec<String> = carried.iter().map(|note| note.path.clone()).collect();
        let vault = self.vault.clone();
        blocking(move || {
            vault::make_durable(&vault, &vault, &paths).map_err(|source| CycleFailure::Disk {
                what: "the notes folder",
                source,
            })
        })
        .await?;
        self.observer.reached(Step::BeforeCommit);
        let (pair, news) = (self.pair.clone(), self.news(carried));
        self.state
            .with(move |state| state.publish(&pair, &news))
            .await?;
        self.observer.reached(Step::Committed);
        Ok(())
    }

    fn news(&self, carried: Vec<Carried>) -> Publication {
        let mut news = Publication {
            at_ms: self.clock.now_ms(),
            root_ino: Some(self.root_ino),
            batch: i64::try_from(self.number).unwrap_or(i64::MAX),
            ..Publication::default()
        };
        for note in carried {
            let Carried {
                path,
                node,
                text,
                came,
            } = note;
            news.texts.extend(text);
            let action = match came {
                Came::Uploaded => Some(ChangeAction::Upload),
                Came::Downloaded => Some(ChangeAction::Download),
                Came::Equal => None,
            };
            news.activity
                .extend(action.map(|action| (path.clone(), action)));
            news.set.insert(path, node);
        }
        news
    }
}
