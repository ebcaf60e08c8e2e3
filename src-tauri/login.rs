//! Whether the desktop starts the app when a person logs in.

#[cfg(target_os = "linux")]
mod entry;

use std::path::PathBuf;

use tauri::AppHandle;
use tauri_plugin_autostart::ManagerExt as _;

/// What the desktop says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StartAtLogin {
    On,
    Off,
    /// The desktop does not say.
    Unknown,
}

/// Why start at login stays as it is.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoginError {
    #[cfg_attr(
        not(target_os = "linux"),
        expect(
            dead_code,
            reason = "elsewhere the entry is no file that others could have made"
        )
    )]
    #[error("{} starts something else", .0.display())]
    Foreign(PathBuf),
    #[error(transparent)]
    Entry(#[from] std::io::Error),
    #[error(transparent)]
    Desktop(#[from] tauri_plugin_autostart::Error),
}

impl LoginError {
    /// What a person can do.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::Foreign(_) => "Move that file away if nothing needs it.",
            Self::Entry(_) | Self::Desktop(_) => {
                "Look at the folder of programs that start at login, usually ~/.config/autostart."
            }
        }
    }
}

pub(crate) fn start_at_login(app: &AppHandle) -> StartAtLogin {
    #[cfg(target_os = "linux")]
    if let Some(place) = entry::Place::of(app) {
        return place.look().answer();
    }
    match app.autolaunch().is_enabled() {
        Ok(true) => StartAtLogin::On,
        Ok(false) => StartAtLogin::Off,
        Err(error) => {
            tracing::debug!(%error, "the desktop does not say what it starts");
            StartAtLogin::Unknown
        }
    }
}

/// Makes or removes the entry that starts the app without a window.
///
/// # Errors
/// If the desktop's folder of such entries cannot be written, or the entry is another program's.
pub(crate) fn set_start_at_login(app: &AppHandle, wanted: StartAtLogin) -> Result<(), LoginError> {
    let login = app.autolaunch();
    #[cfg(target_os = "linux")]
    if let Some(place) = entry::Place::of(app) {
        return match wanted {
            StartAtLogin::On => place.make(|| login.enable()),
            StartAtLogin::Off | StartAtLogin::Unknown => place.remove(|| login.disable()),
        };
    }
    match wanted {
        StartAtLogin::On => Ok(login.enable()?),
        StartAtLogin::Off | StartAtLogin::Unknown => Ok(login.disable()?),
    }
}
