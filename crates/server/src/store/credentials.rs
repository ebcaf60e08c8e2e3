//! The keys that open a tenant's bucket, without their secrets.

use async_trait::async_trait;

use super::{Origin, StoreError};
use crate::principal::TenantScope;

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
pub(crate) trait Credentials {
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
