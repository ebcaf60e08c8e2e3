//! Rows of durable work, their leases, and the log of their steps.

use async_trait::async_trait;

use super::StoreError;

/// A workflow to enqueue.
#[derive(Clone, Debug)]
pub(crate) struct NewWorkflow {
    pub(crate) kind: &'static str,
    /// `None` for recurring work of the whole deployment.
    pub(crate) tenant_id: Option<String>,
    /// The first step.
    pub(crate) step: &'static str,
    /// JSON.
    pub(crate) input: String,
    /// Unix milliseconds.
    pub(crate) run_at: i64,
}

/// A workflow held until its lease ends. Writes that name an older fence are refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) tenant_id: Option<String>,
    pub(crate) step: String,
    /// The number of this start of the step, from 1.
    pub(crate) attempt: u32,
    pub(crate) fence: i64,
    /// Stays the same however often this step is started.
    pub(crate) idempotency_key: String,
    pub(crate) input: String,
}

/// What is recorded about a claimed workflow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The step is done and its worker goes on with the next one.
    Advance { step: &'static str },
    /// The step is done and was the last.
    Finish,
    /// The last step is done; the first one is due again at `at`.
    Rearm { step: &'static str, at: i64 },
    /// The step is started again at `at`; this start does not count.
    Wait { at: i64 },
    /// The step failed and is started again at `at`.
    Retry { at: i64, error: String },
    /// The step failed for good.
    GiveUp { error: String },
}

/// Whether a claim still held when something was to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ack {
    /// Written; the claim as it stands now.
    Recorded(Claim),
    /// Another worker holds the workflow, or it was called off: nothing was written.
    Fenced,
}

/// One line of a workflow's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StepEvent {
    pub(crate) at: i64,
    pub(crate) step: String,
    pub(crate) attempt: i64,
    pub(crate) fence: i64,
    /// `queued started done waits failed gave_up called_off`
    pub(crate) event: String,
    pub(crate) error: Option<String>,
}

#[async_trait]
pub(crate) trait Workflows: Send + Sync + 'static {
    /// Makes sure that recurring work of this kind has a live row.
    async fn ensure_workflow(&self, work: &NewWorkflow, now: i64) -> Result<(), StoreError>;

    /// Takes the workflow that has been due longest, with a new fence.
    ///
    /// Only `kinds` are looked at, so that a version leaves alone what it does not know.
    async fn claim_workflow(
        &self,
        kinds: &[&'static str],
        now: i64,
        lease_until: i64,
    ) -> Result<Option<Claim>, StoreError>;

    /// When the next workflow of `kinds` can be claimed, if there is any.
    async fn next_workflow_at(&self, kinds: &[&'static str]) -> Result<Option<i64>, StoreError>;

    /// Writes progress and its line in the log, if the claim still holds.
    async fn record_progress(
        &self,
        claim: &Claim,
        progress: &Progress,
        now: i64,
        lease_until: i64,
    ) -> Result<Ack, StoreError>;

    /// The log of everything done for a tenant, oldest first.
    async fn tenant_steps(&self, tenant_id: &str) -> Result<Vec<StepEvent>, StoreError>;

    /// Removes workflows that ended before `before`, with their logs; tells how many.
    async fn trim_workflows(&self, before: i64) -> Result<u64, StoreError>;
}
