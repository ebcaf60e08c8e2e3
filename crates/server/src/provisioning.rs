//! A tenant from nothing, and back to nothing.
//!
//! Both are durable workflows: each step finds what an earlier run of it left, so a server that
//! is killed anywhere leaves work that any replica completes. Deleting is the undoing of
//! provisioning, a workflow of its own that takes the place of whatever was under way.

mod deletion;
mod keys;
mod names;
mod provision;
mod upkeep;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::buckets::{BucketError, Buckets, IssuedKey};
use crate::clock::Clock;
use crate::error::{ApiError, chain};
use crate::instances::{InstanceError, Instances};
use crate::store::tenants::{Changed, TenantRecord, TenantState};
use crate::store::workflows::Claim;
use crate::store::{Origin, Profile, Store, StoreError, WorkStore};
use crate::workflow::{Engine, EngineSettings, Outcome};

pub(crate) use deletion::{DELETION, FIRST_STEP as FIRST_DELETION_STEP};
pub(crate) use names::claim_tenant;
pub(crate) use provision::{FIRST_STEP, PROVISIONING};

/// How often somebody who waits looks for what another replica has done.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

#[derive(Clone, Copy, Debug)]
pub(crate) struct ProvisioningSettings {
    /// How long a request waits for its tenant to become ready.
    pub(crate) wait: Duration,
    /// How long the bucket of a deleted tenant is kept.
    pub(crate) bucket_kept: Duration,
    /// How long the logs of ended workflows are kept.
    pub(crate) logs_kept: Duration,
    pub(crate) engine: EngineSettings,
}

impl Default for ProvisioningSettings {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self {
            wait: Duration::from_secs(5),
            bucket_kept: 30 * DAY,
            logs_kept: 90 * DAY,
            engine: EngineSettings::default(),
        }
    }
}

/// The signing keys that instances verify our requests with.
pub(crate) trait InstanceKeys: Send + Sync + 'static {
    /// The id of the key that new instances are given.
    fn current(&self) -> &str;

    /// One tenant's own key of every master, a line `<key id> <key>` each.
    fn key_file(&self, tenant_id: &str) -> SecretString;
}

/// What makes the keys with which instances open their buckets.
#[async_trait]
pub(crate) trait BucketKeys: Send + Sync + 'static {
    /// Makes one more; the ones before it stay.
    async fn issue(&self, tenant: &TenantRecord, origin: &Origin) -> Result<IssuedKey, KeyError>;
}

/// Why there is no new key for an instance.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    #[error(transparent)]
    Bucket(#[from] BucketError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the tenant is gone")]
    TenantGone,
}

impl KeyError {
    fn is_transient(&self) -> bool {
        match self {
            Self::Bucket(_) | Self::Store(_) => true,
            Self::TenantGone => false,
        }
    }
}

/// What makes a tenant's bucket report its changes.
#[async_trait]
pub(crate) trait BucketReports: Send + Sync + 'static {
    async fn ensure(&self, tenant_id: &str, bucket: &str) -> Result<(), ReportError>;
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ReportError {
    #[error(transparent)]
    Bucket(#[from] BucketError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Everything that the steps work with.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) store: Arc<dyn WorkStore>,
    pub(crate) buckets: Arc<dyn Buckets>,
    pub(crate) instances: Arc<dyn Instances>,
    /// Needed once the driver gives instances an address.
    pub(crate) instance_keys: Option<Arc<dyn InstanceKeys>>,
    /// Needed where the driver delivers secrets.
    pub(crate) bucket_keys: Option<Arc<dyn BucketKeys>>,
    /// Where instances reach the buckets, if not where clients do.
    pub(crate) instance_s3_endpoint: Option<String>,
    /// `None` where the bucket store reports by itself.
    pub(crate) reports: Option<Arc<dyn BucketReports>>,
    pub(crate) clock: Clock,
}

impl Parts {
    /// A deployment whose tenants have buckets, and no instances.
    #[cfg(test)]
    pub(crate) fn buckets_only(
        store: Arc<dyn Store>,
        buckets: Arc<dyn Buckets>,
        clock: Clock,
    ) -> Self {
        Self {
            store,
            buckets,
            instances: Arc::new(crate::instances::NoInstances),
            instance_keys: None,
            bucket_keys: None,
            instance_s3_endpoint: None,
            reports: None,
            clock,
        }
    }

    fn origin(&self, claim: &Claim) -> Origin {
        Origin {
            actor: "workflow".to_owned(),
            request_id: claim.id.clone(),
            at: (self.clock)(),
        }
    }

    async fn tenant(&self, claim: &Claim) -> Result<TenantRecord, StepError> {
        let id = claim.tenant_id.as_deref().unwrap_or_default();
        self.store
            .find_tenant(id)
            .await?
            .ok_or(StepError::TenantGone)
    }
}

/// The engine that carries out all tenant work.
fn engine(parts: &Parts, settings: &ProvisioningSettings) -> Engine {
    let store: Arc<dyn WorkStore> = Arc::clone(&parts.store);
    Engine::new(
        store,
        vec![
            Arc::new(provision::Provisioning::new(parts.clone())),
            Arc::new(deletion::Deletion::new(parts.clone())),
            Arc::new(upkeep::Upkeep::new(parts.clone(), settings.logs_kept)),
        ],
        Arc::clone(&parts.clock),
        settings.engine,
    )
}

/// How a step ended when nothing went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Done,
    /// Unix milliseconds.
    NotBefore(i64),
}

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
enum StepError {
    #[error("the store failed")]
    Store(#[from] StoreError),
    #[error("the object store failed")]
    Bucket(#[from] BucketError),
    #[error("the instance driver failed")]
    Instance(#[from] InstanceError),
    #[error("no key could be made for the instance")]
    Key(#[from] KeyError),
    #[error("the bucket's reports could not be set up")]
    Report(#[from] ReportError),
    #[error("the instance does not answer yet")]
    NotReady,
    #[error("another worker has this workflow")]
    Fenced,
    #[error("the tenant is gone")]
    TenantGone,
    #[error("no signing key for instances is configured")]
    NoInstanceKey,
    #[error("the workflow's input cannot be read")]
    Input(#[from] serde_json::Error),
    #[error("this version knows no step {0}")]
    UnknownStep(String),
}

impl StepError {
    fn is_transient(&self) -> bool {
        match self {
            Self::Store(_)
            | Self::Bucket(_)
            | Self::Report(_)
            | Self::NotReady
            | Self::Fenced
            // A newer replica may know it.
            | Self::UnknownStep(_) => true,
            Self::Instance(error) => error.is_transient(),
            Self::Key(error) => error.is_transient(),
            Self::TenantGone | Self::NoInstanceKey | Self::Input(_) => false,
        }
    }
}

fn outcome(step: Result<Step, StepError>) -> Outcome {
    match step {
        Ok(Step::Done) => Outcome::Done,
        Ok(Step::NotBefore(at)) => Outcome::NotBefore(at),
        Err(error) if error.is_transient() => Outcome::Transient(chain(&error)),
        Err(error) => Outcome::Permanent(chain(&error)),
    }
}

fn done(changed: Changed) -> Result<Step, StepError> {
    match changed {
        Changed::Done => Ok(Step::Done),
        Changed::Fenced => Err(StepError::Fenced),
    }
}

/// Tenants as requests ask for them: enqueued durably, then waited for a little.
pub(crate) struct Provisioner {
    store: Arc<dyn Store>,
    engine: Arc<Engine>,
    clock: Clock,
    settings: ProvisioningSettings,
}

impl Provisioner {
    /// `parts` must be over the same store.
    pub(crate) fn new(
        store: Arc<dyn Store>,
        parts: &Parts,
        settings: ProvisioningSettings,
    ) -> Self {
        Self {
            store,
            engine: Arc::new(engine(parts, &settings)),
            clock: Arc::clone(&parts.clock),
            settings,
        }
    }

    /// Carries out tenant work until `cancel`.
    pub(crate) async fn run(&self, cancel: CancellationToken) {
        Arc::clone(&self.engine).run(cancel).await;
    }

    /// Makes sure that the profile's own tenant exists or is being made, and waits for it for a
    /// while. Repeating it is safe, and tries at once what was waiting to be tried again.
    pub(crate) async fn set_up(
        &self,
        profile: &Profile,
        origin: &Origin,
    ) -> Result<TenantRecord, ApiError> {
        if let Some(own) = self.store.find_own_tenant(&profile.id).await? {
            match own.state() {
                TenantState::Ready | TenantState::Deleting => return Ok(own),
                TenantState::Provisioning | TenantState::Failed => {
                    self.store.queue_provisioning(&own.id, origin).await?;
                    return self.wait_for(&own.id).await;
                }
            }
        }
        let tenant = claim_tenant(&*self.store, profile, origin).await?;
        self.wait_for(&tenant.id).await
    }

    /// Says that something was enqueued, so that it is done now.
    pub(crate) fn wake(&self) {
        self.engine.wake();
    }

    /// How long the bucket of a deleted tenant is kept.
    pub(crate) fn bucket_kept(&self) -> Duration {
        self.settings.bucket_kept
    }

    /// Gives the tenant as it is once it is ready, has failed or is not tried for now, or as it
    /// is when the time to wait has passed.
    pub(crate) async fn wait_for(&self, id: &str) -> Result<TenantRecord, ApiError> {
        let settled = timeout(self.settings.wait, self.settled(id)).await;
        match settled {
            Ok(settled) => settled,
            Err(_) => self.get(id).await,
        }
    }

    async fn settled(&self, id: &str) -> Result<TenantRecord, ApiError> {
        let mut ended = self.engine.watch();
        self.engine.wake();
        loop {
            let tenant = self.get(id).await?;
            let paused = tenant
                .work
                .as_ref()
                .is_some_and(|work| work.status == "queued" && work.next_run_at > (self.clock)());
            match tenant.state() {
                TenantState::Provisioning if !paused => {}
                TenantState::Provisioning
                | TenantState::Ready
                | TenantState::Failed
                | TenantState::Deleting => return Ok(tenant),
            }
            tokio::select! {
                changed = ended.changed() => if changed.is_err() { sleep(LOOK_AGAIN).await },
                () = sleep(LOOK_AGAIN) => {}
            }
        }
    }

    async fn get(&self, id: &str) -> Result<TenantRecord, ApiError> {
        self.store.find_tenant(id).await?.ok_or(ApiError::NotFound)
    }
}

pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}

#[cfg(test)]
pub(crate) mod tests;
