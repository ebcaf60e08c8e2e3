//! What the model knows of folders, lists and notices, read and made anew.

use super::{ACTIVITY, CONFLICTS, Core};
use crate::account::Account;
use crate::engine::model::{PairModel, problems};
use crate::notice;

impl Core {
    /// Shows the pairs of the account that is signed in, and no others.
    pub(in crate::engine) async fn load_pairs(&mut self) {
        let key = self
            .account
            .as_ref()
            .map(|account| account.key().to_owned());
        let mut pairs = Vec::new();
        for settings in &self.model.settings.pairs {
            if Some(&settings.account) == key.as_ref() {
                let id = settings.id.clone();
                let read = self
                    .state
                    .with(move |state| Ok((state.extent(&id)?, state.standing(&id)?)))
                    .await;
                let (extent, told) = read.unwrap_or_else(|error| {
                    tracing::error!(%error, "could not read what is known of a folder");
                    Default::default()
                });
                let number = told.last_run.as_ref().map_or(0, |run| run.number);
                self.numbers = self.numbers.max(number);
                pairs.push(PairModel::new(settings.clone(), extent, told));
            }
        }
        self.model.pairs = pairs;
        self.take_device_name();
        self.load_mounts();
        self.load_lists().await;
    }

    /// The account may know this device by another name than its host's.
    pub(in crate::engine) fn take_device_name(&mut self) {
        let given = self.account.as_ref().and_then(Account::device);
        let name = given.unwrap_or_else(|| self.host.clone());
        if name != self.config.device {
            self.model.device.clone_from(&name);
            self.config.device = name;
        }
    }

    /// Reads conflicts and activity for the view.
    pub(in crate::engine) async fn load_lists(&mut self) {
        let pairs: Vec<String> = self
            .model
            .pairs
            .iter()
            .map(|pair| pair.settings.id.clone())
            .chain(
                self.model
                    .mounts
                    .iter()
                    .map(|mount| mount.settings.id.clone()),
            )
            .collect();
        let read = self
            .state
            .with(move |state| {
                let conflicts = state.conflicts(&pairs, CONFLICTS)?;
                Ok((
                    conflicts,
                    state.open_conflict_ids(&pairs)?,
                    state.undecided_conflicts(&pairs)?,
                    state.activity(&pairs, ACTIVITY)?,
                    state.held(&pairs)?,
                ))
            })
            .await;
        match read {
            Ok((conflicts, open, undecided, activity, held)) => {
                self.model.history = self.history_view(held);
                self.model.conflicts = conflicts;
                self.model.open_conflict_ids = open;
                self.model.open_conflicts = undecided;
                self.model.activity = activity;
            }
            Err(error) => tracing::error!(%error, "could not read conflicts and activity"),
        }
    }

    /// Decides what a person is told of, from what is so now.
    pub(super) fn decide_notices(&mut self) {
        let choices = &self.model.settings.choices;
        let policy = notice::Policy {
            notifications: choices.notifications,
            quiet_hours: choices.quiet_hours,
            snoozed_until_ms: choices.snoozed_until_ms,
        };
        let at = notice::Moment {
            now_ms: self.config.clock.now_ms(),
            minute: self.config.clock.minute_of_day(),
        };
        let facts = notice::facts(&self.model, &problems(&self.model), at.now_ms);
        self.told = notice::step(std::mem::take(&mut self.told), facts, policy, at);
        self.model.notices = self.told.notices();
    }
}
