//! How settings change. They are one file, which is replaced as a whole.

use super::Core;
use crate::engine::start::settings_path;
use crate::settings::{PairSettings, Settings};
use crate::{Refusal, Reply};

impl Core {
    /// Changes the settings. What cannot be written down does not hold.
    pub(super) fn write_settings(
        &mut self,
        change: impl FnOnce(&mut Settings),
    ) -> Result<Reply, Refusal> {
        let mut settings = self.model.settings.clone();
        change(&mut settings);
        self.save(&settings)?;
        self.model.settings = settings;
        Ok(Reply::Done)
    }

    pub(super) fn change_pair(
        &mut self,
        id: &str,
        change: impl FnOnce(&mut PairSettings),
    ) -> Result<Reply, Refusal> {
        self.write_settings(|settings| {
            let mut pairs = settings.pairs.iter_mut();
            if let Some(pair) = pairs.find(|pair| pair.id == id) {
                change(pair);
            }
        })
    }

    /// Writes down what holds already, whatever becomes of the disk.
    pub(super) fn save_settings(&self) -> Result<Reply, Refusal> {
        self.save(&self.model.settings).map(|()| Reply::Done)
    }

    fn save(&self, settings: &Settings) -> Result<(), Refusal> {
        let path = settings_path(&self.config.places);
        settings.save(&path).map_err(|error| {
            Refusal::new("settings", error.to_string())
                .hint("Check the free space and the folder's permissions.")
        })
    }
}
