//! The Dock of macOS, which shows the app only while its window is open.

use tauri::AppHandle;

/// Whether the app is among the programs with windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dock {
    Shown,
    Hidden,
}

#[cfg(target_os = "macos")]
pub(crate) fn set(app: &AppHandle, dock: Dock) {
    use tauri::ActivationPolicy;

    let policy = match dock {
        Dock::Shown => ActivationPolicy::Regular,
        Dock::Hidden => ActivationPolicy::Accessory,
    };
    if let Err(error) = app.set_activation_policy(policy) {
        tracing::debug!(%error, "the Dock stays as it is");
    }
}

#[cfg(not(target_os = "macos"))]
pub(crate) fn set(_app: &AppHandle, _dock: Dock) {}
