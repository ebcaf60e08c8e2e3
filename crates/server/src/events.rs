//! The change stream: what happened in a tenant's bucket, numbered and told to its devices.
//!
//! Events are hints; the bucket decides. Each is a row in the tenant's log, numbered in the
//! transaction that inserts it, so numbers become visible in their order and without gaps. A
//! stream reads the log from its own position and is only woken from here: by this process, by
//! another replica's announcement, by a poll, or by its own heartbeat. Losing a wake costs time,
//! never an event.

mod announce;
mod change;
mod embedded;
mod frame;
mod hook;
mod hub;
mod stream;
mod tigris;

use std::sync::Arc;
use std::time::Duration;

use metrics::counter;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::error::chain;
use crate::store::{Retention, Store, StoreError};
use announce::Announcements;
pub(crate) use change::{Earlier, NewEvent, Pairing, Teller, is_device, pair, reported};
pub(crate) use embedded::feed;
pub(crate) use hook::{Hooks, token_hash};
pub(crate) use hub::{Hub, Place, Reader, StreamCaps, TooManyStreams};
pub(crate) use stream::{Live, Start};
pub(crate) use tigris::{Delivered, DeliveryRefusal, delivered};

/// How many tenants' logs are looked up together when they are trimmed.
const TRIMMED_AT_ONCE: i64 = 100;
/// How far the clocks of replicas may be apart for a poll to find everything; heartbeats find
/// the rest.
const CLOCKS_APART_MS: i64 = 10_000;
const AFTER_FAILURE: Duration = Duration::from_secs(1);
/// How far whoever tells instances may be behind.
const TOLD_AT_ONCE: usize = 256;

/// How replicas learn of each other's events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hearing {
    /// At once, and by polling what was missed.
    ListenAndPoll,
    /// By polling, for connections that cannot listen (`PgBouncer` in transaction mode).
    PollOnly,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct EventSettings {
    pub(crate) caps: StreamCaps,
    /// How often an idle stream shows that it lives and its reader's access is looked at.
    pub(crate) heartbeat: Duration,
    /// How long a stream lasts before its reader has to come again, with a fresh token.
    pub(crate) max_life: Duration,
    /// How long an event can be replayed.
    pub(crate) retention: Duration,
    /// How many events of a tenant can be replayed.
    pub(crate) keep: i64,
    /// A reader that is further behind is told to look at the bucket instead.
    pub(crate) max_behind: i64,
    pub(crate) hearing: Hearing,
    pub(crate) poll_every: Duration,
    pub(crate) trim_every: Duration,
}

impl Default for EventSettings {
    fn default() -> Self {
        Self {
            caps: StreamCaps {
                per_user: 32,
                per_tenant: 64,
            },
            heartbeat: Duration::from_secs(15),
            max_life: Duration::from_secs(60 * 60),
            retention: Duration::from_secs(7 * 24 * 60 * 60),
            keep: 10_000,
            max_behind: 1_000,
            hearing: Hearing::ListenAndPoll,
            poll_every: Duration::from_millis(1_500),
            trim_every: Duration::from_secs(10 * 60),
        }
    }
}

/// What this process has learned, for those who tell it on.
#[derive(Clone, Debug)]
pub(crate) enum Told {
    Changes {
        tenant_id: String,
        changes: Arc<[NewEvent]>,
    },
    /// Something unknown changed, for one tenant or for all.
    Look(Option<String>),
}

/// The log of every tenant, and the streams that this process keeps open.
pub(crate) struct Events {
    store: Arc<dyn Store>,
    clock: Clock,
    pub(crate) settings: EventSettings,
    hub: Arc<Hub>,
    announcements: Announcements,
    told: broadcast::Sender<Told>,
}

impl Events {
    pub(crate) fn new(store: Arc<dyn Store>, clock: Clock, settings: EventSettings) -> Arc<Self> {
        Arc::new(Self {
            store,
            clock,
            settings,
            hub: Hub::new(settings.caps),
            announcements: Announcements::default(),
            told: broadcast::Sender::new(TOLD_AT_ONCE),
        })
    }

    /// What is recorded here from now on. Other replicas' changes are told by them.
    pub(crate) fn listen(&self) -> broadcast::Receiver<Told> {
        self.told.subscribe()
    }

    /// Records changes, oldest first, and wakes who waits for them.
    ///
    /// Gives the highest number among their events; `None` if there is no such tenant.
    pub(crate) async fn append(
        &self,
        tenant_id: &str,
        changes: &[NewEvent],
    ) -> Result<Option<i64>, StoreError> {
        let appended = self
            .store
            .append_events(tenant_id, changes, (self.clock)())
            .await?;
        let Some(appended) = appended else {
            return Ok(None);
        };
        if appended.added > 0 {
            counter!("bm_tenant_events_total")
                .increment(u64::try_from(appended.added).unwrap_or_default());
            self.hub.wake(tenant_id, appended.seq);
            self.announcements.add(tenant_id, appended.seq);
            self.tell(|| Told::Changes {
                tenant_id: tenant_id.to_owned(),
                changes: changes.into(),
            });
        }
        Ok(Some(appended.seq))
    }

    /// Tells every reader, of one tenant or of all, to look at the bucket.
    pub(crate) async fn ask_to_look(&self, tenant_id: Option<&str>) -> Result<(), StoreError> {
        self.store.skip_events(tenant_id, (self.clock)()).await?;
        self.hub.wake_all();
        self.announcements.add_everything();
        self.tell(|| Told::Look(tenant_id.map(str::to_owned)));
        Ok(())
    }

    fn tell(&self, told: impl FnOnce() -> Told) {
        if self.told.receiver_count() > 0 {
            // The last one may have left meanwhile.
            drop(self.told.send(told()));
        }
    }

    /// Takes a place for another stream.
    pub(crate) fn enter(&self, reader: Reader) -> Result<Place, TooManyStreams> {
        self.hub.enter(reader)
    }

    /// Keeps replicas in touch and the logs short, until `cancel`.
    pub(crate) async fn run(self: Arc<Self>, cancel: CancellationToken) {
        let work = async {
            tokio::join!(
                self.announcements.send(&*self.store),
                self.hear(),
                self.trim_always()
            )
        };
        tokio::select! {
            () = cancel.cancelled() => {}
            _ = work => {}
        }
    }

    async fn hear(&self) {
        loop {
            match self.store.listen().await {
                Ok(None) => return,
                Ok(Some(mut ears)) => match self.settings.hearing {
                    Hearing::PollOnly => {
                        drop(ears);
                        return self.poll_always().await;
                    }
                    Hearing::ListenAndPoll => {
                        // What came before there were ears.
                        self.hub.wake_all();
                        let listening = async {
                            loop {
                                match ears.next().await {
                                    Ok(Some(text)) => announce::heard(&text, &self.hub),
                                    Ok(None) => self.hub.wake_all(),
                                    Err(error) => return error,
                                }
                            }
                        };
                        let error = tokio::select! {
                            error = listening => error,
                            () = self.poll_always() => return,
                        };
                        tracing::warn!(error = %chain(&error), "announcements are not heard");
                    }
                },
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "announcements cannot be heard");
                }
            }
            tokio::time::sleep(AFTER_FAILURE).await;
            self.poll().await;
        }
    }

    async fn poll_always(&self) {
        loop {
            tokio::time::sleep(self.settings.poll_every).await;
            self.poll().await;
        }
    }

    async fn poll(&self) {
        if self.hub.streams() == 0 {
            return;
        }
        let poll_ms = i64::try_from(self.settings.poll_every.as_millis()).unwrap_or(i64::MAX);
        let since = (self.clock)().saturating_sub(poll_ms.saturating_add(CLOCKS_APART_MS));
        match self.store.touched_logs(since).await {
            Ok(touched) => {
                for (tenant_id, seq) in touched {
                    self.hub.wake(&tenant_id, seq);
                }
            }
            Err(error) => tracing::warn!(error = %chain(&error), "no poll for events"),
        }
    }

    async fn trim_always(&self) {
        loop {
            tokio::time::sleep(self.settings.trim_every).await;
            if let Err(error) = self.trim().await {
                tracing::warn!(error = %chain(&error), "event logs were not trimmed");
            }
        }
    }

    /// Removes events that are too old or too many; how many went.
    pub(crate) async fn trim(&self) -> Result<u64, StoreError> {
        let retention_ms = i64::try_from(self.settings.retention.as_millis()).unwrap_or(i64::MAX);
        let retention = Retention {
            before: (self.clock)().saturating_sub(retention_ms),
            keep: self.settings.keep,
        };
        let mut gone = 0;
        loop {
            let tenants = self.store.overlong_logs(retention, TRIMMED_AT_ONCE).await?;
            if tenants.is_empty() {
                break;
            }
            for tenant in tenants {
                gone += self.store.trim_events(&tenant, retention).await?;
            }
        }
        if gone > 0 {
            tracing::info!(events = gone, "event logs trimmed");
        }
        Ok(gone)
    }
}

#[cfg(test)]
mod tests;
