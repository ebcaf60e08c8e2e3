//! Tenants from the operator's and the workflows' side: found by id, changed under a claim.

use async_trait::async_trait;

use super::accounts::Instance;
use super::workflows::Claim;
use super::{Origin, StoreError};
use crate::buckets::KeyRef;

/// A tenant with its owner, and what was last done for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TenantRecord {
    pub(crate) id: String,
    pub(crate) workos_user_id: String,
    pub(crate) email: Option<String>,
    pub(crate) reserved_bucket_name: String,
    /// The bucket, once it exists.
    pub(crate) bucket_name: Option<String>,
    pub(crate) created_at: i64,
    /// When provisioning was first done.
    pub(crate) ready_at: Option<i64>,
    /// When its deletion was asked for; nothing is reachable since.
    pub(crate) deleted_at: Option<i64>,
    /// When the bucket of a deleted tenant goes.
    pub(crate) purge_at: Option<i64>,
    pub(crate) instance: Option<Instance>,
    /// What the provider calls the secrets that the instance was given last.
    pub(crate) secrets_version: Option<i64>,
    /// The newest workflow.
    pub(crate) work: Option<WorkRecord>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WorkRecord {
    pub(crate) kind: String,
    pub(crate) step: String,
    pub(crate) status: String,
    pub(crate) attempt: i64,
    pub(crate) next_run_at: i64,
    pub(crate) error: Option<String>,
}

/// What the records of a tenant add up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TenantState {
    Provisioning,
    Ready,
    /// Provisioning was given up.
    Failed,
    Deleting,
}

impl TenantState {
    /// The word on the wire.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Provisioning => "provisioning",
            Self::Ready => "ready",
            Self::Failed => "failed",
            Self::Deleting => "deleting",
        }
    }
}

impl TenantRecord {
    pub(crate) fn state(&self) -> TenantState {
        let given_up = self
            .work
            .as_ref()
            .is_none_or(|work| work.status == "failed");
        match (self.deleted_at, self.ready_at, given_up) {
            (Some(_), _, _) => TenantState::Deleting,
            (None, Some(_), _) => TenantState::Ready,
            (None, None, true) => TenantState::Failed,
            (None, None, false) => TenantState::Provisioning,
        }
    }
}

/// What became of a request to work on a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Queued {
    Added,
    /// The same work is under way; if it was waiting to be tried again, it is due now.
    UnderWay,
    /// The tenant is being deleted.
    Deleting,
    NoSuchTenant,
}

/// Whether a change that needs a claim was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Changed {
    Done,
    /// The claim no longer holds: nothing was changed.
    Fenced,
}

/// A key of a tenant that the object store may still honor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RemainingKey {
    pub(crate) id: String,
    pub(crate) key: KeyRef,
}

#[async_trait]
pub(crate) trait Tenants: Send + Sync + 'static {
    async fn find_tenant(&self, id: &str) -> Result<Option<TenantRecord>, StoreError>;

    /// The live tenant that a profile owns.
    async fn find_own_tenant(&self, profile_id: &str) -> Result<Option<TenantRecord>, StoreError>;

    /// Lists tenants in the order of their ids, starting behind `after`.
    async fn list_tenants(&self, after: &str, limit: u32) -> Result<Vec<TenantRecord>, StoreError>;

    async fn queue_provisioning(&self, id: &str, origin: &Origin) -> Result<Queued, StoreError>;

    /// Ends all access to the tenant and enqueues its deletion, in place of any other work.
    ///
    /// The bucket stays until `purge_at`. Asking again changes nothing, not even that, except that
    /// a deletion that was given up begins again.
    async fn queue_deletion(
        &self,
        id: &str,
        purge_at: i64,
        origin: &Origin,
    ) -> Result<Queued, StoreError>;

    /// Records that the tenant's reserved bucket exists.
    async fn bucket_made(&self, claim: &Claim, origin: &Origin) -> Result<Changed, StoreError>;

    async fn put_instance(
        &self,
        claim: &Claim,
        instance: &Instance,
        origin: &Origin,
    ) -> Result<Changed, StoreError>;

    async fn drop_instance(&self, claim: &Claim, origin: &Origin) -> Result<Changed, StoreError>;

    async fn record_secrets(
        &self,
        claim: &Claim,
        version: i64,
        origin: &Origin,
    ) -> Result<Changed, StoreError>;

    /// Revokes all keys of the tenant's instance but the newest one.
    async fn retire_instance_keys(
        &self,
        claim: &Claim,
        origin: &Origin,
    ) -> Result<Changed, StoreError>;

    async fn mark_ready(&self, claim: &Claim, origin: &Origin) -> Result<Changed, StoreError>;

    /// Marks every key of the tenant revoked, and gives those not known to be removed; `None` if
    /// the claim no longer holds. After a while the removal job takes what stays.
    async fn close_keys(
        &self,
        claim: &Claim,
        origin: &Origin,
    ) -> Result<Option<Vec<RemainingKey>>, StoreError>;

    async fn key_removed(
        &self,
        claim: &Claim,
        key_id: &str,
        origin: &Origin,
    ) -> Result<Changed, StoreError>;

    /// Removes the tenant's row and everything that hangs off it but the audit trail.
    async fn forget_tenant(&self, claim: &Claim, origin: &Origin) -> Result<Changed, StoreError>;
}
