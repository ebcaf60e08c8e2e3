//! What a person chose for all folders, and the times at which nothing is carried.

use std::path::Path;
use std::time::Duration;

use super::{Core, Input};
use crate::metered::{Cost, Meter};
use crate::power::{self, Power};
use crate::settings::choices;
use crate::view::{SettingsView, SyncSwitch, WhenCostly};
use crate::{Refusal, Reply};

impl Core {
    pub(super) fn change_settings(&mut self, wanted: SettingsView) -> Result<Reply, Refusal> {
        choices::check(&wanted)?;
        let before = self.model.settings.choices.clone();
        let saved = self.write_settings(|settings| settings.choices = wanted)?;
        self.limits
            .send_replace(choices::limits(&self.model.settings.choices));
        self.proxy
            .choose(choices::proxy(&self.model.settings.choices));
        if before.on_metered != self.model.settings.choices.on_metered {
            self.read_meter();
        }
        self.look_at_power();
        if before.interval_s != self.model.settings.choices.interval_s {
            self.plan_next_pass(None);
        }
        Ok(saved)
    }

    /// Ends a pause that is over, and begins or ends the rest on battery.
    pub(super) fn look_at_the_time(&mut self) {
        self.look_at_power();
        self.look_at_the_period();
        let now_ms = self.config.clock.now_ms();
        match self.model.settings.sync {
            SyncSwitch::PausedUntil { until_ms } if until_ms <= now_ms => {
                self.model.settings.sync = SyncSwitch::On;
                if let Err(refusal) = self.save_settings() {
                    tracing::warn!(error = %refusal, "the end of a pause is not remembered");
                }
                self.pass_within(Duration::ZERO);
            }
            SyncSwitch::On | SyncSwitch::Off | SyncSwitch::PausedUntil { .. } => {}
        }
    }

    fn look_at_power(&mut self) {
        let power = match self.model.settings.choices.on_battery {
            WhenCostly::Run => Power::Mains,
            WhenCostly::Pause => power::read(Path::new(power::SUPPLIES)),
        };
        if power == self.model.power {
            return;
        }
        self.model.power = power;
        self.go_on_or_rest();
    }

    /// Reads what the connection costs, if that matters to the person.
    pub(super) fn read_meter(&mut self) {
        match self.model.settings.choices.on_metered {
            WhenCostly::Run => {
                self.meter = None;
                self.take_cost(Cost::Free);
            }
            WhenCostly::Pause => {
                let (tell, mut told) = tokio::sync::mpsc::channel(4);
                self.meter = Some(Meter::read(tell));
                let inputs = self.inputs.clone();
                tokio::spawn(async move {
                    while let Some(cost) = told.recv().await {
                        if inputs.send(Input::Cost(cost)).await.is_err() {
                            return;
                        }
                    }
                });
            }
        }
    }

    pub(super) fn take_cost(&mut self, cost: Cost) {
        // An answer to a question that was withdrawn says nothing.
        let cost = match self.model.settings.choices.on_metered {
            WhenCostly::Pause => cost,
            WhenCostly::Run => Cost::Free,
        };
        if cost != self.model.cost {
            self.model.cost = cost;
            self.go_on_or_rest();
        }
    }

    fn go_on_or_rest(&mut self) {
        if self.model.carries(self.config.clock.now_ms()) {
            self.pass_within(Duration::ZERO);
        } else {
            self.rest();
        }
    }

    /// Stops what runs; it is taken up again by the next pass.
    pub(super) fn rest(&mut self) {
        if let Some(running) = &self.running {
            self.queue.clear();
            running.cancel();
        }
    }
}
