//! Safe apply, in the steps between which a person may save and a machine may stop. It follows
//! `engine::vault`, whose own tests do the same on real files.

use engine::model_surface::{Stat, beside};

use crate::device::{Loose, Staged};
use crate::mutant::Mutant;
use crate::oracle::one;
use crate::world::World;

#[derive(Clone, Debug)]
pub(crate) struct Apply {
    path: String,
    /// The version to install; none for a removal.
    put: Option<u32>,
    mtime_ms: i64,
    expect: Option<u32>,
    at: At,
}

#[derive(Clone, Copy, Debug)]
enum At {
    Examine,
    Place { ino: u32 },
    Swap { id: u64 },
    Prove { id: u64 },
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Applied {
    /// The vault has the new state; the installed file.
    Done(Option<Stat>),
    UserSaved,
    DiskFull,
}

impl Apply {
    pub(crate) fn install(path: &str, version: u32, mtime_ms: i64, expect: Option<u32>) -> Self {
        Self {
            path: path.to_owned(),
            put: Some(version),
            mtime_ms,
            expect,
            at: At::Examine,
        }
    }

    pub(crate) fn remove(path: &str, expect: u32) -> Self {
        Self {
            path: path.to_owned(),
            put: None,
            mtime_ms: 0,
            expect: Some(expect),
            at: At::Examine,
        }
    }
}

impl World {
    /// One step of a change; what it came to, if that was the last.
    pub(crate) fn step_apply(&mut self, who: usize, apply: &mut Apply) -> Option<Applied> {
        match apply.at {
            At::Examine => self.examine(who, apply),
            At::Place { ino } => Some(self.place(who, apply, ino)),
            At::Swap { id } => self.swap(who, apply, id),
            At::Prove { id } => Some(self.prove(who, apply, id)),
        }
    }

    fn examine(&mut self, who: usize, apply: &mut Apply) -> Option<Applied> {
        let device = &self.devices[who];
        let shown = device.shown(&apply.path);
        match (apply.put, shown, apply.expect) {
            (Some(new), Some(shown), _) if shown == new => {
                return Some(Applied::Done(device.stat(&self.oracle, &apply.path)));
            }
            (None, None, _) => return Some(Applied::Done(None)),
            (_, shown, expect) if shown != expect => return Some(Applied::UserSaved),
            (_, _, _) => {}
        }
        if device.faults.disk_full && apply.put.is_some() {
            return Some(Applied::DiskFull);
        }
        let now_ns = self.now_ns();
        let device = &mut self.devices[who];
        let ino = apply
            .put
            .map(|version| device.make(version, apply.mtime_ms.saturating_mul(1_000_000), now_ns));
        apply.at = match (apply.expect, ino) {
            (None, Some(ino)) => At::Place { ino },
            (expect, ino) => {
                self.last_id += 1;
                let id = self.last_id;
                let nowhere = u32::MAX;
                let staged = Staged {
                    id,
                    ino: ino.unwrap_or(nowhere),
                    path: apply.path.clone(),
                    ours: apply.put,
                    expect: expect.unwrap_or_default(),
                    loose: None,
                };
                // The intent of a removal has no file yet.
                if ino.is_some() {
                    device.stage.push(staged);
                }
                At::Swap { id }
            }
        };
        None
    }

    fn place(&mut self, who: usize, apply: &Apply, ino: u32) -> Applied {
        let device = &mut self.devices[who];
        match device.shown(&apply.path) {
            Some(shown) if Some(shown) == apply.put => {
                Applied::Done(device.stat(&self.oracle, &apply.path))
            }
            Some(_) => Applied::UserSaved,
            None => {
                device.vault.insert(apply.path.clone(), ino);
                self.made_durable(who, &apply.path);
                self.applied(who, &apply.path, ino)
            }
        }
    }

    fn swap(&mut self, who: usize, apply: &mut Apply, id: u64) -> Option<Applied> {
        let mutant = self.mutant;
        let device = &mut self.devices[who];
        let staged = device.stage.iter().position(|staged| staged.id == id);
        let old = device.vault.get(&apply.path).copied();
        match (staged, old) {
            (Some(at), None) => {
                device.stage.remove(at);
                Some(Applied::UserSaved)
            }
            (None, None) => Some(Applied::Done(None)),
            (Some(at), Some(old)) => {
                let ours = device.stage[at].ino;
                device.vault.insert(apply.path.clone(), ours);
                if mutant == Some(Mutant::BlindApply) {
                    device.stage.remove(at);
                    self.made_durable(who, &apply.path);
                    return Some(self.applied(who, &apply.path, ours));
                }
                device.stage[at].ino = old;
                device.stage[at].loose = Some(Loose::Replaced { by: ours });
                apply.at = At::Prove { id };
                None
            }
            (None, Some(old)) => {
                device.vault.remove(&apply.path);
                if mutant == Some(Mutant::UnverifiedDelete) {
                    self.made_durable(who, &apply.path);
                    return Some(Applied::Done(None));
                }
                device.stage.push(Staged {
                    id,
                    ino: old,
                    path: apply.path.clone(),
                    ours: None,
                    expect: apply.expect.unwrap_or_default(),
                    loose: Some(Loose::Removed),
                });
                apply.at = At::Prove { id };
                None
            }
        }
    }

    fn prove(&mut self, who: usize, apply: &Apply, id: u64) -> Applied {
        let mutant = self.mutant;
        let device = &mut self.devices[who];
        let Some(at) = device.stage.iter().position(|staged| staged.id == id) else {
            return Applied::UserSaved;
        };
        let staged = device.stage.remove(at);
        let came_out = device.file(staged.ino).version;
        if came_out == staged.expect || mutant == Some(Mutant::NoPutBack) {
            if mutant != Some(Mutant::NoHistory) {
                device.history |= one(came_out);
            }
            self.made_durable(who, &apply.path);
            return match staged.loose {
                Some(Loose::Replaced { by }) => self.applied(who, &apply.path, by),
                Some(Loose::Removed) | None => {
                    self.watch(who, &apply.path);
                    Applied::Done(None)
                }
            };
        }
        self.put_back(who, &staged);
        Applied::UserSaved
    }

    fn put_back(&mut self, who: usize, staged: &Staged) {
        let device = &mut self.devices[who];
        match (device.vault.get(&staged.path).copied(), staged.ours) {
            (None, _) => {
                device.vault.insert(staged.path.clone(), staged.ino);
            }
            (Some(_), None) => self.lay_beside(who, staged.ino, &staged.path),
            (Some(there), Some(ours)) => {
                device.vault.insert(staged.path.clone(), staged.ino);
                let version = device.file(there).version;
                if version == ours {
                    device.history |= one(version);
                } else {
                    self.lay_beside(who, there, &staged.path);
                }
            }
        }
        self.devices[who].sync(&staged.path);
        self.watch(who, &staged.path);
    }

    fn lay_beside(&mut self, who: usize, ino: u32, path: &str) {
        let now_ns = self.now_ns();
        let device = &mut self.devices[who];
        let mut number = 1;
        let name = loop {
            let name = beside(path, &device.name, now_ns, number);
            if !device.vault.contains_key(&name) {
                break name;
            }
            number += 1;
        };
        device.vault.insert(name.clone(), ino);
        device.sync(&name);
        self.watch(who, &name);
    }

    /// Settles what a crash left in the stage, by content.
    pub(crate) fn recover(&mut self, who: usize) {
        for staged in std::mem::take(&mut self.devices[who].stage) {
            if self.mutant == Some(Mutant::SweptStage) {
                continue;
            }
            let device = &mut self.devices[who];
            let version = device.file(staged.ino).version;
            if version == staged.expect || Some(version) == staged.ours {
                device.history |= one(version);
                device.sync(&staged.path);
                continue;
            }
            let shown = device.shown(&staged.path);
            if shown.is_some() && shown != staged.ours {
                self.lay_beside(who, staged.ino, &staged.path);
            } else {
                self.put_back(who, &staged);
            }
        }
    }

    fn applied(&mut self, who: usize, path: &str, ino: u32) -> Applied {
        self.watch(who, path);
        let stat = self.devices[who].stat_of(&self.oracle, ino);
        Applied::Done(Some(Stat {
            ctime_ns: Stat::UNTRUSTED,
            ..stat
        }))
    }

    fn made_durable(&mut self, who: usize, path: &str) {
        if self.mutant != Some(Mutant::NoFsync) {
            self.devices[who].sync(path);
        }
    }
}
