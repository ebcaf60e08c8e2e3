use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::keys::random_hex;

const PARTIAL: &str = ".part";

/// The folder that holds object bytes, one file per blob, named by a random id.
#[derive(Debug)]
pub(crate) struct BlobDir {
    path: PathBuf,
}

impl BlobDir {
    pub(crate) fn new(path: &Path) -> Arc<Self> {
        Arc::new(Self {
            path: path.to_owned(),
        })
    }

    /// Removes partial files and blobs that no row names. Only for a store nobody serves yet.
    pub(crate) fn sweep(&self, referenced: &HashSet<String>) -> io::Result<usize> {
        let mut removed = 0;
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            if !referenced.contains(entry.file_name().to_string_lossy().as_ref()) {
                fs::remove_file(entry.path())?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    pub(crate) fn begin(self: &Arc<Self>) -> io::Result<PartialBlob> {
        let staged = StagedBlob {
            dir: Arc::clone(self),
            id: random_hex(16),
            partial: true,
        };
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(staged.path())?;
        Ok(PartialBlob { file, staged })
    }

    pub(crate) fn open(&self, id: &str) -> io::Result<File> {
        File::open(self.path.join(id))
    }

    /// Removes a blob that no row names any more; one that stays is swept at the next start.
    pub(crate) fn discard(&self, id: &str) {
        if let Err(error) = fs::remove_file(self.path.join(id)) {
            tracing::warn!(%error, blob = id, "could not remove an unused blob");
        }
    }

    #[cfg(unix)]
    fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }

    #[cfg(not(unix))]
    fn sync(&self) -> io::Result<()> {
        // Windows has no folder handles to flush; NTFS journals the rename itself.
        Ok(())
    }
}

/// A blob being written; gone when dropped.
#[derive(Debug)]
pub(crate) struct PartialBlob {
    file: File,
    staged: StagedBlob,
}

impl PartialBlob {
    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    pub(crate) fn append_file(&mut self, mut source: File) -> io::Result<u64> {
        io::copy(&mut source, &mut self.file)
    }

    /// Makes the bytes and the name durable.
    pub(crate) fn seal(self) -> io::Result<StagedBlob> {
        let Self { file, mut staged } = self;
        file.sync_all()?;
        drop(file);
        fs::rename(staged.path(), staged.dir.path.join(&staged.id))?;
        staged.partial = false;
        staged.dir.sync()?;
        Ok(staged)
    }
}

/// A durable blob that no row names yet; removed when dropped, unless kept.
#[derive(Debug)]
pub(crate) struct StagedBlob {
    dir: Arc<BlobDir>,
    id: String,
    partial: bool,
}

impl StagedBlob {
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// A committed row names the blob now.
    pub(crate) fn keep(mut self) {
        self.id.clear();
    }

    fn path(&self) -> PathBuf {
        let suffix = if self.partial { PARTIAL } else { "" };
        self.dir.path.join(format!("{}{suffix}", self.id))
    }
}

impl Drop for StagedBlob {
    fn drop(&mut self) {
        if self.id.is_empty() {
            return;
        }
        if let Err(error) = fs::remove_file(self.path())
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, blob = self.id, "could not remove a staged blob");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(path: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_blob_stays_only_when_kept() {
        let folder = tempfile::tempdir().unwrap();
        let dir = BlobDir::new(folder.path());
        drop(dir.begin().unwrap());
        drop(dir.begin().unwrap().seal().unwrap());
        let staged = dir.begin().unwrap().seal().unwrap();
        let id = staged.id().to_owned();
        staged.keep();
        assert_eq!(names(folder.path()), [id]);
    }

    #[test]
    fn a_sweep_leaves_only_what_rows_name() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["kept", "stray", "half.part"] {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        let dir = BlobDir::new(folder.path());
        assert_eq!(dir.sweep(&HashSet::from(["kept".to_owned()])).unwrap(), 2);
        assert_eq!(names(folder.path()), ["kept"]);
    }
}
