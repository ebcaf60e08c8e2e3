//! What the embedded store asks before each change of a bucket.

use std::sync::Arc;

use async_trait::async_trait;
use s3_store::{Permission, Permits};

use crate::clock::Clock;
use crate::error::chain;
use crate::principal::is_current;
use crate::store::Store;

/// Permits changes while the subscription of the bucket's owner is current, read at each change.
pub(crate) struct SubscriptionPermits {
    store: Arc<dyn Store>,
    clock: Clock,
}

impl SubscriptionPermits {
    pub(crate) fn new(store: Arc<dyn Store>, clock: Clock) -> Self {
        Self { store, clock }
    }
}

#[async_trait]
impl Permits for SubscriptionPermits {
    async fn permission(&self, bucket: &str) -> Permission {
        match self.store.bucket_subscription(bucket).await {
            Ok(subscription) => match is_current(subscription.as_ref(), (self.clock)()) {
                true => Permission::ReadWrite,
                false => Permission::ReadOnly,
            },
            Err(error) => {
                tracing::error!(error = %chain(&error), "the database failed");
                Permission::Unknown
            }
        }
    }
}
