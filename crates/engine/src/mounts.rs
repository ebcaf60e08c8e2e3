//! The bucket as a drive: one daemon per mount, kept alive, through the guard.
//!
//! [`machine`] decides, [`keeper`] carries out. A mount's files that are not stored yet lie in its
//! own folder below the data folder, so that they outlive every daemon and every engine.

mod drive;
mod keeper;
mod machine;
mod room;

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::view::{MountProfileName, MountState, MountSupport, MountView};

pub use drive::{Drive, DriveSpec, DriveState, DriveTold, conflict_copies};
pub(crate) use keeper::{Command, Keeper, KeeperEnv, Report};
pub(crate) use room::Room;

/// A mount as a person set it up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MountSettings {
    pub(crate) id: String,
    pub(crate) folder: PathBuf,
    pub(crate) profile: MountProfileName,
    /// The account that set it up; another account never sees it.
    pub(crate) account: String,
    pub(crate) wanted: Wanted,
}

impl MountSettings {
    /// What the system's table of mounts calls it.
    pub(crate) fn device_name(&self) -> String {
        format!("basic-memory-{}", self.id)
    }
}

/// What the person asked for last; it holds over restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Wanted {
    Mounted,
    Unmounted,
}

/// A mount as its keeper last told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MountModel {
    pub(crate) settings: MountSettings,
    pub(crate) told: Told,
}

/// What a keeper tells of its mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) state: MountState,
    pub(crate) waiting: u64,
    pub(crate) waiting_bytes: u64,
    pub(crate) words: Option<Words>,
}

/// What a person reads about an obstacle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Words {
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl Told {
    /// Nothing runs; `waiting` files with so many bytes are kept for the next time.
    pub(crate) fn unmounted((waiting, waiting_bytes): (u64, u64)) -> Self {
        Self {
            state: MountState::Unmounted,
            waiting,
            waiting_bytes,
            words: (waiting > 0).then(|| kept_words(waiting)),
        }
    }
}

pub(crate) fn kept_words(waiting: u64) -> Words {
    let files = match waiting {
        1 => "1 file is".to_owned(),
        count => format!("{count} files are"),
    };
    Words {
        message: format!("{files} not in the cloud yet"),
        hint: Some("They are kept here and go up when you mount again.".to_owned()),
    }
}

impl MountModel {
    pub(crate) fn view(&self) -> MountView {
        let (message, hint) = match &self.told.words {
            Some(words) => (Some(words.message.clone()), words.hint.clone()),
            None => (None, None),
        };
        MountView {
            id: self.settings.id.clone(),
            folder: self.settings.folder.display().to_string(),
            profile: self.settings.profile,
            state: self.told.state,
            waiting: self.told.waiting,
            waiting_bytes: self.told.waiting_bytes,
            message,
            hint,
        }
    }
}

/// The seed's times of a mount profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Times {
    /// How long a listing is believed.
    pub(crate) cache: Duration,
    /// The pause between two looks at the mount's health.
    pub(crate) poll: Duration,
}

impl Times {
    pub(crate) fn of(profile: MountProfileName) -> Self {
        let (cache, poll) = match profile {
            MountProfileName::Fast => (5, 3),
            MountProfileName::Balanced => (10, 5),
            MountProfileName::Safe => (15, 10),
        };
        Self {
            cache: Duration::from_secs(cache),
            poll: Duration::from_secs(poll),
        }
    }
}

/// Whether this machine can mount.
pub(crate) fn support() -> MountSupport {
    match rclone::mount::PlatformFacts::look().driver() {
        Ok(driver) => MountSupport::Ready {
            driver: driver.to_string(),
        },
        Err(missing) => MountSupport::Missing {
            message: missing.to_string(),
            hint: missing.hint().to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_have_the_times_of_the_table_in_the_guide() {
        for (profile, cache, poll) in [
            (MountProfileName::Fast, 5, 3),
            (MountProfileName::Balanced, 10, 5),
            (MountProfileName::Safe, 15, 10),
        ] {
            let times = Times {
                cache: Duration::from_secs(cache),
                poll: Duration::from_secs(poll),
            };
            assert_eq!(Times::of(profile), times);
        }
    }
}
