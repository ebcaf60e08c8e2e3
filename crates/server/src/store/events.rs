//! The change stream's log: each tenant's events, numbered without gaps.

mod wakes;

use async_trait::async_trait;
use wire::ChangeKind;

use super::StoreError;
use crate::events::NewEvent;
use crate::principal::TenantScope;

pub(crate) use wakes::Wakes;

/// One event as it was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RecordedEvent {
    pub(crate) seq: i64,
    pub(crate) kind: ChangeKind,
    pub(crate) path: String,
    pub(crate) from: Option<String>,
    pub(crate) etag: Option<String>,
    pub(crate) size: Option<i64>,
    pub(crate) at: i64,
    pub(crate) device: Option<String>,
}

/// Events after a position, and what the log had at the same moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct EventPage {
    /// The newest number; 0 before the first event.
    pub(crate) head: i64,
    /// Events up to this number are gone.
    pub(crate) floor: i64,
    pub(crate) events: Vec<RecordedEvent>,
}

/// What became of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Appended {
    /// The highest number among the events of these changes.
    pub(crate) seq: i64,
    /// How many of them are events of their own.
    pub(crate) added: usize,
}

/// How much of the log stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Retention {
    /// Events recorded earlier go, Unix milliseconds.
    pub(crate) before: i64,
    /// Of each tenant at most this many stay.
    pub(crate) keep: i64,
}

/// What a delivery of a tenant's bucket is judged by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TenantHook {
    pub(crate) bucket: String,
    /// SHA-256 of the token in use and of the one being introduced, in hexadecimal.
    pub(crate) token_hashes: Vec<String>,
}

#[async_trait]
pub(crate) trait TenantEvents {
    /// Gives each change its place in the tenant's log; `None` if there is no such tenant.
    ///
    /// The tenant's counter stays locked until the commit, so numbers become visible in their
    /// order.
    async fn append_events(
        &self,
        tenant_id: &str,
        changes: &[NewEvent],
        now: i64,
    ) -> Result<Option<Appended>, StoreError>;

    /// Reads up to `limit` events after `after`, oldest first.
    async fn events_after(
        &self,
        tenant: &TenantScope,
        after: i64,
        limit: i64,
    ) -> Result<EventPage, StoreError>;

    /// Lists tenants whose log was touched at `since` or later, with their newest numbers.
    async fn touched_logs(&self, since: i64) -> Result<Vec<(String, i64)>, StoreError>;

    /// Uses up a number for something unknown, so that every earlier position is too old; of one
    /// tenant, or of all.
    async fn skip_events(&self, tenant_id: Option<&str>, now: i64) -> Result<(), StoreError>;

    /// Lists up to `limit` tenants of whose log something is to go.
    async fn overlong_logs(
        &self,
        retention: Retention,
        limit: i64,
    ) -> Result<Vec<String>, StoreError>;

    /// Removes what is to go of one tenant's log; how many events went.
    async fn trim_events(&self, tenant_id: &str, retention: Retention) -> Result<u64, StoreError>;

    async fn find_tenant_of_bucket(&self, bucket: &str) -> Result<Option<String>, StoreError>;

    /// Lets deliveries in with this token too, beside the one in use.
    async fn offer_hook_token(
        &self,
        tenant_id: &str,
        token_hash: &str,
        now: i64,
    ) -> Result<(), StoreError>;

    /// Puts the offered token in use and the one before out of it.
    async fn settle_hook_token(
        &self,
        tenant_id: &str,
        token_hash: &str,
        now: i64,
    ) -> Result<(), StoreError>;

    async fn find_hook(&self, tenant_id: &str) -> Result<Option<TenantHook>, StoreError>;
}
