//! Undoes what provisioning made. Access has ended before it starts.

use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;

use super::{Parts, Step, StepError, done, outcome};
use crate::error::chain;
use crate::instances::WantedState;
use crate::store::workflows::Claim;
use crate::workflow::{Outcome, Policy, Workflow};

pub(crate) const DELETION: &str = "delete";
pub(crate) const FIRST_STEP: &str = "keys";

/// What a stalled worker or a late answer of a provider made after the first removal goes with
/// the second one, after the pause in between.
const STEPS: &[&str] = &[
    FIRST_STEP,
    "stop",
    "settle",
    "instance",
    "keep",
    "late-keys",
    "late-instance",
    "bucket",
    "forget",
];

/// Neither a key that may still open a bucket is given up on, nor what somebody wants to be gone.
const POLICY: Policy = Policy {
    max_attempts: None,
    first_pause: Duration::from_secs(1),
    longest_pause: Duration::from_secs(15 * 60),
};

/// After so many tries, some minutes, keys that stay keep the instance running no longer. The
/// removal job goes on with them, and the bucket waits for the last one.
const KEYS_TRIED_FIRST: u32 = 9;

/// Written when the deletion is enqueued. Unix milliseconds.
#[derive(Deserialize)]
struct Input {
    /// When the worker of the work that was called off will have stopped.
    settled_at: i64,
    purge_at: i64,
}

pub(super) struct Deletion {
    parts: Parts,
}

impl Deletion {
    pub(super) fn new(parts: Parts) -> Self {
        Self { parts }
    }

    async fn step(&self, claim: &Claim) -> Result<Step, StepError> {
        let tenant_id = claim.tenant_id.as_deref().unwrap_or_default();
        let input: Input = serde_json::from_str(&claim.input)?;
        let Parts {
            store,
            buckets,
            instances,
            ..
        } = &self.parts;
        let origin = self.parts.origin(claim);
        match claim.step.as_str() {
            FIRST_STEP if claim.attempt > KEYS_TRIED_FIRST => {
                tracing::warn!(
                    tenant.id = tenant_id,
                    "a deletion goes on before all keys are removed"
                );
                Ok(Step::Done)
            }
            FIRST_STEP | "late-keys" => self.remove_keys(claim).await,
            "stop" => {
                instances.set_state(tenant_id, WantedState::Stopped).await?;
                Ok(Step::Done)
            }
            "settle" => Ok(self.not_before(input.settled_at)),
            "instance" => {
                instances.destroy(tenant_id).await?;
                done(store.drop_instance(claim, &origin).await?)
            }
            "keep" => Ok(self.not_before(input.purge_at)),
            "late-instance" => {
                instances.destroy(tenant_id).await?;
                Ok(Step::Done)
            }
            "bucket" => self.remove_bucket(claim, &**buckets).await,
            "forget" => done(store.forget_tenant(claim, &origin).await?),
            other => Err(StepError::UnknownStep(other.to_owned())),
        }
    }

    /// Tries every key, also when one of them fails.
    async fn remove_keys(&self, claim: &Claim) -> Result<Step, StepError> {
        let origin = self.parts.origin(claim);
        let remaining = self.parts.store.close_keys(claim, &origin).await?;
        let mut failed = None;
        for key in remaining.ok_or(StepError::Fenced)? {
            match self.parts.buckets.revoke_key(&key.key).await {
                Ok(()) => {
                    let removed = self.parts.store.key_removed(claim, &key.id, &origin);
                    done(removed.await?)?;
                }
                Err(error) => failed = Some(error),
            }
        }
        match failed {
            Some(error) => Err(error.into()),
            None => Ok(Step::Done),
        }
    }

    fn not_before(&self, at: i64) -> Step {
        if (self.parts.clock)() < at {
            Step::NotBefore(at)
        } else {
            Step::Done
        }
    }

    async fn remove_bucket(
        &self,
        claim: &Claim,
        buckets: &dyn crate::buckets::Buckets,
    ) -> Result<Step, StepError> {
        let tenant = self.parts.tenant(claim).await?;
        buckets.delete_bucket(&tenant.reserved_bucket_name).await?;
        tracing::info!(
            tenant.id = tenant.id,
            "the bucket of a deleted tenant is gone"
        );
        Ok(Step::Done)
    }
}

#[async_trait]
impl Workflow for Deletion {
    fn kind(&self) -> &'static str {
        DELETION
    }

    fn steps(&self) -> &'static [&'static str] {
        STEPS
    }

    fn policy(&self) -> Policy {
        POLICY
    }

    async fn run(&self, claim: &Claim) -> Outcome {
        match self.step(claim).await {
            // A provider's token that ran out refuses everything for good, until there is a new one.
            Err(error @ StepError::Instance(_)) => Outcome::Transient(chain(&error)),
            step => outcome(step),
        }
    }
}
