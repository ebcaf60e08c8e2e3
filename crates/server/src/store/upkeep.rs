//! What operators ask of the database itself.

use async_trait::async_trait;

use super::StoreError;

/// Connections to the database held by this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Connections {
    pub(crate) open: usize,
    pub(crate) idle: usize,
}

/// How much of a kind of work is in a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Backlog {
    /// `workflow`, or `key_removal`: a revoked key that the object store still has.
    pub(crate) work: String,
    pub(crate) state: String,
    pub(crate) number: i64,
}

#[async_trait]
pub(crate) trait Upkeep: Send + Sync {
    /// Makes sure that the database answers, and that its shape is this version's or a newer one.
    async fn check(&self) -> Result<(), StoreError>;

    /// Counts the work that is not done, and that which failed for good.
    async fn backlog(&self) -> Result<Vec<Backlog>, StoreError>;

    fn connections(&self) -> Connections;

    /// Lets running statements end, and leaves the database.
    async fn leave(&self);
}
