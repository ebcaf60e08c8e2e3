//! What the server needs of an object store, and the embedded store behind it.

use async_trait::async_trait;
use s3_store::StoreError;
use secrecy::{ExposeSecret, SecretString};

#[derive(Debug, thiserror::Error)]
pub(crate) enum BucketError {
    #[error("the embedded object store failed")]
    Embedded(#[from] StoreError),
    #[error("the object store's work was cut short")]
    Interrupted(#[from] tokio::task::JoinError),
    #[error("the object store made a secret that published clients cannot save")]
    SecretUnfit,
}

/// A key that opens one bucket. The secret is shown to its owner once and kept nowhere.
#[derive(Debug)]
pub(crate) struct IssuedKey {
    pub(crate) access_key: String,
    pub(crate) secret: SecretString,
    /// What the store calls the rule that ties the key to its bucket.
    pub(crate) policy_arn: String,
}

#[async_trait]
pub(crate) trait Buckets: Send + Sync + 'static {
    /// Makes sure that the bucket exists, with versioning.
    async fn ensure_bucket(&self, bucket: &str) -> Result<(), BucketError>;

    /// Makes sure that the bucket and all in it are gone.
    async fn delete_bucket(&self, bucket: &str) -> Result<(), BucketError>;

    async fn issue_key(&self, bucket: &str) -> Result<IssuedKey, BucketError>;

    /// Makes sure that the key opens nothing any more.
    async fn revoke_key(&self, access_key: &str) -> Result<(), BucketError>;

    /// Where clients reach the buckets.
    fn endpoint_url(&self) -> &str;

    fn region(&self) -> &'static str;
}

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

    async fn issue_key(&self, bucket: &str) -> Result<IssuedKey, BucketError> {
        let name = bucket.to_owned();
        let (access_key, secret) = self.run(move |store| store.create_key(&name)).await?;
        // Published clients write the secret into an INI file that gives `%` a meaning.
        if secret.expose_secret().contains('%') {
            self.revoke_key(&access_key).await?;
            return Err(BucketError::SecretUnfit);
        }
        Ok(IssuedKey {
            access_key,
            secret,
            policy_arn: format!("embedded:bucket/{bucket}"),
        })
    }

    async fn revoke_key(&self, access_key: &str) -> Result<(), BucketError> {
        let access_key = access_key.to_owned();
        self.run(move |store| store.delete_key(&access_key)).await?;
        Ok(())
    }

    fn endpoint_url(&self) -> &str {
        &self.endpoint_url
    }

    fn region(&self) -> &'static str {
        "auto"
    }
}
