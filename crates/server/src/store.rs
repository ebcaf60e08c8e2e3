//! What the server remembers, as verbs of its domain.
//!
//! Every verb either happens whole or not at all, and writes its audit event in the same
//! transaction. Times are Unix milliseconds and come from the caller.

mod sqlite;

use async_trait::async_trait;

use crate::principal::TenantScope;

pub(crate) use sqlite::{Database, SqliteStore, open_database};

#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("the database refused a statement")]
    Database(#[from] sqlx::Error),
    #[error("the database could not be brought to this version's shape")]
    Migration(#[from] sqlx::migrate::MigrateError),
    #[error("the bucket name {name} belongs to another tenant")]
    BucketNameTaken { name: String },
    #[error("no row for {what}")]
    Missing { what: &'static str },
}

/// Who asked for a change, in which request, and when.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) actor: String,
    pub(crate) request_id: String,
    pub(crate) at: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Profile {
    pub(crate) id: String,
    pub(crate) email: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tenant {
    pub(crate) id: String,
    /// The name set aside for this tenant, whether or not the bucket exists.
    pub(crate) reserved_bucket_name: String,
    /// The bucket, once it exists.
    pub(crate) bucket_name: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub(crate) status: String,
    pub(crate) plan: Option<String>,
    pub(crate) current_period_end: Option<i64>,
}

/// Everything a request's policy depends on, read together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) subscription: Option<Subscription>,
    pub(crate) profile: Option<Profile>,
    pub(crate) tenant: Option<Tenant>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Credential {
    pub(crate) id: String,
    pub(crate) access_key: String,
    pub(crate) description: String,
    pub(crate) created_at: i64,
    pub(crate) last_used_at: Option<i64>,
}

/// A key just made in the object store; its secret never gets here.
#[derive(Clone, Debug)]
pub(crate) struct NewCredential {
    pub(crate) id: String,
    pub(crate) access_key: String,
    pub(crate) policy_arn: String,
}

/// How far the removal of a credential has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Revocation {
    /// Revoked here; the object store still has to drop the key.
    KeyRemains {
        access_key: String,
    },
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyRemoval {
    Completed,
    Failed,
}

#[async_trait]
pub(crate) trait Store: Send + Sync + 'static {
    /// Reads what the subject has at this moment. Unknown subjects have nothing.
    async fn standing(&self, subject: &str) -> Result<Standing, StoreError>;

    /// Makes sure that the subject has a profile, and that it carries `email`.
    async fn ensure_profile(
        &self,
        subject: &str,
        email: &str,
        origin: &Origin,
    ) -> Result<Profile, StoreError>;

    async fn put_subscription(
        &self,
        subject: &str,
        subscription: &Subscription,
        origin: &Origin,
    ) -> Result<(), StoreError>;

    /// Gives the profile's own tenant, made from `id` and `bucket_name` if there is none yet.
    ///
    /// Fails with `BucketNameTaken` if the name is another tenant's.
    async fn claim_tenant(
        &self,
        profile: &Profile,
        id: &str,
        bucket_name: &str,
        origin: &Origin,
    ) -> Result<Tenant, StoreError>;

    /// Records that the tenant's reserved bucket exists.
    async fn record_bucket(&self, tenant: &Tenant, origin: &Origin) -> Result<(), StoreError>;

    async fn add_credential(
        &self,
        tenant: &TenantScope,
        credential: &NewCredential,
        origin: &Origin,
    ) -> Result<(), StoreError>;

    /// Lists live credentials, oldest first.
    async fn list_credentials(&self, tenant: &TenantScope) -> Result<Vec<Credential>, StoreError>;

    /// Marks the tenant's credential revoked; `None` if the tenant has no such credential.
    async fn revoke_credential(
        &self,
        tenant: &TenantScope,
        id: &str,
        origin: &Origin,
    ) -> Result<Option<Revocation>, StoreError>;

    async fn record_key_removal(
        &self,
        tenant: &TenantScope,
        id: &str,
        removal: KeyRemoval,
        origin: &Origin,
    ) -> Result<(), StoreError>;
}
