//! Buckets and keys in the store inside this process.

use async_trait::async_trait;
use s3_store::StoreError;
use secrecy::ExposeSecret;

use super::versions::{PAGE, from_store, store_mark};
use super::{
    Access, BucketError, Buckets, FoundKey, IssuedKey, KeyGrant, KeyRef, LastUse,
    NotificationTarget, Notifications, VersionMark, VersionRemoval, Versions, VersionsPage,
};

pub(crate) struct EmbeddedBuckets {
    store: s3_store::Store,
    endpoint_url: String,
}

impl EmbeddedBuckets {
    pub(crate) fn new(store: s3_store::Store, endpoint_url: String) -> Self {
        Self {
            store,
            endpoint_url,
        }
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(s3_store::Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, BucketError> {
        let store = self.store.clone();
        Ok(tokio::task::spawn_blocking(move || work(store)).await??)
    }
}

#[async_trait]
impl Versions for EmbeddedBuckets {
    async fn list_versions(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&VersionMark>,
    ) -> Result<VersionsPage, BucketError> {
        let (bucket, prefix) = (bucket.to_owned(), prefix.to_owned());
        let after = after.map(store_mark);
        let page = self
            .run(move |store| store.list_versions(&bucket, &prefix, after.as_ref(), PAGE))
            .await?;
        Ok(from_store(page))
    }
}

#[async_trait]
impl Buckets for EmbeddedBuckets {
    async fn ensure_bucket(&self, bucket: &str) -> Result<(), BucketError> {
        let bucket = bucket.to_owned();
        self.run(move |store| store.create_bucket(&bucket)).await
    }

    async fn delete_bucket(&self, bucket: &str) -> Result<(), BucketError> {
        let bucket = bucket.to_owned();
        self.run(move |store| store.delete_bucket(&bucket)).await?;
        Ok(())
    }

    /// Happens whole or not at all, and leaves every key to which something was written since.
    async fn remove_versions(
        &self,
        bucket: &str,
        removals: &[VersionRemoval],
    ) -> Result<(), BucketError> {
        let bucket = bucket.to_owned();
        let removals: Vec<s3_store::VersionRemoval> = removals
            .iter()
            .map(|removal| s3_store::VersionRemoval {
                key: removal.key.clone(),
                newest: removal.latest.clone(),
                versions: removal.versions.clone(),
            })
            .collect();
        self.run(move |store| store.remove_versions(&bucket, &removals))
            .await?;
        Ok(())
    }

    async fn end_uploads(&self, bucket: &str, begun_before: i64) -> Result<u64, BucketError> {
        let bucket = bucket.to_owned();
        let ended = self.run(move |store| store.end_uploads(&bucket, begun_before));
        Ok(ended.await? as u64)
    }

    /// The store's own change stream is read inside this process.
    async fn notify(&self, _: &str, _: &NotificationTarget) -> Result<Notifications, BucketError> {
        Ok(Notifications::Unsupported)
    }

    async fn issue_key(&self, grant: &KeyGrant) -> Result<IssuedKey, BucketError> {
        let (bucket, name) = (grant.bucket.clone(), grant.name.clone());
        let (access_key, secret) = self
            .run(move |store| store.create_named_key(&bucket, &name))
            .await?;
        // Published clients write the secret into an INI file that gives `%` a meaning.
        if secret.expose_secret().contains('%') {
            return Err(BucketError::SecretUnfit);
        }
        Ok(IssuedKey {
            access_key,
            secret,
            policy_arn: format!("embedded:bucket/{}", grant.bucket),
        })
    }

    async fn revoke_key(&self, key: &KeyRef) -> Result<(), BucketError> {
        let key = key.clone();
        self.run(move |store| {
            store.delete_named_key(&key.name)?;
            if let Some(access_key) = &key.access_key {
                store.delete_key(access_key)?;
            }
            Ok(())
        })
        .await
    }

    /// The store asks before each change, see [`crate::credentials`]; its keys need no change.
    async fn set_access(&self, _: &KeyRef, _: &KeyGrant, _: Access) -> Result<(), BucketError> {
        Ok(())
    }

    async fn list_keys(&self, prefix: &str) -> Result<Vec<FoundKey>, BucketError> {
        let prefix = prefix.to_owned();
        let records = self.run(|store| store.access_keys()).await?;
        let mut found: Vec<FoundKey> = records
            .into_iter()
            .filter_map(|record| record.name)
            .filter(|name| name.starts_with(&prefix))
            .map(|name| FoundKey {
                name,
                policy_arn: None,
            })
            .collect();
        found.sort();
        Ok(found)
    }

    async fn last_use(&self, key: &KeyRef) -> Result<LastUse, BucketError> {
        let records = self.run(|store| store.access_keys()).await?;
        let used = records
            .into_iter()
            .find(|record| Some(&record.access_key) == key.access_key.as_ref())
            .and_then(|record| record.last_used_ms);
        Ok(used.map_or(LastUse::Never, LastUse::At))
    }

    fn endpoint_url(&self) -> &str {
        &self.endpoint_url
    }

    fn region(&self) -> &str {
        "auto"
    }
}
