use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::repo::Repo;

/// Remembers in a small file what some work was done from, so that it is not done twice.
pub(crate) struct Stamp {
    file: PathBuf,
    now: String,
}

impl Stamp {
    /// A stamp named `name` over the contents of `inputs` (files, or folders walked whole).
    pub(crate) fn of(repo: &Repo, name: &str, inputs: &[PathBuf], skip: &[&str]) -> Result<Self> {
        let mut files = BTreeMap::new();
        for input in inputs {
            collect(input, skip, &mut files)?;
        }
        let mut hasher = DefaultHasher::new();
        for (path, bytes) in &files {
            hasher.write(path.as_os_str().as_encoded_bytes());
            hasher.write_usize(bytes.len());
            hasher.write(bytes);
        }
        let now = format!("{:016x} {}\n", hasher.finish(), files.len());
        Ok(Self {
            file: repo.made("stamps").join(name),
            now,
        })
    }

    pub(crate) fn is_current(&self) -> bool {
        std::fs::read_to_string(&self.file).is_ok_and(|was| was == self.now)
    }

    pub(crate) fn keep(&self) -> Result<()> {
        let folder = self.file.parent().context("a stamp lies in a folder")?;
        std::fs::create_dir_all(folder)?;
        std::fs::write(&self.file, &self.now)
            .with_context(|| format!("could not write {}", self.file.display()))
    }
}

fn collect(path: &Path, skip: &[&str], files: &mut BTreeMap<PathBuf, Vec<u8>>) -> Result<()> {
    if path.is_file() {
        let bytes =
            std::fs::read(path).with_context(|| format!("could not read {}", path.display()))?;
        files.insert(path.to_path_buf(), bytes);
        return Ok(());
    }
    let entries =
        std::fs::read_dir(path).with_context(|| format!("could not list {}", path.display()))?;
    for entry in entries {
        let entry = entry?;
        if !skip.iter().any(|name| entry.file_name() == *name) {
            collect(&entry.path(), skip, files)?;
        }
    }
    Ok(())
}
