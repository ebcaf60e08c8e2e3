//! The payment provider: what it delivers, what it is asked, and what both mean for access.
//!
//! A delivery is verified, stored in the inbox by its id, acted on from there and answered. Every
//! one carries a whole subscription, so the newest snapshot counts and the order of arrival does
//! not. Whose subscription it is says the customer's `external_id` and nothing else. Only those of
//! the configured products count for anything. Around the end of a period, and for all active
//! subscriptions now and then, Polar's API is asked.

mod alignment;
mod client;
mod deliveries;
mod event;
mod products;
mod reconcile;
mod retry;
mod schedule;
mod signature;
mod snapshot;

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::clock::Clock;
use crate::store::{Origin, Store};

use client::PolarClient;
use signature::SigningKeys;

pub use products::{ProductError, Products};
pub use retry::RetryPolicy;
pub use signature::SecretError;
pub(crate) use signature::check_secret;

pub(crate) use deliveries::PolarDelivery;
pub(crate) use event::Facts;
pub(crate) use schedule::{Mapping, next_check};
pub(crate) use snapshot::{Customer, Snapshot, Status, best};

/// Gives a number from 0 up to but not including 1, each as likely.
pub(crate) type Chance = Arc<dyn Fn() -> f64 + Send + Sync>;

/// What is agreed with Polar.
#[derive(Clone, Debug)]
pub struct PolarSettings {
    /// The secrets of the webhook endpoint, as Polar shows them; several while one is replaced.
    pub webhook_secrets: Vec<SecretString>,
    pub products: Products,
    /// Without it, deliveries are all that is known.
    pub api: Option<PolarApiSettings>,
}

/// How Polar's API is asked.
#[derive(Clone, Debug)]
pub struct PolarApiSettings {
    /// `https://api.polar.sh`, or the sandbox's.
    pub base_url: Url,
    /// An organization access token that may read subscriptions.
    pub token: SecretString,
    pub retry: RetryPolicy,
    /// How long one request may take.
    pub timeout: Duration,
    /// How long to wait between requests; Polar allows 300 a minute to an organization.
    pub pace: Duration,
    /// How often all active subscriptions are compared.
    pub sweep_every: Duration,
}

impl PolarApiSettings {
    /// The documented defaults for a base URL and a token.
    pub fn new(base_url: Url, token: SecretString) -> Self {
        Self {
            base_url,
            token,
            retry: RetryPolicy::default(),
            timeout: Duration::from_secs(10),
            pace: Duration::from_millis(250),
            sweep_every: Duration::from_secs(6 * 3600),
        }
    }
}

/// Why the payment provider's part cannot start.
#[derive(Debug, thiserror::Error)]
pub enum PolarError {
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error("{0} is neither https nor on this machine")]
    NotHttps(Url),
    #[error("no client for Polar's API could be made")]
    Client(#[source] reqwest::Error),
}

/// The payment provider's part of the server.
pub(crate) struct Polar {
    keys: SigningKeys,
    products: Products,
    api: Option<Api>,
    store: Arc<dyn Store>,
    clock: Clock,
    chance: Chance,
}

struct Api {
    client: PolarClient,
    sweep_every_ms: i64,
}

impl Polar {
    pub(crate) fn new(
        settings: PolarSettings,
        store: Arc<dyn Store>,
        clock: Clock,
        chance: Chance,
    ) -> Result<Self, PolarError> {
        let api = match settings.api {
            Some(settings) => Some(Api {
                sweep_every_ms: i64::try_from(settings.sweep_every.as_millis())
                    .unwrap_or(i64::MAX / 2),
                client: PolarClient::new(settings, Arc::clone(&chance))?,
            }),
            None => None,
        };
        Ok(Self {
            keys: SigningKeys::new(&settings.webhook_secrets)?,
            products: settings.products,
            api,
            store,
            clock,
            chance,
        })
    }

    /// Brings accounts in line with the products, works the inbox off and asks Polar's API, until
    /// `cancel`.
    pub(crate) async fn run(self: Arc<Self>, cancel: CancellationToken) {
        let own = async {
            tokio::join!(self.run_inbox(&cancel), self.run_alignment(&cancel));
        };
        match &self.api {
            Some(api) => {
                tokio::join!(own, self.run_reconcile(api, &cancel));
            }
            None => own.await,
        }
    }

    fn now(&self) -> i64 {
        (self.clock)()
    }

    /// Names a change for its audit event: the delivery or question that it follows from.
    fn origin(&self, cause: &str) -> Origin {
        Origin {
            actor: "polar".to_owned(),
            request_id: cause.to_owned(),
            at: self.now(),
        }
    }
}

/// Waits for `wait`; false if told to stop meanwhile.
async fn rest(wait: Duration, cancel: &CancellationToken) -> bool {
    tokio::select! {
        () = cancel.cancelled() => false,
        () = tokio::time::sleep(wait) => true,
    }
}

#[cfg(test)]
pub(crate) mod tests;
