//! What is due for an instance, round by round.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::super::decide::{Deed, Known, decide};
use super::super::health::{self, Health};
use super::{Life, Progress};
use crate::instances::Address;

/// More missed checks than an instance may have.
const HOPELESS: u32 = u32::MAX;

impl Life {
    /// Does what is due.
    pub(in super::super) fn look_after(self: &Arc<Self>, now: Instant) {
        let idle = self.shared.settings.run.idle;
        let life = Arc::clone(self);
        match decide(self.known(now), idle) {
            Deed::Nothing => {}
            Deed::Start => self.begin_start(),
            Deed::Check => {
                self.checks().last = now;
                tokio::spawn(async move { life.check().await });
            }
            Deed::PutToSleep => {
                tokio::spawn(async move {
                    let slept = life.put_to_sleep(idle.unwrap_or(Duration::MAX)).await;
                    life.report(slept);
                });
            }
            Deed::StartAnew => {
                self.checks().missed = 0;
                tracing::warn!(
                    tenant.id = self.tenant_id,
                    "an instance does not say that it is well"
                );
                tokio::spawn(async move {
                    let stopped = life.stop().await;
                    life.report(stopped);
                    life.begin_start();
                });
            }
        }
        self.rotate();
    }

    fn known(&self, now: Instant) -> Known {
        let unused = self.uses.unused_for(now);
        match &*self.progress.borrow() {
            Progress::Asleep | Progress::Gone => Known::Asleep,
            Progress::Starting | Progress::Listening(_) | Progress::Stopping => Known::Between,
            Progress::Awake(_) => {
                let checks = self.checks();
                Known::Awake {
                    unused,
                    unchecked: now.saturating_duration_since(checks.last),
                    missed: checks.missed,
                }
            }
            Progress::Failed { in_a_row, until } => Known::Failed {
                unused,
                in_a_row: *in_a_row,
                pause_left: until.saturating_duration_since(now),
            },
        }
    }

    async fn check(&self) {
        let Some(Address(address)) = self.address() else {
            return;
        };
        let health = health::ask(&self.shared.http, &address).await;
        let mut checks = self.checks();
        checks.missed = match health {
            Health::Well => 0,
            Health::Starting | Health::Silent => checks.missed.saturating_add(1),
            Health::Failed => HOPELESS,
        };
    }
}
