//! The store as a process sees it that may die before any change.
//!
//! A change is one transaction, so dying between two of its statements is dying before it; and
//! dying behind it is dying before whatever is done next.

use std::sync::Arc;

use async_trait::async_trait;

use super::outside::Fuse;
use crate::store::tenants::{Changed, Queued, RemainingKey, TenantRecord, Tenants};
use crate::store::workflows::{Ack, Claim, NewWorkflow, Progress, StepEvent, Workflows};
use crate::store::{Instance, Origin, Store, StoreError};

pub(super) struct MortalStore {
    pub(super) store: Arc<dyn Store>,
    pub(super) fuse: Arc<Fuse>,
}

macro_rules! mortal {
    ($self:ident, $change:expr) => {{
        $self.fuse.change().await;
        $change.await
    }};
}

#[async_trait]
impl Workflows for MortalStore {
    async fn ensure_workflow(&self, work: &NewWorkflow, now: i64) -> Result<(), StoreError> {
        mortal!(self, self.store.ensure_workflow(work, now))
    }

    async fn claim_workflow(
        &self,
        kinds: &[&'static str],
        now: i64,
        lease_until: i64,
    ) -> Result<Option<Claim>, StoreError> {
        mortal!(self, self.store.claim_workflow(kinds, now, lease_until))
    }

    async fn next_workflow_at(&self, kinds: &[&'static str]) -> Result<Option<i64>, StoreError> {
        self.store.next_workflow_at(kinds).await
    }

    async fn record_progress(
        &self,
        claim: &Claim,
        progress: &Progress,
        now: i64,
        lease_until: i64,
    ) -> Result<Ack, StoreError> {
        mortal!(
            self,
            self.store
                .record_progress(claim, progress, now, lease_until)
        )
    }

    async fn tenant_steps(&self, tenant_id: &str) -> Result<Vec<StepEvent>, StoreError> {
        self.store.tenant_steps(tenant_id).await
    }

    async fn trim_workflows(&self, before: i64) -> Result<u64, StoreError> {
        mortal!(self, self.store.trim_workflows(before))
    }
}

#[async_trait]
impl Tenants for MortalStore {
    async fn find_tenant(&self, id: &str) -> Result<Option<TenantRecord>, StoreError> {
        self.store.find_tenant(id).await
    }

    async fn find_own_tenant(&self, profile_id: &str) -> Result<Option<TenantRecord>, StoreError> {
        self.store.find_own_tenant(profile_id).await
    }

    async fn list_tenants(&self, after: &str, limit: u32) -> Result<Vec<TenantRecord>, StoreError> {
        self.store.list_tenants(after, limit).await
    }

    async fn queue_provisioning(&self, id: &str, origin: &Origin) -> Result<Queued, StoreError> {
        mortal!(self, self.store.queue_provisioning(id, origin))
    }

    async fn queue_deletion(
        &self,
        id: &str,
        purge_at: i64,
        origin: &Origin,
    ) -> Result<Queued, StoreError> {
        mortal!(self, self.store.queue_deletion(id, purge_at, origin))
    }

    async fn bucket_made(&self, claim: &Claim, origin: &Origin) -> Result<Changed, StoreError> {
        mortal!(self, self.store.bucket_made(claim, origin))
    }

    async fn put_instance(
        &self,
        claim: &Claim,
        instance: &Instance,
        origin: &Origin,
    ) -> Result<Changed, StoreError> {
        mortal!(self, self.store.put_instance(claim, instance, origin))
    }

    async fn drop_instance(&self, claim: &Claim, origin: &Origin) -> Result<Changed, StoreError> {
        mortal!(self, self.store.drop_instance(claim, origin))
    }

    async fn record_secrets(
        &self,
        claim: &Claim,
        version: i64,
        origin: &Origin,
    ) -> Result<Changed, StoreError> {
        mortal!(self, self.store.record_secrets(claim, version, origin))
    }

    async fn retire_instance_keys(
        &self,
        claim: &Claim,
        origin: &Origin,
    ) -> Result<Changed, StoreError> {
        mortal!(self, self.store.retire_instance_keys(claim, origin))
    }

    async fn mark_ready(&self, claim: &Claim, origin: &Origin) -> Result<Changed, StoreError> {
        mortal!(self, self.store.mark_ready(claim, origin))
    }

    async fn close_keys(
        &self,
        claim: &Claim,
        origin: &Origin,
    ) -> Result<Option<Vec<RemainingKey>>, StoreError> {
        mortal!(self, self.store.close_keys(claim, origin))
    }

    async fn key_removed(
        &self,
        claim: &Claim,
        key_id: &str,
        origin: &Origin,
    ) -> Result<Changed, StoreError> {
        mortal!(self, self.store.key_removed(claim, key_id, origin))
    }

    async fn forget_tenant(&self, claim: &Claim, origin: &Origin) -> Result<Changed, StoreError> {
        mortal!(self, self.store.forget_tenant(claim, origin))
    }
}
