//! A cycle in half steps: verify, mirror, bisync, settle, apply, publish.
//!
//! What is decided is decided by the engine's functions; here is only what lies between them.

mod absence;
mod acting;
mod ahead;
mod mirror;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use engine::model_surface::{
    Ahead, Memory, On, Planned, Seen, Stat, Stored as Uploaded, Version, plan,
};
use guard::Object;
use guard::model_surface::Knowledge;

use self::absence::Proof;
use crate::apply::Apply;
use crate::bisync::{Listing, Task};
use crate::hold::Hold;
use crate::mutant::Mutant;
use crate::requests::Heard;
use crate::world::World;

pub(crate) const MARK: &str = "MARK";
const ATTEMPTS: u32 = 5;

/// Equals no scanned file.
const UNKNOWN: Stat = Stat {
    ino: 0,
    size: 0,
    mtime_ns: 0,
    ctime_ns: Stat::UNTRUSTED,
};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Confirmed {
    #[default]
    No,
    Yes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Recover,
    Local,
    Cloud,
    Ahead,
    Fill,
    Bisync,
    Settle,
    Act,
    Commit,
    Drop,
}

/// Whether a half step was the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    Goes,
    Ends,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The other side moved: compared again at once.
    Moved,
    /// Left to the next pass.
    Stopped,
}

/// What is to be published.
#[derive(Debug, Default)]
pub(crate) struct News {
    pub(crate) set: Vec<(String, Version, Stat)>,
    pub(crate) forget: Vec<(String, Option<On>)>,
    pub(crate) wanted: Confirmed,
    pub(crate) touched: Vec<(String, Stat)>,
}

#[derive(Debug)]
enum Act {
    Install {
        path: String,
        from: String,
        version: Version,
        expect: Option<String>,
    },
    Remove {
        path: String,
        expect: String,
    },
    Win {
        path: String,
        marked: String,
        cloud: Version,
        ours: Version,
    },
}

#[derive(Debug)]
pub(crate) struct Cycle {
    at: At,
    attempt: u32,
    pub(crate) confirmed: Confirmed,
    pub(crate) memory: Memory,
    pub(crate) seen: Seen,
    pub(crate) snapshot: BTreeMap<String, Object>,
    pub(crate) planned: Planned,
    linked: BTreeMap<String, Stat>,
    placed: BTreeMap<String, u64>,
    pub(crate) guard: Option<Knowledge>,
    pub(crate) listing: Listing,
    acts: VecDeque<Act>,
    applying: Option<(Apply, String, Option<Version>)>,
    /// What goes ahead of bisync, and what of it got through.
    picks: VecDeque<(String, Ahead)>,
    through: News,
    news: News,
    equal: Vec<String>,
    again: bool,
    /// What bisync was about to remove here, and in the bucket.
    removed: [BTreeSet<String>; 2],
}

impl Cycle {
    pub(crate) fn applying(&self) -> Option<&str> {
        self.applying.as_ref().map(|(_, path, _)| path.as_str())
    }

    pub(crate) fn removed(&self) -> &[BTreeSet<String>] {
        &self.removed
    }

    pub(crate) fn at(&self) -> String {
        let scope: Vec<_> = self.planned.scope().collect();
        format!(
            "cycle {} {:?} {scope:?} {:?}",
            self.attempt, self.at, self.listing.tasks
        )
    }

    pub(crate) fn new(attempt: u32, confirmed: Confirmed) -> Self {
        Self {
            at: At::Recover,
            attempt,
            confirmed,
            memory: Memory::default(),
            seen: Seen::default(),
            snapshot: BTreeMap::new(),
            planned: Planned::default(),
            linked: BTreeMap::new(),
            placed: BTreeMap::new(),
            guard: None,
            listing: Listing::default(),
            acts: VecDeque::new(),
            applying: None,
            picks: VecDeque::new(),
            through: News::default(),
            news: News::default(),
            equal: vec![],
            again: false,
            removed: Default::default(),
        }
    }
}

impl World {
    pub(crate) fn step_cycle(&mut self, who: usize, cycle: &mut Cycle) -> Flow {
        let done = match cycle.at {
            At::Recover => {
                self.recover(who);
                self.drop_copies(who).map(|()| Some(At::Local))
            }
            At::Local => {
                self.look_here(who, cycle);
                Ok(Some(At::Cloud))
            }
            At::Cloud => self.compare(who, cycle),
            At::Ahead => self.go_ahead(who, cycle),
            At::Fill => {
                self.fill(who, cycle);
                self.list_for_bisync(who, cycle);
                Ok(Some(At::Bisync))
            }
            At::Bisync => match cycle.listing.tasks.pop_front() {
                Some(task) => {
                    match &task {
                        Task::DropHere(path) => cycle.removed[0].insert(path.clone()),
                        Task::Delete(path) => cycle.removed[1].insert(path.clone()),
                        Task::Put(_) | Task::Get(_) => false,
                    };
                    self.run_task(who, cycle, &task).map(|()| Some(At::Bisync))
                }
                None => Ok(Some(At::Settle)),
            },
            At::Settle => {
                self.settle(who, cycle);
                Ok(Some(At::Act))
            }
            At::Act => self.act(who, cycle),
            At::Commit => {
                self.commit(who, cycle);
                Ok(Some(At::Drop))
            }
            At::Drop => self.drop_copies(who).map(|()| None),
        };
        match done {
            Ok(Some(at)) => {
                cycle.at = at;
                Flow::Goes
            }
            Ok(None) => {
                self.judge_brake(who, cycle);
                if cycle.again && cycle.attempt < ATTEMPTS {
                    *cycle = Cycle::new(cycle.attempt + 1, cycle.confirmed);
                    return Flow::Goes;
                }
                Flow::Ends
            }
            Err(failure) => {
                self.record_uploads(who, cycle);
                self.end_failed(who, cycle, failure)
            }
        }
    }

    fn end_failed(&mut self, who: usize, cycle: &mut Cycle, failure: Failure) -> Flow {
        match failure {
            Failure::Moved if cycle.attempt < ATTEMPTS => {
                *cycle = Cycle::new(cycle.attempt + 1, cycle.confirmed);
                Flow::Goes
            }
            Failure::Moved | Failure::Stopped => {
                self.devices[who].pass_due = true;
                self.last_pass = Pass::Failed;
                Flow::Ends
            }
        }
    }

    /// What a failed run of bisync stored under its own name is known.
    fn record_uploads(&mut self, who: usize, cycle: &mut Cycle) {
        if cycle.at != At::Bisync {
            return;
        }
        let uploaded = cycle.listing.uploaded.iter();
        let own =
            uploaded.filter(|(path, stored)| **path == stored.key && cycle.planned.concerns(path));
        for (path, stored) in own {
            let device = &mut self.devices[who];
            if let (Some(ino), false) = (
                device.mirror.get(path).copied(),
                self.mutant == Some(Mutant::NoFsync),
            ) {
                device.sync_file(ino);
            }
            device.sent.remove(path);
            device
                .memory
                .set(path, &stored.etag, &stored.etag, stored.size, UNKNOWN);
        }
    }

    fn look_here(&mut self, who: usize, cycle: &mut Cycle) {
        let device = &self.devices[who];
        cycle.memory = device.memory.clone();
        for (path, ino) in &device.vault {
            let mut stat = device.stat_of(&self.oracle, *ino);
            if self.mutant == Some(Mutant::SizeAndTime)
                && let Some(known) = cycle.memory.stat(path)
                && (known.size, known.mtime_ns) == (stat.size, stat.mtime_ns)
            {
                stat = known;
            }
            cycle.seen.saw(path, stat);
        }
    }

    fn compare(&mut self, who: usize, cycle: &mut Cycle) -> Result<Option<At>, Failure> {
        let Ok(listed) = self.list(who) else {
            return Err(Failure::Stopped);
        };
        cycle.snapshot = listed;
        cycle.planned = plan(&cycle.memory, &cycle.seen, &cycle.snapshot, &self.rules);
        for path in cycle.planned.take_suspects() {
            let device = &self.devices[who];
            let Some(stat) = device.stat(&self.oracle, &path) else {
                continue;
            };
            let shown = device.shown(&path).map(|version| self.oracle.md5(version));
            if shown.is_some() && shown == cycle.memory.md5(&path) {
                cycle.planned.clear_suspect(&path);
                cycle.news.touched.push((path, stat));
            }
        }
        for path in cycle.planned.deleted_here() {
            if self.devices[who].vault.contains_key(&path) {
                cycle.planned.drop_path(&path);
            }
        }
        self.devices[who].halted = false;
        loop {
            if self.lapsed && self.mutant != Some(Mutant::WritesWhileLapsed) {
                cycle.planned.keep_downloads();
            }
            if !cycle.planned.is_settled() {
                self.last_pass = Pass::Carried;
                if self.hold(who, cycle) == Hold::Everything {
                    return Ok(None);
                }
            } else if cycle.attempt == 1 {
                self.last_pass = Pass::Verified;
            }
            match self.prove_absence(who, cycle)? {
                Proof::Whole => break,
                Proof::Revised => {}
            }
        }
        if cycle.planned.is_settled() {
            self.rest(who, cycle);
            return Ok(None);
        }
        Ok(Some(self.before_bisync(cycle)))
    }

    /// There is nothing to carry.
    fn rest(&mut self, who: usize, cycle: &mut Cycle) {
        let device = &mut self.devices[who];
        for (path, stat) in std::mem::take(&mut cycle.news.touched) {
            device.memory.touch(&path, stat);
        }
        device.compared |= !device.halted;
    }

    fn commit(&mut self, who: usize, cycle: &mut Cycle) {
        let now_ns = self.now_ns();
        let device = &mut self.devices[who];
        for ino in std::mem::take(&mut device.mirror).into_values() {
            device.file_mut(ino).ctime_ns = now_ns;
            // What went up is durable here before it counts as equal.
            if self.mutant != Some(Mutant::NoFsync) {
                device.sync_file(ino);
            }
        }
        for path in &cycle.equal {
            let shown = device.shown(path);
            let stat = device.stat(&self.oracle, path);
            let node = cycle.news.set.iter_mut().find(|(set, _, _)| set == path);
            match (node, shown, stat) {
                (Some((_, version, known)), Some(shown), Some(stat))
                    if version.md5 == self.oracle.md5(shown) =>
                {
                    *known = stat;
                }
                (_, _, _) => cycle.again = true,
            }
        }
        cycle.news.wanted = cycle.confirmed;
        let news = std::mem::take(&mut cycle.news);
        self.publish(who, news);
        let device = &mut self.devices[who];
        device.compared |= !device.halted;
    }

    /// One transaction. What it says of the vault is durable before it.
    pub(crate) fn publish(&mut self, who: usize, news: News) {
        self.count_deletes(who, &news);
        let device = &mut self.devices[who];
        for (path, stat) in news.touched {
            device.memory.touch(&path, stat);
        }
        for (path, version, stat) in news.set {
            device.sent.remove(&path);
            device
                .memory
                .set(&path, &version.md5, &version.etag, version.size, stat);
        }
        for (path, _) in news.forget {
            device.sent.remove(&path);
            device.memory.forget(&path);
        }
    }

    fn drop_copies(&mut self, who: usize) -> Result<(), Failure> {
        if self.lapsed {
            return Ok(());
        }
        while let Some((key, etag)) = self.devices[who].copies.first().cloned() {
            match self.send_delete(who, &key, &etag) {
                Heard::Nothing => return Err(Failure::Stopped),
                Heard::Done | Heard::Refused => {
                    self.devices[who].copies.remove(0);
                }
            }
        }
        Ok(())
    }
}

/// How the last pass ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pass {
    Verified,
    Carried,
    Failed,
}

/// By the name rclone used.
pub(crate) type Uploads = BTreeMap<String, Uploaded>;
