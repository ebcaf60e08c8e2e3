//! One issuer's keys, fetched when due or when a token names one that is not known.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::TokenRefusal;
use super::fetch::{FetchError, FetchKeys};
use super::key_set::{KeySet, KeySetError};
use super::key_state::{Change, Found, KeyState, Look};
use crate::clock::Clock;

/// A request waits no longer than this for keys.
const PATIENCE: Duration = Duration::from_secs(8);
/// The background task looks at the clock at least this often: machines sleep.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

#[derive(Debug, thiserror::Error)]
enum RefreshError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("the answer is not usable: {0}")]
    KeySet(#[from] KeySetError),
}

pub(crate) struct KeyCache {
    url: Url,
    fetcher: Arc<dyn FetchKeys>,
    clock: Clock,
    state: Mutex<KeyState>,
    settled: watch::Sender<u64>,
}

impl KeyCache {
    pub(crate) fn new(url: Url, fetcher: Arc<dyn FetchKeys>, clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            url,
            fetcher,
            clock,
            state: Mutex::new(KeyState::new()),
            settled: watch::Sender::new(0),
        })
    }

    /// Gives the key, after asking the issuer for it where that is due.
    pub(super) async fn find(self: &Arc<Self>, key_id: &str) -> Result<Found, TokenRefusal> {
        let mut settled = self.settled.subscribe();
        let look = {
            let now = (self.clock)();
            let mut state = self.state();
            let look = state.look(key_id, now);
            if matches!(look, Look::Ask) {
                state.begin(now);
            }
            look
        };
        match look {
            Look::Ask => drop(tokio::spawn(Arc::clone(self).fetch())),
            Look::Wait => {}
            Look::Found(_) | Look::Absent | Look::Unavailable { .. } => return verdict(look),
        }
        // Whether it ended in time or not, the state says what there is.
        let _waited = tokio::time::timeout(PATIENCE, settled.changed()).await;
        let now = (self.clock)();
        verdict(self.state().look_again(key_id, now))
    }

    pub(super) fn generation(&self) -> Option<u64> {
        self.state().generation((self.clock)())
    }

    /// Fetches now, unless somebody else does.
    pub(super) async fn refresh(self: &Arc<Self>) {
        let mut settled = self.settled.subscribe();
        let ours = {
            let now = (self.clock)();
            let mut state = self.state();
            let ours = state.due_at(now) <= now;
            if ours {
                state.begin(now);
            }
            ours
        };
        if ours {
            drop(tokio::spawn(Arc::clone(self).fetch()));
        }
        let _waited = tokio::time::timeout(PATIENCE, settled.changed()).await;
    }

    /// Fetches whenever it is due, until told to stop.
    pub(crate) async fn run(self: Arc<Self>, cancel: CancellationToken) {
        let work = async {
            loop {
                let now = (self.clock)();
                let due = self.state().due_at(now);
                match u64::try_from(due - now) {
                    Ok(wait @ 1..) => {
                        tokio::time::sleep(Duration::from_millis(wait).min(LONGEST_SLEEP)).await;
                    }
                    Ok(0) | Err(_) => self.refresh().await,
                }
            }
        };
        cancel.run_until_cancelled(work).await;
    }

    /// Runs as a task of its own, so that it ends well even if nobody waits any more.
    async fn fetch(self: Arc<Self>) {
        let fetched = self.fetch_set().await;
        let now = (self.clock)();
        match fetched {
            Ok(set) => {
                let count = set.len();
                match self.state().succeed(set, now) {
                    Change::Same => {
                        tracing::debug!(url = %self.url, "an issuer's keys are unchanged")
                    }
                    Change::Other => {
                        tracing::info!(url = %self.url, count, "an issuer's keys were read");
                    }
                }
            }
            Err(error) => {
                self.state().fail(now);
                tracing::warn!(url = %self.url, %error, "an issuer's keys could not be read");
            }
        }
        self.settled.send_modify(|fetches| *fetches += 1);
    }

    async fn fetch_set(&self) -> Result<KeySet, RefreshError> {
        let bytes = self.fetcher.fetch(&self.url).await?;
        Ok(KeySet::parse(&bytes)?)
    }

    fn state(&self) -> MutexGuard<'_, KeyState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn verdict(look: Look) -> Result<Found, TokenRefusal> {
    match look {
        Look::Found(found) => Ok(found),
        Look::Absent => Err(TokenRefusal::UnknownKey),
        Look::Unavailable { retry_after_ms } => {
            let retry_after_s = u64::try_from(retry_after_ms)
                .unwrap_or(0)
                .div_ceil(1000)
                .max(1);
            Err(TokenRefusal::KeysUnavailable { retry_after_s })
        }
        Look::Ask | Look::Wait => Err(TokenRefusal::KeysUnavailable { retry_after_s: 1 }),
    }
}

#[cfg(test)]
mod tests;
