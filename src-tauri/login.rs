//! Whether the desktop starts the app when a person logs in.

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

pub(crate) fn start_at_login(app: &AppHandle) -> StartAtLogin {
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
/// If the desktop's folder of such entries cannot be written.
pub(crate) fn set_start_at_login(
    app: &AppHandle,
    wanted: StartAtLogin,
) -> Result<(), tauri_plugin_autostart::Error> {
    let login = app.autolaunch();
    match wanted {
        StartAtLogin::On => {
            login.enable()?;
            #[cfg(target_os = "linux")]
            quote_entry(app)?;
            Ok(())
        }
        StartAtLogin::Off | StartAtLogin::Unknown => login.disable(),
    }
}

/// The plugin writes the program's path as it is; with a blank or a `$` in it nothing would start.
#[cfg(target_os = "linux")]
fn quote_entry(app: &AppHandle) -> Result<(), tauri_plugin_autostart::Error> {
    use tauri::Manager as _;

    let Ok(folder) = app.path().config_dir() else {
        return Ok(());
    };
    let name = format!("{}.desktop", app.package_info().name);
    let file = folder.join("autostart").join(name);
    let entry = std::fs::read_to_string(&file)?;
    let quoted = quoted(&entry);
    if quoted != entry {
        std::fs::write(&file, quoted)?;
    }
    Ok(())
}

/// The entry with its program in the quotes of the Desktop Entry Specification, where it needs them.
#[cfg(target_os = "linux")]
fn quoted(entry: &str) -> String {
    const RESERVED: &[char] = &[
        ' ', '\t', '"', '\'', '\\', '>', '<', '~', '|', '&', ';', '$', '*', '?', '#', '(', ')', '`',
    ];
    let lines = entry.lines().map(|line| {
        let program = line
            .strip_prefix("Exec=")
            .and_then(|rest| rest.strip_suffix(" --background"));
        let Some(program) = program.filter(|program| !program.starts_with('"')) else {
            return line.to_owned();
        };
        // A lone per cent sign would begin one of the launcher's own codes.
        let program = program.replace('%', "%%");
        if !program.contains(RESERVED) {
            return format!("Exec={program} --background");
        }
        let mut inside = String::new();
        for letter in program.chars() {
            // Once for the quotes, and once more for every string of such a file.
            match letter {
                '\\' => inside.push_str(r"\\\\"),
                '"' | '`' | '$' => {
                    inside.push_str(r"\\");
                    inside.push(letter);
                }
                letter => inside.push(letter),
            }
        }
        format!("Exec=\"{inside}\" --background")
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_needs_quotes_gets_them() {
        let exec = |path: &str| {
            let entry = format!("[Desktop Entry]\nExec={path} --background\nTerminal=false");
            let quoted = quoted(&entry);
            let line = quoted.lines().nth(1).unwrap().to_owned();
            assert_eq!(super::quoted(&quoted).lines().count(), 3);
            line
        };
        assert_eq!(exec("/usr/bin/app"), "Exec=/usr/bin/app --background");
        assert_eq!(
            exec("/home/ana/My Apps/Notes.AppImage"),
            "Exec=\"/home/ana/My Apps/Notes.AppImage\" --background"
        );
        assert_eq!(exec("/opt/100%/app"), "Exec=/opt/100%%/app --background");
        assert_eq!(exec(r"/opt/a$b"), r#"Exec="/opt/a\\$b" --background"#);
    }
}
