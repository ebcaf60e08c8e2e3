//! Durable work in named steps: a row says how far it has come, and whoever holds the row's
//! lease carries out the next step.
//!
//! A worker may die or stall at any moment. Its lease runs out, another worker claims the row
//! with a higher fence, and what the first one still writes is refused. So a step can run twice,
//! also at the same time as a stalled twin, and every step is written to find what an earlier
//! run left. Undoing is a workflow of its own, and recurring work is a row that is armed again
//! in the transaction that records its last step.
//!
//! This module must not know tenants, buckets or instances; [`Workflow`] is what it runs.

mod decide;
mod engine;

use std::time::Duration;

use async_trait::async_trait;

pub(crate) use decide::{Outcome, Policy};
pub(crate) use engine::{Engine, EngineSettings};

use crate::store::workflows::Claim;

/// One kind of durable work.
#[async_trait]
pub(crate) trait Workflow: Send + Sync + 'static {
    /// The word its rows carry.
    fn kind(&self) -> &'static str;

    /// The steps in order; names never change, since rows carry them.
    fn steps(&self) -> &'static [&'static str];

    /// How failures are treated.
    fn policy(&self) -> Policy;

    /// How long after its last step it starts again; `None` runs once.
    fn recurs_after(&self) -> Option<Duration> {
        None
    }

    /// Carries out one step. It may have run before, in part or whole.
    async fn run(&self, claim: &Claim) -> Outcome;
}

#[cfg(test)]
mod tests;
