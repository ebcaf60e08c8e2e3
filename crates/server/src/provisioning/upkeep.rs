//! What has to be looked at every hour, by one replica.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;

use super::{Parts, Step, StepError, millis, outcome};
use crate::store::workflows::Claim;
use crate::workflow::{Outcome, Policy, Workflow};

const FIRST_STEP: &str = "trim";
const STEPS: &[&str] = &[FIRST_STEP, "orphans"];
const EVERY: Duration = Duration::from_secs(60 * 60);

const POLICY: Policy = Policy {
    max_attempts: None,
    first_pause: Duration::from_secs(10),
    longest_pause: EVERY,
};

pub(super) struct Upkeep {
    parts: Parts,
    logs_kept: Duration,
}

impl Upkeep {
    pub(super) fn new(parts: Parts, logs_kept: Duration) -> Self {
        Self { parts, logs_kept }
    }

    async fn step(&self, claim: &Claim) -> Result<Step, StepError> {
        match claim.step.as_str() {
            FIRST_STEP => {
                let before = (self.parts.clock)() - millis(self.logs_kept);
                let trimmed = self.parts.store.trim_workflows(before).await?;
                tracing::debug!(trimmed, "logs of ended workflows removed");
            }
            "orphans" => self.report_orphans().await?,
            other => return Err(StepError::UnknownStep(other.to_owned())),
        }
        Ok(Step::Done)
    }

    /// Names instances without a tenant, which cost money. They are not removed: a database
    /// restored from an older backup would take living instances with it.
    async fn report_orphans(&self) -> Result<(), StepError> {
        let listed = self.parts.instances.list().await?;
        let tenants: BTreeSet<String> = listed.into_iter().map(|one| one.tenant_id).collect();
        for tenant_id in tenants {
            if self.parts.store.find_tenant(&tenant_id).await?.is_none() {
                tracing::warn!(tenant.id = tenant_id, "an instance belongs to no tenant");
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Workflow for Upkeep {
    fn kind(&self) -> &'static str {
        "upkeep"
    }

    fn steps(&self) -> &'static [&'static str] {
        STEPS
    }

    fn policy(&self) -> Policy {
        POLICY
    }

    fn recurs_after(&self) -> Option<Duration> {
        Some(EVERY)
    }

    async fn run(&self, claim: &Claim) -> Outcome {
        outcome(self.step(claim).await)
    }
}
