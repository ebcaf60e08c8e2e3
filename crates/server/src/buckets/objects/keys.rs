//! With what requests for a bucket's objects are signed.

use std::collections::HashMap;

use tokio::sync::Mutex;

use crate::buckets::{AdminKey, BucketError};

/// One key for all buckets, or one for each.
pub(crate) enum ObjectKeys {
    /// The server's own at AWS or Tigris.
    Server(AdminKey),
    /// Those of the embedded store, which knows no others.
    Minted(MintedKeys),
}

/// Keys of this process, each for one bucket, made when first needed and kept in memory alone.
///
/// Each has the name of its bucket, so one that an earlier process left is replaced.
pub(crate) struct MintedKeys {
    store: s3_store::Store,
    held: Mutex<HashMap<String, AdminKey>>,
}

impl MintedKeys {
    pub(crate) fn new(store: s3_store::Store) -> Self {
        Self {
            store,
            held: Mutex::default(),
        }
    }

    async fn get(&self, bucket: &str) -> Result<AdminKey, BucketError> {
        // Held while one is made: a second one would end the first.
        let mut held = self.held.lock().await;
        if let Some(key) = held.get(bucket) {
            return Ok(key.clone());
        }
        let (store, name) = (self.store.clone(), bucket.to_owned());
        let made = tokio::task::spawn_blocking(move || {
            store.create_named_key(&name, &format!("server of {name}"))
        });
        let (access_key, secret) = made.await??;
        let key = AdminKey { access_key, secret };
        held.insert(bucket.to_owned(), key.clone());
        Ok(key)
    }

    async fn distrust(&self, bucket: &str, refused: &AdminKey) {
        let mut held = self.held.lock().await;
        if held
            .get(bucket)
            .is_some_and(|key| key.access_key == refused.access_key)
        {
            held.remove(bucket);
        }
    }
}

impl ObjectKeys {
    pub(super) async fn get(&self, bucket: &str) -> Result<AdminKey, BucketError> {
        match self {
            Self::Server(key) => Ok(key.clone()),
            Self::Minted(keys) => keys.get(bucket).await,
        }
    }

    /// Makes another key the next time; this one was refused.
    pub(super) async fn distrust(&self, bucket: &str, refused: &AdminKey) {
        match self {
            Self::Server(_) => {}
            Self::Minted(keys) => keys.distrust(bucket, refused).await,
        }
    }
}
