//! Versions of programs that were asked before, by what identifies the file.

use std::fs::Metadata;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::ask;
use crate::version::Version;

/// More than anybody has; older ones go first.
const MOST: usize = 8;

/// What `stat` says of a program. The change time cannot be set, so another program in its place,
/// or other rights, make another identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Identity {
    path: String,
    size: u64,
    modified: String,
    /// Device and number; zeros where the system has none, as below.
    inode: (u64, u64),
    changed: (i64, i64),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    program: Identity,
    version: (u32, u32, u32),
}

#[derive(Debug, Default)]
pub(super) struct Memory {
    file: Option<PathBuf>,
    known: Vec<Known>,
    is_newer: bool,
}

impl Memory {
    pub(super) fn none() -> Self {
        Self::default()
    }

    /// What cannot be read is not known.
    pub(super) fn load(file: &Path) -> Self {
        let text = std::fs::read(file).unwrap_or_default();
        Self {
            file: Some(file.to_owned()),
            known: serde_json::from_slice(&text).unwrap_or_default(),
            is_newer: false,
        }
    }

    pub(super) fn version_of(&self, program: &Path) -> Option<Version> {
        let program = Identity::of(program)?;
        let known = self.known.iter().find(|known| known.program == program)?;
        let (major, minor, patch) = known.version;
        Some(Version(major, minor, patch))
    }

    /// Asks the program, and remembers an answer.
    pub(super) async fn ask(&mut self, path: &Path) -> Result<Version, String> {
        let before = self.file.as_ref().and_then(|_| Identity::of(path));
        let version = ask(path).await?;
        if let Some(program) = before
            && Identity::of(path).as_ref() == Some(&program)
        {
            let Version(major, minor, patch) = version;
            self.known
                .retain(|known| known.program.path != program.path);
            self.known.push(Known {
                program,
                version: (major, minor, patch),
            });
            let surplus = self.known.len().saturating_sub(MOST);
            self.known.drain(..surplus);
            self.is_newer = true;
        }
        Ok(version)
    }

    /// Writes down what is new. Nothing depends on it.
    pub(super) fn save(&self) {
        let Some(file) = self.file.as_ref().filter(|_| self.is_newer) else {
            return;
        };
        if let Err(error) = write(file, &self.known) {
            tracing::debug!(%error, "the version of rclone was not remembered");
        }
    }
}

impl Identity {
    /// `None` for what has no name that can be written down, or is not there.
    fn of(path: &Path) -> Option<Self> {
        let found = std::fs::metadata(path).ok()?;
        let modified = found.modified().ok()?;
        let since = modified.duration_since(std::time::UNIX_EPOCH).ok()?;
        Some(Self {
            path: path.to_str()?.to_owned(),
            size: found.len(),
            modified: since.as_nanos().to_string(),
            inode: inode(&found),
            changed: changed(&found),
        })
    }
}

#[cfg(unix)]
fn inode(found: &Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt as _;
    (found.dev(), found.ino())
}

#[cfg(unix)]
fn changed(found: &Metadata) -> (i64, i64) {
    use std::os::unix::fs::MetadataExt as _;
    (found.ctime(), found.ctime_nsec())
}

#[cfg(not(unix))]
fn inode(_: &Metadata) -> (u64, u64) {
    (0, 0)
}

#[cfg(not(unix))]
fn changed(_: &Metadata) -> (i64, i64) {
    (0, 0)
}

fn write(file: &Path, known: &[Known]) -> std::io::Result<()> {
    let folder = file.parent().ok_or(std::io::ErrorKind::InvalidInput)?;
    let mut new = tempfile::Builder::new()
        .prefix(".new-")
        .tempfile_in(folder)?;
    new.write_all(&serde_json::to_vec(known)?)?;
    new.persist(file).map_err(|error| error.error)?;
    Ok(())
}
