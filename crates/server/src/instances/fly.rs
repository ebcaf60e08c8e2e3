//! Instances as machines of Fly: an app with a private network of its own for each tenant, and in
//! it one machine, which Fly's proxy suspends when nobody uses it.
//!
//! What there is of a tenant is found by names and metadata, never remembered, so every verb can
//! be cut off anywhere and repeated by another replica.

mod api;
mod machine;
mod pace;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use http::Method;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use tokio::sync::broadcast;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use super::{
    Address, Awake, Condition, Happening, InstanceError, InstanceSpec, Instances, ListedInstance,
    READY, Readiness, STOPPED, SecretDelivery, WantedState,
};
use crate::error::chain;
use crate::store::Instance;
use api::{Action, Api, Call, Repeat};
use machine::{Machine, MachineState, config, digest, has_no_room};

/// How long a request waits for its machine.
const HOLD: Duration = Duration::from_secs(10);
/// How long what was seen of a machine is taken for true.
const FRESH: Duration = Duration::from_secs(10);
/// For how long a machine that was seen awake is told of changes unasked.
const LATELY: Duration = Duration::from_secs(15 * 60);
const LEASE_S: u32 = 30;
const WAIT_S: u32 = 5;
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

/// What was last seen of a tenant's machine.
#[derive(Clone, Debug)]
struct Sight {
    machine: String,
    state: MachineState,
    at: Instant,
}

type Sights = Arc<tokio::sync::Mutex<Option<Sight>>>;

pub(crate) struct FlyInstances {
    api: Api,
    settings: FlySettings,
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

    /// Whether the app is there and ours.
    async fn has_app(&self, app: &str) -> Result<bool, InstanceError> {
        let call = Call::new(Action::GetApp, app, Method::GET, format!("/apps/{app}"));
        let answer = self.api.send(&call).await?;
        match answer.status {
            200 => {
                let owner = answer.text(&["organization", "slug"])?;
                match owner == self.settings.organization {
                    true => Ok(true),
                    false => Err(InstanceError::NameTaken(app.to_owned())),
                }
            }
            403 => Err(InstanceError::NameTaken(app.to_owned())),
            404 => Ok(false),
            _ => Err(answer.refusal()),
        }
    }

    async fn ensure_address(&self, app: &str) -> Result<(), InstanceError> {
        let path = format!("/apps/{app}/ip_assignments");
        let call = Call::new(Action::ListAddresses, app, Method::GET, path.clone());
        let answer = self.api.send(&call).await?.accepted()?;
        if answer.list(&["ips"])?.is_empty() {
            let mut body = json!({ "type": "private_v6" });
            if let Some(network) = &self.settings.network {
                body["network"] = json!(network);
            }
            // A second one would be another address: who asks again looks first.
            let call = Call::new(Action::MakeAddress, app, Method::POST, path)
                .with(body)
                .repeated(Repeat::IfUnheard);
            self.api.send(&call).await?.accepted()?;
        }
        Ok(())
    }

    /// The machines of the app, oldest first; none if there is no app.
    async fn machines(&self, app: &str, of: Option<&str>) -> Result<Vec<Machine>, InstanceError> {
        let mut path = format!("/apps/{app}/machines");
        if let Some(tenant_id) = of {
            path.push_str("?metadata.tenant_id=");
            path.push_str(tenant_id);
        }
        let call = Call::new(Action::ListMachines, app, Method::GET, path);
        let answer = self.api.send(&call).await?;
        if answer.status == 404 {
            return Ok(Vec::new());
        }
        let mut found: Vec<Machine> = answer.accepted()?.read()?;
        found.retain(|machine| machine.state != MachineState::Destroyed);
        found.sort_by(|a, b| (&a.created_at, &a.id).cmp(&(&b.created_at, &b.id)));
        Ok(found)
    }

    /// The tenant's machine; others that an interrupted call may have left are removed.
    async fn only_machine(&self, tenant_id: &str) -> Result<Option<Machine>, InstanceError> {
        let app = self.app(tenant_id);
        let mut found = self.machines(&app, Some(tenant_id)).await?.into_iter();
        let first = found.next();
        for surplus in found {
            self.remove_machine(&app, &surplus.id).await?;
        }
        Ok(first)
    }

    async fn remove_machine(&self, app: &str, id: &str) -> Result<(), InstanceError> {
        let path = format!("/apps/{app}/machines/{id}?kill=true");
        let call = Call::new(Action::DeleteMachine, id, Method::DELETE, path);
        self.api.send(&call).await?.gone()
    }

    async fn make_machine(&self, spec: &InstanceSpec) -> Result<(), InstanceError> {
        let app = self.app(&spec.tenant_id);
        for region in &self.settings.regions {
            let body = json!({
                "name": machine::NAME,
                "region": region,
                "min_secrets_version": spec.secrets_version,
                "config": config(&self.settings, spec),
            });
            let path = format!("/apps/{app}/machines");
            let call = Call::new(Action::MakeMachine, &app, Method::POST, path)
                .with(body)
                .repeated(Repeat::IfUnheard);
            let answer = self.api.send(&call).await?;
            if answer.is_success() {
                return Ok(());
            }
            // The name is unique in the app: an earlier call was heard after all.
            if self.only_machine(&spec.tenant_id).await?.is_some() {
                return Ok(());
            }
            if !has_no_room(answer.status, &answer.message()) {
                return Err(answer.refusal());
            }
            tracing::warn!(
                tenant.id = spec.tenant_id,
                region,
                "there is no room for an instance"
            );
        }
        Err(InstanceError::NoCapacity)
    }

    /// Gives the machine its new configuration while nobody else changes it.
    async fn update(&self, machine: &Machine, spec: &InstanceSpec) -> Result<(), InstanceError> {
        let app = self.app(&spec.tenant_id);
        let place = format!("/apps/{app}/machines/{}", machine.id);
        let lease = format!("{place}/lease");
        let call = Call::new(
            Action::Lease,
            &machine.id,
            Method::POST,
            format!("{lease}?ttl={LEASE_S}"),
        );
        let answer = self.api.send(&call).await?.accepted()?;
        let nonce = answer.text(&["data", "nonce"])?;
        let body = json!({
            "name": machine.name,
            "region": machine.region,
            "min_secrets_version": spec.secrets_version,
            "config": config(&self.settings, spec),
        });
        let call = Call::new(
            Action::UpdateMachine,
            &machine.id,
            Method::POST,
            place.clone(),
        )
        .with(body)
        .holding(&nonce);
        let updated = match self.api.send(&call).await {
            Ok(answer) => answer.accepted().map(drop),
            Err(error) => Err(error),
        };
        let started = match updated {
            Ok(()) => self.wait_started(&app, &machine.id).await.map(drop),
            Err(error) => Err(error),
        };
        let call = Call::new(Action::Unlease, &machine.id, Method::DELETE, lease).holding(&nonce);
        if let Err(error) = self.api.send(&call).await {
            tracing::warn!(tenant.id = spec.tenant_id, error = %chain(&error), "a lease is left to run out");
        }
        started
    }

    /// Waits a few seconds; whether the machine has started.
    async fn wait_started(&self, app: &str, id: &str) -> Result<bool, InstanceError> {
        let path = format!("/apps/{app}/machines/{id}/wait?state=started&timeout={WAIT_S}");
        let call = Call::new(Action::Wait, id, Method::GET, path);
        let answer = self.api.send(&call).await?;
        match answer.status {
            // Fly says so when the time was not enough.
            408 | 504 => Ok(false),
            _ => answer.accepted().map(|_| true),
        }
    }

    async fn get_machine(&self, app: &str, id: &str) -> Result<Option<Machine>, InstanceError> {
        let path = format!("/apps/{app}/machines/{id}");
        let call = Call::new(Action::GetMachine, id, Method::GET, path);
        let answer = self.api.send(&call).await?;
        match answer.status {
            404 => Ok(None),
            _ => answer.accepted()?.read().map(Some),
        }
    }

    /// Asks for another state; a machine that is in it already does not mind.
    async fn change(&self, app: &str, id: &str, action: Action) -> Result<(), InstanceError> {
        let path = format!("/apps/{app}/machines/{id}/{}", action.word());
        let call = Call::new(action, id, Method::POST, path);
        self.api.send(&call).await?.accepted().map(drop)
    }

    fn sight(&self, tenant_id: &str) -> Sights {
        let mut sights = self.sights.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(sights.entry(tenant_id.to_owned()).or_default())
    }

    /// What the tenant's machine is doing, asked for at most every few seconds.
    async fn look(
        &self,
        tenant_id: &str,
        sight: &mut Option<Sight>,
    ) -> Result<MachineState, InstanceError> {
        if let Some(seen) = sight
            && seen.at.elapsed() < FRESH
        {
            return Ok(seen.state);
        }
        let known = sight.take().map(|seen| seen.machine);
        let found = match &known {
            Some(id) => self.get_machine(&self.app(tenant_id), id).await?,
            None => None,
        };
        let found = match found {
            Some(machine) => Some(machine),
            None => self.only_machine(tenant_id).await?,
        };
        let Some(machine) = found else {
            return Ok(MachineState::Destroyed);
        };
        self.see(tenant_id, sight, &machine.id, machine.state);
        Ok(machine.state)
    }

    fn see(&self, tenant_id: &str, sight: &mut Option<Sight>, id: &str, state: MachineState) {
        let at = Instant::now();
        *sight = Some(Sight {
            machine: id.to_owned(),
            state,
            at,
        });
        let mut awake = self
            .seen_awake
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match state {
            MachineState::Started => awake.insert(tenant_id.to_owned(), at),
            MachineState::Asleep | MachineState::Between | MachineState::Destroyed => {
                awake.remove(tenant_id)
            }
        };
    }

    fn forget(&self, tenant_id: &str) {
        let mut sights = self.sights.lock().unwrap_or_else(PoisonError::into_inner);
        sights.remove(tenant_id);
        let mut awake = self
            .seen_awake
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        awake.remove(tenant_id);
    }

    /// Starts the machine if it sleeps; those who come meanwhile wait for the same start.
    async fn rouse(&self, tenant_id: &str) -> Result<(), InstanceError> {
        let sight = self.sight(tenant_id);
        let mut sight = sight.lock().await;
        let app = self.app(tenant_id);
        match self.look(tenant_id, &mut sight).await? {
            MachineState::Started => return Ok(()),
            MachineState::Destroyed => return Err(InstanceError::Asleep),
            MachineState::Asleep | MachineState::Between => {}
        }
        let Some(id) = sight.as_ref().map(|seen| seen.machine.clone()) else {
            return Err(InstanceError::Asleep);
        };
        // One that is on its way down refuses; the next look sees where it got to.
        *sight = None;
        self.change(&app, &id, Action::Uncordon).await?;
        self.change(&app, &id, Action::Start).await?;
        if !self.wait_started(&app, &id).await? {
            return Err(InstanceError::Asleep);
        }
        self.see(tenant_id, &mut sight, &id, MachineState::Started);
        // Nobody has to listen.
        drop(self.happenings.send(Happening {
            tenant_id: tenant_id.to_owned(),
            now: Condition::Running(self.address(tenant_id)),
        }));
        Ok(())
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
        if !self.wait_started(&app, &machine.id).await? {
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
        timeout(HOLD, self.rouse(tenant_id))
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
}
