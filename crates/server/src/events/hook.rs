//! The token by which a bucket's notifications are known, and setting the bucket up to send it.

use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::RngCore as _;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::buckets::{Buckets, NotificationTarget, Notifications};
use crate::clock::Clock;
use crate::provisioning::{BucketReports, ReportError};
use crate::store::Store;

const TOKEN_BYTES: usize = 32;

/// What is kept of a token.
pub(crate) fn token_hash(token: &str) -> String {
    hex::encode(Sha256::digest(token))
}

fn new_token() -> SecretString {
    let mut bytes = [0_u8; TOKEN_BYTES];
    rand::rng().fill_bytes(&mut bytes);
    format!("th_{}", URL_SAFE_NO_PAD.encode(bytes)).into()
}

/// Makes buckets report their changes to this deployment.
pub(crate) struct Hooks {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) buckets: Arc<dyn Buckets>,
    /// Where object stores reach the API.
    pub(crate) public_url: String,
    pub(crate) clock: Clock,
}

#[async_trait]
impl BucketReports for Hooks {
    /// Gives the bucket a new token each time. The one before stays good until the bucket has
    /// taken the new one, so an attempt that is cut short at any point closes nothing.
    async fn ensure(&self, tenant_id: &str, bucket: &str) -> Result<(), ReportError> {
        let token = new_token();
        let hash = token_hash(token.expose_secret());
        self.store
            .offer_hook_token(tenant_id, &hash, (self.clock)())
            .await?;
        let base = self.public_url.trim_end_matches('/');
        let target = NotificationTarget {
            url: format!("{base}/webhooks/tigris/{tenant_id}"),
            token,
        };
        match self.buckets.notify(bucket, &target).await? {
            Notifications::Set => {
                self.store
                    .settle_hook_token(tenant_id, &hash, (self.clock)())
                    .await?;
            }
            Notifications::Unsupported => {}
        }
        Ok(())
    }
}
