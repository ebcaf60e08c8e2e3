//! What provisioning needs of the place where tenant instances run.
//!
//! Every verb is idempotent by tenant: it finds what an earlier, interrupted call left. Drivers
//! know their provider and nothing of accounts, subscriptions or the database.

mod fixed;
mod none;

use std::collections::BTreeMap;

use async_trait::async_trait;
use secrecy::SecretString;

pub(crate) use fixed::{BadAddress, FixedInstances};
pub(crate) use none::NoInstances;

/// Why a driver could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InstanceError {
    #[error("the instance provider could not be reached")]
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "for drivers that speak with a provider")
    )]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the instance provider refused: {0}")]
    #[expect(dead_code, reason = "for drivers that speak with a provider")]
    Refused(String),
}

impl InstanceError {
    /// Whether the same call may succeed later.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable(_) => true,
            Self::Refused(_) => false,
        }
    }
}

/// What an instance is started with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InstanceSpec {
    pub(crate) tenant_id: String,
    pub(crate) bucket: String,
    /// The signing key that the instance verifies requests with.
    pub(crate) key_id: String,
    /// Stays the same however often this attempt is repeated.
    pub(crate) idempotency_key: String,
}

/// Where an instance is reached, as `http://HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address(pub(crate) String);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    Ready,
    Starting,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WantedState {
    Stopped,
}

/// Whether the driver hands secrets to its instances, or whoever runs them does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SecretDelivery {
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "for drivers that speak with a provider")
    )]
    ByDriver,
    ByOperator,
}

/// An instance that the provider knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListedInstance {
    pub(crate) tenant_id: String,
}

#[async_trait]
pub(crate) trait Instances: Send + Sync + 'static {
    fn secret_delivery(&self) -> SecretDelivery;

    async fn ensure_app(&self, tenant_id: &str) -> Result<(), InstanceError>;

    /// Replaces the secrets that the tenant's instance is given, by environment name.
    async fn ensure_secrets(
        &self,
        tenant_id: &str,
        secrets: &BTreeMap<&'static str, SecretString>,
    ) -> Result<(), InstanceError>;

    /// Makes sure that the tenant has one instance of this specification; `None` where tenants
    /// have none.
    async fn ensure_instance(&self, spec: &InstanceSpec) -> Result<Option<Address>, InstanceError>;

    /// Looks whether the instance answers; waits a few seconds at most.
    async fn wait_ready(&self, tenant_id: &str) -> Result<Readiness, InstanceError>;

    async fn set_state(&self, tenant_id: &str, wanted: WantedState) -> Result<(), InstanceError>;

    /// Makes sure that nothing of the tenant is left at the provider.
    async fn destroy(&self, tenant_id: &str) -> Result<(), InstanceError>;

    async fn list(&self) -> Result<Vec<ListedInstance>, InstanceError>;
}
