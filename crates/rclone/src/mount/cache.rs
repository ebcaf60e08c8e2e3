use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::config::REMOTE;

/// The files that a mount's daemon keeps on disk, as it describes them (`vfsMeta`, rclone 1.75).
#[derive(Clone, Debug)]
pub struct VfsCache {
    cache_dir: PathBuf,
    about: PathBuf,
    content: PathBuf,
}

/// One file in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CachedFile {
    /// Its path in the bucket.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// The MD5 of the stored version it was made from, where there is one and it is told.
    pub md5: Option<String>,
    pub state: CacheState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheState {
    Stored,
    /// Changed here, and not stored yet.
    Waiting,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AboutIn {
    #[serde(default)]
    size: u64,
    #[serde(default)]
    fingerprint: String,
    #[serde(default)]
    dirty: bool,
}

impl VfsCache {
    #[must_use]
    pub fn new(cache_dir: &Path, bucket: &str) -> Self {
        let of = |kind: &str| cache_dir.join(kind).join(REMOTE).join(bucket);
        Self {
            cache_dir: cache_dir.to_owned(),
            about: of("vfsMeta"),
            content: of("vfs"),
        }
    }

    pub(super) fn cache_dir(&self) -> &Path {
        &self.cache_dir
    }

    pub(super) fn about(&self) -> &Path {
        &self.about
    }

    pub(super) fn content(&self) -> &Path {
        &self.content
    }

    /// What is known of one path.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<CachedFile> {
        let text = std::fs::read(self.about.join(path)).ok()?;
        let about: AboutIn = serde_json::from_slice(&text).ok()?;
        // SIZE,TIME,MD5
        let md5 =
            about.fingerprint.rsplit(',').next().filter(|last| {
                last.len() == 32 && last.bytes().all(|digit| digit.is_ascii_hexdigit())
            });
        Some(CachedFile {
            path: path.to_owned(),
            size: about.size,
            md5: md5.map(str::to_owned),
            state: if about.dirty {
                CacheState::Waiting
            } else {
                CacheState::Stored
            },
        })
    }

    /// Whether a path was changed here and is not stored yet.
    #[must_use]
    pub fn is_waiting(&self, path: &str) -> bool {
        self.find(path)
            .is_some_and(|file| file.state == CacheState::Waiting)
    }

    /// Everything in the cache.
    #[must_use]
    pub fn files(&self) -> Vec<CachedFile> {
        let mut found = Vec::new();
        let mut folders = vec![(self.about.clone(), String::new())];
        while let Some((folder, prefix)) = folders.pop() {
            let Ok(entries) = std::fs::read_dir(&folder) else {
                continue;
            };
            for entry in entries.flatten() {
                let Ok(name) = entry.file_name().into_string() else {
                    continue;
                };
                let path = format!("{prefix}{name}");
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => folders.push((entry.path(), format!("{path}/"))),
                    Ok(kind) if kind.is_file() => found.extend(self.find(&path)),
                    Ok(_) | Err(_) => {}
                }
            }
        }
        found
    }
}
