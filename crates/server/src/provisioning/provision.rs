//! Makes what a tenant needs, step by step.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;

use super::{Parts, Step, StepError, done, outcome};
use crate::instances::{InstanceSpec, Readiness, SecretDelivery};
use crate::store::Instance;
use crate::store::tenants::TenantRecord;
use crate::store::workflows::Claim;
use crate::workflow::{Outcome, Policy, Workflow};

pub(crate) const PROVISIONING: &str = "provision";
pub(crate) const FIRST_STEP: &str = "bucket";

/// The bucket comes first: with it a person's notes are safe, whatever the instance does.
const STEPS: &[&str] = &[
    FIRST_STEP,
    "record-bucket",
    "app",
    "secrets",
    "instance",
    "reports",
    "health",
    "old-keys",
    "ready",
];

/// Some six minutes in all, which is how long an instance may take to answer.
const POLICY: Policy = Policy {
    max_attempts: Some(14),
    first_pause: Duration::from_millis(500),
    longest_pause: Duration::from_secs(60),
};

pub(super) struct Provisioning {
    parts: Parts,
}

impl Provisioning {
    pub(super) fn new(parts: Parts) -> Self {
        Self { parts }
    }

    async fn step(&self, claim: &Claim) -> Result<Step, StepError> {
        let tenant = self.parts.tenant(claim).await?;
        let Parts {
            store,
            buckets,
            instances,
            ..
        } = &self.parts;
        let origin = self.parts.origin(claim);
        match claim.step.as_str() {
            FIRST_STEP => {
                buckets.ensure_bucket(&tenant.reserved_bucket_name).await?;
                Ok(Step::Done)
            }
            "record-bucket" => done(store.bucket_made(claim, &origin).await?),
            "app" => {
                instances.ensure_app(&tenant.id).await?;
                Ok(Step::Done)
            }
            "secrets" => self.secrets(claim, &tenant).await,
            "instance" => self.instance(claim, &tenant).await,
            "reports" => {
                if let Some(reports) = &self.parts.reports {
                    reports
                        .ensure(&tenant.id, &tenant.reserved_bucket_name)
                        .await?;
                }
                Ok(Step::Done)
            }
            "health" => self.health(claim, &tenant).await,
            // The instance has the newest one now.
            "old-keys" => done(store.retire_instance_keys(claim, &origin).await?),
            "ready" => done(store.mark_ready(claim, &origin).await?),
            other => Err(StepError::UnknownStep(other.to_owned())),
        }
    }

    async fn secrets(&self, claim: &Claim, tenant: &TenantRecord) -> Result<Step, StepError> {
        match self.parts.instances.secret_delivery() {
            SecretDelivery::ByOperator => return Ok(Step::Done),
            SecretDelivery::ByDriver => {}
        }
        let origin = self.parts.origin(claim);
        let keys = self.parts.instance_keys.as_ref();
        let keys = keys.ok_or(StepError::NoInstanceKey)?;
        let bucket_keys = self.parts.bucket_keys.as_ref();
        let bucket_keys = bucket_keys.ok_or(StepError::NoInstanceKey)?;
        let bucket_key = bucket_keys.issue(tenant, &origin).await?;
        let secrets = BTreeMap::from([
            ("BM_TENANT_KEYS", keys.key_file(&tenant.id)),
            ("BM_TENANT_S3_ACCESS_KEY_ID", bucket_key.access_key.into()),
            ("BM_TENANT_S3_SECRET_ACCESS_KEY", bucket_key.secret),
        ]);
        let delivered = self.parts.instances.ensure_secrets(&tenant.id, &secrets);
        match delivered.await? {
            None => Ok(Step::Done),
            Some(version) => {
                let store = &self.parts.store;
                done(store.record_secrets(claim, version, &origin).await?)
            }
        }
    }

    async fn instance(&self, claim: &Claim, tenant: &TenantRecord) -> Result<Step, StepError> {
        let keys = self.parts.instance_keys.as_ref();
        let spec = InstanceSpec {
            tenant_id: tenant.id.clone(),
            bucket: tenant.reserved_bucket_name.clone(),
            s3_endpoint: match &self.parts.instance_s3_endpoint {
                Some(endpoint) => endpoint.clone(),
                None => self.parts.buckets.endpoint_url().to_owned(),
            },
            s3_region: self.parts.buckets.region().to_owned(),
            secrets_version: tenant.secrets_version,
            key_id: keys
                .map(|keys| keys.current().to_owned())
                .unwrap_or_default(),
            idempotency_key: claim.idempotency_key.clone(),
        };
        let Some(address) = self.parts.instances.ensure_instance(&spec).await? else {
            return Ok(Step::Done);
        };
        if spec.key_id.is_empty() {
            return Err(StepError::NoInstanceKey);
        }
        let known = tenant
            .instance
            .as_ref()
            .is_some_and(|known| known.address == address.0 && known.key_id == spec.key_id);
        if known {
            return Ok(Step::Done);
        }
        let instance = Instance {
            address: address.0,
            key_id: spec.key_id,
            state: "starting".to_owned(),
        };
        self.record(claim, &instance).await
    }

    async fn health(&self, claim: &Claim, tenant: &TenantRecord) -> Result<Step, StepError> {
        match self.parts.instances.wait_ready(&tenant.id).await? {
            Readiness::Starting => return Err(StepError::NotReady),
            Readiness::Ready => {}
        }
        match &tenant.instance {
            Some(instance) if instance.state != "ready" => {
                let instance = Instance {
                    state: "ready".to_owned(),
                    ..instance.clone()
                };
                self.record(claim, &instance).await
            }
            Some(_) | None => Ok(Step::Done),
        }
    }

    async fn record(&self, claim: &Claim, instance: &Instance) -> Result<Step, StepError> {
        let origin = self.parts.origin(claim);
        let recorded = self.parts.store.put_instance(claim, instance, &origin);
        done(recorded.await?)
    }
}

#[async_trait]
impl Workflow for Provisioning {
    fn kind(&self) -> &'static str {
        PROVISIONING
    }

    fn steps(&self) -> &'static [&'static str] {
        STEPS
    }

    fn policy(&self) -> Policy {
        POLICY
    }

    async fn run(&self, claim: &Claim) -> Outcome {
        outcome(self.step(claim).await)
    }
}
