#![expect(
    clippy::disallowed_methods,
    clippy::wildcard_enum_match_arm,
    reason = "the tests play the user and rclone, who may do all of this"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use md5::{Digest, Md5};
use tempfile::TempDir;
use time::OffsetDateTime;
use time::macros::datetime;

use super::recover::Recovered;
use super::side::Linking;
#[cfg(unix)]
use super::signature::HashError;
use super::swap::Swap;
use super::*;
use crate::filters::Filters;

mod applying;
mod crashing;
#[cfg(unix)]
mod full_disk;
#[cfg(unix)]
mod linking;
mod mirroring;
#[cfg(unix)]
mod racing;
mod recovering;
mod scanning;
mod taking;

const NOW: OffsetDateTime = datetime!(2026-11-21 22:11:05 UTC);
const DEVICE: &str = "laptop";

/// The ways of putting a file in the place of another that this system has.
const SWAPS: &[Swap] = if cfg!(windows) {
    &[Swap::MoveAside]
} else {
    &[Swap::Exchange, Swap::MoveAside]
};

/// Ends the other thread also when this one fails.
struct StopAtEnd<'s>(&'s AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A vault and its working folder, on a disk in memory where there is one.
struct Rig {
    dir: TempDir,
    vault: PathBuf,
    side: Side,
}

impl Rig {
    fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let dir = if memory.is_dir() {
            TempDir::new_in(memory)
        } else {
            TempDir::new()
        }
        .unwrap();
        let vault = dir.path().join("notes");
        fs::create_dir(&vault).unwrap();
        let side = Side::open(&vault, &dir.path().join("data"), "p1").unwrap();
        Self { dir, vault, side }
    }

    fn with(swap: Swap, linking: Linking) -> Self {
        let mut rig = Self::new();
        (rig.side.swap, rig.side.linking) = (swap, linking);
        rig
    }

    fn write(&self, path: &str, text: &str) -> PathBuf {
        write(&self.vault.join(path), text)
    }

    fn read(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.vault.join(path)).ok()
    }

    /// A version as rclone leaves it in the mirror.
    fn incoming(&self, text: &str) -> PathBuf {
        write(&self.side.mirror.join(format!("{}.md", md5(text))), text)
    }

    fn install(&self, path: &str, text: &str, expect: Expect) -> Change {
        Change::Install {
            path: path.to_owned(),
            from: NewBytes::File(self.incoming(text)),
            md5: md5(text),
            mtime_ms: Some(1_700_000_000_123),
            expect,
        }
    }

    fn apply(&self, change: &Change) -> Applied {
        self.try_apply(change).unwrap()
    }

    fn try_apply(&self, change: &Change) -> Result<Applied, ApplyError> {
        apply(&self.vault, &self.side, change, DEVICE, NOW, &|_| {})
    }

    fn apply_with(&self, change: &Change, reached: &dyn Fn(ApplyStep)) -> Applied {
        apply(&self.vault, &self.side, change, DEVICE, NOW, reached).unwrap()
    }

    fn recover(&self) -> Vec<Recovered> {
        recover(&self.vault, &self.side, DEVICE, NOW).unwrap()
    }

    fn scan(&self) -> Scan {
        scan(&self.vault, &Filters::parse("").unwrap()).unwrap()
    }

    fn vault_files(&self) -> BTreeMap<String, String> {
        files(&self.vault)
    }

    fn history_texts(&self) -> BTreeSet<String> {
        files(&self.side.history).into_values().collect()
    }

    fn stage_names(&self) -> Vec<String> {
        files(&self.side.stage)
            .into_keys()
            .filter(|name| !name.ends_with(".kept"))
            .collect()
    }

    /// Every text that a person could get back.
    fn retrievable(&self) -> BTreeSet<String> {
        let mut texts = self.history_texts();
        texts.extend(self.vault_files().into_values());
        texts
    }
}

fn write(path: &Path, text: &str) -> PathBuf {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    path.to_owned()
}

fn md5(text: &str) -> String {
    hex::encode(Md5::digest(text))
}

fn content(text: &str) -> Expect {
    Expect::Content { md5: md5(text) }
}

fn remove(path: &str, text: &str) -> Change {
    Change::Remove {
        path: path.to_owned(),
        expect: content(text),
    }
}

fn files(root: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_symlink() {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_string_lossy();
                let name = name.replace(std::path::MAIN_SEPARATOR, "/");
                let text = fs::read(&path).unwrap();
                found.insert(name, String::from_utf8_lossy(&text).into_owned());
            }
        }
    }
    found
}
