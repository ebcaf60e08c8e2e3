//! One tenant's instance from sleep to sleep.
//!
//! What everybody may see is `progress`; whoever starts or stops the process holds `hand`.

mod upkeep;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::Client;
use tokio::sync::{broadcast, watch};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::decide::{failures, pause};
use super::error::LocalError;
use super::folder::TenantFolder;
use super::health::{self, Health};
use super::process::{Process, Start, end_strays};
use super::settings::LocalSettings;
use super::uses::Uses;
use crate::error::chain;
use crate::instances::{Address, Condition, Happening};

const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// How long a process takes to be gone after it was killed.
const DEATH: Duration = Duration::from_secs(2);

/// What all instances have in common.
pub(super) struct Shared {
    pub(super) settings: LocalSettings,
    pub(super) http: Client,
    pub(super) happenings: broadcast::Sender<Happening>,
    /// Cancelled when this server ends.
    pub(super) closing: CancellationToken,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Progress {
    Asleep,
    Starting,
    Listening(Address),
    Awake(Address),
    Stopping,
    Failed {
        in_a_row: u32,
        until: Instant,
    },
    /// Removed with its folder.
    Gone,
}

struct Running {
    process: Process,
    /// Digest of what it was started with.
    spec: String,
    since: Instant,
}

struct Checks {
    last: Instant,
    missed: u32,
}

pub(super) struct Life {
    pub(super) tenant_id: String,
    pub(super) folder: TenantFolder,
    pub(super) uses: Arc<Uses>,
    shared: Arc<Shared>,
    progress: watch::Sender<Progress>,
    hand: tokio::sync::Mutex<Option<Arc<Running>>>,
    checks: Mutex<Checks>,
    failed_in_a_row: AtomicU32,
}

impl Life {
    /// The life of the tenant's instance, with its process if one was left running.
    pub(super) fn find(shared: &Arc<Shared>, tenant_id: &str) -> Result<Arc<Self>, LocalError> {
        let folder = TenantFolder::of(&shared.settings.folder, tenant_id)?;
        let running = folder.process().and_then(|record| {
            let process = Process::find(&record)?;
            tracing::info!(
                tenant.id = tenant_id,
                instance.pid = record.pid,
                "an instance was found running"
            );
            Some(Arc::new(Running {
                process,
                spec: record.spec,
                since: Instant::now(),
            }))
        });
        let life = Arc::new(Self {
            tenant_id: tenant_id.to_owned(),
            folder,
            uses: Uses::new(),
            shared: Arc::clone(shared),
            progress: watch::Sender::new(Progress::Asleep),
            hand: tokio::sync::Mutex::new(running.clone()),
            checks: Mutex::new(Checks {
                last: Instant::now(),
                missed: 0,
            }),
            failed_in_a_row: AtomicU32::new(0),
        });
        if let Some(running) = running {
            life.watch(running);
        }
        Ok(life)
    }

    /// Where it is reached while it is awake.
    pub(super) fn address(&self) -> Option<Address> {
        match &*self.progress.borrow() {
            Progress::Awake(address) => Some(address.clone()),
            Progress::Asleep
            | Progress::Starting
            | Progress::Listening(_)
            | Progress::Stopping
            | Progress::Failed { .. }
            | Progress::Gone => None,
        }
    }

    /// Goes on with a process that an earlier server left.
    pub(super) fn resume(self: &Arc<Self>) {
        let left = self.hand.try_lock().is_ok_and(|hand| hand.is_some());
        if left {
            self.begin_start();
        }
    }

    /// Waits until it takes requests; starts it if it sleeps.
    pub(super) async fn ready(self: &Arc<Self>, patience: Duration) -> Result<Address, LocalError> {
        self.reach(patience, |progress| match progress {
            Progress::Awake(address) => Some(address.clone()),
            Progress::Asleep
            | Progress::Starting
            | Progress::Listening(_)
            | Progress::Stopping
            | Progress::Failed { .. }
            | Progress::Gone => None,
        })
        .await
    }

    /// Waits until it listens, with what its folder says now; starts it, or starts it anew.
    pub(super) async fn listening(
        self: &Arc<Self>,
        patience: Duration,
    ) -> Result<Address, LocalError> {
        let spec = self.folder.digest(&self.shared.settings)?;
        let renewed = async {
            let hand = self.hand.lock().await;
            let outdated = hand.as_ref().is_some_and(|running| running.spec != spec);
            drop(hand);
            match outdated {
                true => self.stop().await,
                false => Ok(()),
            }
        };
        timeout(patience, renewed)
            .await
            .map_err(|_| LocalError::NotYet)??;
        self.reach(patience, |progress| match progress {
            Progress::Listening(address) | Progress::Awake(address) => Some(address.clone()),
            Progress::Asleep
            | Progress::Starting
            | Progress::Stopping
            | Progress::Failed { .. }
            | Progress::Gone => None,
        })
        .await
    }

    async fn reach(
        self: &Arc<Self>,
        patience: Duration,
        far_enough: impl Fn(&Progress) -> Option<Address>,
    ) -> Result<Address, LocalError> {
        let mut progress = self.progress.subscribe();
        let reached = async {
            loop {
                self.begin_start();
                let now = progress.borrow_and_update().clone();
                if let Some(address) = far_enough(&now) {
                    return Ok(address);
                }
                match now {
                    Progress::Failed { in_a_row, .. } => {
                        return Err(LocalError::BackingOff(in_a_row));
                    }
                    Progress::Gone => return Err(LocalError::NotProvisioned),
                    Progress::Asleep
                    | Progress::Starting
                    | Progress::Listening(_)
                    | Progress::Awake(_)
                    | Progress::Stopping => {}
                }
                if progress.changed().await.is_err() {
                    return Err(LocalError::NotYet);
                }
            }
        };
        timeout(patience, reached)
            .await
            .unwrap_or(Err(LocalError::NotYet))
    }

    /// Starts it unless it is awake, under way, or has to wait after a failure; once, however
    /// many ask. The start goes on if those who asked leave.
    fn begin_start(self: &Arc<Self>) {
        let now = Instant::now();
        let begun = self.progress.send_if_modified(|progress| {
            let may = match progress {
                Progress::Asleep => true,
                Progress::Failed { until, .. } => *until <= now,
                Progress::Starting
                | Progress::Listening(_)
                | Progress::Awake(_)
                | Progress::Stopping
                | Progress::Gone => false,
            };
            if may {
                *progress = Progress::Starting;
            }
            may
        });
        if begun {
            tokio::spawn(Arc::clone(self).carry_out_start());
        }
    }

    async fn carry_out_start(self: Arc<Self>) {
        let mut hand = self.hand.lock().await;
        let begun = Instant::now();
        let patience = self.shared.settings.run.start;
        let started = tokio::select! {
            started = timeout(patience, self.start_in(&mut hand)) => {
                started.unwrap_or(Err(LocalError::TooSlow(patience)))
            }
            () = self.shared.closing.cancelled() => Err(LocalError::NotYet),
        };
        match started {
            Ok(address) => {
                let mut checks = self.checks();
                (checks.last, checks.missed) = (Instant::now(), 0);
                drop(checks);
                metrics::counter!("bm_instance_starts_total", "outcome" => "ok").increment(1);
                metrics::histogram!("bm_instance_start_seconds")
                    .record(begun.elapsed().as_secs_f64());
                tracing::info!(
                    tenant.id = self.tenant_id,
                    duration_ms = millis(begun.elapsed()),
                    "an instance is awake"
                );
                self.progress.send_replace(Progress::Awake(address.clone()));
                self.tell(Condition::Running(address));
            }
            Err(error) => {
                if let Some(running) = hand.take() {
                    self.wind_down(&running).await;
                }
                metrics::counter!("bm_instance_starts_total", "outcome" => "failed").increment(1);
                tracing::warn!(tenant.id = self.tenant_id, error = %chain(&error), "an instance was not started");
                self.fail(begun.elapsed());
            }
        }
    }

    async fn start_in(
        self: &Arc<Self>,
        hand: &mut Option<Arc<Running>>,
    ) -> Result<Address, LocalError> {
        let spec = self.folder.digest(&self.shared.settings)?;
        if let Some(running) = hand.take_if(|running| running.spec != spec) {
            self.wind_down(&running).await;
        }
        let running = match hand {
            Some(running) => Arc::clone(running),
            None => {
                end_strays(&self.folder.state());
                self.rotate();
                let process = Process::start(&Start {
                    settings: &self.shared.settings,
                    tenant_id: &self.tenant_id,
                    folder: &self.folder,
                })?;
                let record = process.record(spec.clone());
                let running = Arc::new(Running {
                    process,
                    spec,
                    since: Instant::now(),
                });
                *hand = Some(Arc::clone(&running));
                self.folder.keep_process(&record)?;
                self.watch(Arc::clone(&running));
                running
            }
        };
        tokio::select! {
            () = running.process.ended() => Err(LocalError::EndedEarly),
            address = self.until_well() => address,
        }
    }

    async fn until_well(&self) -> Result<Address, LocalError> {
        let address = loop {
            match self.folder.announced() {
                Some(address) => break address,
                None => sleep(LOOK_AGAIN).await,
            }
        };
        self.progress
            .send_replace(Progress::Listening(Address(address.clone())));
        loop {
            match health::ask(&self.shared.http, &address).await {
                Health::Well => return Ok(Address(address)),
                Health::Failed => return Err(LocalError::SaysFailed),
                Health::Starting | Health::Silent => sleep(LOOK_AGAIN).await,
            }
        }
    }

    fn watch(self: &Arc<Self>, running: Arc<Running>) {
        let life = Arc::downgrade(self);
        tokio::spawn(async move {
            running.process.ended().await;
            if let Some(life) = life.upgrade() {
                life.ended(&running).await;
            }
        });
    }

    /// The process ended; nobody asked it to if it is still in the hand.
    async fn ended(&self, running: &Arc<Running>) {
        let mut hand = self.hand.lock().await;
        if !hand.as_ref().is_some_and(|held| Arc::ptr_eq(held, running)) {
            return;
        }
        *hand = None;
        running.process.end_group();
        self.forget_process();
        metrics::counter!("bm_instance_crashes_total").increment(1);
        tracing::warn!(
            tenant.id = self.tenant_id,
            instance.pid = running.process.pid(),
            "an instance ended by itself; its log says why"
        );
        self.fail(running.since.elapsed());
        self.tell(Condition::Asleep);
    }

    fn fail(&self, lived: Duration) {
        let in_a_row = failures(self.failed_in_a_row.load(Ordering::SeqCst), lived);
        self.failed_in_a_row.store(in_a_row, Ordering::SeqCst);
        self.progress.send_replace(Progress::Failed {
            in_a_row,
            until: Instant::now() + pause(in_a_row),
        });
    }

    /// Stops it; the next one who needs it starts it.
    pub(super) async fn stop(&self) -> Result<(), LocalError> {
        let mut hand = self.hand.lock().await;
        self.stop_in(&mut hand).await
    }

    async fn stop_in(&self, hand: &mut Option<Arc<Running>>) -> Result<(), LocalError> {
        if let Some(running) = hand.take() {
            self.progress.send_replace(Progress::Stopping);
            self.wind_down(&running).await;
            self.tell(Condition::Asleep);
            tracing::info!(tenant.id = self.tenant_id, "an instance sleeps");
        }
        self.failed_in_a_row.store(0, Ordering::SeqCst);
        self.progress.send_replace(Progress::Asleep);
        Ok(())
    }

    /// Stops it unless somebody has come for it meanwhile.
    async fn put_to_sleep(&self, idle: Duration) -> Result<(), LocalError> {
        let mut hand = self.hand.lock().await;
        let Some(address) = self.address() else {
            return Ok(());
        };
        // Whoever comes counts first and looks second; here it is the other way around.
        self.progress.send_replace(Progress::Stopping);
        if self.uses.unused_for(Instant::now()) < idle {
            self.progress.send_replace(Progress::Awake(address));
            return Ok(());
        }
        self.stop_in(&mut hand).await
    }

    /// Stops it with this server, also while it starts.
    pub(super) async fn stop_for_good(&self) -> Result<(), LocalError> {
        self.shared.closing.cancel();
        self.stop().await
    }

    /// Stops it and removes all that there is of it.
    pub(super) async fn end(&self) -> Result<(), LocalError> {
        let mut hand = self.hand.lock().await;
        self.stop_in(&mut hand).await?;
        end_strays(&self.folder.state());
        self.progress.send_replace(Progress::Gone);
        self.folder.remove()
    }

    async fn wind_down(&self, running: &Running) {
        let process = &running.process;
        process.ask_to_end();
        if timeout(self.shared.settings.run.drain, process.ended())
            .await
            .is_err()
        {
            tracing::warn!(
                tenant.id = self.tenant_id,
                "an instance did not end in time"
            );
        }
        process.end_group();
        if timeout(DEATH, process.ended()).await.is_err() {
            tracing::warn!(tenant.id = self.tenant_id, "an instance does not die");
        }
        self.forget_process();
    }

    fn rotate(&self) {
        if let Err(error) = self.folder.rotate(self.shared.settings.run.log_bytes) {
            tracing::warn!(tenant.id = self.tenant_id, %error, "an instance's log was not rotated");
        }
    }

    fn forget_process(&self) {
        let forgotten = self.folder.forget_process();
        self.report(forgotten);
    }

    fn report(&self, result: Result<(), LocalError>) {
        if let Err(error) = result {
            tracing::warn!(tenant.id = self.tenant_id, error = %chain(&error), "an instance was not looked after");
        }
    }

    /// Nobody has to listen.
    fn tell(&self, now: Condition) {
        drop(self.shared.happenings.send(Happening {
            tenant_id: self.tenant_id.clone(),
            now,
        }));
    }

    fn checks(&self) -> MutexGuard<'_, Checks> {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
