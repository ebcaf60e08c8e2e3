//! A scenario: who is there, and what happens, in order. Chosen by a seed, run, shrunk.

use engine::model_surface::{Caution, Rules};

use crate::chance::Chance;
use crate::cloud::Versioning;
use crate::event::Event;
use crate::mutant::Mutant;
use crate::world::{Bisync, Broken, Bulk, Setting, Start, World};

#[derive(Clone, Debug)]
pub struct Scenario {
    pub seed: u64,
    setting: Setting,
    pub events: Vec<Event>,
}

impl Scenario {
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let liar = chance.once_in(8);
        let setting = Setting {
            devices: *chance.pick(&[1, 2, 2, 2, 2, 3, 3, 4]),
            caution: *chance.pick(&[
                Caution::Safe,
                Caution::Safe,
                Caution::Balanced,
                Caution::Balanced,
                Caution::Fast,
            ]),
            versioning: match chance.once_in(3) && !liar {
                true => Versioning::Off,
                false => Versioning::On,
            },
            bisync: if liar { Bisync::Liar } else { Bisync::Faithful },
            bulk: Bulk::Never,
            start: *chance.pick(&[
                Start::Synced,
                Start::Synced,
                Start::Synced,
                Start::Synced,
                Start::FirstDeviceOnly,
                Start::SameEverywhere,
            ]),
        };
        let count = 8 + chance.below(40);
        let events = (0..count).map(|_| Event::random(&mut chance, setting.devices));
        Self {
            seed,
            setting,
            events: events.collect(),
        }
    }

    /// The same, where what needs no decision goes ahead of bisync, as many notes do.
    #[must_use]
    pub fn in_bulk(self) -> Self {
        let setting = Setting {
            bulk: Bulk::Always,
            ..self.setting
        };
        Self { setting, ..self }
    }

    /// Runs to the first broken invariant, if there is one.
    #[must_use]
    pub fn run(&self, rules: &Rules, mutant: Option<Mutant>) -> Option<Broken> {
        let mut world = World::new(self.setting, rules.clone(), mutant);
        for event in &self.events {
            world.happen(*event);
            world.judge_instant();
            if world.broken.is_some() {
                return world.broken;
            }
        }
        world.calm();
        world.broken
    }

    /// What happened, for a person who looks for a cause.
    #[must_use]
    pub fn told(&self, rules: &Rules, mutant: Option<Mutant>) -> Vec<String> {
        let mut world = World::new(self.setting, rules.clone(), mutant);
        world.told = Some(vec![]);
        for event in &self.events {
            world.tell_person(|_| format!("{event:?}"));
            world.happen(*event);
            world.judge_instant();
            if world.broken.is_some() {
                break;
            }
        }
        world.calm();
        let mut told = world.told.take().unwrap_or_default();
        told.push(format!("{:?}", world.broken));
        told
    }

    /// The fewest events that still break the same invariant.
    #[must_use]
    pub fn shrunk(&self, rules: &Rules, mutant: Option<Mutant>) -> Self {
        let mut best = self.clone();
        let Some(broken) = best.run(rules, mutant) else {
            return best;
        };
        let mut chunk = best.events.len().div_ceil(2);
        while chunk > 0 {
            let mut at = 0;
            let mut smaller = false;
            while at < best.events.len() {
                let mut fewer = best.clone();
                let end = (at + chunk).min(fewer.events.len());
                fewer.events.drain(at..end);
                let same = fewer
                    .run(rules, mutant)
                    .is_some_and(|found| found.invariant == broken.invariant);
                if same {
                    best = fewer;
                    smaller = true;
                } else {
                    at += chunk;
                }
            }
            chunk = if smaller && chunk == 1 { 1 } else { chunk / 2 };
        }
        best
    }
}
