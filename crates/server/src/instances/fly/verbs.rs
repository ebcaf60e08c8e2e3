//! What is done to apps and machines, one purpose at a time.

use http::Method;
use serde_json::json;

use super::FlyInstances;
use super::api::{Action, Call, Repeat};
use super::machine::{self, Machine, MachineState, config, has_no_room};
use crate::error::chain;
use crate::instances::{InstanceError, InstanceSpec};

/// Longer than an update takes; one that is left runs out by itself.
const LEASE_S: u32 = 30;
/// How long a machine is waited for in one call.
const WAIT_S: u32 = 5;

impl FlyInstances {
    /// Whether the app is there and ours.
    pub(super) async fn has_app(&self, app: &str) -> Result<bool, InstanceError> {
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

    pub(super) async fn ensure_address(&self, app: &str) -> Result<(), InstanceError> {
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
    pub(super) async fn machines(
        &self,
        app: &str,
        of: Option<&str>,
    ) -> Result<Vec<Machine>, InstanceError> {
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
    pub(super) async fn only_machine(
        &self,
        tenant_id: &str,
    ) -> Result<Option<Machine>, InstanceError> {
        let app = self.app(tenant_id);
        let mut found = self.machines(&app, Some(tenant_id)).await?.into_iter();
        let first = found.next();
        for surplus in found {
            self.remove_machine(&app, &surplus.id).await?;
        }
        Ok(first)
    }

    pub(super) async fn remove_machine(&self, app: &str, id: &str) -> Result<(), InstanceError> {
        let path = format!("/apps/{app}/machines/{id}?kill=true");
        let call = Call::new(Action::DeleteMachine, id, Method::DELETE, path);
        self.api.send(&call).await?.gone()
    }

    pub(super) async fn make_machine(&self, spec: &InstanceSpec) -> Result<(), InstanceError> {
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
    pub(super) async fn update(
        &self,
        machine: &Machine,
        spec: &InstanceSpec,
    ) -> Result<(), InstanceError> {
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
            Ok(answer) => answer.accepted(),
            Err(error) => Err(error),
        };
        let started = match updated {
            Ok(answer) => {
                let new = answer.text(&["instance_id"]).ok();
                let waited = self.wait_started(&app, &machine.id, new.as_deref());
                waited.await.map(drop)
            }
            Err(error) => Err(error),
        };
        let call = Call::new(Action::Unlease, &machine.id, Method::DELETE, lease).holding(&nonce);
        if let Err(error) = self.api.send(&call).await {
            tracing::warn!(tenant.id = spec.tenant_id, error = %chain(&error), "a lease is left to run out");
        }
        started
    }

    /// Waits a few seconds; whether the machine has started, with this version of its
    /// configuration or, if none is named, whichever it has.
    pub(super) async fn wait_started(
        &self,
        app: &str,
        id: &str,
        version: Option<&str>,
    ) -> Result<bool, InstanceError> {
        let mut path = format!("/apps/{app}/machines/{id}/wait?state=started&timeout={WAIT_S}");
        if let Some(version) = version {
            path.push_str("&instance_id=");
            path.push_str(version);
        }
        let call = Call::new(Action::Wait, id, Method::GET, path);
        let answer = self.api.send(&call).await?;
        match answer.status {
            // Fly says so when the time was not enough.
            408 | 504 => Ok(false),
            _ => answer.accepted().map(|_| true),
        }
    }

    pub(super) async fn get_machine(
        &self,
        app: &str,
        id: &str,
    ) -> Result<Option<Machine>, InstanceError> {
        let path = format!("/apps/{app}/machines/{id}");
        let call = Call::new(Action::GetMachine, id, Method::GET, path);
        let answer = self.api.send(&call).await?;
        match answer.status {
            404 => Ok(None),
            _ => answer.accepted()?.read().map(Some),
        }
    }

    /// Asks for another state; a machine that is in it already does not mind.
    pub(super) async fn change(
        &self,
        app: &str,
        id: &str,
        action: Action,
    ) -> Result<(), InstanceError> {
        let path = format!("/apps/{app}/machines/{id}/{}", action.word());
        let call = Call::new(action, id, Method::POST, path);
        self.api.send(&call).await?.accepted().map(drop)
    }
}
