//! The folders of one mount, and what must outlive its daemon.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};
use rclone::mount::{CacheState, CachedFile, VfsCache};

use crate::places::{Places, create_private};
use crate::settings::replace_file;

/// Where one mount keeps its things.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    home: PathBuf,
    pub(crate) run: PathBuf,
}

impl Room {
    pub(crate) fn new(places: &Places, id: &str) -> Self {
        // A socket's path must be short.
        let short = &id[id.len().saturating_sub(8)..];
        Self {
            home: places.data.join("mounts").join(id),
            run: places.runtime.join(format!("m{short}")),
        }
    }

    pub(crate) fn create(&self) -> io::Result<()> {
        create_private(&self.cache())?;
        create_private(&self.run)
    }

    /// What is not stored yet is here, so it is no folder that may be cleaned.
    pub(crate) fn cache(&self) -> PathBuf {
        self.home.join("files")
    }

    /// What was saved in the folder while no drive was there.
    pub(crate) fn strays(&self) -> PathBuf {
        self.home.join("strays")
    }

    pub(crate) fn files(&self, bucket: &str) -> VfsCache {
        VfsCache::new(&self.cache(), bucket)
    }

    /// Files, and their bytes, that are not stored yet, of whatever bucket.
    pub(crate) fn waiting(&self) -> (u64, u64) {
        let buckets = std::fs::read_dir(self.cache().join("vfsMeta/guard"));
        let names = buckets.into_iter().flatten().flatten();
        let files = names.flat_map(|entry| match entry.file_name().to_str() {
            Some(bucket) => self.files(bucket).files(),
            None => Vec::new(),
        });
        files
            .filter(|file| file.state == CacheState::Waiting)
            .fold((0, 0), |(count, bytes), file| {
                (count + 1, bytes + file.size)
            })
    }

    /// Has the next daemon store what a kill left without a description.
    pub(crate) fn mend(&self, bucket: &str) -> io::Result<()> {
        let remembered = self.remembered();
        let is_stored = |path: &str, file: &Path| {
            let bytes = std::fs::read(file);
            let md5 = bytes.map(|bytes| hex::encode(Md5::digest(bytes)));
            md5.is_ok_and(|md5| remembered.get(path) == Some(&md5))
        };
        let mended = self.files(bucket).mend(is_stored)?;
        if !mended.is_empty() {
            tracing::warn!(
                files = mended.len(),
                "a kill cut short what the drive noted down"
            );
        }
        Ok(())
    }

    fn remembered(&self) -> BTreeMap<String, String> {
        let text = std::fs::read(self.memory()).ok();
        text.and_then(|text| serde_json::from_slice(&text).ok())
            .unwrap_or_default()
    }

    /// The versions whose content the mount has, as the last session and the cache tell.
    pub(crate) fn shown(&self, bucket: &str) -> BTreeMap<String, String> {
        known_versions(&self.files(bucket).files(), self.remembered())
    }

    pub(crate) fn remember(&self, shown: &BTreeMap<String, String>) -> io::Result<()> {
        replace_file(&self.memory(), &serde_json::to_vec(shown)?)
    }

    fn memory(&self) -> PathBuf {
        self.home.join("shown.json")
    }

    /// Forgets a mount that has nothing waiting.
    pub(crate) fn remove(&self) {
        for folder in [&self.home, &self.run] {
            if let Err(error) = remove_own_folder(folder) {
                tracing::debug!(%error, "a folder of a mount was left");
            }
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the folder is the engine's own, never the vault"
)]
fn remove_own_folder(folder: &Path) -> io::Result<()> {
    std::fs::remove_dir_all(folder)
}

/// The cache knows the version of each file it holds; where it knows none, memory must do. Only
/// what the cache holds counts: of all else the mount has no content.
fn known_versions(
    files: &[CachedFile],
    remembered: BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let mut remembered = remembered;
    let known = |file: &CachedFile| {
        // The tag of an object uploaded in parts is no MD5.
        let version = match remembered.remove(&file.path) {
            Some(tag) if tag.contains('-') => Some(tag),
            other => file.md5.clone().or(other),
        };
        Some((file.path.clone(), version?))
    };
    files.iter().filter_map(known).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, md5: Option<&str>, state: CacheState) -> CachedFile {
        CachedFile {
            path: path.to_owned(),
            size: 1,
            md5: md5.map(str::to_owned),
            state,
        }
    }

    #[test]
    fn the_cache_is_believed_before_memory_and_nothing_else_is_known() {
        let files = [
            file("clean", Some("c"), CacheState::Stored),
            file("saved atomically", None, CacheState::Waiting),
            file("new", None, CacheState::Waiting),
        ];
        let text = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let remembered = BTreeMap::from([
            text("clean", "older"),
            text("saved atomically", "s"),
            text("not here any more", "n"),
        ]);
        let expected = BTreeMap::from([text("clean", "c"), text("saved atomically", "s")]);
        assert_eq!(known_versions(&files, remembered), expected);
    }
}
