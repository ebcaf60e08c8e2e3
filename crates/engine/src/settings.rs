//! What a person chose: pairs and the sync switch. One JSON file in the config folder, without
//! secrets, replaced atomically.

pub(crate) mod choices;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::filters::{FilterError, Filters};
use crate::mounts::MountSettings;
use crate::view::{ProfileName, SettingsView, SyncSwitch};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Settings {
    pub(crate) sync: SyncSwitch,
    pub(crate) pairs: Vec<PairSettings>,
    pub(crate) choices: SettingsView,
    pub(crate) mounts: Vec<MountSettings>,
    /// An rclone of the person's own, tested when it was chosen, and used before any other.
    pub(crate) rclone: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            sync: SyncSwitch::On,
            pairs: Vec::new(),
            choices: SettingsView::default(),
            mounts: Vec::new(),
            rclone: None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PairSettings {
    pub(crate) id: String,
    pub(crate) folder: PathBuf,
    pub(crate) profile: ProfileName,
    /// The account that set the pair up; another account never touches it.
    pub(crate) account: String,
    pub(crate) bucket: String,
    /// What does not sync; the default where nobody chose.
    #[serde(default = "Filters::default_lines")]
    pub(crate) filters: Vec<String>,
}

impl PairSettings {
    /// The filters as they can be used.
    ///
    /// # Errors
    /// [`FilterError`] if the file of settings was edited by hand, and wrongly.
    pub(crate) fn usable_filters(&self) -> Result<Filters, FilterError> {
        Filters::of_lines(self.filters.iter().map(String::as_str))
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    #[error("could not read the settings in {path}")]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("the settings in {path} are damaged")]
    Damaged {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error("could not save the settings in {path}")]
    Unwritable { path: PathBuf, source: io::Error },
}

impl Settings {
    pub(crate) fn load(path: &Path) -> Result<Self, SettingsError> {
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(source) => {
                return Err(SettingsError::Unreadable {
                    path: path.to_owned(),
                    source,
                });
            }
        };
        serde_json::from_slice(&text).map_err(|source| SettingsError::Damaged {
            path: path.to_owned(),
            source,
        })
    }

    /// Writes a drive down, in the place of what was known of it.
    pub(crate) fn put_mount(&mut self, mount: MountSettings) {
        match self.mounts.iter_mut().find(|known| known.id == mount.id) {
            Some(known) => *known = mount,
            None => self.mounts.push(mount),
        }
    }

    /// The accounts that have a folder or a drive here.
    pub(crate) fn accounts(&self) -> Vec<String> {
        let pairs = self.pairs.iter().map(|pair| &pair.account);
        let mounts = self.mounts.iter().map(|mount| &mount.account);
        pairs.chain(mounts).cloned().collect()
    }

    /// The folders whose files go to the cloud, and may come from there: those of pairs, and drives.
    pub(crate) fn synced_folders(&self) -> Vec<PathBuf> {
        let pairs = self.pairs.iter().map(|pair| &pair.folder);
        let drives = self.mounts.iter().map(|mount| &mount.folder);
        pairs.chain(drives).cloned().collect()
    }

    pub(crate) fn save(&self, path: &Path) -> Result<(), SettingsError> {
        let failed = |source| SettingsError::Unwritable {
            path: path.to_owned(),
            source,
        };
        let text = serde_json::to_vec_pretty(self).map_err(|error| failed(error.into()))?;
        replace_file(path, &text).map_err(failed)
    }
}

/// Replaces a file of ours so that a crash leaves the old or the new text, owner-readable only.
pub(crate) fn replace_file(path: &Path, text: &[u8]) -> io::Result<()> {
    let parent = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(".new-")
        .tempfile_in(parent)?;
    file.write_all(text)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    if cfg!(unix) {
        File::open(parent)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mounts::Wanted;
    use crate::view::MountProfileName;

    #[test]
    fn survives_a_round_trip_and_names_damage() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.json");
        assert_eq!(Settings::load(&path).unwrap(), Settings::default());
        let settings = Settings {
            sync: SyncSwitch::PausedUntil { until_ms: 7 },
            pairs: vec![PairSettings {
                id: "pair_1".into(),
                folder: "/home/ana/Notes".into(),
                profile: ProfileName::Safe,
                account: "a".into(),
                bucket: "b".into(),
                filters: vec!["*.log".into()],
            }],
            choices: SettingsView {
                interval_s: 90,
                ..SettingsView::default()
            },
            mounts: vec![MountSettings {
                id: "mount_1".into(),
                folder: "/home/ana/Drive".into(),
                profile: MountProfileName::Fast,
                account: "a".into(),
                wanted: Wanted::Mounted,
            }],
            rclone: Some("/opt/rclone".into()),
        };
        settings.save(&path).unwrap();
        assert_eq!(Settings::load(&path).unwrap(), settings);
        replace_file(&path, b"{").unwrap();
        assert!(matches!(
            Settings::load(&path),
            Err(SettingsError::Damaged { .. })
        ));
    }
}
