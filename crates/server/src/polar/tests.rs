//! Deliveries and questions as Polar sends and answers them, over real databases.

mod crash;
pub(crate) mod payload;
mod products;
mod questions;
mod sequences;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use super::{Polar, PolarApiSettings, PolarSettings, Products};
use crate::clock::Clock;
use crate::principal::is_current;
use crate::store::tests::Fixture;
use crate::store::{Store, Subscription};

pub(crate) const SECRET: &str = "polar_whs_0123456789abcdef";
pub(crate) const NOW_MS: i64 = 1_700_000_000_000;

/// One replica over one database, with a clock that stands still.
struct World {
    fixture: Fixture,
    polar: Arc<Polar>,
    now: Arc<AtomicI64>,
}

pub(crate) fn polar(
    store: Arc<dyn Store>,
    clock: Clock,
    api: Option<PolarApiSettings>,
) -> Arc<Polar> {
    polar_of(store, clock, Products::default(), api)
}

pub(crate) fn polar_of(
    store: Arc<dyn Store>,
    clock: Clock,
    products: Products,
    api: Option<PolarApiSettings>,
) -> Arc<Polar> {
    let settings = PolarSettings {
        webhook_secrets: vec![SECRET.into()],
        products,
        api,
    };
    Arc::new(Polar::new(settings, store, clock, Arc::new(|| 0.5)).unwrap())
}

impl World {
    fn over(fixture: Fixture, api: Option<PolarApiSettings>) -> Self {
        Self::with(fixture, Products::default(), api)
    }

    fn with(fixture: Fixture, products: Products, api: Option<PolarApiSettings>) -> Self {
        let now = Arc::new(AtomicI64::new(NOW_MS));
        let shared = Arc::clone(&now);
        let clock: Clock = Arc::new(move || shared.load(Ordering::SeqCst));
        Self {
            polar: polar_of(Arc::clone(&fixture.store), clock, products, api),
            fixture,
            now,
        }
    }

    /// The same, started again with other products.
    fn restarted(self, products: Products, api: Option<PolarApiSettings>) -> Self {
        let now = self.now.load(Ordering::SeqCst);
        let again = Self::with(self.fixture, products, api);
        again.put_clock(now);
        again
    }

    async fn deliver(&self, id: &str, body: &str) {
        self.polar.take(id, body.as_bytes()).await.unwrap();
    }

    async fn standing(&self, subject: &str) -> Option<Subscription> {
        let standing = self.fixture.store.standing(subject).await.unwrap();
        standing.subscription
    }

    /// What the person is told: the status, and whether it opens anything now.
    async fn access(&self, subject: &str) -> (String, bool) {
        let found = self.standing(subject).await;
        let open = is_current(found.as_ref(), self.now.load(Ordering::SeqCst));
        (found.map_or("none".to_owned(), |found| found.status), open)
    }

    fn put_clock(&self, now: i64) {
        self.now.store(now, Ordering::SeqCst);
    }
}
