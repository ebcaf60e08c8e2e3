//! Whose bucket is swept next of versions that may go.

use async_trait::async_trait;

use super::{Origin, StoreError};

/// A bucket to sweep, and what must stay in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sweep {
    pub(crate) tenant_id: String,
    pub(crate) bucket: String,
    /// The key behind which to go on; from the start if `None`.
    pub(crate) after: Option<String>,
    /// When it was due, Unix milliseconds; of a first one, when the tenant was made.
    pub(crate) due_at: i64,
    /// The moments that somebody wants to go back to, Unix milliseconds.
    pub(crate) snapshots: Vec<i64>,
}

/// What became of a sweep, and when the next one is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SweepReport {
    pub(crate) tenant_id: String,
    /// Versions removed.
    pub(crate) removed: u64,
    /// The key behind which the next sweep goes on.
    pub(crate) after: Option<String>,
    /// Unix milliseconds.
    pub(crate) due_at: i64,
}

#[async_trait]
pub(crate) trait Sweeps {
    /// Takes the bucket whose sweep has been due longest; it is due again at `lease_until` unless
    /// a report comes first. The first one is due once the tenant was made before `made_before`.
    async fn claim_sweep(
        &self,
        now: i64,
        made_before: i64,
        lease_until: i64,
    ) -> Result<Option<Sweep>, StoreError>;

    /// A tenant's bucket as a sweep from its start would find it.
    async fn find_sweep(&self, tenant_id: &str) -> Result<Option<Sweep>, StoreError>;

    /// Two sweeps of one bucket at once do no harm, so a report that comes late is taken, too.
    async fn record_sweep(&self, report: &SweepReport, origin: &Origin) -> Result<(), StoreError>;

    /// Makes a sweep from the start due now. Tells whether there is such a bucket.
    async fn hasten_sweep(&self, tenant_id: &str, origin: &Origin) -> Result<bool, StoreError>;
}
