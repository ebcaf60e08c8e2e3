//! Deliveries of providers, kept until they are acted on, and their ids for longer.

use async_trait::async_trait;

use super::StoreError;

/// A verified delivery that is not stored yet.
#[derive(Clone, Debug)]
pub(crate) struct NewInboxEvent {
    pub(crate) provider: &'static str,
    /// The provider's own id, which survives its retries.
    pub(crate) delivery_id: String,
    pub(crate) kind: String,
    pub(crate) body: String,
}

/// The right to settle one inbox event, until the lease ends and another takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) id: String,
    pub(crate) fence: i64,
}

/// An inbox event in the hands of one worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClaimedEvent {
    pub(crate) claim: Claim,
    pub(crate) kind: String,
    pub(crate) body: String,
    /// How often it was claimed, this time included.
    pub(crate) attempt: i64,
}

/// An inbox event about a subscription of whom nobody knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ParkedEvent {
    pub(crate) id: String,
    pub(crate) provider: String,
    pub(crate) delivery_id: String,
    pub(crate) kind: String,
    pub(crate) customer_id: Option<String>,
    pub(crate) subscription_id: Option<String>,
    pub(crate) received_at: i64,
}

/// How many inbox events wait for what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct InboxCounts {
    pub(crate) queued: i64,
    pub(crate) parked: i64,
    pub(crate) unreadable: i64,
}

/// Work that comes round again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecurringJob {
    /// Forgets inbox events that are settled for long.
    TrimInbox,
    /// Compares every active subscription with the provider's.
    SweepPolar,
}

impl RecurringJob {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::TrimInbox => "inbox.trim",
            Self::SweepPolar => "polar.sweep",
        }
    }
}

#[async_trait]
pub(crate) trait Inbox {
    /// Stores a delivery and leases it to the caller; `None` if its id is known already.
    async fn receive(
        &self,
        event: &NewInboxEvent,
        now: i64,
        lease_until: i64,
    ) -> Result<Option<ClaimedEvent>, StoreError>;

    /// Leases the oldest event that is due.
    async fn claim_inbox_event(
        &self,
        now: i64,
        lease_until: i64,
    ) -> Result<Option<ClaimedEvent>, StoreError>;

    /// Gives a claimed event back for another try at `run_at`, unless the claim is lost.
    async fn postpone_inbox_event(
        &self,
        claim: &Claim,
        error: &str,
        run_at: i64,
    ) -> Result<(), StoreError>;

    /// Keeps a claimed event, with its body, as one that cannot be understood.
    async fn reject_inbox_event(
        &self,
        claim: &Claim,
        error: &str,
        now: i64,
    ) -> Result<(), StoreError>;

    /// Lists parked events, oldest first, at most `limit`.
    async fn list_parked_events(&self, limit: i64) -> Result<Vec<ParkedEvent>, StoreError>;

    async fn count_inbox_events(&self) -> Result<InboxCounts, StoreError>;

    /// Forgets settled events received before `before`; parked and queued ones stay.
    async fn trim_inbox(&self, before: i64) -> Result<u64, StoreError>;

    /// Takes a recurring job if it is due, and sets when it comes round again.
    async fn claim_recurring_job(
        &self,
        job: RecurringJob,
        now: i64,
        next_at: i64,
    ) -> Result<bool, StoreError>;
}
