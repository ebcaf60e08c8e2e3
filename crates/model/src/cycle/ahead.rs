//! What needs no decision goes ahead of bisync. Here one note is many.

use engine::model_surface::{Ahead, Version, ahead};
use guard::Precondition;

use super::{At, Cycle, Failure};
use crate::apply::{Applied, Apply};
use crate::cloud::Stored;
use crate::mutant::Mutant;
use crate::requests::{Heard, Unreachable};
use crate::world::{Bulk, World};

impl World {
    pub(super) fn before_bisync(&self, cycle: &mut Cycle) -> At {
        match self.bulk {
            Bulk::Never => At::Fill,
            Bulk::Always => {
                cycle.picks = ahead(&cycle.planned, &cycle.seen, &cycle.snapshot).into();
                At::Ahead
            }
        }
    }

    /// One note, or after the last one the publication.
    pub(super) fn go_ahead(
        &mut self,
        who: usize,
        cycle: &mut Cycle,
    ) -> Result<Option<At>, Failure> {
        if cycle.applying.is_some() {
            return self.place_ahead(who, cycle);
        }
        let Some((path, way)) = cycle.picks.pop_front() else {
            return Ok(self.end_ahead(who, cycle));
        };
        if way == Ahead::Download {
            return self.fetch_ahead(who, cycle, path);
        }
        let device = &self.devices[who];
        // What is gone by now, bisync finds to be gone.
        let (Some(version), Some(stat)) = (device.shown(&path), device.stat(&self.oracle, &path))
        else {
            return Ok(Some(At::Ahead));
        };
        let known = self.oracle.get(version);
        let both = Version {
            md5: known.md5.clone(),
            etag: known.md5.clone(),
            size: known.size,
        };
        match way {
            Ahead::AdoptIfEqual { md5 } if md5 == both.md5 => {
                cycle.through.set.push((path, both, stat));
            }
            Ahead::AdoptIfEqual { .. } | Ahead::Download => {}
            Ahead::Upload => {
                let stored = Stored {
                    version,
                    mtime_ms: stat.mtime_ns / 1_000_000,
                };
                match self.guarded_put(who, &path, &stored, &Precondition::Absent) {
                    Heard::Done => cycle.through.set.push((path, both, stat)),
                    Heard::Refused => cycle.again = true,
                    Heard::Nothing => {
                        self.publish_ahead(who, cycle);
                        return Err(Failure::Stopped);
                    }
                }
            }
        }
        Ok(Some(At::Ahead))
    }

    fn fetch_ahead(
        &mut self,
        who: usize,
        cycle: &mut Cycle,
        path: String,
    ) -> Result<Option<At>, Failure> {
        match self.get(who, &path, None) {
            Ok(Some(stored)) => {
                let known = self.oracle.get(stored.version);
                let both = Version {
                    md5: known.md5.clone(),
                    etag: known.md5.clone(),
                    size: known.size,
                };
                let apply = Apply::install(&path, stored.version, stored.mtime_ms, None);
                cycle.applying = Some((apply, path, Some(both)));
            }
            Ok(None) => cycle.again = true,
            Err(Unreachable) => {
                self.publish_ahead(who, cycle);
                return Err(Failure::Stopped);
            }
        }
        Ok(Some(At::Ahead))
    }

    /// One step of a note's way from the stage to the vault.
    fn place_ahead(&mut self, who: usize, cycle: &mut Cycle) -> Result<Option<At>, Failure> {
        let Some((mut apply, path, version)) = cycle.applying.take() else {
            return Ok(Some(At::Ahead));
        };
        match self.step_apply(who, &mut apply) {
            None => cycle.applying = Some((apply, path, version)),
            Some(Applied::Done(stat)) => match version.zip(stat) {
                Some((version, stat)) => cycle.through.set.push((path, version, stat)),
                None => cycle.again = true,
            },
            Some(Applied::UserSaved) => cycle.again = true,
            Some(Applied::DiskFull) => {
                self.publish_ahead(who, cycle);
                return Err(Failure::Stopped);
            }
        }
        Ok(Some(At::Ahead))
    }

    fn end_ahead(&mut self, who: usize, cycle: &mut Cycle) -> Option<At> {
        self.publish_ahead(who, cycle);
        if cycle.again {
            return None;
        }
        if cycle.planned.is_settled() {
            self.rest(who, cycle);
            return None;
        }
        Some(At::Fill)
    }

    fn publish_ahead(&mut self, who: usize, cycle: &mut Cycle) {
        let through = std::mem::take(&mut cycle.through);
        for (path, _, _) in &through.set {
            cycle.planned.drop_path(path);
        }
        // The whole file system at once.
        if self.mutant != Some(Mutant::NoFsync) && !through.set.is_empty() {
            let device = &mut self.devices[who];
            let all: Vec<u32> = device.vault.values().copied().collect();
            for ino in all {
                device.sync_file(ino);
            }
        }
        self.publish(who, through);
    }
}
