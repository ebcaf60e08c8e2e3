//! The files of a backup, and the list that says what they must be.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{BLOBS, BackupError};
use crate::state_folder::{private, restrict_folder, sync_parent, write_whole};

pub(super) const FORMAT: u32 = 1;
const MANIFEST: &str = "backup.json";
const CHUNK: usize = 256 * 1024;

/// What a file of the backup must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileDigest {
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

/// The list of a backup's files. It is written last, so that where it is, the rest is, too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) format: u32,
    pub(super) version: String,
    pub(super) made_at_ms: i64,
    /// By path below the backup's folder.
    pub(super) files: BTreeMap<String, FileDigest>,
}

impl Manifest {
    pub(super) fn new(made_at_ms: i64) -> Self {
        Self {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            made_at_ms,
            files: BTreeMap::new(),
        }
    }

    pub(super) fn add_existing(&mut self, folder: &Path, name: &str) -> Result<(), BackupError> {
        let digest = digest(&folder.join(name))?;
        self.files.insert(name.to_owned(), digest);
        Ok(())
    }

    pub(super) fn blobs_other_than(&self, kept: &BTreeSet<String>) -> Vec<String> {
        let blobs = format!("{BLOBS}/");
        self.files
            .keys()
            .filter(|name| name.starts_with(&blobs) && !kept.contains(*name))
            .cloned()
            .collect()
    }

    pub(super) fn write(&self, folder: &Path) -> Result<(), BackupError> {
        let file = folder.join(MANIFEST);
        let text = serde_json::to_vec_pretty(self)
            .map_err(|error| BackupError::files(&file)(error.into()))?;
        write_whole(&file, &text).map_err(BackupError::files(&file))
    }

    /// Reads the list of the backup in `folder`, and makes sure that it names nothing outside.
    pub(super) fn read(folder: &Path) -> Result<Self, BackupError> {
        let not_one = || BackupError::NotABackup {
            folder: folder.to_owned(),
        };
        let text = fs::read(folder.join(MANIFEST)).map_err(|_| not_one())?;
        let manifest: Self = serde_json::from_slice(&text).map_err(|_| not_one())?;
        if manifest.format > FORMAT {
            return Err(BackupError::NewerFormat {
                found: manifest.format,
                known: FORMAT,
            });
        }
        if manifest.files.keys().all(|name| is_inside(name)) {
            Ok(manifest)
        } else {
            Err(not_one())
        }
    }
}

fn is_inside(name: &str) -> bool {
    !name.is_empty()
        && Path::new(name)
            .components()
            .all(|part| matches!(part, Component::Normal(_)))
}

/// Copies a file for this user only, flushed, and says what it is.
pub(super) fn copy_and_digest(from: &Path, to: &Path) -> Result<FileDigest, BackupError> {
    let mut source = File::open(from).map_err(BackupError::files(from))?;
    let mut target = private(File::options().create(true).truncate(true).write(true))
        .open(to)
        .map_err(BackupError::files(to))?;
    let digest =
        pass(&mut source, |bytes| target.write_all(bytes)).map_err(BackupError::files(from))?;
    target.sync_all().map_err(BackupError::files(to))?;
    Ok(digest)
}

pub(super) fn digest(file: &Path) -> Result<FileDigest, BackupError> {
    let mut source = File::open(file).map_err(BackupError::files(file))?;
    pass(&mut source, |_| Ok(())).map_err(BackupError::files(file))
}

fn pass(
    source: &mut File,
    mut each: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<FileDigest> {
    let (mut hasher, mut bytes) = (Sha256::new(), 0_u64);
    let mut buffer = vec![0; CHUNK];
    loop {
        let read = source.read(&mut buffer)?;
        let Some(part) = buffer.get(..read).filter(|part| !part.is_empty()) else {
            break;
        };
        hasher.update(part);
        each(part)?;
        bytes += part.len() as u64;
    }
    Ok(FileDigest {
        bytes,
        sha256: hex::encode(hasher.finalize()),
    })
}

/// A name beside `folder`.
pub(super) fn sibling(folder: &Path, word: &str) -> PathBuf {
    let mut name = folder.as_os_str().to_owned();
    name.push(".");
    name.push(word);
    PathBuf::from(name)
}

pub(super) fn refuse_unless_empty(folder: &Path) -> Result<(), BackupError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(BackupError::files(folder)(error)),
    };
    if entries.count() == 0 {
        return Ok(());
    }
    Err(BackupError::TargetNotEmpty {
        folder: folder.to_owned(),
    })
}

/// Makes an empty folder for this user only, where an earlier attempt may have left one.
pub(super) fn make_fresh_folder(folder: &Path) -> Result<(), BackupError> {
    match fs::remove_dir_all(folder) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(BackupError::files(folder)(error)),
    }
    make_folder(folder)
}

pub(super) fn make_folder(folder: &Path) -> Result<(), BackupError> {
    fs::create_dir_all(folder)
        .and_then(|()| restrict_folder(folder))
        .map_err(BackupError::files(folder))
}

/// Makes an empty file for this user only.
pub(super) fn make_private_file(file: &Path) -> Result<(), BackupError> {
    private(File::options().create(true).truncate(true).write(true))
        .open(file)
        .map(drop)
        .map_err(BackupError::files(file))
}

pub(super) fn remove(file: &Path) -> Result<(), BackupError> {
    fs::remove_file(file).map_err(BackupError::files(file))
}

pub(super) fn sync(file: &Path) -> Result<(), BackupError> {
    File::open(file)
        .and_then(|file| file.sync_all())
        .map_err(BackupError::files(file))
}

/// Gives a folder its name, for good. An empty folder of that name gives way.
pub(super) fn put_in_place(from: &Path, to: &Path) -> Result<(), BackupError> {
    match fs::remove_dir(to) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(BackupError::files(to)(error)),
    }
    fs::rename(from, to)
        .and_then(|()| sync_parent(to))
        .map_err(BackupError::files(to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_below_the_backup_are_inside() {
        for name in ["server.db", "buckets/blobs/0a"] {
            assert!(is_inside(name), "{name}");
        }
        for name in ["", "/etc/passwd", "../server.db", "buckets/../../x", "./x"] {
            assert!(!is_inside(name), "{name}");
        }
    }
}
