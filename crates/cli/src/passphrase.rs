//! The passphrase of the encrypted file of secrets: from a file, or typed without being shown. It
//! is never an argument and never in the environment.

use std::io;
use std::path::Path;

use secrecy::SecretString;

use crate::failure::Failure;

/// The first line of a file that only its owner can read.
pub(crate) fn from_file(path: &Path) -> Result<SecretString, Failure> {
    let failed = |what: String| {
        let message = format!("{} {what}", path.display());
        Failure::new("passphrase_file", message)
            .hint("BM_CLOUD_PASSPHRASE_FILE names a file of yours alone (600) with one line.")
    };
    if is_open(path).map_err(|error| failed(format!("cannot be read: {error}")))? {
        return Err(failed("can be read by others".to_owned()));
    }
    let text = std::fs::read_to_string(path)
        .map_err(|error| failed(format!("cannot be read: {error}")))?;
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(SecretString::from(line.to_owned())),
        Some(_) | None => Err(failed("is empty".to_owned())),
    }
}

#[cfg(unix)]
fn is_open(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(std::fs::metadata(path)?.permissions().mode() & 0o077 != 0)
}

/// Elsewhere a person's folder is theirs alone by custom.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "shaped as on Unix")]
fn is_open(_path: &Path) -> io::Result<bool> {
    Ok(false)
}

/// Asks at the terminal, without showing what is typed; `None` if nobody is there to ask.
#[cfg(unix)]
pub(crate) fn typed() -> Option<SecretString> {
    use std::io::{BufRead as _, Write as _};

    use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

    let terminal = std::fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/tty")
        .ok()?;
    let shown = tcgetattr(&terminal).ok()?;
    let mut hidden = shown.clone();
    hidden.local_modes.remove(LocalModes::ECHO);
    (&terminal)
        .write_all(b"Passphrase of the secrets' file: ")
        .ok()?;
    tcsetattr(&terminal, OptionalActions::Flush, &hidden).ok()?;
    let mut line = String::new();
    let read = io::BufReader::new(&terminal).read_line(&mut line);
    tcsetattr(&terminal, OptionalActions::Flush, &shown).ok()?;
    (&terminal).write_all(b"\n").ok()?;
    let typed = line.trim_end_matches(['\r', '\n']);
    (read.is_ok() && !typed.is_empty()).then(|| SecretString::from(typed.to_owned()))
}

/// Asks at the console, without showing what is typed; `None` if nobody is there to ask.
#[cfg(windows)]
pub(crate) fn typed() -> Option<SecretString> {
    let terminal = console::Term::stderr();
    if !terminal.is_term() {
        return None;
    }
    terminal
        .write_str("Passphrase of the secrets' file: ")
        .ok()?;
    let typed = terminal.read_secure_line().ok()?;
    (!typed.is_empty()).then(|| SecretString::from(typed))
}
