use std::collections::BTreeMap;

use async_trait::async_trait;
use secrecy::SecretString;

use super::{
    Address, Awake, InstanceError, InstanceSpec, Instances, ListedInstance, Readiness,
    SecretDelivery, WantedState, as_recorded,
};
use crate::store::Instance;

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
    ) -> Result<Option<i64>, InstanceError> {
        Ok(None)
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

    async fn wake(&self, _: &str, known: &Instance) -> Result<Awake, InstanceError> {
        let address = as_recorded(known).ok_or(InstanceError::Asleep)?;
        Ok(Awake::always(&address.0))
    }

    async fn awake(&self, _: &str, known: &Instance) -> Result<Option<Address>, InstanceError> {
        Ok(as_recorded(known))
    }

    fn all_awake(&self) -> Vec<String> {
        Vec::new()
    }
}
