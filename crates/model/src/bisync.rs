//! rclone bisync, twice: as it is documented, with its steps in any order, and as a liar that does
//! anything to mirror and guard and reports success.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use guard::Stored as Uploaded;
use guard::model_surface::Decision;

use crate::cloud::Stored;
use crate::cycle::{Cycle, Failure, MARK, Uploads};
use crate::requests::Heard;
use crate::world::{Bisync, World};

#[derive(Clone, Debug)]
pub(crate) enum Task {
    Put(String),
    Get(String),
    DropHere(String),
    Delete(String),
}

#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(crate) tasks: VecDeque<Task>,
    /// What rclone says the mirror holds at the end, by MD5.
    pub(crate) listed: BTreeMap<String, String>,
    pub(crate) uploaded: Uploads,
    pub(crate) deleted: BTreeSet<String>,
}

/// One side of a path against the listing of the last run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Delta {
    None,
    Written,
    Deleted,
}

fn delta(known: Option<&str>, now: Option<&str>) -> Delta {
    match (known, now) {
        (None, None) => Delta::None,
        (Some(_), None) => Delta::Deleted,
        (known, now) if known == now => Delta::None,
        (_, Some(_)) => Delta::Written,
    }
}

impl World {
    /// Both listings and what follows from them.
    pub(crate) fn list_for_bisync(&mut self, who: usize, cycle: &mut Cycle) {
        let here: BTreeMap<String, String> = {
            let device = &self.devices[who];
            let md5 = |ino: &u32| self.oracle.md5(device.file(*ino).version).to_owned();
            let files = device.mirror.iter();
            files.map(|(path, ino)| (path.clone(), md5(ino))).collect()
        };
        let there: BTreeMap<String, String> = match &cycle.guard {
            Some(guard) => guard
                .shown()
                .map(|(key, etag)| (key.clone(), etag.clone()))
                .collect(),
            None => BTreeMap::new(),
        };
        let paths: BTreeSet<String> = here
            .keys()
            .chain(there.keys())
            .cloned()
            .chain(cycle.planned.scope().map(|(path, _)| path.clone()))
            .collect();
        if self.bisync == Bisync::Liar {
            return self.lie(who, cycle, paths);
        }
        let mut tasks = vec![];
        for path in paths {
            let known = cycle.memory.md5(&path);
            let (mine, theirs) = (here.get(&path), there.get(&path));
            let both = (
                delta(known, mine.map(String::as_str)),
                delta(known, theirs.map(String::as_str)),
            );
            match both {
                (Delta::None | Delta::Written, Delta::None | Delta::Written) if mine == theirs => {
                    if let Some(md5) = mine {
                        cycle.listing.listed.insert(path, md5.clone());
                    }
                }
                (Delta::Written, Delta::Written) => {
                    let marked = marked(&path);
                    let mirror = &mut self.devices[who].mirror;
                    if let Some(ino) = mirror.remove(&path) {
                        mirror.insert(marked.clone(), ino);
                    }
                    tasks.push(Task::Put(marked));
                    tasks.push(Task::Get(path));
                }
                (Delta::Written, Delta::None | Delta::Deleted) => tasks.push(Task::Put(path)),
                (Delta::None | Delta::Deleted, Delta::Written) => tasks.push(Task::Get(path)),
                (Delta::None, Delta::Deleted) => tasks.push(Task::DropHere(path)),
                (Delta::Deleted, Delta::None) => tasks.push(Task::Delete(path)),
                (Delta::None, Delta::None) | (Delta::Deleted, Delta::Deleted) => {}
            }
        }
        self.chance.shuffle(&mut tasks);
        cycle.listing.tasks = tasks.into();
    }

    fn lie(&mut self, who: usize, cycle: &mut Cycle, paths: BTreeSet<String>) {
        let paths: Vec<String> = paths.into_iter().collect();
        let mut tasks = vec![];
        for _ in 0..=self.chance.below(6) {
            if paths.is_empty() {
                break;
            }
            let path = self.chance.pick(&paths).clone();
            tasks.push(match self.chance.below(5) {
                0 => Task::Put(path),
                1 => Task::Get(path),
                2 => Task::DropHere(path),
                3 => Task::Delete(path),
                _ => {
                    // Another file's bytes, or a half one, under this name.
                    let other = self.chance.pick(&paths).clone();
                    let device = &mut self.devices[who];
                    let version = device
                        .mirror
                        .get(&other)
                        .map(|ino| device.file(*ino).version);
                    let ino = device.make(version.unwrap_or_default(), 0, 0);
                    device.mirror.insert(path.clone(), ino);
                    Task::Put(path)
                }
            });
        }
        for path in paths {
            let device = &self.devices[who];
            let found = device
                .mirror
                .get(&path)
                .map(|ino| device.file(*ino).version);
            if let (Some(version), false) = (found, self.chance.once_in(3)) {
                let md5 = self.oracle.md5(version).to_owned();
                cycle.listing.listed.insert(path, md5);
            }
        }
        cycle.listing.tasks = tasks.into();
    }

    pub(crate) fn run_task(
        &mut self,
        who: usize,
        cycle: &mut Cycle,
        task: &Task,
    ) -> Result<(), Failure> {
        let done = self.try_task(who, cycle, task);
        // The liar goes on whatever happens.
        if self.bisync == Bisync::Liar {
            return Ok(());
        }
        done
    }

    fn try_task(&mut self, who: usize, cycle: &mut Cycle, task: &Task) -> Result<(), Failure> {
        let Some(guard) = &mut cycle.guard else {
            return Err(Failure::Stopped);
        };
        match task {
            Task::Put(key) => {
                let device = &self.devices[who];
                let Some(ino) = device.mirror.get(key).copied() else {
                    return Err(Failure::Moved);
                };
                let file = device.file(ino);
                let mtime_ms = file.mtime_ns / 1_000_000;
                let Decision::Write { stored, when } = guard.put(key, Some(mtime_ms)) else {
                    return Err(Failure::Stopped);
                };
                let sent = Stored {
                    version: file.version,
                    mtime_ms,
                };
                match self.guarded_put(who, &stored, &sent, &when) {
                    Heard::Done => {}
                    Heard::Refused => return Err(Failure::Moved),
                    Heard::Nothing => return Err(Failure::Stopped),
                }
                let version = self.oracle.get(file.version);
                guard.wrote(key, &stored, &version.md5, version.size);
                let uploaded = Uploaded {
                    key: stored,
                    etag: version.md5.clone(),
                    size: version.size,
                };
                cycle.listing.uploaded.insert(key.clone(), uploaded);
                cycle
                    .listing
                    .listed
                    .insert(key.clone(), version.md5.clone());
            }
            Task::Get(key) => {
                let Decision::Read { stored, etag } = guard.get(key) else {
                    return Err(Failure::Moved);
                };
                let now_ns = self.now_ns();
                let found = self
                    .get(who, &stored, Some(&etag))
                    .map_err(|_| Failure::Stopped)?
                    .ok_or(Failure::Moved)?;
                let device = &mut self.devices[who];
                let ino = device.make(
                    found.version,
                    found.mtime_ms.saturating_mul(1_000_000),
                    now_ns,
                );
                device.mirror.insert(key.clone(), ino);
                // The winner of a conflict is not in rclone's listing.
                if !device.mirror.contains_key(&marked(key)) {
                    let md5 = self.oracle.md5(found.version).to_owned();
                    cycle.listing.listed.insert(key.clone(), md5);
                }
            }
            Task::DropHere(key) => {
                self.devices[who].mirror.remove(key);
                cycle.listing.listed.remove(key);
            }
            Task::Delete(key) => match guard.delete(key) {
                Decision::Delete { stored, etag } => match self.send_delete(who, &stored, &etag) {
                    Heard::Done => {
                        guard.deleted(key);
                        cycle.listing.uploaded.remove(key);
                        cycle.listing.deleted.insert(stored);
                    }
                    Heard::Refused => return Err(Failure::Moved),
                    Heard::Nothing => return Err(Failure::Stopped),
                },
                Decision::Absent => {}
                Decision::Write { .. } | Decision::Read { .. } | Decision::Refused => {
                    return Err(Failure::Stopped);
                }
            },
        }
        Ok(())
    }
}

/// `a/note.md` → `a/note.MARK1.md`, as rclone names the version that lost.
fn marked(path: &str) -> String {
    match path.rsplit_once('.') {
        Some((stem, extension)) => format!("{stem}.{MARK}1.{extension}"),
        None => format!("{path}.{MARK}1"),
    }
}

/// Whether a path is named like a copy of a conflict, and of which note.
pub(crate) fn copied_note(path: &str) -> Option<String> {
    let (stem, rest) = path.split_once(" (conflict ")?;
    let (_, extension) = rest.rsplit_once(')')?;
    Some(format!("{stem}{extension}"))
}
