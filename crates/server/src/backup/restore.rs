//! Brings a backup back.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use super::BackupError;
use super::files::{self, Manifest, copy_and_digest};

/// What happens to a state that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replace {
    /// It stays, and nothing is restored.
    Never,
    /// It is moved aside.
    MoveAside,
}

/// What was restored.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Restored {
    pub folder: PathBuf,
    pub files: usize,
    /// Where the state is that was there before.
    pub moved_aside: Option<PathBuf>,
}

/// Makes `state` what it was when the backup in `source` was taken.
///
/// Every file is compared with the backup's list on its way; `state` changes at the very end, by
/// taking a new name, or not at all.
pub fn restore(
    source: &Path,
    state: &Path,
    replace: Replace,
    now_ms: i64,
) -> Result<Restored, BackupError> {
    let manifest = Manifest::read(source)?;
    let is_there = match (files::refuse_unless_empty(state), replace) {
        (Ok(()), _) => false,
        (Err(BackupError::TargetNotEmpty { .. }), Replace::MoveAside) => true,
        (Err(error), _) => return Err(error),
    };
    // Held until the end, so that no server starts on what is about to be moved.
    let _lock = if is_there { Some(lock(state)?) } else { None };
    let partial = files::sibling(state, "restoring");
    files::make_fresh_folder(&partial)?;
    for (name, expected) in &manifest.files {
        let (from, to) = (source.join(name), partial.join(name));
        if let Some(folder) = to.parent() {
            files::make_folder(folder)?;
        }
        if copy_and_digest(&from, &to)? != *expected {
            return Err(BackupError::Damaged { file: from });
        }
    }
    let moved_aside = if is_there {
        let aside = files::sibling(state, &format!("before-restore-{now_ms}"));
        fs::rename(state, &aside).map_err(BackupError::files(state))?;
        Some(aside)
    } else {
        None
    };
    files::put_in_place(&partial, state)?;
    Ok(Restored {
        folder: state.to_owned(),
        files: manifest.files.len(),
        moved_aside,
    })
}

fn lock(state: &Path) -> Result<Option<File>, BackupError> {
    let file = state.join("server.lock");
    let lock = match File::options().write(true).open(&file) {
        Ok(lock) => lock,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(BackupError::files(&file)(error)),
    };
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(TryLockError::WouldBlock) => Err(BackupError::InUse {
            folder: state.to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(BackupError::files(&file)(error)),
    }
}
