//! The life of a storage key: made, used, changed, revoked, and found again if it got lost.
//!
//! The row comes first and names what the object store will have, the store is asked second, and
//! the row is completed third. Whoever dies in between leaves a row without a key or a key
//! without a row; [`tend`] finds both and removes them. Secrets pass through once.
//!
//! A key is worth what its owner's subscription is: while that is not current the key only reads.
//! The embedded store asks before each change ([`permits`]); elsewhere the job swaps policies.

mod permits;
mod tend;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OnceCell;
use uuid::Uuid;

use crate::buckets::{BucketError, Buckets, IssuedKey, KeyGrant, KeyRef};
use crate::clock::Clock;
use crate::error::{ApiError, chain};
use crate::principal::TenantScope;
use crate::store::{
    Begun, Completed, CredentialCaps, CredentialKind, KeyRemoval, NewCredential, Origin, Removal,
    Revocation, Store, StoreError,
};

pub(crate) use permits::SubscriptionPermits;

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long whoever revokes has before the removal job takes over.
const REMOVAL_HEAD_START: Duration = Duration::from_secs(60);
const FIRST_RETRY: Duration = Duration::from_secs(30);

/// How keys are limited, and how often they are looked after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CredentialSettings {
    /// How many live keys a tenant may have.
    pub(crate) live_at_most: i64,
    /// How many keys a tenant may ask for in an hour.
    pub(crate) hourly_at_most: i64,
    /// After this time a key expires; never if `None`.
    pub(crate) life: Option<Duration>,
    /// After this time without use a key is revoked, where the store tells; never if `None`.
    pub(crate) unused_life: Option<Duration>,
    /// The pause between two rounds of the job.
    pub(crate) round: Duration,
    /// The pause between two searches for keys that are not on record.
    pub(crate) search: Duration,
    /// After this time an unfinished request is taken for dead; well over what one can take.
    pub(crate) unfinished_life: Duration,
}

impl Default for CredentialSettings {
    fn default() -> Self {
        Self {
            live_at_most: 20,
            hourly_at_most: 10,
            life: None,
            unused_life: Some(90 * DAY),
            round: Duration::from_secs(60),
            search: HOUR,
            unfinished_life: Duration::from_secs(10 * 60),
        }
    }
}

/// Makes, changes and removes keys, on record and in the object store.
pub(crate) struct Keys {
    store: Arc<dyn Store>,
    buckets: Arc<dyn Buckets>,
    clock: Clock,
    settings: CredentialSettings,
    /// Starts the name of every key that this deployment makes.
    prefix: OnceCell<String>,
}

impl Keys {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        buckets: Arc<dyn Buckets>,
        clock: Clock,
        settings: CredentialSettings,
    ) -> Self {
        Self {
            store,
            buckets,
            clock,
            settings,
            prefix: OnceCell::new(),
        }
    }

    /// Makes a new key for the tenant, for what `description` says; the ones before it stay.
    pub(crate) async fn issue(
        &self,
        tenant: &TenantScope,
        description: &str,
        origin: &Origin,
    ) -> Result<IssuedKey, ApiError> {
        let expires_at = self.settings.life.map(|life| origin.at + millis(life));
        let kind = CredentialKind::Mount;
        self.issue_as(kind, tenant, description, expires_at, origin)
            .await
    }

    /// Makes a new key for the tenant's instance, which nobody is shown.
    pub(crate) async fn issue_to_instance(
        &self,
        tenant: &TenantScope,
        origin: &Origin,
    ) -> Result<IssuedKey, ApiError> {
        let kind = CredentialKind::Instance;
        self.issue_as(kind, tenant, "Tenant instance", None, origin)
            .await
    }

    async fn issue_as(
        &self,
        kind: CredentialKind,
        tenant: &TenantScope,
        description: &str,
        expires_at: Option<i64>,
        origin: &Origin,
    ) -> Result<IssuedKey, ApiError> {
        let id = Uuid::now_v7();
        let grant = KeyGrant {
            name: key_name(self.prefix().await?, tenant.id(), id),
            bucket: tenant.bucket().to_owned(),
            expires_at,
        };
        let id = id.to_string();
        let credential = NewCredential {
            id: id.clone(),
            name: grant.name.clone(),
            description: description.to_owned(),
            kind,
            expires_at: grant.expires_at,
        };
        self.begin(tenant, &credential, origin).await?;
        let key = match self.buckets.issue_key(&grant).await {
            Ok(key) => key,
            Err(error) => {
                self.store.fail_credential(tenant, &id, origin).await?;
                return Err(ApiError::CredentialFailed(error));
            }
        };
        let completed = self
            .store
            .complete_credential(tenant, &id, &key.access_key, &key.policy_arn, origin)
            .await;
        match completed {
            Ok(Completed::Issued) => Ok(key),
            Ok(Completed::Unwanted) => {
                self.take_back(&grant, key).await;
                Err(ApiError::NoTenant)
            }
            Err(error) => {
                self.take_back(&grant, key).await;
                Err(ApiError::Store(error))
            }
        }
    }

    async fn begin(
        &self,
        tenant: &TenantScope,
        credential: &NewCredential,
        origin: &Origin,
    ) -> Result<(), ApiError> {
        let (live, recent) = match credential.kind {
            CredentialKind::Mount => (self.settings.live_at_most, self.settings.hourly_at_most),
            CredentialKind::Instance => (i64::MAX, i64::MAX),
        };
        let caps = CredentialCaps {
            live,
            recent,
            recent_since: origin.at - millis(HOUR),
        };
        let begun = self
            .store
            .begin_credential(tenant, credential, caps, origin)
            .await?;
        match begun {
            Begun::Recorded => Ok(()),
            Begun::TenantGone => Err(ApiError::NoTenant),
            Begun::TooManyLive => Err(ApiError::TooManyKeys {
                most: self.settings.live_at_most,
            }),
            Begun::TooManyRecent { earliest } => Err(ApiError::RateLimited {
                retry_after_s: seconds_until(earliest + millis(HOUR), origin.at),
            }),
        }
    }

    /// Removes a key that nobody will get. If that fails, its name tells the job.
    async fn take_back(&self, grant: &KeyGrant, key: IssuedKey) {
        let key = KeyRef {
            name: grant.name.clone(),
            access_key: Some(key.access_key),
            policy_arn: Some(key.policy_arn),
        };
        if let Err(error) = self.buckets.revoke_key(&key).await {
            tracing::warn!(key = key.name, error = %chain(&error), "a key is left for the removal job");
        }
    }

    /// Revokes a key. Repeating it succeeds; a key of another tenant is not there.
    pub(crate) async fn revoke(
        &self,
        tenant: &TenantScope,
        id: &str,
        origin: &Origin,
    ) -> Result<(), ApiError> {
        let due_at = origin.at + millis(REMOVAL_HEAD_START);
        let revocation = self
            .store
            .revoke_credential(tenant, id, due_at, origin)
            .await?;
        match revocation.ok_or(ApiError::NotFound)? {
            Revocation::Done => Ok(()),
            Revocation::KeyRemains(key) => {
                let removal = Removal {
                    id: id.to_owned(),
                    key,
                    attempt: 1,
                };
                match self.remove(&removal, origin).await? {
                    Ok(()) => Ok(()),
                    Err(error) => Err(ApiError::CredentialFailed(error)),
                }
            }
        }
    }

    /// Removes a revoked key from the object store, and records how that went.
    async fn remove(
        &self,
        removal: &Removal,
        origin: &Origin,
    ) -> Result<Result<(), BucketError>, StoreError> {
        let removed = self.buckets.revoke_key(&removal.key).await;
        let outcome = match &removed {
            Ok(()) => KeyRemoval::Completed,
            Err(error) => {
                tracing::warn!(
                    key = removal.key.name,
                    attempt = removal.attempt,
                    error = %chain(error),
                    "a revoked key could not be removed"
                );
                let pause = match error.is_transient() {
                    true => retry_pause(removal.attempt),
                    false => HOUR,
                };
                KeyRemoval::Failed {
                    due_at: (self.clock)() + millis(pause),
                }
            }
        };
        self.store
            .record_key_removal(&removal.id, outcome, origin)
            .await?;
        Ok(removed)
    }

    async fn prefix(&self) -> Result<&str, StoreError> {
        let prefix = self.prefix.get_or_try_init(|| self.read_prefix()).await?;
        Ok(prefix)
    }

    async fn read_prefix(&self) -> Result<String, StoreError> {
        let candidate = hex::encode(&Uuid::new_v4().as_bytes()[..4]);
        let id = self.store.deployment_id(&candidate).await?;
        Ok(format!("bm-{id}-"))
    }
}

/// Names what the object store has of a credential: by deployment, so that two of them in one
/// account leave each other's keys alone; by tenant, for people; by credential, to be unique.
/// IAM allows 64 characters.
fn key_name(prefix: &str, tenant_id: &str, id: Uuid) -> String {
    let tenant: String = tenant_id
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(8)
        .collect();
    format!("{prefix}{tenant}-{}", id.simple())
}

fn retry_pause(attempt: i64) -> Duration {
    let doublings = u32::try_from(attempt - 1).unwrap_or(0).min(16);
    FIRST_RETRY.saturating_mul(1 << doublings).min(HOUR)
}

/// Whole seconds, at least one.
fn seconds_until(at: i64, now: i64) -> u64 {
    u64::try_from((at - now + 999) / 1000).unwrap_or(0).max(1)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}
