use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use rand::Rng;
use rand::distr::Alphanumeric;
use secrecy::SecretString;

/// What one access key may touch: one bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scope {
    pub(crate) access_key: String,
    pub(crate) bucket: String,
    pub(crate) bucket_id: i64,
}

/// A live key: its secret, kept readable because `SigV4` needs it, and its scope.
#[derive(Debug, Clone)]
pub(crate) struct AccessKey {
    pub(crate) secret: SecretString,
    pub(crate) scope: Scope,
    pub(crate) last_use: LastUse,
}

/// When a key was last used, unix milliseconds; shared by all copies of the key.
#[derive(Debug, Clone, Default)]
pub(crate) struct LastUse(Arc<AtomicI64>);

impl LastUse {
    pub(crate) fn record(&self, now_ms: i64) {
        self.0.fetch_max(now_ms, Ordering::Relaxed);
    }

    fn get(&self) -> Option<i64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|at| *at > 0)
    }
}

/// All live keys, so that a request's signature costs no database read.
#[derive(Debug, Default)]
pub(crate) struct KeyRing {
    keys: RwLock<HashMap<String, AccessKey>>,
}

impl KeyRing {
    pub(crate) fn find(&self, access_key: &str) -> Option<AccessKey> {
        self.keys
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(access_key)
            .cloned()
    }

    /// When the key was last used since the store was opened.
    pub(crate) fn last_use(&self, access_key: &str) -> Option<i64> {
        self.find(access_key)?.last_use.get()
    }

    pub(crate) fn add(&self, key: AccessKey) {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        keys.insert(key.scope.access_key.clone(), key);
    }

    pub(crate) fn remove(&self, access_key: &str) {
        self.keys
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(access_key);
    }

    pub(crate) fn remove_bucket(&self, bucket: &str) {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        keys.retain(|_, key| key.scope.bucket != bucket);
    }
}

/// A new access key id and its secret.
pub(crate) fn mint() -> (String, SecretString) {
    let access_key = format!("tid_{}", random_text(24));
    let secret = format!("tsec_{}", random_text(43));
    (access_key, SecretString::from(secret))
}

pub(crate) fn random_hex(bytes: usize) -> String {
    let mut raw = vec![0; bytes];
    rand::rng().fill(raw.as_mut_slice());
    hex::encode(raw)
}

fn random_text(length: usize) -> String {
    rand::rng()
        .sample_iter(Alphanumeric)
        .take(length)
        .map(char::from)
        .collect()
}
