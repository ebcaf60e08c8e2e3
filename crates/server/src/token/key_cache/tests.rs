use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::Semaphore;

use super::*;
use crate::idp::SigningKey;

/// Publishes what the test says, as slowly as the test says.
struct Publisher {
    document: Mutex<Option<String>>,
    fetches: AtomicUsize,
    gate: Semaphore,
}

impl Publisher {
    fn of(document: Option<String>) -> Arc<Self> {
        Arc::new(Self {
            document: Mutex::new(document),
            fetches: AtomicUsize::new(0),
            gate: Semaphore::new(1_000_000),
        })
    }

    fn publish(&self, document: Option<String>) {
        *self.document.lock().unwrap() = document;
    }

    fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl FetchKeys for Publisher {
    async fn fetch(&self, _: &Url) -> Result<Bytes, FetchError> {
        self.fetches.fetch_add(1, Ordering::SeqCst);
        drop(self.gate.acquire().await.unwrap());
        let document = self.document.lock().unwrap().clone();
        document.map(Bytes::from).ok_or(FetchError::Status(503))
    }
}

fn new_key() -> SigningKey {
    SigningKey::from_pkcs8(&SigningKey::generate().unwrap()).unwrap()
}

/// A cache, and its clock in milliseconds, which the test puts forward.
struct Bench {
    cache: Arc<KeyCache>,
    now: Arc<AtomicI64>,
}

impl Bench {
    fn with(publisher: &Arc<Publisher>) -> Self {
        let now = Arc::new(AtomicI64::new(1_700_000_000_000));
        let clock: Clock = Arc::new({
            let now = Arc::clone(&now);
            move || now.load(Ordering::SeqCst)
        });
        let url = Url::parse("https://idp.example/jwks").unwrap();
        Self {
            cache: KeyCache::new(url, publisher.clone(), clock),
            now,
        }
    }

    fn seconds_pass(&self, seconds: i64) {
        self.now.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    async fn find(&self, key: &SigningKey) -> Result<u64, TokenRefusal> {
        self.cache
            .find(key.id())
            .await
            .map(|found| found.generation)
    }

    /// Ten minutes after ten minutes, as the background task goes.
    async fn hours_pass(&self, hours: i64) {
        for _ in 0..hours * 6 {
            self.seconds_pass(600);
            self.cache.refresh().await;
        }
    }
}

const UNAVAILABLE: Result<u64, TokenRefusal> =
    Err(TokenRefusal::KeysUnavailable { retry_after_s: 30 });

#[tokio::test]
async fn a_hundred_requests_at_once_make_one_fetch() {
    let key = new_key();
    let publisher = Publisher::of(Some(key.key_set().to_string()));
    let pass = publisher.gate.acquire_many(1_000_000).await.unwrap();
    let bench = Bench::with(&publisher);
    let ask = || bench.find(&key);
    let asking = futures::future::join_all((0..100).map(|_| ask()));
    let opening = async {
        while publisher.fetches() == 0 {
            tokio::task::yield_now().await;
        }
        drop(pass);
    };
    let (answers, ()) = tokio::join!(asking, opening);
    assert_eq!(answers, [Ok(1); 100]);
    assert_eq!(publisher.fetches(), 1);
}

#[tokio::test]
async fn a_fetch_goes_on_when_the_request_that_began_it_is_gone() {
    let key = new_key();
    let publisher = Publisher::of(Some(key.key_set().to_string()));
    let pass = publisher.gate.acquire_many(1_000_000).await.unwrap();
    let bench = Bench::with(&publisher);
    tokio::select! {
        biased;
        _ = bench.find(&key) => panic!("nothing was published yet"),
        () = async {
            while publisher.fetches() == 0 {
                tokio::task::yield_now().await;
            }
        } => {}
    }
    drop(pass);
    assert_eq!(bench.find(&key).await, Ok(1));
    assert_eq!(publisher.fetches(), 1);
}

#[tokio::test]
async fn rotation_is_followed_within_half_a_minute() {
    let (old, new) = (new_key(), new_key());
    let publisher = Publisher::of(Some(old.key_set().to_string()));
    let bench = Bench::with(&publisher);
    assert_eq!(bench.find(&old).await, Ok(1));
    publisher.publish(Some(new.key_set().to_string()));
    bench.seconds_pass(29);
    assert_eq!(bench.find(&new).await, Err(TokenRefusal::UnknownKey));
    bench.seconds_pass(1);
    assert_eq!(bench.find(&new).await, Ok(2));
    assert_eq!(bench.find(&old).await, Err(TokenRefusal::UnknownKey));
    assert_eq!(publisher.fetches(), 2);
}

#[tokio::test]
async fn outages_and_nonsense_are_sat_out_for_a_day() {
    let (key, other) = (new_key(), new_key());
    let publisher = Publisher::of(Some(key.key_set().to_string()));
    let bench = Bench::with(&publisher);
    assert_eq!(bench.find(&key).await, Ok(1));
    for nonsense in [None, Some("{}"), Some(r#"{"keys":[]}"#), Some("<html>")] {
        publisher.publish(nonsense.map(str::to_owned));
        bench.hours_pass(5).await;
        assert_eq!(bench.find(&key).await, Ok(1), "{nonsense:?}");
        assert_eq!(bench.find(&other).await, UNAVAILABLE, "{nonsense:?}");
    }
    bench.hours_pass(5).await;
    assert_eq!(bench.cache.generation(), None);
    assert_eq!(bench.find(&key).await, UNAVAILABLE);

    publisher.publish(Some(key.key_set().to_string()));
    bench.seconds_pass(30);
    assert_eq!(bench.find(&key).await, Ok(1));
}

#[tokio::test]
async fn the_task_fetches_at_the_start_and_ends_when_told() {
    let key = new_key();
    let publisher = Publisher::of(Some(key.key_set().to_string()));
    let bench = Bench::with(&publisher);
    let cancel = CancellationToken::new();
    let mut settled = bench.cache.settled.subscribe();
    let task = tokio::spawn(bench.cache.clone().run(cancel.clone()));
    settled.changed().await.unwrap();
    assert_eq!(bench.cache.generation(), Some(1));
    cancel.cancel();
    task.await.unwrap();
    assert_eq!(publisher.fetches(), 1);
}
