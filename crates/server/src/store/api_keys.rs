//! Keys with which programs act for a person. Only their hashes are known here.

use async_trait::async_trait;

use super::{Origin, StoreError};

/// A live key as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiKey {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) created_at: i64,
    /// To the hour.
    pub(crate) last_used_at: Option<i64>,
}

/// A key about to be handed out.
#[derive(Clone, Debug)]
pub(crate) struct NewApiKey {
    pub(crate) id: String,
    /// What its owner calls it.
    pub(crate) name: String,
    pub(crate) hash: String,
}

/// Whom a live key speaks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyHolder {
    pub(crate) key_id: String,
    pub(crate) subject: String,
    pub(crate) last_used_at: Option<i64>,
}

/// How many keys one person may have and make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ApiKeyCaps {
    pub(crate) live: i64,
    /// In the time after `recent_since`, revoked ones included.
    pub(crate) recent: i64,
    /// Unix milliseconds.
    pub(crate) recent_since: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyAdded {
    Added,
    ProfileMissing,
    TooManyLive,
    TooManyRecent {
        /// When the earliest of the recent ones was made.
        earliest: i64,
    },
}

#[async_trait]
pub(crate) trait ApiKeys {
    async fn add_api_key(
        &self,
        subject: &str,
        key: &NewApiKey,
        caps: ApiKeyCaps,
        origin: &Origin,
    ) -> Result<KeyAdded, StoreError>;

    /// Lists live keys, oldest first.
    async fn list_api_keys(&self, subject: &str) -> Result<Vec<ApiKey>, StoreError>;

    /// Ends a key of this person. Tells whether there ever was one with this id.
    async fn revoke_api_key(
        &self,
        subject: &str,
        id: &str,
        origin: &Origin,
    ) -> Result<bool, StoreError>;

    /// Whom the key with this hash speaks for, while it is live.
    async fn find_key_holder(&self, hash: &str) -> Result<Option<KeyHolder>, StoreError>;

    async fn record_api_key_use(&self, id: &str, at: i64) -> Result<(), StoreError>;
}
