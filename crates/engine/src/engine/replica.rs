//! A bucket kept as a folder for a program: a pair with nobody in front of it.
//!
//! The same lane, cycles and baseline as a person's folder. What differs is who answers a halt: the
//! folder is never the only place of a note, so a lost one is filled again, deletes go on (the
//! people's own devices ask them), and only what could be a broken bucket waits.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use guard::{Access, Bucket, Guard};
use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::StartError;
use super::core::Input;
use super::files::FileEvents;
use super::start;
use super::trip::note_path;
use crate::brakes::Brake;
use crate::config::Observer;
use crate::cycle::{self, Confirmed, CycleFailure, CycleInput, Place, StateHandle, Tally};
use crate::filters::Filters;
use crate::lane::{self, Hint, LaneInput, MOST_PATHS};
use crate::places::create_private;
use crate::profile::{AccessCheck, ConflictRule, Profile};
use crate::vault::RootError;
use crate::{Clock, Places, RunKind, memory};

/// One replica in one state folder.
const PAIR: &str = "pair_replica";
/// How often everything is compared though nothing was heard: the fallback of all notifications.
const INTERVAL: Duration = Duration::from_secs(30);
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A change of a whole folder is looked at this soon.
const QUIET: Duration = Duration::from_millis(200);
/// Deletes that pass one by one until a pass looks whether the folder itself was lost.
const SPARE_DELETES: usize = 8;
const PROFILE: Profile = Profile {
    conflict: ConflictRule::MergeOrKeepBoth,
    max_delete_percent: 100,
    access_check: AccessCheck::Skipped,
};

/// What a replica is made of.
#[derive(Clone, Debug)]
pub struct ReplicaSpec {
    /// The folder that programs work in; made if it is not there.
    pub folder: PathBuf,
    /// Where the replica keeps what it knows; of this replica alone.
    pub places: Places,
    pub bucket: Bucket,
    pub rclone: rclone::Binary,
    /// What conflict copies made here are named after.
    pub device: String,
    pub clock: Clock,
}

/// How the folder stands to the bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplicaState {
    /// Not compared since the start.
    Filling,
    /// Equal, but for what is pending.
    Following,
    /// Something has to be mended from outside; what is in the folder can be read.
    Waiting { code: String, message: String },
    /// Tried again by itself; what is in the folder can be read.
    Retrying { code: String, message: String },
    /// As before, but trying again will hardly help.
    Refused { code: String, message: String },
}

/// What a replica tells of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaTold {
    pub state: ReplicaState,
    /// Paths that are known to have changed on one side only.
    pub pending: usize,
    /// When the oldest of them was heard of.
    pub since: Option<Instant>,
}

/// What the replica changed in its folder, or looked at and found to be so already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrived {
    Paths(BTreeSet<String>),
    /// More than can be named.
    Anything,
}

enum Command {
    Hinted(BTreeSet<String>),
    LookAtEverything,
}

/// A replica at work.
#[derive(Debug)]
pub struct Replica {
    turn: Arc<Mutex<()>>,
    commands: mpsc::Sender<Command>,
    told: watch::Receiver<ReplicaTold>,
    stop: CancellationToken,
    abort: CancellationToken,
    task: JoinHandle<()>,
}

impl Replica {
    /// Opens the state and begins to fill the folder. What changes in it is sent to `arrived`.
    ///
    /// # Errors
    /// [`StartError`] when another replica uses the same places, or they cannot be used.
    pub async fn start(
        spec: ReplicaSpec,
        arrived: mpsc::Sender<Arrived>,
    ) -> Result<Self, StartError> {
        let places = spec.places.clone();
        let folder = spec.folder.clone();
        let clock = spec.clock.clone();
        let opened = tokio::task::spawn_blocking(move || {
            let unusable = |path: &PathBuf| {
                let path = path.clone();
                move |source| StartError::Folder { path, source }
            };
            std::fs::create_dir_all(&folder).map_err(unusable(&folder))?;
            let run = places.runtime.join("run");
            create_private(&run).map_err(unusable(&run))?;
            start::open_state(&places, &clock)
        });
        let (lock, state) = opened
            .await
            .map_err(|error| StartError::State(error.to_string()))??;
        let guard =
            Guard::start(spec.bucket.clone())
                .await
                .map_err(|source| StartError::Folder {
                    path: spec.places.runtime.clone(),
                    source,
                })?;
        let (commands, received) = mpsc::channel(64);
        let (inputs, events) = mpsc::channel(64);
        let (tell, told) = watch::channel(ReplicaTold {
            state: ReplicaState::Filling,
            pending: 0,
            since: None,
        });
        let (stop, abort) = (CancellationToken::new(), CancellationToken::new());
        let files = FileEvents::watch(std::slice::from_ref(&spec.folder), &inputs);
        let turn = Arc::new(Mutex::new(()));
        let follower = Follower {
            spec,
            turn: Arc::clone(&turn),
            state: StateHandle::new(state),
            guard: Arc::new(guard),
            saved: BTreeSet::new(),
            hinted: BTreeSet::new(),
            since: None,
            due: Some(Instant::now()),
            look: true,
            failures: 0,
            longest_pause: FIRST_PAUSE,
            settled: false,
            runs: 0,
            deletes: 0,
            obstructed: Vec::new(),
            tell,
            arrived,
            abort: abort.clone(),
            _files: files,
            _lock: lock,
        };
        let task = tokio::spawn(follower.run(received, events, stop.clone()));
        Ok(Self {
            turn,
            commands,
            told,
            stop,
            abort,
            task,
        })
    }

    /// Held while the replica changes its folder. A program that reads a note there and writes it
    /// back whole holds it meanwhile: what arrived in between would look like the older version.
    pub fn turn(&self) -> Arc<Mutex<()>> {
        Arc::clone(&self.turn)
    }

    /// Has these paths compared now. Nothing is believed but where to look.
    pub async fn hint(&self, paths: BTreeSet<String>) {
        self.command(Command::Hinted(paths)).await;
    }

    /// Has everything compared now.
    pub async fn look_at_everything(&self) {
        self.command(Command::LookAtEverything).await;
    }

    async fn command(&self, command: Command) {
        if self.commands.send(command).await.is_err() {
            tracing::debug!("the replica has stopped");
        }
    }

    pub fn told(&self) -> watch::Receiver<ReplicaTold> {
        self.told.clone()
    }

    /// Carries what was saved in the folder up to now, then ends. What is not carried `within` this
    /// time is, at the next start.
    pub async fn stop(mut self, within: Duration) {
        self.stop.cancel();
        if tokio::time::timeout(within, &mut self.task).await.is_err() {
            tracing::info!("the replica goes on at its next start");
            self.abort.cancel();
            if let Err(error) = self.task.await {
                tracing::warn!(%error, "the replica ended unexpectedly");
            }
        }
    }
}

/// What a brake means where nobody can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    GoOn,
    FillAgain,
    Wait,
}

fn answer(failure: &CycleFailure) -> Answer {
    let CycleFailure::Braked(brake) = failure else {
        let is_lost = matches!(
            failure,
            CycleFailure::RootReplaced | CycleFailure::Root(RootError::Missing)
        );
        return if is_lost {
            Answer::FillAgain
        } else {
            Answer::Wait
        };
    };
    match brake {
        Brake::TooManyDeletes { .. } | Brake::VersioningOff { .. } => Answer::GoOn,
        Brake::VaultEmptied { .. } | Brake::ListingsLost { .. } => Answer::FillAgain,
        Brake::CloudEmptied { .. }
        | Brake::AccessCheckFailed
        | Brake::MarkerRewritten
        | Brake::MassRewrite { .. }
        | Brake::DiskFull { .. }
        | Brake::CaseCollision { .. } => Answer::Wait,
    }
}

struct Follower {
    spec: ReplicaSpec,
    turn: Arc<Mutex<()>>,
    state: StateHandle,
    guard: Arc<Guard>,
    saved: BTreeSet<String>,
    hinted: BTreeSet<String>,
    since: Option<Instant>,
    due: Option<Instant>,
    /// Whether the next pass is more than the fallback.
    look: bool,
    failures: u32,
    /// Between two tries; short until the folder was once equal, because somebody waits for it.
    longest_pause: Duration,
    /// Whether the last pass made both sides equal: only then may single paths move.
    settled: bool,
    runs: u64,
    /// Deletes that the lane carried since the last pass.
    deletes: usize,
    /// Paths that the last pass could not carry.
    obstructed: Vec<String>,
    tell: watch::Sender<ReplicaTold>,
    arrived: mpsc::Sender<Arrived>,
    abort: CancellationToken,
    _files: Option<FileEvents>,
    _lock: File,
}

impl Follower {
    async fn run(
        mut self,
        mut commands: mpsc::Receiver<Command>,
        mut events: mpsc::Receiver<Input>,
        stop: CancellationToken,
    ) {
        loop {
            self.show();
            let due = self.due;
            tokio::select! {
                () = stop.cancelled() => break,
                Some(command) = commands.recv() => self.take(command),
                Some(event) = events.recv() => self.take_event(event),
                () = sleep_until(due) => self.pass().await,
            }
            // What came in meanwhile goes along.
            while let Ok(command) = commands.try_recv() {
                self.take(command);
            }
            while let Ok(event) = events.try_recv() {
                self.take_event(event);
            }
            if self.settled && !(self.saved.is_empty() && self.hinted.is_empty()) {
                self.trip().await;
            }
        }
        // The last saves may be younger than their events.
        self.pass().await;
        self.show();
    }

    fn take(&mut self, command: Command) {
        match command {
            Command::Hinted(paths) => {
                self.hinted.extend(paths);
                self.since.get_or_insert_with(Instant::now);
            }
            Command::LookAtEverything => self.pass_within(Duration::ZERO),
        }
    }

    /// The watcher tells what the engine's loop hears, too; all else is not sent here.
    fn take_event(&mut self, event: Input) {
        if let Input::Saved(paths) = event {
            for path in paths {
                match note_path(&self.spec.folder, &path) {
                    Some(Some(note)) => {
                        self.saved.insert(note);
                        self.since.get_or_insert_with(Instant::now);
                    }
                    Some(None) => self.pass_within(QUIET),
                    None => {}
                }
            }
        } else if let Input::FileEventsLost(reason) = event {
            tracing::warn!(reason, "file events are incomplete, the interval goes on");
        } else {
            self.pass_within(QUIET);
        }
    }

    fn pass_within(&mut self, delay: Duration) {
        let wanted = Instant::now() + delay;
        self.due = Some(self.due.map_or(wanted, |due| due.min(wanted)));
        self.look = true;
        self.since.get_or_insert_with(Instant::now);
    }

    /// Carries what is plain of the named paths; the rest is left to a pass.
    async fn trip(&mut self) {
        let hinted = std::mem::take(&mut self.hinted);
        let saved = std::mem::take(&mut self.saved);
        if hinted.len() + saved.len() > MOST_PATHS {
            self.pass_within(Duration::ZERO);
            return;
        }
        let input = LaneInput {
            pair: PAIR.to_owned(),
            vault: self.spec.folder.clone(),
            side_home: self.spec.places.data.clone(),
            state: self.state.clone(),
            bucket: self.spec.bucket.clone(),
            filters: Filters::standard(),
            access: Access::ReadWrite,
            device: self.spec.device.clone(),
            clock: self.spec.clock.clone(),
            observer: Observer::none(),
            spare_deletes: SPARE_DELETES.saturating_sub(self.deletes),
            saved,
            hinted: hinted
                .iter()
                .map(|path| (path.clone(), Hint::Ask))
                .collect::<BTreeMap<_, _>>(),
        };
        let turn = self.turn.lock().await;
        let carried = lane::run(&input).await;
        drop(turn);
        match carried {
            Ok(trip) => {
                tracing::debug!(
                    uploaded = trip.tally.uploaded,
                    downloaded = trip.tally.downloaded,
                    removed = trip.deletes(),
                    left = trip.left.len(),
                    "the lane carried"
                );
                self.deletes += trip.deletes();
                let waited_for = self.obstructed.iter().any(|path| trip.makes_room_for(path));
                if trip.left.is_empty() && !waited_for {
                    self.since = None;
                } else {
                    self.pass_within(Duration::ZERO);
                }
                let carried: BTreeSet<String> = hinted.difference(&trip.left).cloned().collect();
                if !carried.is_empty() {
                    self.arrive(Arrived::Paths(carried)).await;
                }
            }
            Err(error) => {
                tracing::info!(%error, "the lane leaves it to a pass");
                self.pass_within(Duration::ZERO);
            }
        }
    }

    /// Compares everything and carries what differs.
    async fn pass(&mut self) {
        self.due = None;
        self.deletes = 0;
        self.saved.clear();
        let hinted = std::mem::take(&mut self.hinted);
        let asked = std::mem::take(&mut self.look);
        self.settled = false;
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let (tally, ended) = self.decide_and_run().await;
        drop(turn);
        memory::give_back();
        let arrived = tally.downloaded + tally.removed_here + tally.conflicts > 0;
        let problems = tally.problems.iter();
        self.obstructed = problems.map(|problem| problem.path.clone()).collect();
        match ended {
            Ok(()) => {
                self.failures = 0;
                self.longest_pause = LONGEST_PAUSE;
                self.settled = true;
                self.since = None;
                self.due = Some(Instant::now() + INTERVAL);
                // What was merged lies beside its note until the next pass.
                if tally.conflicts > 0 {
                    self.pass_within(Duration::ZERO);
                }
                self.tell(ReplicaState::Following);
            }
            Err(CycleFailure::Stopped) => {}
            Err(failure) => {
                let (code, message) = (failure.code().to_owned(), failure.to_string());
                self.failures = (self.failures + 1).min(8);
                let pause = (FIRST_PAUSE * (1 << (self.failures - 1))).min(self.longest_pause);
                self.due = Some(Instant::now() + pause);
                self.hinted.extend(hinted.iter().cloned());
                tracing::warn!(code, error = message, "the bucket and its folder differ");
                self.tell(if matches!(failure, CycleFailure::Braked(_)) {
                    ReplicaState::Waiting { code, message }
                } else if failure.is_transient() {
                    ReplicaState::Retrying { code, message }
                } else {
                    ReplicaState::Refused { code, message }
                });
            }
        }
        if arrived || asked && tally.carried {
            self.arrive(Arrived::Anything).await;
        } else if self.settled && !hinted.is_empty() {
            self.arrive(Arrived::Paths(hinted)).await;
        }
    }

    async fn decide_and_run(&mut self) -> (Tally, Result<(), CycleFailure>) {
        let (tally, ended) = self.cycle(RunKind::Sync, Confirmed::No).await;
        let Err(failure) = &ended else {
            return (tally, ended);
        };
        let again = match answer(failure) {
            Answer::GoOn => self.cycle(RunKind::Sync, Confirmed::Yes).await,
            Answer::FillAgain => {
                tracing::warn!(code = failure.code(), "the folder is filled again");
                if let Err(error) = std::fs::create_dir_all(&self.spec.folder) {
                    tracing::warn!(%error, "the folder could not be made");
                }
                self.cycle(RunKind::Resync, Confirmed::Yes).await
            }
            Answer::Wait => return (tally, ended),
        };
        (sum(&tally, again.0), again.1)
    }

    async fn cycle(
        &mut self,
        kind: RunKind,
        confirmed: Confirmed,
    ) -> (Tally, Result<(), CycleFailure>) {
        self.runs += 1;
        let places = &self.spec.places;
        let input = CycleInput {
            number: self.runs,
            pair: PAIR.to_owned(),
            vault: self.spec.folder.clone(),
            side_home: places.data.clone(),
            work: places.state.join("work"),
            run_dir: places.runtime.join("run"),
            profile: PROFILE,
            kind,
            access: Access::ReadWrite,
            confirmed,
            accepted: None,
            place: Place::Kept,
            state: self.state.clone(),
            bucket: self.spec.bucket.clone(),
            guard: Arc::clone(&self.guard),
            rclone: self.spec.rclone.clone(),
            filters: Filters::standard(),
            device: self.spec.device.clone(),
            mark: "bmc-replica-".to_owned(),
            clock: self.spec.clock.clone(),
            observer: Observer::none(),
            progress: watch::Sender::new(None),
            cancel: self.abort.clone(),
        };
        cycle::run(&input).await
    }

    async fn arrive(&self, arrived: Arrived) {
        if self.arrived.send(arrived).await.is_err() {
            tracing::debug!("nobody hears what arrived");
        }
    }

    fn tell(&self, state: ReplicaState) {
        self.tell.send_if_modified(|told| {
            let changed = told.state != state;
            told.state = state;
            changed
        });
    }

    fn show(&self) {
        let pending = self.saved.union(&self.hinted).count();
        let since = self.since;
        self.tell.send_if_modified(|told| {
            let changed = (told.pending, told.since) != (pending, since);
            (told.pending, told.since) = (pending, since);
            changed
        });
    }
}

/// What two runs did together.
fn sum(first: &Tally, second: Tally) -> Tally {
    Tally {
        uploaded: first.uploaded + second.uploaded,
        downloaded: first.downloaded + second.downloaded,
        removed_here: first.removed_here + second.removed_here,
        removed_in_cloud: first.removed_in_cloud + second.removed_in_cloud,
        conflicts: first.conflicts + second.conflicts,
        carried: first.carried || second.carried,
        ..second
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
