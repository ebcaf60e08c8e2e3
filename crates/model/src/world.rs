//! Devices, bucket, chance, and what is wrong with them.

use std::collections::{BTreeMap, BTreeSet};

use engine::model_surface::{Caution, Rules};

use crate::chance::Chance;
use crate::cloud::{Cloud, Stored, Versioning};
use crate::cycle::{Confirmed, Cycle, Flow, Pass};
use crate::device::{Device, Op};
use crate::mutant::Mutant;
use crate::oracle::{Oracle, Versions};
use crate::trip::Trip;

/// What must hold (`docs/reliability.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// Retrievability.
    I1,
    /// Visibility.
    I2,
    /// Convergence.
    I3,
    /// No resurrection.
    I4,
    /// No false conflict.
    I5,
    /// Truthful baseline.
    I7,
    /// Deletes need proof.
    I10,
    /// Brake.
    I11,
    /// Honest status.
    I13,
    /// Fail closed.
    I15,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    pub invariant: Invariant,
    pub detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bisync {
    Faithful,
    Liar,
}

/// Whether plain notes go ahead of bisync, however few they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bulk {
    Never,
    Always,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) devices: Vec<Device>,
    pub(crate) cloud: Cloud,
    pub(crate) oracle: Oracle,
    pub(crate) now_ms: u64,
    pub(crate) chance: Chance,
    pub(crate) mutant: Option<Mutant>,
    pub(crate) bisync: Bisync,
    pub(crate) bulk: Bulk,
    pub(crate) caution: Caution,
    pub(crate) lapsed: bool,
    pub(crate) rules: Rules,
    pub(crate) broken: Option<Broken>,
    pub(crate) last_id: u64,
    pub(crate) last_pass: Pass,
    /// Who wrote to a path since everything was quiet.
    pub(crate) writers: BTreeMap<String, u8>,
    /// The baseline was lost or went back since then.
    pub(crate) forgetful: bool,
    /// Nobody could see these when everything was quiet, and a person had replaced each.
    pub(crate) dead: Versions,
    /// Paths of writes that nobody recorded: whatever is saved next contradicts them.
    pub(crate) unrecorded: BTreeSet<String>,
    /// What a person who looks for a cause reads.
    pub(crate) told: Option<Vec<String>>,
    /// Names that were there when everything was quiet.
    pub(crate) old_copies: BTreeSet<String>,
}

/// What a world begins with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) devices: usize,
    pub(crate) caution: Caution,
    pub(crate) versioning: Versioning,
    pub(crate) bisync: Bisync,
    pub(crate) bulk: Bulk,
    /// How many notes all devices hold already; else the first device has them alone.
    pub(crate) start: Start,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    Synced,
    FirstDeviceOnly,
    SameEverywhere,
}

pub(crate) const PATHS: [&str; 4] = ["a.md", "b.md", "d/c.md", "e.md"];

impl World {
    pub(crate) fn new(setting: Setting, rules: Rules, mutant: Option<Mutant>) -> Self {
        let devices = (0..setting.devices).map(|number| Device::new(format!("device-{number}")));
        let versioning = match mutant {
            Some(Mutant::BlindPutUnversioned) => Versioning::Off,
            Some(_) | None => setting.versioning,
        };
        let mut world = Self {
            devices: devices.collect(),
            cloud: Cloud::new(versioning),
            oracle: Oracle::new(),
            now_ms: 1_000_000_000,
            chance: Chance::new(0),
            mutant,
            bisync: setting.bisync,
            bulk: setting.bulk,
            caution: setting.caution,
            lapsed: false,
            rules,
            broken: None,
            last_id: 0,
            last_pass: Pass::Failed,
            writers: BTreeMap::new(),
            // Without a baseline, whatever differs is a conflict.
            forgetful: setting.start != Start::Synced,
            dead: 0,
            unrecorded: BTreeSet::new(),
            told: None,
            old_copies: BTreeSet::new(),
        };
        world.furnish(setting.start);
        world
    }

    fn furnish(&mut self, start: Start) {
        for path in &PATHS[..3] {
            let version = self.oracle.invent(3);
            self.oracle.saved(0, path, version, None);
            let now_ns = self.now_ns();
            let md5 = self.oracle.md5(version).to_owned();
            for (who, device) in self.devices.iter_mut().enumerate() {
                if start == Start::FirstDeviceOnly && who > 0 {
                    continue;
                }
                let ino = device.make(version, now_ns, now_ns);
                device.vault.insert((*path).to_owned(), ino);
                device.sync(path);
                if start == Start::Synced {
                    let stat = device.stat_of(&self.oracle, ino);
                    device.memory.set(path, &md5, &md5, 3, stat);
                    device.backup = device.memory.clone();
                    device.compared = true;
                    device.pass_due = false;
                }
            }
            if start == Start::Synced {
                let stored = Stored {
                    version,
                    mtime_ms: now_ns / 1_000_000,
                };
                // An empty key takes anything.
                self.cloud.put(&self.oracle, path, stored, None).ok();
            }
        }
    }

    /// No two moments are the same.
    pub(crate) fn now_ns(&mut self) -> i64 {
        self.now_ms += 1;
        i64::try_from(self.now_ms)
            .unwrap_or(i64::MAX)
            .saturating_mul(1_000_000)
    }

    pub(crate) fn breaks(&mut self, invariant: Invariant, detail: impl FnOnce() -> String) {
        if self.broken.is_none() {
            self.broken = Some(Broken {
                invariant,
                detail: detail(),
            });
        }
    }

    pub(crate) fn tell_person(&mut self, what: impl FnOnce(&Self) -> String) {
        if self.told.is_some() {
            let mut line = what(self);
            for (who, device) in self.devices.iter().enumerate() {
                let shown = device.vault.keys().map(|path| (path, device.shown(path)));
                let shown: Vec<_> = shown.collect();
                let known = device.memory.paths();
                let known: Vec<_> = known.map(|path| (path, device.memory.md5(path))).collect();
                line += &format!(
                    "\n    {who}: {shown:?} knows {known:?} {:?}",
                    device.op.as_ref().map(Op::at)
                );
            }
            let cloud = self.cloud.objects.iter();
            let cloud: Vec<_> = cloud.map(|(key, stored)| (key, stored.version)).collect();
            line += &format!("\n    cloud: {cloud:?}");
            self.told.get_or_insert_default().push(line);
        }
    }

    /// The file system tells that something happened at a path.
    pub(crate) fn watch(&mut self, who: usize, path: &str) {
        let now_ms = self.now_ms;
        self.devices[who].pace.saw(path, now_ms);
    }

    /// One half step of whatever the engine does, or the start of what is due. Answers whether
    /// there was something to do.
    pub(crate) fn step(&mut self, who: usize) -> bool {
        self.tell_person(|_| format!("device {who} does a half step"));
        let op = self.devices[who].op.take();
        if op.is_none() {
            self.forget_sent(who);
        }
        match op {
            Some(Op::Cycle(mut cycle)) => {
                if self.step_cycle(who, &mut cycle) == Flow::Goes {
                    self.devices[who].op = Some(Op::Cycle(cycle));
                }
                true
            }
            Some(Op::Trip(mut trip)) => {
                if self.step_trip(who, &mut trip) == Flow::Goes {
                    self.devices[who].op = Some(Op::Trip(trip));
                }
                true
            }
            None => self.start_due(who),
        }
    }

    /// What went up and was not recorded never will be.
    pub(crate) fn forget_sent(&mut self, who: usize) {
        let sent = std::mem::take(&mut self.devices[who].sent);
        for path in &sent {
            let device = &self.devices[who];
            let shown = device.shown(path);
            let known = device.memory.md5(path);
            // A person went back to the text that the baseline knows.
            if let Some(version) = shown.filter(|version| known == Some(self.oracle.md5(*version)))
            {
                self.oracle.disputed(version);
            }
        }
        self.unrecorded.extend(sent);
    }

    fn start_due(&mut self, who: usize) -> bool {
        let now_ms = self.now_ms;
        if self.devices[who].pass_due {
            self.start_pass(who, Confirmed::No);
            return true;
        }
        let device = &mut self.devices[who];
        device.saved.extend(device.pace.take_due(now_ms));
        if device.saved.is_empty() && device.hinted.is_empty() {
            return false;
        }
        if !device.compared || device.halted {
            device.saved.clear();
            device.hinted.clear();
            device.pass_due = true;
            return true;
        }
        let (saved, hinted) = (
            std::mem::take(&mut device.saved),
            std::mem::take(&mut device.hinted),
        );
        let trip = Trip::new(saved, hinted, device.lane_deletes);
        device.op = Some(Op::Trip(Box::new(trip)));
        true
    }

    pub(crate) fn start_pass(&mut self, who: usize, confirmed: Confirmed) {
        let device = &mut self.devices[who];
        if device.op.is_some() {
            device.pass_due = true;
            return;
        }
        self.forget_sent(who);
        let device = &mut self.devices[who];
        if confirmed == Confirmed::Yes {
            device.removed.clear();
        }
        device.pass_due = false;
        device.saved.clear();
        device.hinted.clear();
        device.lane_deletes = 0;
        device.op = Some(Op::Cycle(Box::new(Cycle::new(1, confirmed))));
    }

    /// Lets what is under way come to its end.
    pub(crate) fn finish(&mut self, who: usize) {
        for _ in 0..400 {
            if self.devices[who].op.is_none() {
                return;
            }
            self.step(who);
        }
        self.breaks(Invariant::I3, || format!("device {who} never ends"));
    }
}
