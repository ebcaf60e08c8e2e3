use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use s3_store::{Clock, Permission, Permits, Store};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::client::Client;

/// A store served on a loopback port until dropped.
pub(crate) struct Served {
    pub(crate) store: Store,
    pub(crate) endpoint: String,
    cancel: CancellationToken,
    task: JoinHandle<std::io::Result<()>>,
}

struct Always(Permission);

#[async_trait::async_trait]
impl Permits for Always {
    async fn permission(&self, _: &str) -> Permission {
        self.0
    }
}

/// A clock that moves on by one second whenever it is read.
pub(crate) fn clock() -> Clock {
    let now = AtomicI64::new(1_700_000_000_000);
    Arc::new(move || now.fetch_add(1000, Ordering::Relaxed))
}

pub(crate) fn scratch() -> TempDir {
    tempfile::tempdir().unwrap()
}

impl Served {
    pub(crate) async fn start(folder: &Path) -> Self {
        Self::start_permitted(folder, Arc::new(Always(Permission::ReadWrite))).await
    }

    pub(crate) async fn start_permitted(folder: &Path, permits: Arc<dyn Permits>) -> Self {
        let store = Store::open(folder, clock()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let cancel = CancellationToken::new();
        let task = tokio::spawn(
            store
                .clone()
                .serve_permitted(permits, listener, cancel.clone()),
        );
        Self {
            store,
            endpoint,
            cancel,
            task,
        }
    }

    pub(crate) fn client(&self, bucket: &str) -> Client {
        self.store.create_bucket(bucket).unwrap();
        let (access_key, secret) = self.store.create_key(bucket).unwrap();
        Client::new(&self.endpoint, bucket, &access_key, &secret)
    }

    /// Asks the server to stop; what is in flight goes on.
    pub(crate) fn begin_stop(&self) {
        self.cancel.cancel();
    }

    /// Stops gracefully and closes the store.
    pub(crate) async fn stop(self) {
        self.cancel.cancel();
        self.task.await.unwrap().unwrap();
    }
}

/// A fresh store with one bucket and its client.
pub(crate) async fn fresh() -> (TempDir, Served, Client) {
    let folder = scratch();
    let served = Served::start(folder.path()).await;
    let client = served.client("notes");
    (folder, served, client)
}
