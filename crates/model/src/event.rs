//! What can happen, and doing it. What cannot be done at the moment does nothing, so that every
//! list of events is a scenario.

use crate::chance::Chance;
use crate::cloud::Stored;
use crate::cycle::Confirmed;
use crate::device::{Device, Faults, Hint, Loose, Op};
use crate::oracle::{EMPTY, bit, one};
use crate::world::{PATHS, World};

/// One event; `chance` settles what it leaves open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    pub who: u8,
    pub what: What,
    pub chance: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    SaveInPlace,
    SaveAtomically,
    SaveSameStat,
    SaveEmpty,
    SaveWhatAnotherShows,
    Delete,
    Rename,
    WriteBack,
    HalfStep,
    ThreeHalfSteps,
    Pass,
    Wait,
    Hint,
    LostHint,
    Kill,
    PowerCut,
    Offline,
    Online,
    LostAnswer,
    FailedRequest,
    DoubledRequest,
    WrongList,
    DiskFull,
    DiskFree,
    Skew,
    Lapse,
    Renew,
    LoseState,
    Backup,
    RestoreBackup,
    StrangerSaves,
    StrangerDeletes,
    DeleteAll,
    Confirm,
    Quiet,
}

/// How often each happens, of a thousand.
const WEIGHTS: [(What, usize); 35] = [
    (What::SaveInPlace, 90),
    (What::SaveAtomically, 80),
    (What::SaveSameStat, 15),
    (What::SaveEmpty, 4),
    (What::SaveWhatAnotherShows, 8),
    (What::Delete, 45),
    (What::Rename, 30),
    (What::WriteBack, 15),
    (What::HalfStep, 270),
    (What::ThreeHalfSteps, 120),
    (What::Pass, 75),
    (What::Wait, 50),
    (What::Hint, 60),
    (What::LostHint, 6),
    (What::Kill, 25),
    (What::PowerCut, 12),
    (What::Offline, 8),
    (What::Online, 14),
    (What::LostAnswer, 16),
    (What::FailedRequest, 10),
    (What::DoubledRequest, 6),
    (What::WrongList, 3),
    (What::DiskFull, 4),
    (What::DiskFree, 8),
    (What::Skew, 3),
    (What::Lapse, 4),
    (What::Renew, 8),
    (What::LoseState, 3),
    (What::Backup, 3),
    (What::RestoreBackup, 3),
    (What::StrangerSaves, 6),
    (What::StrangerDeletes, 3),
    (What::DeleteAll, 2),
    (What::Confirm, 6),
    (What::Quiet, 3),
];

impl Event {
    pub(crate) fn random(chance: &mut Chance, devices: usize) -> Self {
        let total = WEIGHTS.iter().map(|(_, weight)| weight).sum();
        let mut left = chance.below(total);
        let mut what = What::HalfStep;
        for (candidate, weight) in WEIGHTS {
            if left < weight {
                what = candidate;
                break;
            }
            left -= weight;
        }
        Self {
            who: u8::try_from(chance.below(devices)).unwrap_or(0),
            what,
            chance: u32::try_from(chance.next() >> 32).unwrap_or(0),
        }
    }
}

impl World {
    pub(crate) fn happen(&mut self, event: Event) {
        let who = usize::from(event.who) % self.devices.len();
        self.chance = Chance::new(u64::from(event.chance));
        self.now_ms += 1;
        match event.what {
            What::SaveInPlace => self.save(who, Style::InPlace),
            What::SaveAtomically => self.save(who, Style::Atomic),
            What::SaveSameStat => self.save(who, Style::SameStat),
            What::SaveEmpty => self.save(who, Style::Empty),
            What::SaveWhatAnotherShows => self.save(who, Style::AsAnother),
            What::Delete => {
                let path = *self.chance.pick(&PATHS);
                self.delete(who, path);
            }
            What::Rename => self.rename(who),
            What::WriteBack => self.devices[who].sync_all(),
            What::HalfStep => {
                self.step(who);
            }
            What::ThreeHalfSteps => {
                for _ in 0..3 {
                    self.step(who);
                }
            }
            What::Pass => self.start_pass(who, Confirmed::No),
            What::Wait => self.now_ms += 2_000,
            What::Hint => self.deliver(who, Delivery::Random),
            What::LostHint => self.lose_hint(who),
            What::Kill => self.kill(who),
            What::PowerCut => self.cut_power(who),
            What::Offline => self.devices[who].faults.offline = true,
            What::Online => self.devices[who].faults.offline = false,
            What::LostAnswer => self.devices[who].faults.lose_answer = true,
            What::FailedRequest => self.devices[who].faults.fail_request = true,
            What::DoubledRequest => self.devices[who].faults.double_request = true,
            What::WrongList => {
                let short = self.chance.once_in(2);
                let faults = &mut self.devices[who].faults;
                (faults.empty_list, faults.short_list) = (!short, short);
            }
            What::DiskFull => self.devices[who].faults.disk_full = true,
            What::DiskFree => self.devices[who].faults.disk_full = false,
            What::Skew => {
                let minutes = i64::try_from(self.chance.below(240)).unwrap_or(0) - 120;
                self.devices[who].skew_ms = minutes * 60_000;
            }
            What::Lapse => self.lapsed = true,
            What::Renew => self.renew(),
            What::LoseState => {
                self.kill(who);
                let device = &mut self.devices[who];
                device.memory = Default::default();
                device.copies.clear();
                device.removed.clear();
                device.halted = false;
                device.compared = false;
                self.forgetful = true;
            }
            What::Backup => self.devices[who].backup = self.devices[who].memory.clone(),
            What::RestoreBackup => {
                self.kill(who);
                let device = &mut self.devices[who];
                device.memory = device.backup.clone();
                self.forgetful = true;
            }
            What::StrangerSaves => self.stranger_saves(),
            What::StrangerDeletes => self.stranger_deletes(),
            What::DeleteAll => {
                for path in PATHS {
                    self.delete(who, path);
                }
            }
            What::Confirm => {
                if self.devices[who].halted {
                    self.start_pass(who, Confirmed::Yes);
                }
            }
            What::Quiet => self.calm(),
        }
    }

    fn save(&mut self, who: usize, style: Style) {
        if !self.oracle.has_room() {
            return;
        }
        let mut path = *self.chance.pick(&PATHS);
        // People do save what is being replaced at this moment; chance alone rarely would.
        let applying = self.devices[who].op.as_ref().and_then(Op::applying);
        if let Some(aim) = PATHS.iter().find(|path| applying == Some(**path))
            && self.now_ms.is_multiple_of(2)
        {
            path = aim;
        }
        let now_ns = self.now_ns();
        let replaced = self.devices[who].shown(path);
        let another = self.chance.below(self.devices.len());
        let same = match style {
            Style::AsAnother => self.devices[another].shown(path),
            Style::Empty => replaced.map(|_| EMPTY),
            Style::InPlace | Style::Atomic | Style::SameStat => None,
        };
        let version = match (style, same) {
            (Style::AsAnother | Style::Empty, None) => return,
            (_, Some(version)) => version,
            (Style::SameStat, None) => match replaced {
                Some(replaced) if replaced != EMPTY => {
                    let size = self.oracle.get(replaced).size;
                    self.oracle.invent(size)
                }
                Some(_) | None => return,
            },
            (Style::InPlace | Style::Atomic, None) => {
                let size = 1 + self.chance.below(3) as u64;
                self.oracle.invent(size)
            }
        };
        self.oracle.saved(who, path, version, replaced);
        // Back to what the baseline knows, while an upload is in the bucket unrecorded.
        let unrecorded = self.unrecorded.contains(path) || self.devices[who].sent.contains(path);
        if same.is_some() && unrecorded {
            self.oracle.disputed(version);
        }
        self.wrote(who, path);
        let device = &mut self.devices[who];
        let mtime_ns = now_ns + device.skew_ms * 1_000_000;
        match (style, device.vault.get(path).copied()) {
            (Style::InPlace | Style::SameStat | Style::Empty, Some(ino)) => {
                let file = device.file_mut(ino);
                file.version = version;
                file.ctime_ns = now_ns;
                file.durable = false;
                if style != Style::SameStat {
                    file.mtime_ns = mtime_ns;
                }
            }
            (_, _) => {
                let ino = device.make(version, mtime_ns, now_ns);
                device.vault.insert(path.to_owned(), ino);
            }
        }
        self.watch(who, path);
    }

    fn delete(&mut self, who: usize, path: &str) {
        if let Some(version) = self.devices[who].shown(path) {
            self.oracle.superseded(who, version);
            self.devices[who].vault.remove(path);
            self.wrote(who, path);
            self.watch(who, path);
        }
    }

    fn rename(&mut self, who: usize) {
        let (from, to) = (*self.chance.pick(&PATHS), *self.chance.pick(&PATHS));
        if from == to {
            return;
        }
        let now_ns = self.now_ns();
        let replaced = self.devices[who].shown(to);
        let device = &mut self.devices[who];
        let Some(ino) = device.vault.remove(from) else {
            return;
        };
        device.file_mut(ino).ctime_ns = now_ns;
        device.vault.insert(to.to_owned(), ino);
        let version = device.file(ino).version;
        // Of a rename, a disk has all or nothing.
        if device.file(ino).durable {
            device.disk.remove(from);
            device.disk.insert(to.to_owned(), version);
        }
        self.oracle.saved(who, to, version, replaced);
        // Back to what the baseline knows, while an upload is in the bucket unrecorded: sync takes
        // the note for untouched, and what came up meanwhile for another device's.
        let known = self.devices[who].memory.md5(to) == Some(self.oracle.md5(version));
        if known && (self.unrecorded.contains(to) || self.devices[who].sent.contains(to)) {
            self.oracle.disputed(version);
        }
        for path in [from, to] {
            self.wrote(who, path);
            self.watch(who, path);
        }
    }

    fn wrote(&mut self, who: usize, path: &str) {
        *self.writers.entry(path.to_owned()).or_default() |= bit(who);
    }

    fn stranger_saves(&mut self) {
        if !self.oracle.has_room() {
            return;
        }
        let stranger = self.devices.len();
        let path = *self.chance.pick(&PATHS);
        let version = self.oracle.invent(2);
        let replaced = self.cloud.objects.get(path).map(|stored| stored.version);
        self.oracle.saved(stranger, path, version, replaced);
        self.wrote(stranger, path);
        let mtime_ms = self.now_ns() / 1_000_000;
        let stored = Stored { version, mtime_ms };
        // A stranger sets no condition, and is never refused.
        self.cloud.put(&self.oracle, path, stored, None).ok();
        self.tell(stranger, path, Some(version));
    }

    fn stranger_deletes(&mut self) {
        let stranger = self.devices.len();
        let path = *self.chance.pick(&PATHS);
        if let Some(stored) = self.cloud.objects.remove(path) {
            self.oracle.superseded(stranger, stored.version);
            self.wrote(stranger, path);
            self.tell(stranger, path, None);
        }
    }

    /// A hint arrives, once or twice, in any order.
    pub(crate) fn deliver(&mut self, who: usize, how: Delivery) {
        let count = self.devices[who].mail.len();
        if count == 0 {
            return;
        }
        let (at, keeps) = match how {
            Delivery::Random => (self.chance.below(count), self.chance.once_in(5)),
            Delivery::InOrder => (0, false),
        };
        let device = &mut self.devices[who];
        let (path, hint) = if keeps {
            device.mail[at].clone()
        } else {
            device.mail.remove(at)
        };
        let hint = match (how, hint) {
            (Delivery::Random, Hint::Stored { .. }) if self.chance.once_in(4) => Hint::Ask,
            (Delivery::Random | Delivery::InOrder, hint) => hint,
        };
        self.devices[who].hinted.insert(path, hint);
    }

    fn lose_hint(&mut self, who: usize) {
        let count = self.devices[who].mail.len();
        if count > 0 {
            let at = self.chance.below(count);
            self.devices[who].mail.remove(at);
        }
    }

    /// What was not written back is new, old or empty afterwards, each by itself.
    fn cut_power(&mut self, who: usize) {
        for staged in self.devices[who].stage.clone() {
            if let Some(loose) = staged.loose
                && self.chance.once_in(2)
            {
                self.undo_swap(who, &staged.path, staged.id, loose);
            }
        }
        let now_ns = self.now_ns();
        let device = &mut self.devices[who];
        let paths: Vec<String> = device
            .vault
            .keys()
            .chain(device.disk.keys())
            .cloned()
            .collect();
        for path in paths {
            let device = &mut self.devices[who];
            let (shown, durable) = (device.shown(&path), device.disk.get(&path).copied());
            if shown == durable || shown == Some(EMPTY) {
                continue;
            }
            let ino = device.vault.get(&path);
            let undurable = ino.is_some_and(|ino| !device.file(*ino).durable);
            let left = match self.chance.below(4) {
                0 => shown,
                1 if undurable => Some(EMPTY),
                _ => durable,
            };
            if left == shown {
                continue;
            }
            // Perhaps it was an older text, saved again: that never happened.
            if let Some(shown) = shown.filter(|shown| self.oracle.get(*shown).superseded == 0) {
                self.oracle.disputed(shown);
            }
            match left {
                Some(version) => {
                    let ino = device.make(version, now_ns, now_ns);
                    device.vault.insert(path.clone(), ino);
                }
                None => {
                    device.vault.remove(&path);
                }
            }
            // Nothing is left of the save: the one before it counts again.
            if let Some(durable) = durable.filter(|durable| left == Some(*durable)) {
                let stored = self.cloud.objects.get(&path).map(|stored| stored.version);
                let known = device_knows(&self.devices[who], &path);
                if stored == Some(durable) || (stored.is_none() && !known && shown.is_some()) {
                    self.oracle.revived(who, durable);
                }
            }
        }
        self.devices[who].sync_all();
        self.kill(who);
        self.forgive(who);
    }

    fn undo_swap(&mut self, who: usize, path: &str, id: u64, loose: Loose) {
        let device = &mut self.devices[who];
        let Some(at) = device.stage.iter().position(|staged| staged.id == id) else {
            return;
        };
        let there = device.vault.get(path).copied();
        let out = device.stage[at].ino;
        match loose {
            Loose::Replaced { by } if there == Some(by) => {
                device.vault.insert(path.to_owned(), out);
                device.stage[at].ino = by;
                device.stage[at].loose = None;
            }
            Loose::Removed if there.is_none() => {
                device.vault.insert(path.to_owned(), out);
                device.stage.remove(at);
            }
            Loose::Replaced { .. } | Loose::Removed => {}
        }
    }

    /// What a power cut took before it was durable anywhere was never promised.
    fn forgive(&mut self, who: usize) {
        let (held, cloud) = (self.devices[who].held(), self.cloud.held());
        let mine = self
            .oracle
            .all()
            .filter(|(number, version)| version.savers & bit(who) != 0 && held & one(*number) == 0);
        let gone: Vec<u32> = mine.map(|(number, _)| number).collect();
        for number in gone {
            if cloud & one(number) != 0 && self.oracle.get(number).savers == bit(who) {
                self.oracle.was_cut(who, number);
            } else {
                self.oracle.was_unsettled(who, number);
            }
        }
    }

    /// What waited goes up at once.
    fn renew(&mut self) {
        let renewed = std::mem::take(&mut self.lapsed);
        for device in &mut self.devices {
            device.pass_due |= renewed;
        }
    }

    fn kill(&mut self, who: usize) {
        self.forget_sent(who);
        self.devices[who].kill();
    }

    pub(crate) fn cure(&mut self) {
        self.renew();
        for device in &mut self.devices {
            device.faults = Faults::default();
        }
    }
}

fn device_knows(device: &Device, path: &str) -> bool {
    device.memory.md5(path).is_some()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    InPlace,
    Atomic,
    SameStat,
    Empty,
    AsAnother,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    Random,
    InOrder,
}
