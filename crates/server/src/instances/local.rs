//! Instances as processes of this machine: one group of `bm-tenant` for each tenant.
//!
//! An instance is started when somebody needs it and stopped when nobody did for a while. What
//! it takes to start it again, and to find it again after this server was killed, is in a folder
//! of the tenant's own, for this user only. Nothing is ended that is not known by its start time,
//! or by that folder in its environment, to be ours.

mod decide;
mod error;
mod folder;
mod health;
mod life;
mod process;
mod settings;
#[cfg(test)]
mod tests;
mod uses;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use secrecy::SecretString;
use tokio::sync::broadcast;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    Address, Awake, Happening, InstanceError, InstanceSpec, Instances, ListedInstance, Readiness,
    SecretDelivery, WantedState,
};
use crate::store::Instance;
use folder::TenantFolder;
use life::{Life, Shared};

pub(crate) use error::LocalError;
pub(crate) use settings::{LocalRun, LocalSettings};
pub(crate) use uses::InUse;

/// How often idle, sick and crashed instances are looked for.
const ROUND: Duration = Duration::from_millis(500);
/// How long a step of provisioning waits, well within a worker's lease.
const STEP_PATIENCE: Duration = Duration::from_secs(20);
const READY_PATIENCE: Duration = Duration::from_secs(3);
const HAPPENINGS: usize = 1024;

pub(crate) struct LocalInstances {
    shared: Arc<Shared>,
    lives: Mutex<BTreeMap<String, Arc<Life>>>,
}

impl LocalInstances {
    /// Finds what an earlier server left in the folder; instances that still run are taken over.
    ///
    /// # Errors
    /// If the folder cannot be made or read, or processes cannot be looked after on this system.
    pub(crate) fn open(settings: LocalSettings) -> Result<Self, LocalError> {
        process::check_support()?;
        folder::make_private(&settings.folder)?;
        let http = health::client()?;
        let shared = Arc::new(Shared {
            settings,
            http,
            happenings: broadcast::Sender::new(HAPPENINGS),
            closing: CancellationToken::new(),
        });
        let mut lives = BTreeMap::new();
        for tenant_id in folder::tenants_in(&shared.settings.folder)? {
            let life = Life::find(&shared, &tenant_id)?;
            lives.insert(tenant_id, life);
        }
        Ok(Self {
            shared,
            lives: Mutex::new(lives),
        })
    }

    fn find(&self, tenant_id: &str) -> Option<Arc<Life>> {
        let lives = self.lives.lock().unwrap_or_else(PoisonError::into_inner);
        lives.get(tenant_id).cloned()
    }

    fn get_or_make(&self, tenant_id: &str) -> Result<Arc<Life>, LocalError> {
        let mut lives = self.lives.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(life) = lives.get(tenant_id) {
            return Ok(Arc::clone(life));
        }
        TenantFolder::of(&self.shared.settings.folder, tenant_id)?.make()?;
        let life = Life::find(&self.shared, tenant_id)?;
        lives.insert(tenant_id.to_owned(), Arc::clone(&life));
        Ok(life)
    }

    fn all(&self) -> Vec<Arc<Life>> {
        let lives = self.lives.lock().unwrap_or_else(PoisonError::into_inner);
        lives.values().cloned().collect()
    }
}

#[async_trait]
impl Instances for LocalInstances {
    fn secret_delivery(&self) -> SecretDelivery {
        SecretDelivery::ByDriver
    }

    async fn ensure_app(&self, tenant_id: &str) -> Result<(), InstanceError> {
        self.get_or_make(tenant_id)?;
        Ok(())
    }

    async fn ensure_secrets(
        &self,
        tenant_id: &str,
        secrets: &BTreeMap<&'static str, SecretString>,
    ) -> Result<Option<i64>, InstanceError> {
        self.get_or_make(tenant_id)?.folder.keep_secrets(secrets)?;
        Ok(None)
    }

    async fn ensure_instance(&self, spec: &InstanceSpec) -> Result<Option<Address>, InstanceError> {
        let life = self.get_or_make(&spec.tenant_id)?;
        life.folder.keep_spec(spec)?;
        Ok(Some(life.listening(STEP_PATIENCE).await?))
    }

    async fn wait_ready(&self, tenant_id: &str) -> Result<Readiness, InstanceError> {
        let life = self.find(tenant_id).ok_or(LocalError::NotProvisioned)?;
        match life.ready(READY_PATIENCE).await {
            Ok(_) => Ok(Readiness::Ready),
            Err(error) if error.is_transient() => Ok(Readiness::Starting),
            Err(error) => Err(error.into()),
        }
    }

    async fn set_state(&self, tenant_id: &str, wanted: WantedState) -> Result<(), InstanceError> {
        let life = self.find(tenant_id);
        match (wanted, life) {
            (WantedState::Running, Some(life)) => {
                life.ready(STEP_PATIENCE).await?;
                Ok(())
            }
            (WantedState::Running, None) => Err(LocalError::NotProvisioned.into()),
            (WantedState::Suspended | WantedState::Stopped, Some(life)) => Ok(life.stop().await?),
            (WantedState::Suspended | WantedState::Stopped, None) => Ok(()),
        }
    }

    async fn destroy(&self, tenant_id: &str) -> Result<(), InstanceError> {
        let life = match self.find(tenant_id) {
            Some(life) => life,
            None if TenantFolder::of(&self.shared.settings.folder, tenant_id)?.exists() => {
                self.get_or_make(tenant_id)?
            }
            None => return Ok(()),
        };
        life.end().await?;
        let mut lives = self.lives.lock().unwrap_or_else(PoisonError::into_inner);
        lives.remove(tenant_id);
        Ok(())
    }

    async fn list(&self) -> Result<Vec<ListedInstance>, InstanceError> {
        let listed = self.all().into_iter().map(|life| ListedInstance {
            tenant_id: life.tenant_id.clone(),
        });
        Ok(listed.collect())
    }

    async fn wake(&self, tenant_id: &str, _: &Instance) -> Result<Awake, InstanceError> {
        let life = self.find(tenant_id).ok_or(InstanceError::Asleep)?;
        let in_use = life.uses.begin();
        match life.ready(self.shared.settings.run.hold).await {
            Ok(address) => Ok(Awake {
                address,
                in_use: Some(in_use),
            }),
            Err(error) => {
                tracing::debug!(tenant.id = tenant_id, %error, "an instance is not awake");
                Err(InstanceError::Asleep)
            }
        }
    }

    async fn awake(&self, tenant_id: &str, _: &Instance) -> Result<Option<Address>, InstanceError> {
        Ok(self.find(tenant_id).and_then(|life| life.address()))
    }

    fn all_awake(&self) -> Vec<String> {
        let awake = self
            .all()
            .into_iter()
            .filter(|life| life.address().is_some());
        awake.map(|life| life.tenant_id.clone()).collect()
    }

    fn happenings(&self) -> Option<broadcast::Receiver<Happening>> {
        Some(self.shared.happenings.subscribe())
    }

    /// Stops all of them at the end: a server that is told to stop leaves nothing behind.
    async fn run(&self, cancel: CancellationToken) {
        for life in self.all() {
            life.resume();
        }
        loop {
            tokio::select! {
                () = cancel.cancelled() => break,
                () = tokio::time::sleep(ROUND) => {}
            }
            let now = Instant::now();
            for life in self.all() {
                life.look_after(now);
            }
            self.show();
        }
        let stopped = join_all(self.all().iter().map(|life| life.stop_for_good())).await;
        for error in stopped.into_iter().filter_map(Result::err) {
            tracing::warn!(%error, "an instance was not stopped");
        }
        self.show();
    }
}

impl LocalInstances {
    fn show(&self) {
        let all = self.all();
        let awake = all.iter().filter(|life| life.address().is_some()).count();
        let number = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        metrics::gauge!("bm_instances", "state" => "awake").set(number(awake));
        metrics::gauge!("bm_instances", "state" => "asleep").set(number(all.len() - awake));
    }
}
