//! What is known of machines without asking, and who wakes one that sleeps.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::FlyInstances;
use super::api::Action;
use super::machine::MachineState;
use crate::instances::{Condition, Happening, InstanceError};

/// How long what was seen of a machine is taken for true.
const FRESH: Duration = Duration::from_secs(10);

/// What was last seen of a tenant's machine.
#[derive(Clone, Debug)]
pub(super) struct Sight {
    pub(super) machine: String,
    pub(super) state: MachineState,
    at: Instant,
}

pub(super) type Sights = Arc<tokio::sync::Mutex<Option<Sight>>>;

impl FlyInstances {
    pub(super) fn sight(&self, tenant_id: &str) -> Sights {
        let mut sights = self.sights.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(sights.entry(tenant_id.to_owned()).or_default())
    }

    /// What the tenant's machine is doing, asked for at most every few seconds.
    pub(super) async fn look(
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

    pub(super) fn see(
        &self,
        tenant_id: &str,
        sight: &mut Option<Sight>,
        id: &str,
        state: MachineState,
    ) {
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

    pub(super) fn forget(&self, tenant_id: &str) {
        let mut sights = self.sights.lock().unwrap_or_else(PoisonError::into_inner);
        sights.remove(tenant_id);
        let mut awake = self
            .seen_awake
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        awake.remove(tenant_id);
    }

    /// Starts the machine if it sleeps; those who come meanwhile wait for the same start.
    pub(super) async fn rouse(&self, tenant_id: &str) -> Result<(), InstanceError> {
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
        if !self.wait_started(&app, &id, None).await? {
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
