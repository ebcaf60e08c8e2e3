//! A store of our own in this process, and ways to reach it.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use guard::{
    Access, Body, Bucket, BucketConfig, Clock, Credentials, Guard, GuardEvent, Object,
    Precondition, Session, SessionSpec, Visibility,
};
use secrecy::SecretString;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::sync::DropGuard;

use crate::watcher::Watcher;

pub(crate) const BUCKET: &str = "notes";
pub(crate) const SOON: Duration = Duration::from_secs(60);

#[expect(clippy::disallowed_methods, reason = "the clock of these tests")]
fn now() -> SystemTime {
    SystemTime::now()
}

pub(crate) fn clock() -> Clock {
    Arc::new(now)
}

pub(crate) fn connect(endpoint: &str, access_key: &str, secret_key: &SecretString) -> Bucket {
    let config = BucketConfig {
        endpoint: endpoint.parse().unwrap(),
        region: "us-east-1".into(),
        bucket: BUCKET.into(),
        credentials: Credentials {
            access_key: access_key.into(),
            secret_key: secret_key.clone(),
        },
    };
    Bucket::new(config, clock()).unwrap()
}

/// A client that goes through the guard as rclone would.
pub(crate) fn through(session: &Session) -> Bucket {
    connect(
        &session.endpoint(),
        session.access_key(),
        session.secret_key(),
    )
}

/// The store, with a watcher between it and the guards under test.
pub(crate) struct Cloud {
    pub(crate) store: s3_store::Store,
    pub(crate) watcher: Watcher,
    /// Straight to the store, as another device would write.
    pub(crate) elsewhere: Bucket,
    keys: (String, SecretString),
    _stop: DropGuard,
    _folder: TempDir,
}

impl Cloud {
    pub(crate) async fn start() -> Self {
        let folder = testkit::scratch();
        let unix_ms = || {
            let since = now().duration_since(UNIX_EPOCH).unwrap();
            i64::try_from(since.as_millis()).unwrap()
        };
        let store = s3_store::Store::open(folder.path(), Arc::new(unix_ms)).unwrap();
        store.create_bucket(BUCKET).unwrap();
        let keys = store.create_key(BUCKET).unwrap();
        let others = store.create_key(BUCKET).unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let cancel = CancellationToken::new();
        tokio::spawn(store.clone().serve(listener, cancel.clone()));
        Self {
            watcher: Watcher::start(endpoint.clone()).await,
            elsewhere: connect(&endpoint, &others.0, &others.1),
            store,
            keys,
            _stop: cancel.drop_guard(),
            _folder: folder,
        }
    }

    /// A client with the first key pair, watched.
    pub(crate) fn bucket(&self) -> Bucket {
        connect(&self.watcher.endpoint, &self.keys.0, &self.keys.1)
    }

    pub(crate) fn first_access_key(&self) -> &str {
        &self.keys.0
    }

    pub(crate) async fn write(&self, key: &str, text: &str) -> String {
        let when = match self.elsewhere.head(key).await.unwrap() {
            Some(object) => Precondition::Match(object.etag),
            None => Precondition::Absent,
        };
        let body = Body::from(text.as_bytes().to_vec());
        self.elsewhere.put(key, body, when, &[]).await.unwrap()
    }

    pub(crate) async fn read(&self, key: &str) -> Option<String> {
        read(&self.elsewhere, key).await
    }
}

pub(crate) async fn read(bucket: &Bucket, key: &str) -> Option<String> {
    let download = bucket.get(key, None).await.ok()?;
    let bytes = download.into_bytes(1024 * 1024 * 1024).await.unwrap();
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// A guard with one session over a fresh snapshot.
pub(crate) struct Machine {
    pub(crate) session: Session,
    pub(crate) events: mpsc::Receiver<GuardEvent>,
    pub(crate) bucket: Bucket,
    pub(crate) guard: Guard,
}

pub(crate) fn spec(snapshot: Vec<Object>) -> (SessionSpec, mpsc::Receiver<GuardEvent>) {
    let (events, receiver) = mpsc::channel(10_000);
    let spec = SessionSpec {
        snapshot,
        visible: Visibility::All,
        access: Access::ReadWrite,
        rename: None,
        events,
    };
    (spec, receiver)
}

impl Machine {
    pub(crate) async fn new(bucket: Bucket) -> Self {
        Self::with(bucket, |spec| spec).await
    }

    pub(crate) async fn with(
        bucket: Bucket,
        change: impl FnOnce(SessionSpec) -> SessionSpec,
    ) -> Self {
        let snapshot = bucket.sweep().await.unwrap();
        Self::over(bucket, snapshot, change).await
    }

    pub(crate) async fn over(
        bucket: Bucket,
        snapshot: Vec<Object>,
        change: impl FnOnce(SessionSpec) -> SessionSpec,
    ) -> Self {
        let guard = Guard::start(bucket.clone()).await.unwrap();
        let (spec, events) = spec(snapshot);
        Self {
            session: guard.open(change(spec)),
            events,
            bucket,
            guard,
        }
    }

    pub(crate) fn told(&mut self) -> Vec<GuardEvent> {
        let mut all = vec![];
        while let Ok(event) = self.events.try_recv() {
            all.push(event);
        }
        all
    }
}
