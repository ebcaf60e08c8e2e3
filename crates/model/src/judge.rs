//! The invariants: after each event, and once everything is quiet.

use std::collections::BTreeMap;

use crate::bisync::copied_note;
use crate::cycle::{Confirmed, Pass};
use crate::event::Delivery;
use crate::oracle::{EMPTY, Versions, bit, one};
use crate::world::{Bisync, Invariant, World};

/// More rounds than any scenario needs.
const ROUNDS: usize = 30;

impl World {
    /// All that anybody could get back, from anywhere.
    pub(crate) fn held(&self) -> Versions {
        let devices = self.devices.iter();
        devices.fold(self.cloud.held(), |all, device| all | device.held())
    }

    /// I1, which holds at every instant.
    pub(crate) fn judge_instant(&mut self) {
        let held = self.held();
        let stranger = bit(self.devices.len());
        let lost = self.oracle.all().find(|(number, version)| {
            let missed = match version.superseded {
                0 => version.savers,
                by => version.savers & !by & !stranger & !version.cut,
            };
            missed != 0 && !version.unsettled && held & one(*number) == 0
        });
        if let Some((number, version)) = lost {
            let detail = format!("version {number} of {:?} is nowhere", version.paths);
            self.breaks(Invariant::I1, || detail);
        }
    }

    /// Everything heals and comes to rest; then all must be as one.
    pub(crate) fn calm(&mut self) {
        if self.bisync == Bisync::Liar || self.broken.is_some() {
            return;
        }
        self.cure();
        for who in 0..self.devices.len() {
            self.devices[who].sync_all();
        }
        self.settle_by_events();
        self.judge_status();
        self.settle_by_passes();
        if self.broken.is_some() {
            return;
        }
        self.judge_equal();
        self.judge_visible();
        self.judge_copies();
        self.judge_dead();
        self.remember_quiet();
    }

    /// Only what events and hints start, as between two passes.
    fn settle_by_events(&mut self) {
        for _ in 0..ROUNDS {
            let mut busy = false;
            for who in 0..self.devices.len() {
                self.now_ms += 20_000;
                while !self.devices[who].mail.is_empty() {
                    self.deliver(who, Delivery::InOrder);
                }
                busy |= self.step(who);
                self.finish(who);
                self.confirm(who);
                self.judge_instant();
            }
            if !busy {
                return;
            }
        }
        self.breaks(Invariant::I3, || "events never come to an end".to_owned());
    }

    fn confirm(&mut self, who: usize) {
        if self.devices[who].halted {
            self.start_pass(who, Confirmed::Yes);
            self.finish(who);
        }
    }

    /// I13: the engine is idle and would say "synced".
    fn judge_status(&mut self) {
        for who in 0..self.devices.len() {
            let device = &self.devices[who];
            let paths = device.vault.keys().chain(device.memory.paths());
            let unknown = paths.into_iter().find(|path| {
                let shown = device.shown(path);
                let known = device.memory.md5(path);
                shown.map(|version| self.oracle.md5(version)) != known
            });
            if let Some(path) = unknown.cloned() {
                self.breaks(Invariant::I13, || {
                    format!("device {who} is idle, and {path} is not synced")
                });
            }
        }
    }

    /// I3: a round in which every pass finds nothing to do.
    fn settle_by_passes(&mut self) {
        for _ in 0..ROUNDS {
            let mut verified = true;
            for who in 0..self.devices.len() {
                self.finish(who);
                self.start_pass(who, Confirmed::No);
                self.finish(who);
                verified &= self.last_pass == Pass::Verified;
                self.confirm(who);
                self.judge_instant();
            }
            if verified {
                return;
            }
        }
        self.breaks(Invariant::I3, || {
            "passes never find nothing to do".to_owned()
        });
    }

    fn judge_equal(&mut self) {
        let cloud: BTreeMap<&String, u32> = self
            .cloud
            .objects
            .iter()
            .map(|(key, stored)| (key, stored.version))
            .collect();
        for (who, device) in self.devices.iter().enumerate() {
            let vault: BTreeMap<&String, u32> = device
                .vault
                .iter()
                .map(|(path, ino)| (path, device.file(*ino).version))
                .collect();
            if vault != cloud {
                let detail = format!("device {who} has {vault:?}, the bucket {cloud:?}");
                return self.breaks(Invariant::I3, || detail);
            }
        }
    }

    fn judge_visible(&mut self) {
        let everywhere = self
            .devices
            .iter()
            .fold(Versions::MAX, |all, device| all & device.visible());
        let resolved = self
            .devices
            .iter()
            .fold(0, |all, device| all | device.resolved);
        let hidden = self.oracle.all().find(|(number, version)| {
            let excused = version.unsettled || version.disputed;
            let counts = version.superseded == 0 && version.savers != 0 && !excused;
            let resolved = !self.caution.keeps_both() && resolved & one(*number) != 0;
            counts && everywhere & one(*number) == 0 && !resolved
        });
        if let Some((number, version)) = hidden {
            let detail = format!(
                "version {number} of {:?} is not in every vault",
                version.paths
            );
            self.breaks(Invariant::I2, || detail);
        }
    }

    fn judge_copies(&mut self) {
        let Some(device) = self.devices.first() else {
            return;
        };
        let mut seen: BTreeMap<(String, String, u32), usize> = BTreeMap::new();
        let mut wrong = None;
        for (path, ino) in &device.vault {
            let Some(note) = copied_note(path) else {
                continue;
            };
            let version = device.file(*ino).version;
            let is_new = !self.old_copies.contains(path);
            // Devices that do not know of each other yet may both keep a text.
            let by = path.split(' ').nth(2).unwrap_or_default();
            let count = seen
                .entry((note.clone(), by.to_owned(), version))
                .or_default();
            *count += 1;
            let unrecorded = self
                .unrecorded
                .iter()
                .any(|path| *path == note || copied_note(path).as_ref() == Some(&note));
            if *count > 1 && is_new && version != EMPTY && !self.forgetful && !unrecorded {
                wrong = Some(format!("{note} has two copies of version {version}"));
            }
            let writers = self.writers.get(&note).copied().unwrap_or(0);
            if is_new
                && writers.count_ones() < 2
                && !self.forgetful
                && !self.unrecorded.contains(&note)
            {
                wrong = Some(format!("{path} is a copy, and nobody contradicted"));
            }
        }
        if let Some(detail) = wrong {
            self.breaks(Invariant::I5, || detail);
        }
    }

    fn judge_dead(&mut self) {
        let visible = self
            .devices
            .iter()
            .fold(0, |all, device| all | device.visible());
        let risen = self.oracle.all().find(|(number, version)| {
            version.superseded != 0 && !version.disputed && self.dead & visible & one(*number) != 0
        });
        if let Some((number, _)) = risen {
            self.breaks(Invariant::I4, || {
                format!("version {number} rose from the dead")
            });
        }
    }

    fn remember_quiet(&mut self) {
        let visible = self
            .devices
            .iter()
            .fold(0, |all, device| all | device.visible());
        let replaced = self
            .oracle
            .all()
            .filter(|(_, version)| version.superseded != 0);
        let replaced = replaced.fold(0, |all, (number, _)| all | one(number));
        self.dead = replaced & !visible;
        self.writers.clear();
        self.unrecorded.clear();
        self.forgetful = false;
        if let Some(device) = self.devices.first() {
            self.old_copies = device.vault.keys().cloned().collect();
        }
        for device in &mut self.devices {
            device.backup = device.memory.clone();
        }
    }
}
