//! A trip of the lane in half steps: look at the named paths, ask the cloud, carry what is plain.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use engine::model_surface::{
    Access, Memory, On, Planned, Seen, Stat, Version, Way, lane_moves, plan,
};
use guard::{Object, Precondition};

use crate::apply::{Applied, Apply};
use crate::cloud::Stored;
use crate::cycle::{Flow, News};
use crate::device::Hint;
use crate::mutant::Mutant;
use crate::oracle::{EMPTY, version_of};
use crate::requests::{Heard, Unreachable};
use crate::world::World;

/// Deletes that pass one by one until a cycle counts them against everything.
const SPARE_DELETES: usize = 2;

#[derive(Debug, Default)]
pub(crate) struct Trip {
    at: At,
    saved: BTreeSet<String>,
    hinted: BTreeMap<String, Hint>,
    spare_deletes: usize,
    memory: Memory,
    seen: Seen,
    /// What changed here, as it was read.
    notes: BTreeMap<String, (u32, Stat)>,
    left: BTreeSet<String>,
    moves: VecDeque<(String, Way)>,
    deletes: VecDeque<(String, Way)>,
    left_before: usize,
    fetched: Option<(String, Stored)>,
    applying: Option<(Apply, String, Option<Version>)>,
    news: News,
    removed: usize,
    failed: Option<Unreachable>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    Look,
    Ask,
    Move,
    Commit,
}

impl Trip {
    pub(crate) fn applying(&self) -> Option<&str> {
        self.applying.as_ref().map(|(_, path, _)| path.as_str())
    }

    pub(crate) fn at(&self) -> String {
        format!("trip {:?}, {:?}, left {:?}", self.at, self.moves, self.left)
    }

    pub(crate) fn new(
        saved: BTreeSet<String>,
        hinted: BTreeMap<String, Hint>,
        deletes: usize,
    ) -> Self {
        Self {
            saved,
            hinted,
            spare_deletes: SPARE_DELETES.saturating_sub(deletes),
            ..Self::default()
        }
    }
}

impl World {
    pub(crate) fn step_trip(&mut self, who: usize, trip: &mut Trip) -> Flow {
        match trip.at {
            At::Look => {
                self.look_at_named(who, trip);
                trip.at = At::Ask;
            }
            At::Ask => {
                trip.at = match self.ask(who, trip) {
                    Ok(()) => At::Move,
                    Err(Unreachable) => {
                        self.devices[who].pass_due = true;
                        return Flow::Ends;
                    }
                };
            }
            At::Move => {
                if let Err(error) = self.carry(who, trip) {
                    trip.failed = Some(error);
                    trip.at = At::Commit;
                }
            }
            At::Commit => {
                self.end_trip(who, trip);
                return Flow::Ends;
            }
        }
        Flow::Goes
    }

    fn look_at_named(&mut self, who: usize, trip: &mut Trip) {
        let device = &self.devices[who];
        let paths: BTreeSet<String> = trip
            .saved
            .iter()
            .chain(trip.hinted.keys())
            .cloned()
            .collect();
        trip.memory = device.memory.narrowed(&paths);
        for path in &paths {
            if let Some(mut stat) = device.stat(&self.oracle, path) {
                if self.mutant == Some(Mutant::SizeAndTime)
                    && let Some(known) = trip.memory.stat(path)
                    && (known.size, known.mtime_ns) == (stat.size, stat.mtime_ns)
                {
                    stat = known;
                }
                trip.seen.saw(path, stat);
            }
        }
        trip.saved = paths;
    }

    fn ask(&mut self, who: usize, trip: &mut Trip) -> Result<(), Unreachable> {
        let mut cloud: BTreeMap<String, Object> = BTreeMap::new();
        for path in &trip.saved {
            let object = match (trip.hinted.get(path), trip.memory.etag(path)) {
                (Some(Hint::Ask), _) => self.head(who, path)?,
                (Some(Hint::Stored { version }), _) => {
                    let version = self.oracle.get(*version);
                    Some(object(path, &version.md5, version.size))
                }
                (None, Some(etag)) => {
                    let size = trip.memory.size(path).unwrap_or_default();
                    Some(object(path, etag, size))
                }
                (None, None) => None,
            };
            if let Some(object) = object {
                cloud.insert(path.clone(), object);
            }
        }
        let mut planned = plan(&trip.memory, &trip.seen, &cloud, &self.rules);
        self.read_changed(who, trip, &mut planned);
        for path in planned.deleted_here() {
            if self.devices[who].vault.contains_key(&path) {
                planned.drop_path(&path);
                trip.left.insert(path);
            }
        }
        let access = if self.lapsed && self.mutant != Some(Mutant::WritesWhileLapsed) {
            Access::ReadOnly
        } else {
            Access::ReadWrite
        };
        let left = std::mem::take(&mut trip.left);
        let (moves, left) = lane_moves(&planned, left, access, trip.spare_deletes);
        trip.left_before = left.len();
        trip.left = left;
        let mut moves: Vec<(String, Way)> = moves.into_iter().collect();
        self.chance.shuffle(&mut moves);
        let (deletes, rest): (Vec<_>, Vec<_>) =
            moves.into_iter().partition(|(_, way)| way.is_delete());
        trip.moves = rest.into();
        trip.deletes = deletes.into();
        Ok(())
    }

    fn read_changed(&mut self, who: usize, trip: &mut Trip, planned: &mut Planned) {
        for path in planned.changed_here() {
            let device = &self.devices[who];
            let (Some(version), Some(stat)) =
                (device.shown(&path), device.stat(&self.oracle, &path))
            else {
                trip.left.insert(path);
                continue;
            };
            let known = trip.memory.md5(&path);
            if version == EMPTY && trip.memory.size(&path).is_some_and(|size| size > 0) {
                trip.left.insert(path);
            } else if known == Some(self.oracle.md5(version)) {
                planned.clear_suspect(&path);
                trip.news.touched.push((path, stat));
            } else {
                trip.notes.insert(path, (version, stat));
            }
        }
    }

    fn carry(&mut self, who: usize, trip: &mut Trip) -> Result<(), Unreachable> {
        if let Some((mut apply, path, version)) = trip.applying.take() {
            match self.step_apply(who, &mut apply) {
                None => trip.applying = Some((apply, path, version)),
                Some(Applied::Done(stat)) => match (version, stat) {
                    (Some(version), Some(stat)) => trip.news.set.push((path, version, stat)),
                    (None, _) => {
                        trip.removed += 1;
                        trip.news.forget.push((path, Some(On::Here)));
                    }
                    (Some(_), None) => {
                        trip.left.insert(path);
                    }
                },
                Some(Applied::UserSaved) => {
                    trip.left.insert(path);
                }
                Some(Applied::DiskFull) => return Err(Unreachable),
            }
            return Ok(());
        }
        if let Some((path, fetched)) = trip.fetched.take() {
            let md5 = self.oracle.md5(fetched.version).to_owned();
            let version = Version {
                etag: md5.clone(),
                md5,
                size: self.oracle.get(fetched.version).size,
            };
            let expect = trip.memory.md5(&path).map(version_of);
            let apply = Apply::install(&path, fetched.version, fetched.mtime_ms, expect);
            trip.applying = Some((apply, path, Some(version)));
            return Ok(());
        }
        if let Some((path, way)) = trip.moves.pop_front() {
            return self.make_move(who, trip, path, way);
        }
        if trip.left.len() > trip.left_before {
            trip.left
                .extend(trip.deletes.drain(..).map(|(path, _)| path));
        }
        match trip.deletes.pop_front() {
            Some((path, way)) => self.make_move(who, trip, path, way),
            None => {
                trip.at = At::Commit;
                Ok(())
            }
        }
    }

    fn make_move(
        &mut self,
        who: usize,
        trip: &mut Trip,
        path: String,
        way: Way,
    ) -> Result<(), Unreachable> {
        let known = trip.memory.etag(&path).map(str::to_owned);
        match (way, trip.notes.get(&path).copied(), known) {
            (Way::Upload, Some((version, stat)), known) => {
                let known = if self.mutant == Some(Mutant::LaneSkipsBaseline) {
                    self.head(who, &path)?.map(|object| object.etag)
                } else {
                    known
                };
                let when = known.map_or(Precondition::Absent, Precondition::Match);
                let stored = Stored {
                    version,
                    mtime_ms: stat.mtime_ns / 1_000_000,
                };
                // The file that was read is made durable while its bytes are on their way.
                let ino = u32::try_from(stat.ino).unwrap_or_default();
                if self.mutant != Some(Mutant::NoFsync)
                    && self.devices[who].file(ino).version == version
                {
                    self.devices[who].sync_file(ino);
                }
                match self.send_put(who, &path, &stored, &when) {
                    Heard::Done => {
                        let known = self.oracle.get(version);
                        let version = Version {
                            md5: known.md5.clone(),
                            etag: known.md5.clone(),
                            size: known.size,
                        };
                        trip.news.set.push((path, version, stat));
                    }
                    Heard::Refused => {
                        trip.left.insert(path);
                    }
                    Heard::Nothing => return Err(Unreachable),
                }
            }
            (Way::RemoveInCloud, None, Some(etag)) => match self.send_delete(who, &path, &etag) {
                Heard::Done => {
                    trip.removed += 1;
                    trip.news.forget.push((path, Some(On::Cloud)));
                }
                Heard::Refused => {
                    trip.left.insert(path);
                }
                Heard::Nothing => return Err(Unreachable),
            },
            (Way::Download, None, _) => match self.get(who, &path, None)? {
                Some(stored) => trip.fetched = Some((path, stored)),
                None => {
                    trip.left.insert(path);
                }
            },
            (Way::RemoveHere, None, Some(_)) => {
                let expect = trip.memory.md5(&path).map(version_of).unwrap_or_default();
                trip.applying = Some((Apply::remove(&path, expect), path, None));
            }
            (Way::Upload | Way::RemoveInCloud | Way::Download | Way::RemoveHere, _, _) => {
                trip.left.insert(path);
            }
        }
        Ok(())
    }

    fn end_trip(&mut self, who: usize, trip: &mut Trip) {
        let news = std::mem::take(&mut trip.news);
        self.publish(who, news);
        let device = &mut self.devices[who];
        device.lane_deletes += trip.removed;
        if trip.failed.is_some() || !trip.left.is_empty() {
            device.pass_due = true;
        }
        if self.mutant == Some(Mutant::DroppedGeneration) {
            device.pace.clear();
            device.saved.clear();
        }
    }
}

fn object(path: &str, etag: &str, size: u64) -> Object {
    Object {
        key: path.to_owned(),
        size,
        etag: etag.to_owned(),
        last_modified_ms: 0,
        mtime_ms: None,
    }
}
