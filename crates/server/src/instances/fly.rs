//! Instances as machines of Fly: an app with a private network of its own for each tenant, and in
//! it one machine, which Fly's proxy suspends when nobody uses it.
//!
//! What there is of a tenant is found by names and metadata, never remembered, so every verb can
//! be cut off anywhere and repeated by another replica.

mod api;
mod machine;
mod pace;
mod sights;
#[cfg(test)]
mod tests;
mod verbs;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use http::Method;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use tokio::sync::broadcast;
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use super::{
    Address, Awake, Happening, InstanceError, InstanceSpec, Instances, ListedInstance, READY,
    Readiness, STOPPED, SecretDelivery, WantedState,
};
use crate::store::Instance;
use api::{Action, Api, Call};
use machine::{MachineState, digest};
use sights::Sights;

/// How long a request waits for its machine.
const HOLD: Duration = Duration::from_secs(10);
/// A machine that is on its way down refuses to start; it is asked again this much later.
const ASKED_AGAIN: Duration = Duration::from_secs(1);
/// For how long a machine that was seen awake is told of changes unasked.
const LATELY: Duration = Duration::from_secs(15 * 60);
const HAPPENINGS: usize = 1024;

/// What machines are made like, and by whose leave.
#[derive(Clone, Debug)]
pub(crate) struct FlySettings {
    /// Without a slash at its end.
    pub(crate) api_url: String,
    pub(crate) token: SecretString,
    pub(crate) organization: String,
    pub(crate) image: String,
    pub(crate) app_prefix: String,
    /// The private network that this server is in; the organization's own if `None`.
    pub(crate) network: Option<String>,
    /// Nearest first.
    pub(crate) regions: Vec<String>,
    pub(crate) cpus: u32,
    pub(crate) memory_mib: u32,
}

pub(crate) struct FlyInstances {
    api: Api,
    settings: FlySettings,
    hold: Duration,
    /// By tenant. Whoever asks about or starts a machine holds its sight.
    sights: Mutex<BTreeMap<String, Sights>>,
    /// When tenants' machines were last seen awake.
    seen_awake: Mutex<BTreeMap<String, Instant>>,
    happenings: broadcast::Sender<Happening>,
}

impl FlyInstances {
    pub(crate) fn new(settings: FlySettings) -> Result<Self, reqwest::Error> {
        Ok(Self {
            api: Api::new(&settings.api_url, settings.token.clone())?,
            settings,
            hold: HOLD,
            sights: Mutex::default(),
            seen_awake: Mutex::default(),
            happenings: broadcast::Sender::new(HAPPENINGS),
        })
    }

    fn app(&self, tenant_id: &str) -> String {
        format!("{}-{tenant_id}", self.settings.app_prefix)
    }

    fn address(&self, tenant_id: &str) -> Address {
        Address(format!("http://{}.flycast", self.app(tenant_id)))
    }
}

#[async_trait]
impl Instances for FlyInstances {
    fn secret_delivery(&self) -> SecretDelivery {
        SecretDelivery::ByDriver
    }

    async fn ensure_app(&self, tenant_id: &str) -> Result<(), InstanceError> {
        let app = self.app(tenant_id);
        if !self.has_app(&app).await? {
            let body = json!({
                "app_name": app,
                "org_slug": self.settings.organization,
                "network": app,
            });
            let call = Call::new(Action::MakeApp, &app, Method::POST, "/apps".to_owned());
            let answer = self.api.send(&call.with(body)).await?;
            // Another call, or the same one before, may have made it.
            if !answer.is_success() && !self.has_app(&app).await? {
                return Err(answer.refusal());
            }
        }
        self.ensure_address(&app).await
    }

    async fn ensure_secrets(
        &self,
        tenant_id: &str,
        secrets: &BTreeMap<&'static str, SecretString>,
    ) -> Result<Option<i64>, InstanceError> {
        let app = self.app(tenant_id);
        let values: BTreeMap<&str, &str> = secrets
            .iter()
            .map(|(name, secret)| (*name, secret.expose_secret()))
            .collect();
        let path = format!("/apps/{app}/secrets");
        let call = Call::new(Action::SetSecrets, &app, Method::POST, path);
        let answer = self
            .api
            .send(&call.with(json!({ "values": values })))
            .await?;
        Ok(Some(answer.accepted()?.number(&["version"])?))
    }

    async fn ensure_instance(&self, spec: &InstanceSpec) -> Result<Option<Address>, InstanceError> {
        match self.only_machine(&spec.tenant_id).await? {
            None => self.make_machine(spec).await?,
            Some(machine) if machine.digest() == Some(&digest(&self.settings, spec)) => {}
            Some(machine) => self.update(&machine, spec).await?,
        }
        Ok(Some(self.address(&spec.tenant_id)))
    }

    async fn wait_ready(&self, tenant_id: &str) -> Result<Readiness, InstanceError> {
        let app = self.app(tenant_id);
        let Some(machine) = self.only_machine(tenant_id).await? else {
            return Ok(Readiness::Starting);
        };
        if machine.state == MachineState::Asleep {
            self.change(&app, &machine.id, Action::Start).await?;
        }
        let version = machine.instance_id.as_deref();
        if !self.wait_started(&app, &machine.id, version).await? {
            return Ok(Readiness::Starting);
        }
        let machine = self.get_machine(&app, &machine.id).await?;
        Ok(match machine.is_some_and(|machine| machine.is_well()) {
            true => Readiness::Ready,
            false => Readiness::Starting,
        })
    }

    async fn set_state(&self, tenant_id: &str, wanted: WantedState) -> Result<(), InstanceError> {
        let app = self.app(tenant_id);
        let Some(machine) = self.only_machine(tenant_id).await? else {
            return Ok(());
        };
        self.forget(tenant_id);
        match (wanted, machine.state) {
            (WantedState::Running, _) => self.rouse(tenant_id).await,
            (WantedState::Suspended | WantedState::Stopped, MachineState::Asleep) => Ok(()),
            (WantedState::Suspended, _) if self.can_suspend() => {
                self.change(&app, &machine.id, Action::Suspend).await
            }
            (WantedState::Suspended | WantedState::Stopped, _) => {
                self.change(&app, &machine.id, Action::Cordon).await?;
                self.change(&app, &machine.id, Action::Stop).await
            }
        }
    }

    async fn destroy(&self, tenant_id: &str) -> Result<(), InstanceError> {
        let app = self.app(tenant_id);
        if !self.has_app(&app).await? {
            self.forget(tenant_id);
            return Ok(());
        }
        for machine in self.machines(&app, None).await? {
            self.remove_machine(&app, &machine.id).await?;
        }
        let call = Call::new(
            Action::DeleteApp,
            &app,
            Method::DELETE,
            format!("/apps/{app}"),
        );
        self.api.send(&call).await?.gone()?;
        self.forget(tenant_id);
        Ok(())
    }

    async fn list(&self) -> Result<Vec<ListedInstance>, InstanceError> {
        let path = format!("/apps?org_slug={}", self.settings.organization);
        let call = Call::new(Action::ListApps, "", Method::GET, path);
        let answer = self.api.send(&call).await?.accepted()?;
        let prefix = format!("{}-", self.settings.app_prefix);
        let names = answer.list(&["apps"])?.iter();
        let tenants = names
            .filter_map(|app| app["name"].as_str()?.strip_prefix(&prefix))
            .filter(|id| Uuid::try_parse(id).is_ok());
        Ok(tenants
            .map(|id| ListedInstance {
                tenant_id: id.to_owned(),
            })
            .collect())
    }

    async fn wake(&self, tenant_id: &str, known: &Instance) -> Result<Awake, InstanceError> {
        if ![READY, STOPPED].contains(&known.state.as_str()) {
            return Err(InstanceError::Asleep);
        }
        timeout(self.hold, self.rouse_despite_refusals(tenant_id))
            .await
            .map_err(|_| InstanceError::Asleep)??;
        Ok(Awake::always(&self.address(tenant_id).0))
    }

    async fn awake(&self, tenant_id: &str, _: &Instance) -> Result<Option<Address>, InstanceError> {
        let sight = self.sight(tenant_id);
        let mut sight = sight.lock().await;
        Ok(match self.look(tenant_id, &mut sight).await? {
            MachineState::Started => Some(self.address(tenant_id)),
            MachineState::Asleep | MachineState::Between | MachineState::Destroyed => None,
        })
    }

    fn all_awake(&self) -> Vec<String> {
        let mut awake = self
            .seen_awake
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        awake.retain(|_, at| at.elapsed() < LATELY);
        awake.keys().cloned().collect()
    }

    fn happenings(&self) -> Option<broadcast::Receiver<Happening>> {
        Some(self.happenings.subscribe())
    }
}

impl FlyInstances {
    /// Fly suspends machines of up to 2 GB only.
    fn can_suspend(&self) -> bool {
        self.settings.memory_mib <= machine::SUSPENDED_MIB
    }

    /// Goes on until the machine has started, or something else than Fly's state is in the way.
    async fn rouse_despite_refusals(&self, tenant_id: &str) -> Result<(), InstanceError> {
        loop {
            match self.rouse(tenant_id).await {
                Err(InstanceError::Unavailable { operation, status }) => {
                    tracing::debug!(tenant.id = tenant_id, operation, status, "a start waits");
                    sleep(ASKED_AGAIN).await;
                }
                roused => return roused,
            }
        }
    }
}
