//! The loop that owns the engine's state. Tasks bring inputs, the model changes, views go out.

use std::collections::VecDeque;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use wire::SubscriptionOut;

use super::change_stream::Followed;
use super::files::FileEvents;
use super::link::Link;
use super::model::{Model, render};
use super::run::{Ended, QueuedRun};
use super::trip::TripEnd;
use super::{Ask, StartError, start};
use crate::account::{Account, AuthError, SignInError, SignInEvent, SignedIn};
use crate::config::{Config, Mode};
use crate::cycle::StateHandle;
use crate::lane::Hint;
use crate::metered::{Cost, Meter};
use crate::mounts::MountSettings;
use crate::notice::Told;
use crate::places::Places;
use crate::proxy::ChosenProxy;
use crate::secrets::{SecretError, SecretStore};
use crate::view::{AccountView, ProgressView, RcloneView};
use crate::wake::Clocks;
use crate::{Refusal, Reply, View};
use mounting::Mounts;

mod choices;
mod conflicts;
mod credentials;
mod doctor;
mod explaining;
mod export;
mod filtering;
mod history;
mod installing;
mod leaving;
mod loading;
mod looking;
mod made;
mod mounting;
mod opening;
mod placing;
mod requests;
mod session;
mod setting_up;
mod writing;

use conflicts::{Decision, DecisionEnd};
use history::RestoreEnd;
use setting_up::SetUp;

/// Conflicts and activity lines that a view holds at most.
const CONFLICTS: u32 = 100;
const ACTIVITY: u32 = 50;

type Answer = oneshot::Sender<Result<Reply, Refusal>>;

/// What tasks report to the loop.
pub(super) enum Input {
    SignIn(SignInEvent),
    SignInEnded(Box<Result<SignedIn, SignInError>>),
    /// What the account of this key has.
    Subscription(
        String,
        Box<Result<SubscriptionOut, AuthError>>,
        Option<Answer>,
    ),
    /// The account of this key was signed out.
    SignedOut(Option<String>, Result<(), AuthError>, Answer),
    SecretsOpened(Result<(), SecretError>, Answer),
    SetUp(Box<Result<SetUp, Refusal>>, Answer),
    /// The sign-in is kept, and the drive can be written down.
    Mount(Box<Result<MountSettings, Refusal>>, Answer),
    Rclone(Result<rclone::Binary, RcloneView>),
    /// A program that a person named was tested.
    RcloneChosen(Box<Result<rclone::Binary, Refusal>>, Answer),
    RunEnded(Box<Ended>),
    /// Something happened at these paths.
    Saved(Vec<PathBuf>),
    /// So much changed in the folders that everything is looked at.
    FilesChanged,
    TripEnded(Box<TripEnd>),
    DecisionEnded(Box<DecisionEnd>),
    RestoreEnded(Box<RestoreEnd>),
    /// The cloud may have changed at these paths, by the change of this number.
    Hinted {
        seq: i64,
        hints: Vec<(String, Hint)>,
    },
    /// The change stream is open, and every change up to `seq` was told; `missed` if changes from
    /// before are unknown.
    StreamLive {
        seq: i64,
        missed: bool,
    },
    StreamLost,
    /// The server lets the account in no more; this device may not know why.
    Lapsed,
    /// File events are not to be had; the interval alone tells.
    FileEventsLost(String),
    /// What a byte costs from now on.
    Cost(Cost),
    /// A question that was answered beside the loop.
    Answered(Box<Result<Reply, Refusal>>, Answer),
    /// This device has another key, and the link already uses it.
    KeyReplaced(Box<Result<Link, Refusal>>, Answer),
}

pub(super) struct Core {
    pub(super) config: Config,
    /// What this device is called where no account gave it a name.
    host: String,
    pub(super) model: Model,
    pub(super) state: StateHandle,
    pub(super) secrets: SecretStore,
    pub(super) account: Option<Account>,
    pub(super) rclone: Option<rclone::Binary>,
    pub(super) link: Option<Link>,
    pub(super) queue: VecDeque<QueuedRun>,
    decisions: VecDeque<(Decision, Answer)>,
    /// Versions to be put back, by id.
    restores: VecDeque<(String, Answer)>,
    tidied_at_ms: Option<i64>,
    tidying: Option<JoinHandle<()>>,
    pub(super) running: Option<CancellationToken>,
    pub(super) progress: watch::Sender<Option<ProgressView>>,
    pub(super) limits: watch::Sender<guard::Limits>,
    pub(super) proxy: ChosenProxy,
    meter: Option<Meter>,
    /// When the server was last asked about a period that is over.
    asked_at: Option<Instant>,
    pub(super) numbers: u64,
    pub(super) signing_in: Option<CancellationToken>,
    pub(super) inputs: mpsc::Sender<Input>,
    received: Option<mpsc::Receiver<Input>>,
    /// When the next pass is due by itself.
    due: Option<Instant>,
    /// Something asked for a pass while one was running.
    dirty: bool,
    /// Failures in a row, for the back-off.
    failures: u32,
    files: Option<FileEvents>,
    /// When file events were last asked for.
    watched_at: Instant,
    clocks: Clocks,
    pub(super) hints: Option<Followed>,
    pub(super) mounts: Mounts,
    /// Whether others' changes are told as they happen.
    pub(super) stream_live: bool,
    /// The newest number of the change stream that was told.
    pub(super) stream_seq: Option<i64>,
    /// What a person was told so far.
    told: Told,
    /// Answers that go out after the view that shows what they tell.
    answers: Vec<(Answer, Result<Reply, Refusal>)>,
    view: watch::Sender<Arc<View>>,
    stop: CancellationToken,
    _lock: File,
}

impl Core {
    pub(super) async fn open(
        config: Config,
        passphrase: Option<secrecy::SecretString>,
        stop: CancellationToken,
    ) -> Result<Self, StartError> {
        let opened = {
            let config = config.clone();
            tokio::task::spawn_blocking(move || start::open(&config))
                .await
                .map_err(|error| StartError::State(error.to_string()))??
        };
        let secrets = SecretStore::new(&config.places, config.secrets, passphrase);
        let proxy = ChosenProxy::default();
        proxy.choose(crate::settings::choices::proxy(&opened.settings.choices));
        let (account, account_view) = match Account::load(&config.places, &config.clock, &secrets) {
            Ok(Some(account)) => {
                let view = session::signed_in_view(&account);
                let account = account.on_device(&config.device).behind(&proxy);
                (Some(account), view)
            }
            Ok(None) => (None, AccountView::SignedOut { reason: None }),
            Err(error) => (
                None,
                AccountView::SignedOut {
                    reason: Some(error.to_string()),
                },
            ),
        };
        let state = StateHandle::new(opened.state);
        let notice = opened.put_aside.map(|path| {
            format!(
                "The sync state was damaged and put aside as {}",
                path.display()
            )
        });
        let model = Model {
            settings: opened.settings,
            account: account_view,
            secret_store: secrets.in_use(),
            notice,
            starting: matches!(config.mode, Mode::Background { .. }),
            mount_support: crate::mounts::support(),
            ..Model::empty(&config.device)
        };
        let clocks = Clocks::new(config.clock.now_ms(), Instant::now());
        let (inputs, received) = mpsc::channel(64);
        let limits = crate::settings::choices::limits(&model.settings.choices);
        let view = watch::Sender::new(Arc::new(render(&model, config.clock.now_ms())));
        let mut core = Self {
            host: config.device.clone(),
            config,
            model,
            state,
            secrets,
            account,
            rclone: None,
            link: None,
            queue: VecDeque::new(),
            decisions: VecDeque::new(),
            restores: VecDeque::new(),
            tidied_at_ms: None,
            tidying: None,
            running: None,
            progress: watch::Sender::new(None),
            limits: watch::Sender::new(limits),
            proxy,
            meter: None,
            asked_at: None,
            numbers: 0,
            signing_in: None,
            inputs,
            received: Some(received),
            due: None,
            dirty: false,
            failures: 0,
            files: None,
            watched_at: Instant::now(),
            clocks,
            hints: None,
            mounts: Mounts::none(),
            stream_live: false,
            stream_seq: None,
            told: Told::default(),
            answers: Vec::new(),
            view,
            stop,
            _lock: opened.lock,
        };
        core.load_pairs().await;
        core.publish_view();
        Ok(core)
    }

    pub(super) fn view(&self) -> watch::Receiver<Arc<View>> {
        self.view.subscribe()
    }

    pub(super) fn places(&self) -> &Places {
        &self.config.places
    }

    /// Until it is stopped. `serving` lets other programs in.
    pub(super) async fn run(
        mut self,
        mut asks: mpsc::Receiver<Ask>,
        serving: Option<JoinHandle<()>>,
    ) {
        let (Some(mut received), Some(mut reports)) =
            (self.received.take(), self.mounts.received.take())
        else {
            return;
        };
        let mut progress = self.progress.subscribe();
        self.look_for_rclone();
        self.read_meter();
        self.watch_files();
        self.follow_changes();
        if self.interval().is_some() {
            self.due = Some(Instant::now());
            if self.account.is_some() {
                self.ask_subscription(None);
            }
        }
        let mut age = tokio::time::interval(Duration::from_secs(1));
        age.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let due = self.due;
            tokio::select! {
                () = self.stop.cancelled() => break,
                Some(ask) = asks.recv() => self.take_ask(ask).await,
                Some(input) = received.recv() => self.take_input(input).await,
                Some(report) = reports.recv() => self.take_report(report).await,
                Ok(()) = progress.changed() => {
                    let seen = progress.borrow_and_update().clone();
                    self.show_progress(seen);
                }
                () = sleep_until(due) => self.pass_is_due(),
                _ = age.tick() => {
                    self.look_at_clocks();
                    self.look_at_the_time();
                }
            }
            self.start_next_run();
            self.publish_view();
        }
        self.end_mounts(&mut reports).await;
        self.wind_down(&mut received).await;
        // Who gets the lock next listens at the same place.
        if let Some(serving) = serving
            && let Err(error) = serving.await
        {
            tracing::error!(%error, "the control socket ended unexpectedly");
        }
    }

    async fn take_ask(&mut self, ask: Ask) {
        let Ask { request, answer } = ask;
        self.take_request(request, answer).await;
    }

    async fn take_input(&mut self, input: Input) {
        match input {
            Input::SignIn(event) => self.show_sign_in(event),
            Input::SignInEnded(result) => self.end_sign_in(*result).await,
            Input::Subscription(of, result, answer) => {
                self.take_subscription(&of, *result, answer).await;
            }
            Input::SignedOut(of, result, answer) => {
                self.finish_sign_out(of, result, answer).await;
            }
            Input::SecretsOpened(result, answer) => self.secrets_are_open(result, answer),
            Input::SetUp(result, answer) => self.finish_set_up(*result, answer).await,
            Input::Mount(result, answer) => self.finish_mount(*result, answer),
            Input::Rclone(found) => self.take_rclone(found),
            Input::RcloneChosen(tested, answer) => self.take_choice_of_rclone(*tested, answer),
            Input::RunEnded(ended) => self.end_run(*ended).await,
            Input::Saved(paths) => self.take_saved(paths),
            Input::FilesChanged => self.pass_within(QUIET),
            Input::TripEnded(end) => self.end_trip(*end).await,
            Input::DecisionEnded(end) => self.end_decision(*end).await,
            Input::RestoreEnded(end) => self.end_restore(*end).await,
            Input::Hinted { seq, hints } => {
                self.stream_seq = Some(seq);
                self.take_hints(&hints);
            }
            Input::StreamLive { seq, missed } => {
                self.stream_seq = Some(seq);
                self.stream_is_live(missed);
            }
            Input::Answered(result, answer) => self.reply(answer, *result),
            Input::KeyReplaced(result, answer) => self.take_new_key(*result, answer),
            Input::Cost(cost) => self.take_cost(cost),
            Input::Lapsed => self.ask_subscription(None),
            Input::StreamLost => {
                self.stream_live = false;
                self.plan_next_pass(None);
            }
            Input::FileEventsLost(reason) => {
                tracing::warn!(reason, "file events are incomplete, the interval goes on");
                self.model.unwatched = Some(reason);
                self.plan_next_pass(None);
            }
        }
    }

    pub(super) fn take_rclone(&mut self, found: Result<rclone::Binary, RcloneView>) {
        match found {
            Ok(binary) => {
                self.model.rclone = RcloneView::Ready {
                    version: binary.version.to_string(),
                    path: binary.path.display().to_string(),
                };
                self.rclone = Some(binary);
            }
            Err(view) => {
                self.rclone = None;
                self.model.rclone = view;
            }
        }
    }

    /// Plans a pass of all pairs in `delay`, unless one is due sooner.
    pub(super) fn pass_within(&mut self, delay: Duration) {
        if self.interval().is_some() {
            let wanted = Instant::now() + delay;
            self.due = Some(self.due.map_or(wanted, |due| due.min(wanted)));
        }
    }

    /// Plans the pass after a run: by the interval, or by back-off while something fails.
    pub(super) fn plan_next_pass(&mut self, failed: Option<Retry>) {
        let Some(interval) = self.interval() else {
            return;
        };
        let delay = match failed {
            None => {
                self.failures = 0;
                interval
            }
            Some(Retry::Later) => interval,
            Some(Retry::BackOff) => {
                self.failures = (self.failures + 1).min(5);
                interval.min(Duration::from_secs(1 << self.failures))
            }
        };
        self.due = Some(Instant::now() + delay);
        if std::mem::take(&mut self.dirty) {
            self.pass_within(QUIET);
        }
    }

    /// A pass that came due while the lane ran, or none at all, is planned again.
    pub(super) fn resume_passes(&mut self) {
        if std::mem::take(&mut self.dirty) {
            self.pass_within(Duration::ZERO);
        } else if let (None, Some(interval)) = (self.due, self.interval()) {
            self.due = Some(Instant::now() + interval);
        }
    }

    /// What happened while the machine slept, no event told.
    fn look_at_clocks(&mut self) {
        self.model.late_after_ms = self.interval().map(late_after_ms);
        let now_ms = self.config.clock.now_ms();
        let slept = self.clocks.slept(now_ms, Instant::now());
        if slept {
            self.model.free_since_ms = None;
        }
        self.model.look_whether_free(now_ms);
        if slept {
            tracing::info!("the machine slept; everything is looked at again");
            self.watch_files();
            self.follow_changes();
            self.pass_within(Duration::ZERO);
        }
    }

    fn pass_is_due(&mut self) {
        self.due = None;
        if self.model.unwatched.is_some() && self.watched_at.elapsed() > WATCH_AGAIN {
            self.watch_files();
        }
        if self.running.is_some() || !self.queue.is_empty() {
            self.dirty = true;
            return;
        }
        let now_ms = self.config.clock.now_ms();
        let ready = self.account.is_some() && self.model.carries(now_ms);
        if ready {
            self.queue_all();
        } else {
            self.plan_next_pass(None);
        }
    }

    /// The time between two passes; longer while the change stream tells what happens.
    fn interval(&self) -> Option<Duration> {
        let interval = match self.config.mode {
            Mode::Background { interval } => interval.unwrap_or_else(|| {
                Duration::from_secs(u64::from(self.model.settings.choices.interval_s))
            }),
            Mode::OnRequest => return None,
        };
        Some(if self.stream_live && self.model.unwatched.is_none() {
            interval * 5
        } else {
            interval
        })
    }

    /// Watches the folders of this account's pairs, in background mode.
    pub(super) fn watch_files(&mut self) {
        if self.interval().is_none() {
            return;
        }
        let folders = self
            .model
            .pairs
            .iter()
            .map(|pair| pair.settings.folder.clone());
        self.model.unwatched = None;
        self.watched_at = Instant::now();
        self.files = FileEvents::watch(&folders.collect::<Vec<_>>(), &self.inputs);
    }

    fn show_progress(&mut self, progress: Option<ProgressView>) {
        let Some(progress) = progress else { return };
        for pair in &mut self.model.pairs {
            if pair
                .running
                .as_ref()
                .is_some_and(|running| running.number == progress.number)
            {
                pair.running = Some(progress.clone());
            }
        }
    }

    /// Sends the view out if it changed.
    pub(super) fn publish_view(&mut self) {
        self.model.secret_store = self.secrets.in_use();
        self.show_account();
        self.share_with_mounts();
        self.decide_notices();
        let view = render(&self.model, self.config.clock.now_ms());
        self.view.send_if_modified(|current| {
            let changed = **current != view;
            if changed {
                *current = Arc::new(view);
            }
            changed
        });
        for (answer, result) in self.answers.drain(..) {
            if answer.send(result).is_err() {
                tracing::debug!("nobody waits for this answer any more");
            }
        }
    }

    pub(super) fn reply(&mut self, answer: Answer, result: Result<Reply, Refusal>) {
        self.answers.push((answer, result));
    }

    pub(super) fn quit(&self) {
        self.stop.cancel();
    }
}

/// How long after the last try file events are asked for again where some are missing.
const WATCH_AGAIN: Duration = Duration::from_secs(600);

/// Without a pass for three intervals, and this long at least, something is wrong.
const LATE: Duration = Duration::from_secs(900);

fn late_after_ms(interval: Duration) -> i64 {
    i64::try_from((interval * 3).max(LATE).as_millis()).unwrap_or(i64::MAX)
}

/// A burst of file events is over after this long without one.
pub(super) const QUIET: Duration = Duration::from_millis(500);

/// When a failed run is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retry {
    BackOff,
    Later,
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
