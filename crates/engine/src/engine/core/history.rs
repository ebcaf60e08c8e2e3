//! Earlier versions as front ends ask about them. Restoring takes turns with runs and the lane.

use std::time::Duration;

use guard::Bucket;
use tokio_util::sync::CancellationToken;

use super::{Answer, Core, Input};
use crate::account::Account;
use crate::cycle::Confirmed;
use crate::engine::link::open_bucket;
use crate::history::{self, HistoryError, Restored, Retention, Shelf};
use crate::view::{HaltAction, HistoryView};
use crate::{Clock, Refusal, Reply, RunKind};

/// How often old versions are looked for, in milliseconds.
const TIDY_EVERY_MS: i64 = 3_600_000;

/// Versions in the cloud are left out where the way there does not open within this time.
const PATIENCE: Duration = Duration::from_secs(5);

/// A restore that was carried out, or not.
pub(in crate::engine) struct RestoreEnd {
    result: Result<Restored, HistoryError>,
    answer: Answer,
}

impl Core {
    pub(super) fn list_history(
        &mut self,
        pair: Option<&str>,
        path: Option<String>,
        after: Option<String>,
        answer: Answer,
    ) {
        let mut shelves = self.shelves();
        if let Some(id) = pair {
            if let Err(refusal) = self.pair(id) {
                return self.reply(answer, Err(refusal));
            }
            shelves.retain(|shelf| shelf.pair == id);
        }
        let way = self.way();
        self.answer_with(answer, async move {
            if path.is_some() {
                way.lead(&mut shelves).await;
            }
            let (versions, next) = history::list(&shelves, path, after.as_deref()).await?;
            Ok(Reply::History { versions, next })
        });
    }

    pub(super) fn read_version(&self, id: String, answer: Answer) {
        let (mut shelves, way) = (self.shelves(), self.way());
        self.answer_with(answer, async move {
            if history::is_in_cloud(&id) {
                way.lead(&mut shelves).await;
            }
            let (version, text) = history::read(&shelves, &id).await?;
            Ok(Reply::Version { version, text })
        });
    }

    fn answer_with(
        &self,
        answer: Answer,
        work: impl Future<Output = Result<Reply, HistoryError>> + Send + 'static,
    ) {
        let inputs = self.inputs.clone();
        tokio::spawn(async move {
            let result = work.await.map_err(|error| refusal(&error));
            let input = Input::Answered(Box::new(result), answer);
            if inputs.send(input).await.is_err() {
                tracing::debug!("the engine stopped meanwhile");
            }
        });
    }

    pub(super) fn restore_version(&mut self, id: String, answer: Answer) {
        self.restores.push_back((id, answer));
    }

    /// Starts the next restore; answers whether there was one.
    pub(in crate::engine) fn start_restore(&mut self) -> bool {
        let Some((id, answer)) = self.restores.pop_front() else {
            return false;
        };
        let (mut shelves, way) = (self.shelves(), self.way());
        let inputs = self.inputs.clone();
        self.running = Some(CancellationToken::new());
        tokio::spawn(async move {
            if history::is_in_cloud(&id) {
                way.lead(&mut shelves).await;
            }
            let result = history::restore(&shelves, &id).await;
            let end = Box::new(RestoreEnd { result, answer });
            if inputs.send(Input::RestoreEnded(end)).await.is_err() {
                tracing::debug!("the engine stopped during a restore");
            }
        });
        true
    }

    pub(super) async fn end_restore(&mut self, end: RestoreEnd) {
        self.running = None;
        self.resume_passes();
        let RestoreEnd { result, answer } = end;
        let result = match result {
            Ok(Restored { pair, path, undo }) => {
                if let Some(pair) = self.model.pair_mut(&pair) {
                    pair.waiting_for_lane.note_saved(&path);
                }
                Ok(Reply::Restored { path, undo })
            }
            Err(error) => Err(refusal(&error)),
        };
        self.load_lists().await;
        self.reply(answer, result);
    }

    pub(super) async fn undo_last_sync(&mut self, id: String) -> Result<Reply, Refusal> {
        self.pair(&id)?;
        let pair = id.clone();
        let last = self.state.with(move |state| state.last_batch(&pair)).await;
        match last {
            Ok(versions) if versions.is_empty() => {
                let refusal = Refusal::new("nothing_to_undo", "Sync replaced or removed nothing");
                Err(refusal.hint("History lists what it ever did."))
            }
            Ok(_) => {
                let number = self.queue_runs(vec![id], RunKind::Sync, Confirmed::Undo);
                Ok(Reply::Run { number })
            }
            Err(error) => Err(Refusal::new("state", error.to_string())),
        }
    }

    pub(super) fn restore_halted(&mut self, id: String) -> Result<Reply, Refusal> {
        let halt = self.pair(&id)?.halt.as_ref();
        let can = halt.is_some_and(|halt| halt.actions.contains(&HaltAction::Restore));
        if !can {
            let message = "There is nothing to bring back";
            return Err(Refusal::new("nothing_to_restore", message));
        }
        let number = self.queue_runs(vec![id], RunKind::Sync, Confirmed::Restore);
        Ok(Reply::Run { number })
    }

    /// Takes old versions off the disk, now and then.
    pub(in crate::engine) fn tidy_history(&mut self) {
        let now_ms = self.config.clock.now_ms();
        let tidied = self.tidied_at_ms;
        if tidied.is_some_and(|at| (0..TIDY_EVERY_MS).contains(&(now_ms - at))) {
            return;
        }
        self.tidied_at_ms = Some(now_ms);
        let (state, retention) = (self.state.clone(), self.retention());
        self.tidying = Some(tokio::spawn(async move {
            match history::tidy(&state, retention, now_ms).await {
                Ok(0) => {}
                Ok(count) => tracing::info!(count, "old versions were removed from history"),
                Err(error) => tracing::warn!(%error, "history could not be tidied"),
            }
        }));
    }

    /// A command that runs once has no later time for it.
    pub(super) async fn finish_tidying(&mut self) {
        if let Some(tidying) = self.tidying.take()
            && let Err(error) = tidying.await
        {
            tracing::error!(%error, "tidying history ended unexpectedly");
        }
    }

    #[cfg(test)]
    pub(in crate::engine) fn has_tidied(&self) -> bool {
        self.tidied_at_ms.is_some()
    }

    pub(super) fn retention(&self) -> Retention {
        let choices = &self.model.settings.choices;
        Retention {
            days: choices.history_days,
            budget_mib: choices.history_budget_mib,
        }
    }

    pub(super) fn history_view(&self, held: crate::state::Held) -> HistoryView {
        let Retention { days, budget_mib } = self.retention();
        HistoryView {
            days,
            budget_mib: u64::from(budget_mib),
            used_bytes: held.bytes,
            versions: held.versions,
        }
    }

    fn way(&self) -> Way {
        Way {
            known: self.link.as_ref().map(|link| link.bucket.clone()),
            account: self.account.clone(),
            clock: self.config.clock.clone(),
        }
    }

    fn shelves(&self) -> Vec<Shelf> {
        let shelf = |pair: &crate::engine::model::PairModel| Shelf {
            pair: pair.settings.id.clone(),
            vault: pair.settings.folder.clone(),
            side_home: self.config.places.data.clone(),
            state: self.state.clone(),
            bucket: None,
            device: self.config.device.clone(),
            clock: self.config.clock.clone(),
        };
        self.model.pairs.iter().map(shelf).collect()
    }
}

/// The way to the bucket, opened where no run has done so yet.
struct Way {
    known: Option<Bucket>,
    account: Option<Account>,
    clock: Clock,
}

impl Way {
    async fn lead(self, shelves: &mut [Shelf]) {
        let bucket = match (self.known, &self.account) {
            (Some(bucket), _) => Some(bucket),
            (None, Some(account)) => {
                let opening = opened(account, &self.clock);
                tokio::time::timeout(PATIENCE, opening)
                    .await
                    .unwrap_or_default()
            }
            (None, None) => None,
        };
        for shelf in shelves {
            shelf.bucket.clone_from(&bucket);
        }
    }
}

async fn opened(account: &Account, clock: &Clock) -> Option<Bucket> {
    let credentials = match account.bucket_credentials().await {
        Ok(credentials) => credentials,
        Err(error) => {
            tracing::debug!(%error, "there is no way to the versions in the cloud");
            return None;
        }
    };
    open_bucket(credentials, clock, &account.proxy())
        .inspect_err(|error| tracing::debug!(%error, "there is no way to the cloud"))
        .ok()
}

fn refusal(error: &HistoryError) -> Refusal {
    let refusal = Refusal::new(error.code(), error.to_string());
    match error {
        HistoryError::NotFound => refusal.hint("History lists the versions that there are."),
        HistoryError::Gone => refusal.hint("History keeps versions for a time; see the settings."),
        HistoryError::Offline | HistoryError::CloudAway => {
            refusal.hint("Versions of this device are here all the same.")
        }
        HistoryError::NoSuchPage => refusal.hint("Begin with the newest versions again."),
        HistoryError::Busy
        | HistoryError::Blocked { .. }
        | HistoryError::Bucket(_)
        | HistoryError::State(_)
        | HistoryError::Side(_)
        | HistoryError::Apply(_)
        | HistoryError::Cycle(_) => refusal,
    }
}
