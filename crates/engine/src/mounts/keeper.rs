//! The task that owns one mount: it feeds the machine and carries out what that says.

mod away;
mod bring;
mod strays;

use std::sync::Arc;
use std::time::Duration;

use guard::{Access, GuardEvent, Session};
use rclone::mount::Daemon;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::machine::{Effect, Event, Fault, MINIMUM_LIFE, Phase, step};
use super::{MountSettings, Room, Times, Told, Words};
use crate::account::Account;
use crate::config::Config;
use crate::engine::Link;
use crate::view::MountState;
use crate::wake::Clocks;

use away::{Away, take_away};
use bring::{Brought, bring};

const TICK: Duration = Duration::from_secs(1);
/// While something is on its way, the count of waiting files is read this often.
const SOON: Duration = Duration::from_millis(200);
/// How long after the last sign of traffic that goes on.
const LIVELY: Duration = Duration::from_secs(5);

/// What a keeper takes from the engine.
#[derive(Clone)]
pub(crate) struct KeeperEnv {
    pub(crate) config: Config,
    /// Asked for a way to the bucket where `links` has none.
    pub(crate) account: Option<Account>,
    pub(crate) rclone: Option<rclone::Binary>,
    pub(crate) links: watch::Receiver<Option<Link>>,
    pub(crate) access: watch::Receiver<Access>,
    pub(crate) limits: watch::Receiver<guard::Limits>,
    pub(crate) reports: mpsc::Sender<Report>,
}

/// What the engine asks of a keeper.
#[derive(Debug)]
pub(crate) enum Command {
    Mount,
    Unmount,
    Change(MountSettings),
    /// The cloud may have changed in these folders.
    Refresh(Vec<String>),
    /// The same, for who waits until it is done.
    RefreshNow(Vec<String>, oneshot::Sender<()>),
}

/// What a keeper tells the engine.
pub(crate) enum Report {
    Told {
        mount: String,
        told: Told,
    },
    /// A way to the bucket that others can use too.
    Linked(Box<Link>),
    /// Something of this mount was stored or deleted.
    Stored {
        path: String,
        etag: Option<String>,
        size: Option<u64>,
    },
    /// This device's version of a note was stored beside the note.
    SetAside {
        mount: String,
        path: String,
        copy: String,
    },
}

/// A daemon with its way to the bucket.
pub(super) struct Running {
    pub(super) daemon: Daemon,
    pub(super) session: Session,
    /// The gateway lives as long as this.
    _link: Link,
}

enum Work {
    None,
    Bringing(JoinHandle<Result<Brought, bring::Failure>>),
    Taking(JoinHandle<Away>),
    Pausing(Instant),
}

/// One mount.
pub(crate) struct Keeper {
    settings: MountSettings,
    room: Room,
    env: KeeperEnv,
    phase: Phase,
    work: Work,
    running: Option<Arc<Running>>,
    events: Option<mpsc::Receiver<GuardEvent>>,
    since: Instant,
    lively_until: Instant,
    look_at: Instant,
    remembered: u64,
    clocks: Clocks,
    waiting: (u64, u64),
    words: Option<Words>,
    told: Option<Told>,
}

impl Keeper {
    pub(crate) fn new(settings: MountSettings, env: KeeperEnv) -> Self {
        let now = Instant::now();
        let clocks = Clocks::new(env.config.clock.now_ms(), now);
        Self {
            room: Room::new(&env.config.places, &settings.id),
            settings,
            env,
            phase: Phase::Unmounted,
            work: Work::None,
            running: None,
            events: None,
            since: now,
            lively_until: now,
            look_at: now,
            remembered: 0,
            clocks,
            waiting: (0, 0),
            words: None,
            told: None,
        }
    }

    /// Serves until nobody can send commands any more, then takes the mount away.
    pub(crate) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut access = self.env.access.clone();
        let mut closing = false;
        self.waiting = self.room.waiting();
        loop {
            self.tell().await;
            if closing && self.phase == Phase::Unmounted {
                return;
            }
            let pause = match (self.phase, Instant::now() < self.lively_until) {
                (Phase::Mounted { .. } | Phase::Unmounting { .. }, true) => SOON,
                _ => TICK,
            };
            let running = self.running.clone();
            let event = tokio::select! {
                command = commands.recv(), if !closing => match command {
                    Some(command) => self.take_command(command).await,
                    None => {
                        closing = true;
                        Some(Event::Unwanted)
                    }
                },
                event = finished(&mut self.work) => Some(self.take_work(event)),
                Some(event) = next_event(&mut self.events) => {
                    self.take_event(event).await;
                    None
                }
                () = died(running.as_deref()), if matches!(self.phase, Phase::Mounted { .. }) => {
                    Some(Event::Lost)
                }
                Ok(()) = access.changed() => {
                    let access = *access.borrow_and_update();
                    self.apply_access(access).await;
                    None
                }
                () = tokio::time::sleep(pause) => self.look().await,
            };
            // An engine that ends does not wait for a program to leave the folder.
            if closing && event == Some(Event::StillBusy) {
                self.give_up_busy().await;
                self.advance(Event::TakenAway);
            } else if let Some(event) = event {
                self.advance(event);
            }
        }
    }

    fn advance(&mut self, event: Event) {
        let (phase, effect) = step(self.phase, event, rand::random());
        if phase != self.phase {
            tracing::info!(
                mount.id = self.settings.id,
                ?phase,
                ?event,
                "the mount moved on"
            );
        }
        self.phase = phase;
        match effect {
            None => {}
            Some(Effect::Start) => {
                self.let_go();
                self.since = Instant::now();
                let (settings, room, env) =
                    (self.settings.clone(), self.room.clone(), self.env.clone());
                self.work = Work::Bringing(tokio::spawn(bring(settings, room, env)));
            }
            Some(Effect::Abandon) => {
                if let Work::Bringing(task) = &self.work {
                    task.abort();
                }
                self.work = Work::None;
                self.words = None;
            }
            Some(Effect::Pause(pause)) => {
                self.let_go();
                self.work = Work::Pausing(Instant::now() + pause);
            }
            Some(Effect::TakeAway) => match self.running.clone() {
                Some(running) => {
                    self.words = None;
                    self.lively_until = Instant::now() + LIVELY;
                    self.work = Work::Taking(tokio::spawn(take_away(running)));
                }
                None => self.work = Work::Taking(tokio::spawn(async { Away::Done })),
            },
            Some(Effect::Drop) => self.let_go(),
        }
    }

    /// What the daemon held is stored, or waits in its folder for the next.
    fn let_go(&mut self) {
        self.remember();
        self.running = None;
        self.events = None;
        self.waiting = self.room.waiting();
    }

    async fn take_command(&mut self, command: Command) -> Option<Event> {
        match command {
            Command::Mount => {
                self.words = None;
                Some(Event::Wanted)
            }
            Command::Unmount => Some(Event::Unwanted),
            Command::Change(settings) => {
                let needs_restart = settings.profile != self.settings.profile;
                self.settings = settings;
                needs_restart.then_some(Event::Changed)
            }
            Command::Refresh(folders) => {
                self.refresh(folders).await;
                None
            }
            Command::RefreshNow(folders, done) => {
                self.refresh(folders).await;
                // Who does not wait any more needs no answer.
                done.send(()).ok();
                None
            }
        }
    }

    async fn refresh(&self, folders: Vec<String>) {
        let Some(running) = &self.running else { return };
        for folder in folders {
            refresh(running, &folder).await;
        }
    }

    fn take_work(&mut self, finished: Finished) -> Event {
        self.work = Work::None;
        match finished {
            Finished::Pause => Event::PauseOver,
            Finished::Brought(Ok(brought)) => {
                let Brought { running, events } = *brought;
                running.session.set_access(*self.env.access.borrow());
                self.remembered = running.session.shown_changes();
                self.running = Some(Arc::new(running));
                self.events = Some(events);
                self.since = Instant::now();
                self.lively_until = self.since + LIVELY;
                self.words = None;
                Event::Started
            }
            Finished::Brought(Err(failure)) => {
                tracing::info!(
                    mount.id = self.settings.id,
                    message = failure.words.message,
                    "not mounted"
                );
                self.words = Some(failure.words);
                Event::NotStarted(if failure.is_transient {
                    Fault::Transient
                } else {
                    Fault::Permanent
                })
            }
            Finished::Away(Away::Done) => {
                self.remember();
                self.waiting = self.room.waiting();
                Event::TakenAway
            }
            Finished::Away(Away::Busy) => {
                self.words = Some(Words {
                    message: "A program still works in the folder".to_owned(),
                    hint: Some(
                        "Close it, or leave the folder in the terminal, and try again.".to_owned(),
                    ),
                });
                Event::StillBusy
            }
        }
    }

    async fn take_event(&mut self, event: GuardEvent) {
        self.lively_until = Instant::now() + LIVELY;
        match event {
            GuardEvent::Uploaded { key, size, etag } => {
                let (etag, size) = (Some(etag), Some(size));
                self.report(Report::Stored {
                    path: key,
                    etag,
                    size,
                })
                .await;
            }
            GuardEvent::Deleted { key } => {
                let (etag, size) = (None, None);
                self.report(Report::Stored {
                    path: key,
                    etag,
                    size,
                })
                .await;
            }
            GuardEvent::SetAside {
                key,
                stored,
                size,
                etag,
            } => {
                let mount = self.settings.id.clone();
                self.report(Report::Stored {
                    path: stored.clone(),
                    etag: Some(etag),
                    size: Some(size),
                })
                .await;
                self.report(Report::SetAside {
                    mount,
                    path: key.clone(),
                    copy: stored,
                })
                .await;
                if let Some(running) = &self.running {
                    refresh(running, parent(&key)).await;
                }
            }
            // What the daemon believes of this folder is not so any more; and what it could not
            // store goes beside the note as soon as it is tried again.
            GuardEvent::LostRace { key } => {
                if let Some(running) = &self.running {
                    hurry(running, |name| name == key).await;
                    refresh(running, parent(&key)).await;
                }
            }
            GuardEvent::ListedLate { folder } => {
                if let Some(running) = &self.running {
                    refresh(running, folder.trim_end_matches('/')).await;
                }
            }
            GuardEvent::Uploading { .. }
            | GuardEvent::Downloading { .. }
            | GuardEvent::Downloaded { .. }
            | GuardEvent::Refused { .. }
            | GuardEvent::Unreachable => {}
        }
    }

    async fn apply_access(&mut self, access: Access) {
        if let Some(running) = &self.running {
            running.session.set_access(access);
            if access == Access::ReadWrite {
                hurry(running, |_| true).await;
            }
        }
    }

    /// Looks after the mount, at each tick.
    async fn look(&mut self) -> Option<Event> {
        let now_ms = self.env.config.clock.now_ms();
        let woke = self.clocks.slept(now_ms, Instant::now());
        // What kept it away before the machine slept may be over.
        if woke && matches!(self.phase, Phase::Reconnecting { .. }) {
            return Some(Event::PauseOver);
        }
        let running = self.running.clone()?;
        if matches!(self.phase, Phase::Mounted { .. } | Phase::Unmounting { .. }) {
            self.count(&running).await;
            self.remember();
        }
        let Phase::Mounted { failures } = self.phase else {
            return None;
        };
        let now = Instant::now();
        if woke || now >= self.look_at {
            self.look_at = now + Times::of(self.settings.profile).poll;
            if let Err(error) = running.daemon.check().await {
                tracing::info!(%error, mount.id = self.settings.id, "the mount is not well");
                return Some(Event::Lost);
            }
            if woke {
                refresh(&running, "").await;
                hurry(&running, |_| true).await;
            }
        }
        (failures > 0 && now >= self.since + MINIMUM_LIFE).then_some(Event::Stable)
    }

    async fn count(&mut self, running: &Running) {
        let Ok(queue) = running.daemon.queue().await else {
            return;
        };
        let count = u64::try_from(queue.len()).unwrap_or(u64::MAX);
        self.waiting = (count, queue.iter().map(|file| file.size).sum());
        let failed = queue.iter().filter(|file| file.tries > 0).count();
        if failed == 0 {
            if matches!(self.phase, Phase::Mounted { .. }) {
                self.words = None;
            }
            return;
        }
        let reads_only = *self.env.access.borrow() == Access::ReadOnly;
        let (message, hint) = if reads_only {
            (
                "The cloud is read-only",
                "The files wait here until the subscription is renewed.",
            )
        } else {
            (
                "The cloud does not take the files now",
                "They wait here and are tried again.",
            )
        };
        self.words = Some(Words {
            message: message.to_owned(),
            hint: Some(hint.to_owned()),
        });
    }

    /// Keeps on disk what the mount has shown, so that a later daemon overwrites nothing unseen.
    fn remember(&mut self) {
        let Some(running) = &self.running else { return };
        if running.session.shown_changes() == self.remembered {
            return;
        }
        let (changes, shown) = running.session.shown();
        match self.room.remember(&shown) {
            Ok(()) => self.remembered = changes,
            Err(error) => tracing::warn!(%error, "what a mount has shown was not kept"),
        }
    }

    async fn give_up_busy(&mut self) {
        let Some(running) = &self.running else { return };
        if let Err(error) = rclone::mount::detach(running.daemon.folder()).await {
            tracing::warn!(%error, "the mount stays until its programs end");
        }
        running.daemon.stop().await;
    }

    async fn tell(&mut self) {
        let told = Told {
            state: state(self.phase),
            waiting: self.waiting.0,
            waiting_bytes: self.waiting.1,
            words: match (self.phase, &self.words) {
                (Phase::Unmounted, None) => Told::unmounted(self.waiting).words,
                (_, words) => words.clone(),
            },
        };
        if self.told.as_ref() != Some(&told) {
            self.told = Some(told.clone());
            let mount = self.settings.id.clone();
            self.report(Report::Told { mount, told }).await;
        }
    }

    async fn report(&self, report: Report) {
        if self.env.reports.send(report).await.is_err() {
            tracing::debug!("the engine ends and hears no more of its mounts");
        }
    }
}

fn state(phase: Phase) -> MountState {
    match phase {
        Phase::Unmounted => MountState::Unmounted,
        Phase::Starting { failures: 0 } => MountState::Starting,
        Phase::Starting { .. } | Phase::Reconnecting { .. } => MountState::Reconnecting,
        Phase::Mounted { .. } => MountState::Mounted,
        Phase::Unmounting { .. } => MountState::Unmounting,
        Phase::Failed => MountState::Failed,
    }
}

enum Finished {
    Brought(Result<Box<Brought>, bring::Failure>),
    Away(Away),
    Pause,
}

async fn finished(work: &mut Work) -> Finished {
    match work {
        Work::None => std::future::pending().await,
        Work::Pausing(until) => {
            tokio::time::sleep_until(*until).await;
            Finished::Pause
        }
        Work::Bringing(task) => match task.await {
            Ok(result) => Finished::Brought(result.map(Box::new)),
            Err(error) => Finished::Brought(Err(bring::Failure::broken(&error))),
        },
        Work::Taking(task) => Finished::Away(task.await.unwrap_or(Away::Done)),
    }
}

async fn next_event(events: &mut Option<mpsc::Receiver<GuardEvent>>) -> Option<GuardEvent> {
    match events {
        Some(events) => match events.recv().await {
            Some(event) => Some(event),
            None => std::future::pending().await,
        },
        None => std::future::pending().await,
    }
}

async fn died(running: Option<&Running>) {
    match running {
        Some(running) => {
            let error = running.daemon.ended().await;
            tracing::info!(%error, "the daemon of a mount is gone");
        }
        None => std::future::pending().await,
    }
}

async fn refresh(running: &Running, folder: &str) {
    if let Err(error) = running.daemon.refresh(folder).await {
        tracing::debug!(%error, "a folder of a mount was not listed again");
    }
}

async fn hurry(running: &Running, wanted: impl Fn(&str) -> bool) {
    let Ok(queue) = running.daemon.queue().await else {
        return;
    };
    for file in queue
        .iter()
        .filter(|file| !file.uploading && wanted(&file.name))
    {
        if let Err(error) = running.daemon.hurry(file).await {
            tracing::debug!(%error, "a waiting file was not hurried");
        }
    }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}
