//! One computer: a vault on a disk with a cache, the side folder, the baseline, and what is under
//! way.

use std::collections::{BTreeMap, BTreeSet};

use engine::model_surface::{Memory, Pace, Stat};

use crate::cycle::Cycle;
use crate::hold::Removed;
use crate::oracle::{Oracle, Versions, one};
use crate::trip::Trip;

#[derive(Clone, Copy, Debug)]
pub(crate) struct File {
    pub(crate) version: u32,
    pub(crate) mtime_ns: i64,
    pub(crate) ctime_ns: i64,
    /// Whether its bytes survive a power cut.
    pub(crate) durable: bool,
}

/// A file in the stage, with the intent that was written down before it got there.
#[derive(Clone, Debug)]
pub(crate) struct Staged {
    pub(crate) id: u64,
    pub(crate) ino: u32,
    pub(crate) path: String,
    pub(crate) ours: Option<u32>,
    pub(crate) expect: u32,
    /// What took its place in the vault, while that is not durable.
    pub(crate) loose: Option<Loose>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loose {
    Replaced { by: u32 },
    Removed,
}

/// What the change stream says of a path.
#[derive(Clone, Debug)]
pub(crate) enum Hint {
    Stored { version: u32 },
    Ask,
}

#[derive(Debug)]
pub(crate) enum Op {
    Cycle(Box<Cycle>),
    Trip(Box<Trip>),
}

#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) name: String,
    /// How far its clock is off, in milliseconds.
    pub(crate) skew_ms: i64,
    /// By inode number.
    pub(crate) files: Vec<File>,
    pub(crate) vault: BTreeMap<String, u32>,
    /// What a power cut leaves of the vault for certain.
    pub(crate) disk: BTreeMap<String, u32>,
    pub(crate) mirror: BTreeMap<String, u32>,
    pub(crate) stage: Vec<Staged>,
    pub(crate) history: Versions,
    pub(crate) memory: Memory,
    /// The state file as a backup has it.
    pub(crate) backup: Memory,
    /// Copies of resolved conflicts that are to leave the bucket: key and `ETag`.
    pub(crate) copies: Vec<(String, String)>,
    /// Versions that lost a conflict and are in the inbox as resolved.
    pub(crate) resolved: Versions,
    pub(crate) pace: Pace,
    pub(crate) saved: BTreeSet<String>,
    pub(crate) hinted: BTreeMap<String, Hint>,
    /// Hints on their way.
    pub(crate) mail: Vec<(String, Hint)>,
    pub(crate) lane_deletes: usize,
    pub(crate) pass_due: bool,
    /// Something waits for a person.
    pub(crate) halted: bool,
    /// Deletes that the brake counts.
    pub(crate) removed: Vec<Removed>,
    /// Whether a cycle compared the two sides since the baseline began.
    pub(crate) compared: bool,
    pub(crate) faults: Faults,
    pub(crate) op: Option<Op>,
    /// Entity tags and answers that only planted errors remember.
    pub(crate) stale: BTreeMap<String, guard::Object>,
    /// What changed in the bucket and is not in the baseline yet.
    pub(crate) sent: BTreeSet<String>,
    /// Paths and versions that were durable here at some time.
    pub(crate) durable: BTreeSet<(String, u32)>,
}

/// What goes wrong next.
#[derive(Clone, Copy, Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each fault comes alone and in any company"
)]
pub(crate) struct Faults {
    pub(crate) offline: bool,
    pub(crate) lose_answer: bool,
    pub(crate) fail_request: bool,
    pub(crate) double_request: bool,
    pub(crate) empty_list: bool,
    /// The next listing leaves out one object.
    pub(crate) short_list: bool,
    pub(crate) disk_full: bool,
}

impl Op {
    /// The path that safe apply is at.
    pub(crate) fn applying(&self) -> Option<&str> {
        match self {
            Self::Cycle(cycle) => cycle.applying(),
            Self::Trip(trip) => trip.applying(),
        }
    }

    pub(crate) fn at(&self) -> String {
        match self {
            Self::Cycle(cycle) => cycle.at(),
            Self::Trip(trip) => trip.at(),
        }
    }
}

impl Device {
    pub(crate) fn new(name: String) -> Self {
        Self {
            name,
            skew_ms: 0,
            files: vec![],
            vault: BTreeMap::new(),
            disk: BTreeMap::new(),
            mirror: BTreeMap::new(),
            stage: vec![],
            history: 0,
            memory: Memory::default(),
            backup: Memory::default(),
            copies: vec![],
            resolved: 0,
            pace: Pace::default(),
            saved: BTreeSet::new(),
            hinted: BTreeMap::new(),
            mail: vec![],
            lane_deletes: 0,
            pass_due: true,
            halted: false,
            removed: vec![],
            compared: false,
            faults: Faults::default(),
            op: None,
            stale: BTreeMap::new(),
            sent: BTreeSet::new(),
            durable: BTreeSet::new(),
        }
    }

    pub(crate) fn make(&mut self, version: u32, mtime_ns: i64, ctime_ns: i64) -> u32 {
        let ino = self.files.len();
        self.files.push(File {
            version,
            mtime_ns,
            ctime_ns,
            durable: false,
        });
        u32::try_from(ino).unwrap_or(u32::MAX)
    }

    pub(crate) fn file(&self, ino: u32) -> File {
        self.files[ino as usize]
    }

    pub(crate) fn file_mut(&mut self, ino: u32) -> &mut File {
        &mut self.files[ino as usize]
    }

    pub(crate) fn shown(&self, path: &str) -> Option<u32> {
        Some(self.file(*self.vault.get(path)?).version)
    }

    pub(crate) fn stat_of(&self, oracle: &Oracle, ino: u32) -> Stat {
        let file = self.file(ino);
        Stat {
            ino: u64::from(ino),
            size: oracle.get(file.version).size,
            mtime_ns: file.mtime_ns,
            ctime_ns: file.ctime_ns,
        }
    }

    pub(crate) fn stat(&self, oracle: &Oracle, path: &str) -> Option<Stat> {
        Some(self.stat_of(oracle, *self.vault.get(path)?))
    }

    /// A file becomes durable, under whatever name it has by now.
    pub(crate) fn sync_file(&mut self, ino: u32) {
        self.file_mut(ino).durable = true;
        let named = self.vault.iter().filter(|(_, at)| **at == ino);
        let names: Vec<String> = named.map(|(path, _)| path.clone()).collect();
        for path in names {
            self.sync(&path);
        }
    }

    /// Whatever is under a path becomes durable, also that nothing is.
    pub(crate) fn sync(&mut self, path: &str) {
        if let Some(ino) = self.vault.get(path).copied() {
            self.file_mut(ino).durable = true;
        }
        match self.shown(path) {
            Some(version) => {
                self.disk.insert(path.to_owned(), version);
                self.durable.insert((path.to_owned(), version));
            }
            None => {
                self.disk.remove(path);
            }
        }
    }

    pub(crate) fn sync_all(&mut self) {
        let paths: Vec<String> = self.vault.keys().chain(self.disk.keys()).cloned().collect();
        for path in paths {
            self.sync(&path);
        }
    }

    /// The versions that a person in front of this device can get, in the vault or elsewhere.
    pub(crate) fn held(&self) -> Versions {
        let staged = self.stage.iter().map(|staged| staged.ino);
        let files = self.vault.values().copied().chain(staged);
        files.fold(self.history, |all, ino| all | one(self.file(ino).version))
    }

    pub(crate) fn visible(&self) -> Versions {
        let files = self.vault.values();
        files.fold(0, |all, ino| all | one(self.file(*ino).version))
    }

    /// The program ends at once; files stay.
    pub(crate) fn kill(&mut self) {
        self.op = None;
        self.pace.clear();
        self.saved.clear();
        self.hinted.clear();
        self.lane_deletes = 0;
        self.pass_due = true;
    }
}
