//! What a cycle holds for a person: the engine's brakes, with the facts they ask for.

use std::collections::BTreeSet;

use engine::model_surface::{On, WINDOW_MS, too_many_deletes};

use crate::bisync::copied_note;
use crate::cycle::{Confirmed, Cycle, News};
use crate::mutant::Mutant;
use crate::world::{Bisync, Invariant, World};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    /// All that is left in the plan may move.
    Rest,
    Everything,
}

/// A delete that was carried without a question.
#[derive(Clone, Debug)]
pub(crate) struct Removed {
    on: On,
    path: String,
    md5: String,
    at_ms: u64,
}

impl World {
    /// Takes out of the plan what waits.
    pub(crate) fn hold(&mut self, who: usize, cycle: &mut Cycle) -> Hold {
        if cycle.confirmed == Confirmed::Yes || self.mutant == Some(Mutant::NoBrake) {
            return Hold::Rest;
        }
        let (seen, snapshot) = (&cycle.seen, &cycle.snapshot);
        if cycle.planned.is_emptied(seen, snapshot, self.caution) {
            self.devices[who].halted = true;
            return Hold::Everything;
        }
        for on in [On::Here, On::Cloud] {
            let held = cycle.planned.deletes(on, &cycle.seen, &cycle.snapshot);
            let recent = self.recent_deletes(who, on);
            let many = |held: &[String]| {
                too_many_deletes(held.to_vec(), recent, &cycle.memory, on, self.caution)
            };
            if held.is_empty() || !many(&held) {
                continue;
            }
            let arrived = self.arrived(who, cycle, on);
            let moved = |path: &String| {
                let md5 = cycle.memory.md5(path);
                md5.is_some_and(|md5| arrived.contains(md5))
            };
            let held: Vec<String> = held.into_iter().filter(|path| !moved(path)).collect();
            if many(&held) {
                cycle.planned.hold(&held);
                self.devices[who].halted = true;
            }
        }
        Hold::Rest
    }

    /// The bytes that are new on the side where something is missing.
    fn arrived(&self, who: usize, cycle: &Cycle, on: On) -> BTreeSet<String> {
        let device = &self.devices[who];
        let new = cycle.planned.arrived(on).into_iter();
        new.filter_map(|path| match on {
            On::Here => Some(cycle.snapshot.get(&path)?.etag.clone()),
            On::Cloud => Some(self.oracle.md5(device.shown(&path)?).to_owned()),
        })
        .collect()
    }

    /// Deletes of the last minutes, renames left out.
    fn recent_deletes(&self, who: usize, on: On) -> usize {
        let device = &self.devices[who];
        let known: BTreeSet<&str> = device
            .memory
            .paths()
            .filter_map(|path| device.memory.md5(path))
            .collect();
        let since = self.now_ms.saturating_sub(WINDOW_MS.unsigned_abs());
        let counts = |removed: &&Removed| {
            removed.on == on && removed.at_ms >= since && !known.contains(removed.md5.as_str())
        };
        device.removed.iter().filter(counts).count()
    }

    /// Takes down what a publication removes, while the baseline still knows it.
    pub(crate) fn count_deletes(&mut self, who: usize, news: &News) {
        let at_ms = self.now_ms;
        let device = &mut self.devices[who];
        for (path, on) in &news.forget {
            let (Some(on), Confirmed::No) = (*on, news.wanted) else {
                continue;
            };
            if copied_note(path).is_some_and(|note| device.memory.md5(&note).is_some()) {
                continue;
            }
            let md5 = device.memory.md5(path).unwrap_or_default().to_owned();
            device
                .removed
                .retain(|removed| (removed.on, &removed.path) != (on, path));
            device.removed.push(Removed {
                on,
                path: path.clone(),
                md5,
                at_ms,
            });
        }
    }

    /// I11: not more notes than a person expects are removed at once, unless one said so. What is
    /// still there under another name was not removed.
    pub(crate) fn judge_brake(&mut self, who: usize, cycle: &Cycle) {
        if self.bisync != Bisync::Faithful || cycle.confirmed == Confirmed::Yes {
            return;
        }
        let device = &self.devices[who];
        let here = device.vault.keys().filter_map(|path| device.shown(path));
        let there = self.cloud.objects.values().map(|stored| stored.version);
        let left: BTreeSet<&str> = here
            .chain(there)
            .map(|version| self.oracle.md5(version))
            .collect();
        let is_gone = |path: &&String| {
            let md5 = cycle.memory.md5(path);
            copied_note(path).is_none() && md5.is_some_and(|md5| !left.contains(md5))
        };
        let known = cycle.memory.paths().count();
        for removed in cycle.removed() {
            let gone = removed.iter().filter(is_gone).count();
            if gone >= 3 && gone * 2 > known {
                self.breaks(Invariant::I11, || {
                    format!("{gone} of {known} notes were removed without a question")
                });
                return;
            }
        }
    }
}
