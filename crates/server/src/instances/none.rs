use std::collections::BTreeMap;

use async_trait::async_trait;
use secrecy::SecretString;

use super::{
    Address, InstanceError, InstanceSpec, Instances, ListedInstance, Readiness, SecretDelivery,
    WantedState,
};

/// A deployment whose tenants have buckets only.
pub(crate) struct NoInstances;

#[async_trait]
impl Instances for NoInstances {
    fn secret_delivery(&self) -> SecretDelivery {
        SecretDelivery::ByOperator
    }

    async fn ensure_app(&self, _: &str) -> Result<(), InstanceError> {
        Ok(())
    }

    async fn ensure_secrets(
        &self,
        _: &str,
        _: &BTreeMap<&'static str, SecretString>,
    ) -> Result<(), InstanceError> {
        Ok(())
    }

    async fn ensure_instance(&self, _: &InstanceSpec) -> Result<Option<Address>, InstanceError> {
        Ok(None)
    }

    async fn wait_ready(&self, _: &str) -> Result<Readiness, InstanceError> {
        Ok(Readiness::Ready)
    }

    async fn set_state(&self, _: &str, _: WantedState) -> Result<(), InstanceError> {
        Ok(())
    }

    async fn destroy(&self, _: &str) -> Result<(), InstanceError> {
        Ok(())
    }

    async fn list(&self) -> Result<Vec<ListedInstance>, InstanceError> {
        Ok(Vec::new())
    }
}
