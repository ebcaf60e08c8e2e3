//! Files in a mount's cache whose description a kill cut short.
//!
//! rclone writes a description over the old one. A kill in that moment leaves an empty one (seen with
//! 1.75.2), and the next daemon throws away the file with it, although the program that saved it was
//! told that all went well. And it describes a new file when that is opened, as one of no bytes, and
//! again when it is closed: after a kill in between the next daemon stores the file, but shows it as
//! empty, and a program that rewrites what it reads would store that (seen with 1.75.2).

use std::fs::{self, Metadata};
use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::VfsCache;
use super::cache::CacheState;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct AboutOut {
    mod_time: String,
    #[serde(rename = "ATime")]
    access_time: String,
    size: u64,
    rs: [Range; 1],
    fingerprint: &'static str,
    dirty: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Range {
    pos: u64,
    size: u64,
}

impl VfsCache {
    /// Describes every whole file that has no readable description, or that of a file just opened, as
    /// changed here, so that the next daemon stores and shows it, and names them. No daemon may run
    /// meanwhile. `is_stored` tells of a path and its file whether the bucket has that content; then
    /// nothing is lost.
    ///
    /// A file with holes was fetched in part; which parts are the user's cannot be told, and it stays
    /// as it is.
    ///
    /// # Errors
    /// If a description cannot be written. Files that cannot be looked at are passed over.
    pub fn mend(&self, is_stored: impl Fn(&str, &Path) -> bool) -> io::Result<Vec<String>> {
        let mut mended = Vec::new();
        for (path, file) in walk(self.content()) {
            let Ok(found) = fs::metadata(&file) else {
                continue;
            };
            let needs_it = found.len() > 0
                && match self.find(&path) {
                    // With no bytes before the first one that was written, none is missing.
                    Some(known) => known.state == CacheState::Waiting && known.size == 0,
                    None => !is_stored(&path, &file),
                };
            if !needs_it {
                continue;
            }
            if !is_whole(&file, &found) {
                tracing::warn!(path, "a file that was fetched in part lost its description");
                continue;
            }
            self.describe(&path, &found)?;
            mended.push(path);
        }
        Ok(mended)
    }

    fn describe(&self, path: &str, found: &Metadata) -> io::Result<()> {
        let saved = OffsetDateTime::from(found.modified()?);
        let time = saved.format(&Rfc3339).map_err(io::Error::other)?;
        let about = AboutOut {
            mod_time: time.clone(),
            access_time: time,
            size: found.len(),
            rs: [Range {
                pos: 0,
                size: found.len(),
            }],
            fingerprint: "",
            dirty: true,
        };
        let place = self.about().join(path);
        if let Some(folder) = place.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut new = tempfile::NamedTempFile::new_in(self.cache_dir())?;
        new.write_all(&serde_json::to_vec(&about)?)?;
        new.as_file().sync_all()?;
        new.persist(place).map_err(|error| error.error)?;
        Ok(())
    }
}

/// The files below a folder, each with its path in the bucket.
fn walk(root: &Path) -> Vec<(String, std::path::PathBuf)> {
    let mut found = Vec::new();
    let mut folders = vec![(root.to_owned(), String::new())];
    while let Some((folder, prefix)) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let path = format!("{prefix}{name}");
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push((entry.path(), format!("{path}/"))),
                Ok(kind) if kind.is_file() => found.push((path, entry.path())),
                Ok(_) | Err(_) => {}
            }
        }
    }
    found
}

#[cfg(target_os = "linux")]
fn is_whole(file: &Path, found: &Metadata) -> bool {
    let hole = fs::File::open(file)
        .and_then(|file| Ok(rustix::fs::seek(&file, rustix::fs::SeekFrom::Hole(0))?));
    hole.is_ok_and(|hole| hole == found.len())
}

/// Elsewhere nothing tells what was fetched.
#[cfg(not(target_os = "linux"))]
fn is_whole(_: &Path, _: &Metadata) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;

    use super::*;
    use crate::mount::CacheState;

    #[test]
    fn a_saved_file_with_a_lost_description_waits_again() {
        let folder = tempfile::tempdir().unwrap();
        let content = folder.path().join("vfs/guard/notes/a");
        let about = folder.path().join("vfsMeta/guard/notes/a");
        fs::create_dir_all(&content).unwrap();
        fs::create_dir_all(&about).unwrap();
        for (name, description) in [
            ("empty.md", Some("")),
            ("cut.md", Some("{\"Size\": 2,")),
            ("none.md", None),
            ("known.md", Some("{\"Size\": 2, \"Dirty\": false}")),
            ("changed.md", Some("{\"Size\": 2, \"Dirty\": true}")),
            (
                "opened.md",
                Some("{\"Size\": 0, \"Rs\": null, \"Fingerprint\": \"\", \"Dirty\": true}"),
            ),
            ("stored.md", Some("")),
        ] {
            fs::write(content.join(name), "b\n").unwrap();
            if let Some(text) = description {
                fs::write(about.join(name), text).unwrap();
            }
        }
        let partial = fs::File::create(content.join("partial.md")).unwrap();
        partial.write_all_at(b"end", 1 << 20).unwrap();

        let cache = VfsCache::new(folder.path(), "notes");
        let mut mended = cache.mend(|path, _| path == "a/stored.md").unwrap();
        mended.sort();
        assert_eq!(
            mended,
            ["a/cut.md", "a/empty.md", "a/none.md", "a/opened.md"]
        );
        for path in mended {
            let file = cache.find(&path).unwrap();
            assert_eq!((file.state, file.size), (CacheState::Waiting, 2), "{path}");
        }
        assert_eq!(cache.find("a/known.md").unwrap().state, CacheState::Stored);
        assert_eq!(cache.find("a/stored.md"), None);
        assert_eq!(cache.find("a/partial.md"), None);
        assert_eq!(cache.mend(|_, _| false).unwrap(), ["a/stored.md"]);
    }
}
