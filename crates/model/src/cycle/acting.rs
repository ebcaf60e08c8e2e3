//! What the evidence of a run means, and doing it.

use std::collections::BTreeMap;

use engine::model_surface::{Evidence, Mirrored, On, Verdict, Version, Winner, newer, settle};

use super::{Act, At, Cycle, Failure, MARK, UNKNOWN};
use crate::apply::{Applied, Apply};
use crate::cloud::Stored;
use crate::mutant::Mutant;
use crate::oracle::{one, version_of};
use crate::requests::Heard;
use crate::world::World;

impl World {
    pub(super) fn settle(&mut self, who: usize, cycle: &mut Cycle) {
        let device = &self.devices[who];
        let mirror: BTreeMap<String, Mirrored> = device
            .mirror
            .iter()
            .map(|(path, ino)| {
                let stat = device.stat_of(&self.oracle, *ino);
                let file = Mirrored {
                    ino: stat.ino,
                    size: stat.size,
                };
                (path.clone(), file)
            })
            .collect();
        let verdicts = settle(&Evidence {
            planned: &cycle.planned,
            memory: &cycle.memory,
            linked: &cycle.linked,
            placed: &cycle.placed,
            mirror: &mirror,
            snapshot: &cycle.snapshot,
            uploaded: &cycle.listing.uploaded,
            deleted: &cycle.listing.deleted,
            listed: &cycle.listing.listed,
            mark: MARK,
        });
        let mut plain = vec![];
        for (path, verdict) in verdicts {
            match verdict {
                Verdict::Equal { version, stat } => {
                    cycle.equal.push(path.clone());
                    cycle.news.set.push((path, version, stat));
                }
                Verdict::Gone { removed } => {
                    let on = removed.then_some(On::Cloud);
                    cycle.news.forget.push((path, on));
                }
                Verdict::Install { version, expect } => plain.push(Act::Install {
                    from: path.clone(),
                    path,
                    version,
                    expect,
                }),
                Verdict::Remove { expect } => plain.push(Act::Remove { path, expect }),
                Verdict::Conflict {
                    cloud,
                    ours,
                    marked,
                    copy,
                } => self.decide_conflict(who, cycle, (path, marked, copy), cloud, ours),
                Verdict::Unproven => cycle.again = true,
            }
        }
        cycle.acts.extend(plain);
        if self.mutant == Some(Mutant::EarlyPublish) {
            for act in &cycle.acts {
                if let Act::Install { path, version, .. } = act {
                    let stat = UNKNOWN;
                    let memory = &mut self.devices[who].memory;
                    memory.set(path, &version.md5, &version.etag, version.size, stat);
                }
            }
        }
    }

    fn decide_conflict(
        &mut self,
        who: usize,
        cycle: &mut Cycle,
        (path, marked, copy): (String, String, String),
        cloud: Version,
        ours: Version,
    ) {
        let created_twice = cycle.memory.md5(&path).is_none();
        let winner = if created_twice || self.caution.keeps_both() {
            Winner::Both
        } else {
            let mirrored = self.devices[who].mirror.get(&marked).copied();
            let ours_ms = mirrored.map(|ino| self.devices[who].file(ino).mtime_ns / 1_000_000);
            let found = self.head(who, &path).ok().flatten();
            let same = found.filter(|object| object.etag == cloud.etag);
            newer(ours_ms, same.and_then(|object| object.mtime_ms))
        };
        if winner != Winner::Both {
            let loser = if winner == Winner::Ours {
                &cloud
            } else {
                &ours
            };
            let device = &mut self.devices[who];
            device.resolved |= one(version_of(&loser.md5));
            device.copies.push((copy.clone(), ours.etag.clone()));
        }
        let expect = Some(ours.md5.clone());
        match winner {
            Winner::Both => {
                cycle.acts.push_back(Act::Install {
                    path: copy,
                    from: marked,
                    version: ours,
                    expect: None,
                });
                cycle.acts.push_back(Act::Install {
                    from: path.clone(),
                    path,
                    version: cloud,
                    expect,
                });
            }
            Winner::Theirs => cycle.acts.push_back(Act::Install {
                from: path.clone(),
                path,
                version: cloud,
                expect,
            }),
            Winner::Ours => cycle.acts.push_back(Act::Win {
                path,
                marked,
                cloud,
                ours,
            }),
        }
    }

    pub(super) fn act(&mut self, who: usize, cycle: &mut Cycle) -> Result<Option<At>, Failure> {
        if let Some((mut apply, path, version)) = cycle.applying.take() {
            match self.step_apply(who, &mut apply) {
                None => cycle.applying = Some((apply, path, version)),
                Some(Applied::Done(stat)) => match (version, stat) {
                    (Some(version), Some(stat)) => cycle.news.set.push((path, version, stat)),
                    (None, _) => cycle.news.forget.push((path, Some(On::Here))),
                    (Some(_), None) => cycle.again = true,
                },
                Some(Applied::UserSaved) => cycle.again = true,
                Some(Applied::DiskFull) => return Err(Failure::Stopped),
            }
            return Ok(Some(At::Act));
        }
        let Some(act) = cycle.acts.pop_front() else {
            return Ok(Some(At::Commit));
        };
        match act {
            Act::Install {
                path,
                from,
                version,
                expect,
            } => {
                let device = &self.devices[who];
                let Some(ino) = device.mirror.get(&from).copied() else {
                    return Err(Failure::Stopped);
                };
                let file = device.file(ino);
                // The staged copy is hashed.
                if self.oracle.md5(file.version) != version.md5 {
                    return Err(Failure::Stopped);
                }
                let expect = expect.map(|md5| version_of(&md5));
                let mtime_ms = file.mtime_ns / 1_000_000;
                let apply = Apply::install(&path, file.version, mtime_ms, expect);
                cycle.applying = Some((apply, path, Some(version)));
            }
            Act::Remove { path, expect } => {
                let apply = Apply::remove(&path, version_of(&expect));
                cycle.applying = Some((apply, path, None));
            }
            Act::Win {
                path,
                marked,
                cloud,
                ours,
            } => self.win(who, cycle, (path, marked), &cloud, ours)?,
        }
        Ok(Some(At::Act))
    }

    fn win(
        &mut self,
        who: usize,
        cycle: &mut Cycle,
        (path, marked): (String, String),
        cloud: &Version,
        ours: Version,
    ) -> Result<(), Failure> {
        let device = &mut self.devices[who];
        let files = (device.mirror.get(&path), device.mirror.get(&marked));
        let (Some(theirs), Some(mine)) = files else {
            return Err(Failure::Stopped);
        };
        let (theirs, mine) = (device.file(*theirs), device.file(*mine));
        device.history |= one(theirs.version);
        let stored = Stored {
            version: mine.version,
            mtime_ms: mine.mtime_ns / 1_000_000,
        };
        let when = guard::Precondition::Match(cloud.etag.clone());
        match self.send_put(who, &path, &stored, &when) {
            Heard::Refused => {
                cycle.again = true;
                return Ok(());
            }
            Heard::Nothing => return Err(Failure::Stopped),
            Heard::Done => {}
        }
        if self.oracle.md5(mine.version) != ours.md5 {
            cycle.again = true;
            return Ok(());
        }
        let device = &self.devices[who];
        let stat = match device.stat(&self.oracle, &path) {
            Some(stat) if device.shown(&path) == Some(mine.version) => stat,
            Some(_) | None => {
                cycle.again = true;
                UNKNOWN
            }
        };
        cycle.news.set.push((path, ours, stat));
        Ok(())
    }
}
