//! What operators ask of the database itself.

use async_trait::async_trait;

use super::StoreError;

/// Connections to the database held by this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Connections {
    pub(crate) open: usize,
    pub(crate) idle: usize,
}

#[async_trait]
pub(crate) trait Upkeep: Send + Sync {
    /// Makes sure that the database answers, and that its shape is this version's or a newer one.
    async fn check(&self) -> Result<(), StoreError>;

    fn connections(&self) -> Connections;

    /// Lets running statements end, and leaves the database.
    async fn leave(&self);
}
