//! Looking at the machine and carrying a plan out. The only place of this program, besides rclone's
//! supervisor, that starts others: the system's own service command.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::time::timeout;

use super::MARK;
use super::plan::{Command, Encoding, Facts, Step, Verb};
use crate::failure::Failure;

/// Longer than stopping sync may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// What is there under the service's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Absent,
    /// Somebody else made it.
    Foreign,
    Installed {
        running: bool,
    },
}

impl Standing {
    pub(super) fn is_foreign(self) -> bool {
        self == Self::Foreign
    }

    pub(super) fn is_installed(self) -> bool {
        match self {
            Self::Installed { .. } => true,
            Self::Absent | Self::Foreign => false,
        }
    }
}

pub(super) async fn look(facts: &Facts) -> Result<Standing, Failure> {
    let file = facts.file();
    let bytes = match fs::read(&file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Standing::Absent),
        Err(error) => return Err(unusable(&file, &error)),
    };
    // In UTF-16 every other byte of the mark is zero.
    let plain: Vec<u8> = bytes.into_iter().filter(|byte| *byte != 0).collect();
    if !String::from_utf8_lossy(&plain).contains(MARK) {
        return Ok(Standing::Foreign);
    }
    let (command, word) = facts.question();
    let running = match ask(&command).await {
        Ok(said) => said.success && said.text.lines().any(|line| line.contains(word)),
        Err(_) => false,
    };
    Ok(Standing::Installed { running })
}

/// Gives the backup of what was in the way.
pub(super) async fn apply(
    facts: &Facts,
    verb: Verb,
    standing: &Standing,
) -> Result<Option<PathBuf>, Failure> {
    let file = facts.file();
    let mut backup = None;
    for step in facts.steps(verb) {
        match step {
            Step::Write { text, encoding } => {
                if standing.is_foreign() {
                    backup = Some(back_up(&file).map_err(|error| unusable(&file, &error))?);
                }
                write(&file, &encoded(&text, encoding)).map_err(|error| unusable(&file, &error))?;
            }
            Step::Remove => match fs::remove_file(&file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(unusable(&file, &error));
                }
                Ok(()) | Err(_) => {}
            },
            Step::Run(command) => {
                let said = ask(&command)
                    .await
                    .map_err(|error| absent(&command, &error))?;
                if !said.success {
                    return Err(refused(&command, &said.text));
                }
            }
            Step::Try(command) => match ask(&command).await {
                Ok(said) if !said.success => tracing::info!(said = said.text, "{command:?}"),
                Ok(_) => {}
                Err(error) => tracing::info!(%error, "{command:?}"),
            },
        }
    }
    Ok(backup)
}

struct Said {
    success: bool,
    /// Standard output, then standard error.
    text: String,
}

async fn ask(command: &Command) -> io::Result<Said> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the system's own service command starts here and nothing else"
    )]
    let mut process = tokio::process::Command::new(command.program);
    process
        .args(&command.arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = timeout(PATIENCE, process.output())
        .await
        .map_err(|_| io::ErrorKind::TimedOut)??;
    let text = [output.stdout, output.stderr].concat();
    Ok(Said {
        success: output.status.success(),
        text: String::from_utf8_lossy(&text).trim().to_owned(),
    })
}

fn encoded(text: &str, encoding: Encoding) -> Vec<u8> {
    match encoding {
        Encoding::Utf8 => text.as_bytes().to_vec(),
        Encoding::Utf16 => std::iter::once(0xFEFF)
            .chain(text.encode_utf16())
            .flat_map(u16::to_le_bytes)
            .collect(),
    }
}

/// Replaces the file whole or not at all.
fn write(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = file.parent().ok_or(io::ErrorKind::InvalidInput)?;
    fs::create_dir_all(folder)?;
    let mut new = tempfile::Builder::new()
        .prefix(".new-")
        .tempfile_in(folder)?;
    new.write_all(bytes)?;
    new.as_file().sync_all()?;
    new.persist(file).map_err(|error| error.error)?;
    Ok(())
}

/// Copies what somebody else made to a name that is free.
fn back_up(file: &Path) -> io::Result<PathBuf> {
    let text = fs::read(file)?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    for number in 1..1000 {
        let backup = file.with_file_name(format!("{name}.backup-{number}"));
        match fs::File::create_new(&backup) {
            Ok(mut copy) => {
                copy.write_all(&text)?;
                copy.sync_all()?;
                return Ok(backup);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

fn unusable(file: &Path, error: &io::Error) -> Failure {
    let message = format!("{} cannot be used: {error}", file.display());
    Failure::new("file_unusable", message)
}

fn absent(command: &Command, error: &io::Error) -> Failure {
    let message = format!("`{}` cannot be run: {error}", command.program);
    Failure::new("no_service_manager", message)
        .hint("Without it, let something else run `bm-cloud bisync --watch`, or use the tray app.")
}

fn refused(command: &Command, said: &str) -> Failure {
    let last = said.lines().rfind(|line| !line.trim().is_empty());
    let message = format!(
        "`{} {}` failed: {}",
        command.program,
        command.arguments.join(" "),
        last.unwrap_or("it said nothing")
    );
    Failure::new("service_manager", message)
        .hint("A service needs a login session; try it from a terminal on the desktop.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_written_as_windows_reads_it() {
        assert_eq!(encoded("é", Encoding::Utf16), [0xFF, 0xFE, 0xE9, 0x00]);
        assert_eq!(encoded("é", Encoding::Utf8), "é".as_bytes());
    }

    #[test]
    fn what_somebody_else_made_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.service");
        fs::write(&file, "theirs").unwrap();
        let (one, two) = (back_up(&file).unwrap(), back_up(&file).unwrap());
        assert_ne!(one, two);
        assert_eq!(fs::read_to_string(two).unwrap(), "theirs");
    }
}
