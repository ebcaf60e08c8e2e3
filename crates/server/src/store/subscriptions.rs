//! What the payment provider says of customers and their subscriptions.
//!
//! Each subscription is kept as its newest snapshot. The row that requests are decided by
//! (`subscriptions`) follows from all snapshots of one person, and changes in the same
//! transaction as they do.

use async_trait::async_trait;

use super::inbox::Claim;
use super::{Origin, StoreError};
use crate::polar::{Facts, Products, Snapshot};

/// Where facts come from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum FactSource<'a> {
    /// An inbox event, settled together with what follows from it.
    Inbox(&'a Claim),
    /// An answer to a question of ours.
    Api,
}

/// What became of facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Applied {
    /// They are known now, whether or not they were news.
    Done,
    /// They are known, but not whose subscription it is.
    Parked,
    /// Another worker has the inbox event; nothing was changed.
    ClaimLost,
}

/// An active subscription as it was last heard of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ActiveSubscription {
    pub(crate) id: String,
    pub(crate) revision: i64,
    pub(crate) external_id: Option<String>,
    pub(crate) product_id: Option<String>,
    /// When it is looked up next.
    pub(crate) check_at: Option<i64>,
}

#[async_trait]
pub(crate) trait Subscriptions {
    /// Takes in what is newer than what is known, and decides anew for everybody concerned: of
    /// a person's subscriptions those to `products` count.
    async fn apply_facts(
        &self,
        facts: &Facts,
        source: FactSource<'_>,
        products: &Products,
        origin: &Origin,
    ) -> Result<Applied, StoreError>;

    /// Finds the snapshot that the person's subscription row follows from.
    async fn find_deciding_snapshot(&self, subject: &str) -> Result<Option<Snapshot>, StoreError>;

    /// Takes the ids of subscriptions to be looked up at the provider, at most `limit`, and
    /// puts each off until `again_at`.
    async fn claim_due_checks(
        &self,
        now: i64,
        again_at: i64,
        limit: i64,
    ) -> Result<Vec<String>, StoreError>;

    /// Asks for a lookup of one subscription at `at`, or never again.
    async fn put_check(&self, id: &str, at: Option<i64>) -> Result<(), StoreError>;

    async fn list_active_subscriptions(&self) -> Result<Vec<ActiveSubscription>, StoreError>;
}
