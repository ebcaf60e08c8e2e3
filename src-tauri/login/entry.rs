//! The file by which a Linux desktop starts the app, read before it is written.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use tauri::{AppHandle, Manager as _};

use super::{LoginError, StartAtLogin};

/// What the file of our name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Missing,
    /// As the app writes it.
    Ours,
    /// Starts this app in a way that a person wrote.
    Edited,
    /// Starts nothing: it was switched off, or its program is gone.
    Asleep,
    /// Starts something else.
    Foreign,
}

impl Entry {
    pub(super) fn answer(self) -> StartAtLogin {
        match self {
            Self::Ours | Self::Edited => StartAtLogin::On,
            Self::Missing | Self::Asleep | Self::Foreign => StartAtLogin::Off,
        }
    }
}

/// Where the entry is, and what it starts.
#[derive(Debug)]
pub(super) struct Place {
    /// What the desktop reads.
    file: PathBuf,
    /// What the plugin writes, whatever `XDG_CONFIG_HOME` says.
    of_plugin: PathBuf,
    name: String,
    program: PathBuf,
}

impl Place {
    /// Absent where nobody knows the program or the home.
    pub(super) fn of(app: &AppHandle) -> Option<Self> {
        let name = app.package_info().name.clone();
        let file = format!("autostart/{name}.desktop");
        let image = app.env().appimage.map(PathBuf::from);
        Some(Self {
            file: app.path().config_dir().ok()?.join(&file),
            of_plugin: app.path().home_dir().ok()?.join(".config").join(&file),
            name,
            program: image.or_else(|| std::env::current_exe().ok())?,
        })
    }

    pub(super) fn look(&self) -> Entry {
        match std::fs::read_to_string(&self.file) {
            Ok(text) => judge(Some(&text), &self.program, Path::exists),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                judge(None, &self.program, Path::exists)
            }
            // Who knows what it is.
            Err(error) => {
                tracing::debug!(%error, "an entry of our name cannot be read");
                Entry::Foreign
            }
        }
    }

    /// Has the plugin write the entry, unless that would destroy what is somebody else's.
    pub(super) fn make(
        &self,
        write: impl FnOnce() -> Result<(), tauri_plugin_autostart::Error>,
    ) -> Result<(), LoginError> {
        match self.look() {
            Entry::Missing | Entry::Asleep | Entry::Ours => {}
            Entry::Edited => return Ok(()),
            Entry::Foreign => return Err(LoginError::Foreign(self.file.clone())),
        }
        let written = if self.file == self.of_plugin {
            write()?;
            std::fs::read_to_string(&self.file)?
        } else {
            if let Some(folder) = self.file.parent() {
                std::fs::create_dir_all(folder)?;
            }
            format!(
                "[Desktop Entry]\nType=Application\nVersion=1.0\nName={}\nExec={} --background\n\
                 StartupNotify=false\nTerminal=false\n",
                self.name,
                self.program.display()
            )
        };
        // The plugin writes the path as it is; with a blank or a `$` in it nothing would start.
        std::fs::write(&self.file, quoted(&written))?;
        Ok(())
    }

    /// Takes the entry away. What starts something else was never on.
    pub(super) fn remove(
        &self,
        remove: impl FnOnce() -> Result<(), tauri_plugin_autostart::Error>,
    ) -> Result<(), LoginError> {
        match self.look() {
            Entry::Missing | Entry::Foreign => Ok(()),
            Entry::Ours | Entry::Edited | Entry::Asleep if self.file == self.of_plugin => {
                Ok(remove()?)
            }
            Entry::Ours | Entry::Edited | Entry::Asleep => Ok(std::fs::remove_file(&self.file)?),
        }
    }
}

fn judge(entry: Option<&str>, program: &Path, is_there: impl Fn(&Path) -> bool) -> Entry {
    let Some(entry) = entry else {
        return Entry::Missing;
    };
    let value = |key: &str| {
        let mut lines = entry.lines();
        lines.find_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix('='))
    };
    let Some(exec) = value("Exec").map(str::trim) else {
        return Entry::Foreign;
    };
    let plain = format!("Exec={} --background", program.display());
    let ours = [quoted(&plain), plain];
    let words = words(exec);
    let starts_us = words
        .iter()
        .any(|word| Path::new(word).file_name() == program.file_name());
    let kind = match &words[..] {
        _ if ours.contains(&format!("Exec={exec}")) => Entry::Ours,
        [gone, argument]
            if argument == "--background"
                && gone.starts_with('/')
                && !is_there(Path::new(gone)) =>
        {
            Entry::Asleep
        }
        _ if starts_us => Entry::Edited,
        _ => Entry::Foreign,
    };
    let is = |key, wanted: &str| value(key).is_some_and(|value| value.trim() == wanted);
    let off = is("Hidden", "true") || is("X-GNOME-Autostart-enabled", "false");
    match kind {
        Entry::Ours | Entry::Edited if off => Entry::Asleep,
        Entry::Missing | Entry::Ours | Entry::Edited | Entry::Asleep | Entry::Foreign => kind,
    }
}

/// The words of a command, by the quotes and escapes of the Desktop Entry Specification.
fn words(exec: &str) -> Vec<String> {
    let (mut words, mut word) = (Vec::new(), None::<String>);
    let mut inside = false;
    let exec = exec.replace(r"\\", r"\");
    let mut letters = exec.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => {
                inside = !inside;
                word.get_or_insert_default();
            }
            ' ' | '\t' if !inside => words.extend(word.take()),
            '\\' if inside => word.get_or_insert_default().extend(letters.next()),
            letter => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words.iter().map(|word| word.replace("%%", "%")).collect()
}

/// The entry with its program in the quotes of the Desktop Entry Specification, where it needs them.
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

#[cfg(test)]
mod tests;
