//! Copies of everything an embedded deployment keeps, taken while it runs, and brought back.
//!
//! The databases are copied as they were at one moment: for as long as it takes to begin reading
//! all of them, nothing is written to any. Object bytes never change once they are named, so they
//! are copied after that; what is removed meanwhile makes the copy start over. A copy is whole or
//! not there, and is read again before it counts.

mod files;
mod restore;
mod snapshot;

use std::io;
use std::path::{Path, PathBuf};

use files::{Manifest, copy_and_digest};
pub use restore::{Replace, Restored, restore};
use snapshot::snapshot;

const DATABASES: [&str; 3] = ["server.db", "identity.db", OBJECTS];
const OBJECTS: &str = "buckets/store.db";
const BLOBS: &str = "buckets/blobs";
/// Small files that are written whole or not at all.
const SMALL: [&str; 2] = ["ports.json", "deployment"];
const KEYS: &str = "keys";
/// How often a copy starts over because objects were removed while it was made.
const ATTEMPTS: usize = 5;

#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("{} is not the state folder of a server", folder.display())]
    NotAState { folder: PathBuf },
    #[error("{} is there already and not empty; choose another place", folder.display())]
    TargetNotEmpty { folder: PathBuf },
    #[error("{} holds no complete backup", folder.display())]
    NotABackup { folder: PathBuf },
    #[error("the backup is of format {found}, this version reads up to {known}")]
    NewerFormat { found: u32, known: u32 },
    #[error("{} is not what the backup's list says", file.display())]
    Damaged { file: PathBuf },
    #[error("the state folder {} is in use; stop its server first", folder.display())]
    InUse { folder: PathBuf },
    #[error("objects were removed faster than they could be copied; try again")]
    TooBusy,
    #[error("{} could not be read or written", file.display())]
    Files {
        file: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the database {} could not be copied", file.display())]
    Database {
        file: PathBuf,
        #[source]
        source: rusqlite::Error,
    },
    #[error("the copy of {} is damaged: {problem}", file.display())]
    CopyDamaged { file: PathBuf, problem: String },
    #[error("the object store's list could not be read")]
    Objects(#[source] s3_store::StoreError),
}

impl BackupError {
    fn files(file: &Path) -> impl FnOnce(io::Error) -> Self {
        let file = file.to_owned();
        move |source| Self::Files { file, source }
    }

    fn database(file: &Path) -> impl FnOnce(rusqlite::Error) -> Self {
        let file = file.to_owned();
        move |source| Self::Database { file, source }
    }
}

/// What a backup holds.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct BackupReport {
    pub folder: PathBuf,
    pub files: usize,
    pub bytes: u64,
}

/// Copies the state folder into the new folder `target`. The server may run meanwhile.
///
/// The copy holds secrets, as the state does: both are readable by this user only.
pub fn back_up(state: &Path, target: &Path, now_ms: i64) -> Result<BackupReport, BackupError> {
    if !DATABASES.iter().any(|name| state.join(name).is_file()) {
        return Err(BackupError::NotAState {
            folder: state.to_owned(),
        });
    }
    files::refuse_unless_empty(target)?;
    let partial = files::sibling(target, "partial");
    files::make_fresh_folder(&partial)?;
    let manifest = fill(state, &partial, now_ms)?;
    manifest.write(&partial)?;
    files::put_in_place(&partial, target)?;
    Ok(BackupReport {
        folder: target.to_owned(),
        files: manifest.files.len(),
        bytes: manifest.files.values().map(|file| file.bytes).sum(),
    })
}

fn fill(state: &Path, partial: &Path, now_ms: i64) -> Result<Manifest, BackupError> {
    let mut manifest = Manifest::new(now_ms);
    let present: Vec<&str> = DATABASES
        .into_iter()
        .filter(|name| state.join(name).is_file())
        .collect();
    files::make_folder(&partial.join(BLOBS))?;
    files::make_folder(&partial.join(KEYS))?;
    let mut attempt = 0;
    loop {
        snapshot(state, partial, &present)?;
        if copy_blobs(state, partial, &mut manifest)? {
            break;
        }
        attempt += 1;
        if attempt == ATTEMPTS {
            return Err(BackupError::TooBusy);
        }
    }
    for name in present {
        manifest.add_existing(partial, name)?;
    }
    for name in SMALL.map(str::to_owned).into_iter().chain(keys(state)?) {
        if state.join(&name).is_file() {
            let digest = copy_and_digest(&state.join(&name), &partial.join(&name))?;
            manifest.files.insert(name, digest);
        }
    }
    Ok(manifest)
}

fn keys(state: &Path) -> Result<Vec<String>, BackupError> {
    let folder = state.join(KEYS);
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let entries = std::fs::read_dir(&folder).map_err(BackupError::files(&folder))?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(BackupError::files(&folder))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // What a crash left half-written.
        if !name.ends_with(".next") {
            names.push(format!("{KEYS}/{name}"));
        }
    }
    Ok(names)
}

/// Copies what the copied list of objects names; false if something of it is gone meanwhile.
fn copy_blobs(state: &Path, partial: &Path, manifest: &mut Manifest) -> Result<bool, BackupError> {
    let objects = partial.join(OBJECTS);
    let named = if objects.is_file() {
        s3_store::named_blobs(&objects).map_err(BackupError::Objects)?
    } else {
        Vec::new()
    };
    // What an earlier attempt copied and nothing names any more.
    let kept: std::collections::BTreeSet<String> = named
        .iter()
        .map(|blob| format!("{BLOBS}/{}", blob.name))
        .collect();
    for stale in manifest.blobs_other_than(&kept) {
        files::remove(&partial.join(&stale))?;
        manifest.files.remove(&stale);
    }
    for blob in named {
        let name = format!("{BLOBS}/{}", blob.name);
        if manifest.files.contains_key(&name) {
            continue;
        }
        let digest = match copy_and_digest(&state.join(&name), &partial.join(&name)) {
            Ok(digest) => digest,
            Err(BackupError::Files { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        if blob.bytes.is_some_and(|bytes| bytes != digest.bytes) {
            return Err(BackupError::Damaged {
                file: state.join(&name),
            });
        }
        manifest.files.insert(name, digest);
    }
    Ok(true)
}

#[cfg(test)]
mod tests;
