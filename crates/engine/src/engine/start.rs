use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::Clock;
use crate::brakes::Brake;
use crate::config::{Config, Mode};
use crate::cycle::halt_of_brake;
use crate::places::Places;
use crate::settings::{Settings, SettingsError};
use crate::state::{Standing, State, StateError};

/// Why an engine did not start. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("another program of this installation is already syncing")]
    AlreadyRunning,
    #[error("could not make or read {path}: {source}")]
    Folder { path: PathBuf, source: io::Error },
    #[error("{0}")]
    Settings(String),
    #[error("{0}")]
    State(String),
}

impl StartError {
    /// Stable name for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::AlreadyRunning => "already_running",
            Self::Folder { .. } => "folder",
            Self::Settings(_) => "settings",
            Self::State(_) => "state",
        }
    }

    /// What a person can do.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::AlreadyRunning => "Use the tray app, or stop the other program first.",
            Self::Folder { .. } => "Check the folder's permissions and the free space.",
            Self::Settings(_) => "Mend or move away the file; then the folders are set up again.",
            Self::State(_) => "Update this program; the state is left as it is.",
        }
    }
}

/// What a start finds on disk.
pub(super) struct Opened {
    pub(super) lock: File,
    pub(super) settings: Settings,
    pub(super) state: State,
    /// Set when a damaged state was put aside; everything is compared again.
    pub(super) put_aside: Option<PathBuf>,
}

pub(super) fn open(config: &Config) -> Result<Opened, StartError> {
    let places = &config.places;
    let folder = |source| StartError::Folder {
        path: places.state.clone(),
        source,
    };
    places.create().map_err(folder)?;
    let lock = lock(places)?;
    let mut settings = Settings::load(&settings_path(places)).map_err(settings_error)?;
    take_filter_file(&mut settings, places).map_err(folder)?;
    let path = places.database();
    let (mut state, put_aside) = match State::open(&path) {
        Ok(state) => (state, None),
        Err(StateError::Damaged { detail }) => {
            tracing::error!(detail, "the sync state is damaged and is put aside");
            let aside = put_aside(&path, config.clock.now_ms()).map_err(folder)?;
            let mut state = State::open(&path).map_err(state_error)?;
            let lost = Standing {
                halt: Some(halt_of_brake(&Brake::ListingsLost { held: Vec::new() })),
                ..Standing::default()
            };
            for pair in &settings.pairs {
                state.set_standing(&pair.id, &lost).map_err(state_error)?;
            }
            (state, Some(aside))
        }
        Err(error) => return Err(state_error(error)),
    };
    // Only an engine that stays asks again; a command that runs for itself is no start.
    if matches!(config.mode, Mode::Background { .. }) {
        state.bring_back_conflicts().map_err(state_error)?;
    }
    Ok(Opened {
        lock,
        settings,
        state,
        put_aside,
    })
}

/// The lock and the state alone, of an installation without settings. A damaged state is put aside:
/// the next comparison begins with nothing known.
pub(super) fn open_state(places: &Places, clock: &Clock) -> Result<(File, State), StartError> {
    let folder = |source| StartError::Folder {
        path: places.state.clone(),
        source,
    };
    places.create().map_err(folder)?;
    let lock = lock(places)?;
    let path = places.database();
    let state = match State::open(&path) {
        Err(StateError::Damaged { detail }) => {
            tracing::error!(detail, "the sync state is damaged and is put aside");
            put_aside(&path, clock.now_ms()).map_err(folder)?;
            State::open(&path)
        }
        opened => opened,
    };
    Ok((lock, state.map_err(state_error)?))
}

pub(super) fn settings_path(places: &Places) -> PathBuf {
    places.config.join("settings.json")
}

/// The rclone that a person chose. Settings that cannot be read keep an engine from starting, so
/// here they only mean that there is no choice.
pub(super) fn chosen_rclone(places: &Places) -> Option<PathBuf> {
    Settings::load(&settings_path(places)).ok()?.rclone
}

/// Filters used to be one file for all pairs: each pair gets its lines, once.
fn take_filter_file(settings: &mut Settings, places: &Places) -> io::Result<()> {
    let file = places.config.join("bisync-filters.txt");
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for pair in &mut settings.pairs {
        pair.filters = text.lines().map(str::to_owned).collect();
    }
    settings
        .save(&settings_path(places))
        .map_err(io::Error::other)?;
    move_file(&file, &file.with_extension("txt.taken"))
}

fn lock(places: &Places) -> Result<File, StartError> {
    let path = places.engine_lock();
    let failed = |source| StartError::Folder {
        path: path.clone(),
        source,
    };
    let file = File::options()
        .create(true)
        .read(true)
        .append(true)
        .open(&path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(StartError::AlreadyRunning),
        Err(std::fs::TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Moves a damaged database and its journal away, so that a new one can begin.
fn put_aside(path: &Path, now_ms: i64) -> io::Result<PathBuf> {
    let aside = path.with_extension(format!("damaged-{now_ms}"));
    move_file(path, &aside)?;
    for journal in ["db-wal", "db-shm"] {
        let from = path.with_extension(journal);
        if from.exists() {
            move_file(
                &from,
                &aside.with_extension(format!("damaged-{now_ms}-{journal}")),
            )?;
        }
    }
    Ok(aside)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the state folder is ours, never the vault"
)]
fn move_file(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::rename(from, to)
}

#[expect(clippy::needless_pass_by_value, reason = "shaped for map_err")]
fn settings_error(error: SettingsError) -> StartError {
    StartError::Settings(error.to_string())
}

#[expect(clippy::needless_pass_by_value, reason = "shaped for map_err")]
fn state_error(error: StateError) -> StartError {
    StartError::State(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::PairSettings;
    use crate::view::ProfileName;

    #[test]
    fn the_filter_file_of_before_becomes_the_lines_of_each_pair_once() {
        let home = tempfile::tempdir().unwrap();
        let lookup = |name: &str| (name == "HOME").then(|| home.path().into());
        let places = Places::resolve(lookup).unwrap();
        places.create().unwrap();
        let file = places.config.join("bisync-filters.txt");
        crate::settings::replace_file(&file, b"# mine\n- *.tmp\n").unwrap();
        let pair = PairSettings {
            id: "pair_1".into(),
            folder: "/notes".into(),
            profile: ProfileName::Safe,
            account: "a".into(),
            bucket: "b".into(),
            filters: Vec::new(),
        };
        let mut settings = Settings {
            pairs: vec![pair],
            ..Settings::default()
        };
        take_filter_file(&mut settings, &places).unwrap();
        assert_eq!(settings.pairs[0].filters, ["# mine", "- *.tmp"]);
        assert_eq!(Settings::load(&settings_path(&places)).unwrap(), settings);
        assert!(!file.exists());
        settings.pairs[0].filters = vec!["*.log".into()];
        take_filter_file(&mut settings, &places).unwrap();
        assert_eq!(settings.pairs[0].filters, ["*.log"]);
    }
}
