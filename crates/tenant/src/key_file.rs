use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use crate::signature::{KeyRing, RequestKey};

#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    #[error("the key file could not be read")]
    Unreadable(#[from] io::Error),
    #[error("the key file can be read by others; set its mode to 0600")]
    OpenToOthers,
    #[error("line {line} of the key file is not `<key id> <64 hexadecimal digits>`")]
    Malformed { line: usize },
    #[error("the key file holds no key")]
    Empty,
}

/// Reads this instance's keys, one `<key id> <64 hexadecimal digits>` a line.
pub fn read_keys(path: &Path) -> Result<KeyRing, KeyFileError> {
    let mut file = File::open(path)?;
    if open_to_others(&file.metadata()?) {
        return Err(KeyFileError::OpenToOthers);
    }
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    parse_keys(&text)
}

/// As [`read_keys`], for the text itself.
///
/// # Errors
/// As [`read_keys`], but for the file's.
pub fn parse_keys(text: &str) -> Result<KeyRing, KeyFileError> {
    let mut keys = KeyRing::default();
    for (index, line) in text.lines().enumerate() {
        let malformed = KeyFileError::Malformed { line: index + 1 };
        let Some((id, digits)) = line.trim().split_once(' ') else {
            return Err(malformed);
        };
        let Some(key) = RequestKey::from_hex(digits.trim()) else {
            return Err(malformed);
        };
        if !keys.add(id, key) {
            return Err(malformed);
        }
    }
    if keys.is_empty() {
        Err(KeyFileError::Empty)
    } else {
        Ok(keys)
    }
}

#[cfg(unix)]
fn open_to_others(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o077 != 0
}

#[cfg(not(unix))]
fn open_to_others(_: &fs::Metadata) -> bool {
    false
}
