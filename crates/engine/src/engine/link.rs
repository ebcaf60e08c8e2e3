use std::sync::Arc;

use guard::{Bucket, BucketConfig, Credentials, Guard, Limits};
use tokio::sync::watch;
use url::Url;

use crate::Clock;
use crate::account::{Account, AuthError, BucketCredentials};
use crate::proxy::ChosenProxy;

/// The way to the account's bucket, kept from run to run.
#[derive(Clone)]
pub(crate) struct Link {
    pub(crate) bucket: Bucket,
    pub(crate) guard: Arc<Guard>,
    access_key: String,
    /// The key of the account whose bucket this is.
    owner: String,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    #[error(transparent)]
    Auth(#[from] AuthError),
    #[error("the server gave a bucket address that cannot be used: {0}")]
    Address(String),
    #[error("the local gateway could not start: {0}")]
    Gateway(#[from] std::io::Error),
}

impl Link {
    /// A way to a bucket whose keys are not the account's to change.
    pub(crate) async fn over(bucket: Bucket) -> std::io::Result<Self> {
        let guard = Arc::new(Guard::start(bucket.clone()).await?);
        Ok(Self {
            bucket,
            guard,
            access_key: String::new(),
            owner: String::new(),
        })
    }

    /// Whether it leads to this account's bucket: another's may have been opened before a person
    /// signed in anew.
    pub(crate) fn is_of(&self, account: &Account) -> bool {
        self.owner == account.key()
    }

    /// The bucket is held to `limits` as they change.
    pub(crate) async fn open(
        account: &Account,
        clock: &Clock,
        limits: watch::Receiver<Limits>,
    ) -> Result<Self, LinkError> {
        let credentials = account.bucket_credentials().await?;
        let access_key = credentials.access_key.clone();
        let bucket = open_bucket(credentials, clock, &account.proxy())?;
        if let Some(device) = account.device() {
            bucket.set_writer(&device);
        }
        follow(&bucket, limits, account.proxy().follow());
        let guard = Arc::new(Guard::start(bucket.clone()).await?);
        Ok(Self {
            bucket,
            guard,
            access_key,
            owner: account.key().to_owned(),
        })
    }

    /// Makes a new key for this device and goes on with it; gives the one before it, which still
    /// works.
    pub(super) async fn replace_key(&mut self, account: &Account) -> Result<String, AuthError> {
        let credentials = account.replace_bucket_key().await?;
        let before = std::mem::replace(&mut self.access_key, credentials.access_key.clone());
        self.bucket.set_credentials(keys(credentials));
        Ok(before)
    }

    /// Takes a new key in place of one that the bucket refuses; runs go on with it.
    pub(super) async fn rotate(&mut self, account: &Account) -> Result<(), AuthError> {
        let credentials = account.rotate_bucket_credentials(&self.access_key).await?;
        self.access_key.clone_from(&credentials.access_key);
        self.bucket.set_credentials(keys(credentials));
        Ok(())
    }
}

/// A client of the bucket that these credentials are for.
pub(super) fn open_bucket(
    credentials: BucketCredentials,
    clock: &Clock,
    proxy: &ChosenProxy,
) -> Result<Bucket, LinkError> {
    let endpoint = Url::parse(&credentials.endpoint_url)
        .map_err(|error| LinkError::Address(error.to_string()))?;
    let config = BucketConfig {
        endpoint,
        region: credentials.region.clone(),
        bucket: credentials.bucket.clone(),
        credentials: keys(credentials),
    };
    let time = clock.clone();
    let unusable = |error: guard::BucketError| LinkError::Address(error.to_string());
    let bucket = Bucket::new(config, Arc::new(move || time.now())).map_err(unusable)?;
    bucket.set_proxy(proxy.now().as_ref()).map_err(unusable)?;
    Ok(bucket)
}

/// Holds the bucket to the limits, and to the proxy, as they change.
fn follow(
    bucket: &Bucket,
    mut limits: watch::Receiver<Limits>,
    mut proxies: watch::Receiver<Option<Url>>,
) {
    let bucket = bucket.clone();
    bucket.set_limits(*limits.borrow_and_update());
    tokio::spawn(async move {
        loop {
            tokio::select! {
                changed = limits.changed() => match changed {
                    Ok(()) => bucket.set_limits(*limits.borrow_and_update()),
                    Err(_) => return,
                },
                Ok(()) = proxies.changed() => {
                    let proxy = proxies.borrow_and_update().clone();
                    if let Err(error) = bucket.set_proxy(proxy.as_ref()) {
                        tracing::error!(%error, "the chosen proxy cannot be used");
                    }
                }
            }
        }
    });
}

fn keys(credentials: BucketCredentials) -> Credentials {
    Credentials {
        access_key: credentials.access_key,
        secret_key: credentials.secret_key,
    }
}
