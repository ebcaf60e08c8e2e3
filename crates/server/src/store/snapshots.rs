//! Moments of a tenant's bucket that somebody wants to be able to go back to.
//!
//! A row remembers the moment; what the bucket held then is in the object store's versions.

use async_trait::async_trait;

use super::{Origin, StoreError};
use crate::principal::TenantScope;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BucketSnapshot {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    /// Unix milliseconds; versions from before this moment belong to it.
    pub(crate) taken_at: i64,
    /// The profile of whoever took it.
    pub(crate) created_by: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SnapshotAdded {
    Added,
    TenantGone,
    TooMany,
}

#[async_trait]
pub(crate) trait BucketSnapshots {
    /// Records a snapshot, unless the tenant has `most` already.
    async fn add_snapshot(
        &self,
        tenant: &TenantScope,
        snapshot: &BucketSnapshot,
        most: i64,
        origin: &Origin,
    ) -> Result<SnapshotAdded, StoreError>;

    /// Lists a tenant's snapshots, newest first.
    async fn list_snapshots(&self, tenant: &TenantScope)
    -> Result<Vec<BucketSnapshot>, StoreError>;

    async fn find_snapshot(
        &self,
        tenant: &TenantScope,
        id: &str,
    ) -> Result<Option<BucketSnapshot>, StoreError>;

    /// Forgets a snapshot; the bucket is not touched. Tells whether there was one.
    async fn forget_snapshot(
        &self,
        tenant: &TenantScope,
        id: &str,
        origin: &Origin,
    ) -> Result<bool, StoreError>;

    /// Writes down that notes were brought back from a snapshot.
    async fn record_restore(
        &self,
        tenant: &TenantScope,
        id: &str,
        origin: &Origin,
    ) -> Result<(), StoreError>;
}
