//! Tells tenants' instances what changed in their buckets, as `POST /sync`.
//!
//! What an instance is told is a hint: it compares, and the bucket decides. One that sleeps is
//! not woken for it; it is told to compare everything when it wakes, and all are every few
//! minutes, so that a hint that got lost costs minutes and never a note.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metrics::counter;
use serde::Serialize;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wire::ChangeKind;

use super::{Condition, Happening, InstanceError, Instances, READY, STOPPED};
use crate::clock::Clock;
use crate::error::chain;
use crate::events::{NewEvent, Told};
use crate::proxy::{Proxy, ProxyError};
use crate::store::{Store, StoreError};

const HINTS: &str = "bm_instance_hints_total";
const PATH: &str = "/sync";
/// A longer list is not worth its reading: everything is compared instead.
const MOST_PATHS: usize = 256;
/// Under what the proxy signs as a whole.
const MOST_BYTES: usize = 48 * 1024;
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);
const PAUSES: [Duration; 3] = [
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(5),
];

/// Why an instance was not told.
#[derive(Debug, thiserror::Error)]
enum HintError {
    #[error("the database failed")]
    Store(#[from] StoreError),
    #[error("the instance's state is not known")]
    Instance(#[from] InstanceError),
    #[error("the instance was not reached")]
    Proxy(#[from] ProxyError),
    #[error("the instance did not answer in time")]
    TooSlow,
    #[error("the instance answered {0}")]
    Status(u16),
    #[error("the hints could not be written down")]
    Unwritable(#[from] serde_json::Error),
}

/// How telling an instance ended when nothing went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Sent,
    Asleep,
}

/// What is to be told to one instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Waiting {
    full: bool,
    paths: BTreeMap<String, Change>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Change {
    kind: &'static str,
    etag: Option<String>,
}

#[derive(Serialize)]
struct Body<'a> {
    changes: Vec<Entry<'a>>,
    full: bool,
}

#[derive(Serialize)]
struct Entry<'a> {
    path: &'a str,
    kind: &'static str,
    etag: Option<&'a str>,
}

impl Waiting {
    fn add(&mut self, event: &NewEvent) {
        if self.full {
            return;
        }
        let mut put = |path: &str, kind, etag| {
            self.paths.insert(path.to_owned(), Change { kind, etag });
        };
        match event.kind {
            ChangeKind::Put | ChangeKind::Changed => {
                put(&event.path, "written", event.etag.clone())
            }
            ChangeKind::Delete => put(&event.path, "removed", None),
            ChangeKind::Rename => {
                if let Some(from) = &event.from {
                    put(from, "removed", None);
                }
                put(&event.path, "written", event.etag.clone());
            }
        }
        if self.paths.len() > MOST_PATHS {
            self.everything();
        }
    }

    fn everything(&mut self) {
        self.full = true;
        self.paths.clear();
    }

    fn body(&self) -> Result<Vec<u8>, serde_json::Error> {
        let changes = self.paths.iter().map(|(path, change)| Entry {
            path,
            kind: change.kind,
            etag: change.etag.as_deref(),
        });
        let body = serde_json::to_vec(&Body {
            changes: changes.collect(),
            full: self.full,
        })?;
        if body.len() <= MOST_BYTES {
            return Ok(body);
        }
        serde_json::to_vec(&Body {
            changes: Vec::new(),
            full: true,
        })
    }
}

/// Tells every instance that is awake, each one thing after the other.
pub(crate) struct Hints {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) instances: Arc<dyn Instances>,
    pub(crate) proxy: Arc<Proxy>,
    pub(crate) clock: Clock,
    /// How often instances that are awake are told to compare everything.
    pub(crate) every: Duration,
    /// By tenant, for as long as somebody tells them.
    pub(crate) waiting: Mutex<BTreeMap<String, Queue>>,
}

/// What waits for an instance while it is being told something else.
#[derive(Debug, Default)]
pub(crate) struct Queue(Option<Waiting>);

impl Hints {
    /// Tells until `cancel`.
    pub(crate) async fn run(
        self: Arc<Self>,
        mut changes: Receiver<Told>,
        cancel: CancellationToken,
    ) {
        let mut happenings = self.instances.happenings();
        let mut rounds = interval_at(Instant::now() + self.every, self.every);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let tasks = TaskTracker::new();
        loop {
            tokio::select! {
                () = cancel.cancelled() => break,
                told = changes.recv() => match told {
                    Ok(Told::Changes { tenant_id, changes }) => {
                        self.add(&tasks, &tenant_id, |waiting| {
                            changes.iter().for_each(|change| waiting.add(change));
                        });
                    }
                    Ok(Told::Look(Some(tenant_id))) => {
                        self.add(&tasks, &tenant_id, Waiting::everything);
                    }
                    Ok(Told::Look(None)) | Err(RecvError::Lagged(_)) => self.all(&tasks),
                    Err(RecvError::Closed) => break,
                },
                happening = next(&mut happenings) => match happening {
                    Some(happening) => self.happened(&tasks, happening).await,
                    None => self.all(&tasks),
                },
                _ = rounds.tick() => self.all(&tasks),
            }
        }
        tasks.close();
    }

    async fn happened(self: &Arc<Self>, tasks: &TaskTracker, happening: Happening) {
        let Happening { tenant_id, now } = happening;
        let (address, state) = match &now {
            Condition::Running(address) => (Some(address.0.as_str()), READY),
            Condition::Asleep => (None, STOPPED),
        };
        let noted = self
            .store
            .note_instance(&tenant_id, address, state, (self.clock)());
        if let Err(error) = noted.await {
            tracing::warn!(tenant.id = tenant_id, error = %chain(&error), "an instance's state was not recorded");
        }
        match now {
            Condition::Running(_) => self.add(tasks, &tenant_id, Waiting::everything),
            Condition::Asleep => {}
        }
    }

    fn all(self: &Arc<Self>, tasks: &TaskTracker) {
        for tenant_id in self.instances.all_awake() {
            self.add(tasks, &tenant_id, Waiting::everything);
        }
    }

    fn add(self: &Arc<Self>, tasks: &TaskTracker, tenant_id: &str, add: impl FnOnce(&mut Waiting)) {
        let mut queues = self.queues();
        let is_new = !queues.contains_key(tenant_id);
        let queue = queues.entry(tenant_id.to_owned()).or_default();
        add(queue.0.get_or_insert_default());
        drop(queues);
        if is_new {
            let (hints, tenant_id) = (Arc::clone(self), tenant_id.to_owned());
            tasks.spawn(async move { hints.tell(&tenant_id).await });
        }
    }

    /// Tells an instance what waits for it, until nothing does.
    async fn tell(&self, tenant_id: &str) {
        loop {
            let waiting = {
                let mut queues = self.queues();
                match queues.get_mut(tenant_id).and_then(|queue| queue.0.take()) {
                    Some(waiting) => waiting,
                    None => {
                        queues.remove(tenant_id);
                        return;
                    }
                }
            };
            self.tell_until_heard(tenant_id, &waiting).await;
        }
    }

    async fn tell_until_heard(&self, tenant_id: &str, waiting: &Waiting) {
        let mut pauses = PAUSES.into_iter();
        loop {
            let error = match self.tell_once(tenant_id, waiting).await {
                Ok(Outcome::Sent) => return counter!(HINTS, "outcome" => "sent").increment(1),
                Ok(Outcome::Asleep) => return counter!(HINTS, "outcome" => "asleep").increment(1),
                Err(error) => error,
            };
            counter!(HINTS, "outcome" => "failed").increment(1);
            tracing::debug!(tenant.id = tenant_id, error = %chain(&error), "an instance did not hear of changes");
            match pauses.next() {
                Some(pause) => sleep(pause).await,
                None => return,
            }
        }
    }

    async fn tell_once(&self, tenant_id: &str, waiting: &Waiting) -> Result<Outcome, HintError> {
        let tenant = self.store.find_tenant(tenant_id).await?;
        let live = tenant.filter(|tenant| tenant.deleted_at.is_none());
        let Some(instance) = live.and_then(|tenant| tenant.instance) else {
            return Ok(Outcome::Asleep);
        };
        let Some(address) = self.instances.awake(tenant_id, &instance).await? else {
            return Ok(Outcome::Asleep);
        };
        let now_s = (self.clock)() / 1000;
        let body = waiting.body()?;
        let told = self
            .proxy
            .tell((tenant_id, &instance.key_id), &address, now_s, PATH, body);
        let status = timeout(ANSWER_DEADLINE, told)
            .await
            .map_err(|_| HintError::TooSlow)??;
        match status.is_success() {
            true => Ok(Outcome::Sent),
            false => Err(HintError::Status(status.as_u16())),
        }
    }

    fn queues(&self) -> MutexGuard<'_, BTreeMap<String, Queue>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The next happening; `None` if some were missed. Waits forever where nothing is told.
async fn next(happenings: &mut Option<Receiver<Happening>>) -> Option<Happening> {
    let Some(receiver) = happenings else {
        return std::future::pending().await;
    };
    match receiver.recv().await {
        Ok(happening) => Some(happening),
        Err(RecvError::Lagged(_)) => None,
        Err(RecvError::Closed) => {
            *happenings = None;
            std::future::pending().await
        }
    }
}

#[cfg(test)]
mod tests;
