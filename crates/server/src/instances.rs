//! What the server needs of the place where tenant instances run.
//!
//! Every verb is idempotent by tenant: it finds what an earlier, interrupted call left. Drivers
//! know their provider and nothing of accounts, subscriptions or the database.

mod fixed;
mod fly;
pub(crate) mod hints;
mod local;
mod none;

use std::collections::BTreeMap;

use async_trait::async_trait;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use crate::store::Instance;

pub(crate) use fixed::{BadAddress, FixedInstances};
pub(crate) use fly::{FlyInstances, FlySettings};
pub(crate) use local::{InUse, LocalError, LocalInstances, LocalRun, LocalSettings};
pub(crate) use none::NoInstances;

/// The state of an instance's row that takes requests.
pub(crate) const READY: &str = "ready";
/// The state of an instance's row that sleeps and is woken by the next request.
pub(crate) const STOPPED: &str = "stopped";

/// Why a driver could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InstanceError {
    #[error("the instance provider could not be reached")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("{operation} was answered {status}")]
    Unavailable {
        operation: &'static str,
        status: u16,
    },
    #[error("{operation} was refused: {status} {message}")]
    Refused {
        operation: &'static str,
        status: u16,
        message: String,
    },
    #[error("the answer to {operation} makes no sense")]
    Unreadable { operation: &'static str },
    #[error("the name {0} belongs to somebody else at the instance provider")]
    NameTaken(String),
    #[error("no region has room for another instance")]
    NoCapacity,
    #[error("the instance is not awake yet")]
    Asleep,
    #[error(transparent)]
    Local(#[from] LocalError),
}

impl InstanceError {
    /// Whether the same call may succeed later.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable(_)
            | Self::Unavailable { .. }
            | Self::Unreadable { .. }
            | Self::NoCapacity
            | Self::Asleep => true,
            Self::Refused { .. } | Self::NameTaken(_) => false,
            Self::Local(error) => error.is_transient(),
        }
    }
}

/// What an instance is started with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InstanceSpec {
    pub(crate) tenant_id: String,
    pub(crate) bucket: String,
    /// Where the instance reaches its bucket.
    pub(crate) s3_endpoint: String,
    pub(crate) s3_region: String,
    /// The signing key that the instance verifies requests with.
    pub(crate) key_id: String,
    /// What the driver said of the secrets that the instance needs at least.
    pub(crate) secrets_version: Option<i64>,
    /// Stays the same however often this attempt is repeated.
    #[serde(skip)]
    pub(crate) idempotency_key: String,
}

/// Where an instance is reached, as `http://HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address(pub(crate) String);

/// An instance that takes requests, and will not be put to sleep while this is held.
#[derive(Debug)]
pub(crate) struct Awake {
    pub(crate) address: Address,
    pub(crate) in_use: Option<InUse>,
}

impl Awake {
    /// An instance that is not put to sleep from here.
    fn always(address: &str) -> Self {
        Self {
            address: Address(address.to_owned()),
            in_use: None,
        }
    }
}

/// Whether an instance's row says that it takes requests, for drivers that know no more.
fn as_recorded(known: &Instance) -> Option<Address> {
    (known.state == READY).then(|| Address(known.address.clone()))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    Ready,
    Starting,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WantedState {
    #[cfg_attr(not(test), expect(dead_code, reason = "requests wake what they need"))]
    Running,
    /// Out of memory and processor, to be back within a second where the provider can do that.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "the provider suspends idle instances by itself")
    )]
    Suspended,
    Stopped,
}

/// Whether the driver hands secrets to its instances, or whoever runs them does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SecretDelivery {
    ByDriver,
    ByOperator,
}

/// An instance that the provider knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListedInstance {
    pub(crate) tenant_id: String,
}

/// What became of an instance by itself, or because somebody needed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Happening {
    pub(crate) tenant_id: String,
    pub(crate) now: Condition,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Running(Address),
    Asleep,
}

#[async_trait]
pub(crate) trait Instances: Send + Sync + 'static {
    fn secret_delivery(&self) -> SecretDelivery;

    async fn ensure_app(&self, tenant_id: &str) -> Result<(), InstanceError>;

    /// Replaces the secrets that the tenant's instance is given, by environment name; gives the
    /// version that the provider calls them, where it has one.
    async fn ensure_secrets(
        &self,
        tenant_id: &str,
        secrets: &BTreeMap<&'static str, SecretString>,
    ) -> Result<Option<i64>, InstanceError>;

    /// Makes sure that the tenant has one instance of this specification; `None` where tenants
    /// have none.
    async fn ensure_instance(&self, spec: &InstanceSpec) -> Result<Option<Address>, InstanceError>;

    /// Looks whether the instance answers; waits a few seconds at most.
    async fn wait_ready(&self, tenant_id: &str) -> Result<Readiness, InstanceError>;

    async fn set_state(&self, tenant_id: &str, wanted: WantedState) -> Result<(), InstanceError>;

    /// Makes sure that nothing of the tenant is left at the provider.
    async fn destroy(&self, tenant_id: &str) -> Result<(), InstanceError>;

    async fn list(&self) -> Result<Vec<ListedInstance>, InstanceError>;

    /// Gives the instance awake; one that sleeps is started, once for all who wait, and waited
    /// for up to ten seconds.
    ///
    /// # Errors
    /// [`InstanceError::Asleep`] if that was not enough.
    async fn wake(&self, tenant_id: &str, known: &Instance) -> Result<Awake, InstanceError>;

    /// Where the instance is reached if it is awake; wakes nobody.
    async fn awake(
        &self,
        tenant_id: &str,
        known: &Instance,
    ) -> Result<Option<Address>, InstanceError>;

    /// The tenants whose instances this process knows to be awake.
    fn all_awake(&self) -> Vec<String>;

    /// What happens from now on; `None` where nothing is ever told.
    fn happenings(&self) -> Option<broadcast::Receiver<Happening>> {
        None
    }

    /// Looks after the instances until `cancel`.
    async fn run(&self, cancel: CancellationToken) {
        cancel.cancelled().await;
    }
}
