//! bisync's work folder, rendered from the baseline for each run and thrown away after it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rclone::listing::{self, Entry};

use super::CycleFailure;
use crate::places::create_private;

pub(super) struct Workdir {
    path: PathBuf,
    stem: String,
}

impl Workdir {
    /// Makes an empty work folder with `entries` as both sides' last listing.
    pub(super) fn render(
        path: &Path,
        mirror: &Path,
        remote: &str,
        entries: &[Entry],
        now: SystemTime,
    ) -> Result<Self, CycleFailure> {
        let stem = rclone::session_name(mirror, remote)?;
        let workdir = Self {
            path: path.to_owned(),
            stem,
        };
        let text = listing::render(entries, now);
        let write = || -> io::Result<()> {
            fresh_folder(path)?;
            for side in ["path1", "path2"] {
                write_listing(&workdir.listing(side), &text)?;
            }
            Ok(())
        };
        write().map_err(|source| CycleFailure::Disk {
            what: "the work folder",
            source,
        })?;
        Ok(workdir)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The hashes that rclone found in the mirror at the end of its run.
    pub(super) fn listed(&self) -> Result<BTreeMap<String, String>, CycleFailure> {
        let text =
            fs::read_to_string(self.listing("path1")).map_err(|source| CycleFailure::Disk {
                what: "the listing",
                source,
            })?;
        let entries = listing::parse(&text)?;
        Ok(entries
            .into_iter()
            .filter_map(|entry| Some((entry.path, entry.md5?)))
            .collect())
    }

    fn listing(&self, side: &str) -> PathBuf {
        self.path.join(format!("{}.{side}.lst", self.stem))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the work folder is ours, never the vault"
)]
fn write_listing(path: &Path, text: &str) -> io::Result<()> {
    fs::write(path, text)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the work folder is ours, never the vault"
)]
pub(super) fn fresh_folder(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    create_private(path)
}
