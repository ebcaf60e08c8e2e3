//! What a device asks of the bucket, with everything that can happen to a question on its way.

use std::collections::BTreeMap;

use guard::model_surface::{Heard as GuardHeard, Settlement, settle};
use guard::{Object, Precondition};

use crate::cloud::Stored;
use crate::device::Hint;
use crate::mutant::Mutant;
use crate::world::{Invariant, World};

/// What a device hears of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Done,
    Refused,
    Nothing,
}

/// No answer, or none that says anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unreachable;

impl World {
    fn reaches(&mut self, who: usize) -> Result<(), Unreachable> {
        let faults = &mut self.devices[who].faults;
        if faults.offline || std::mem::take(&mut faults.fail_request) {
            return Err(Unreachable);
        }
        Ok(())
    }

    fn may_write(&mut self, who: usize, what: &str) -> Result<(), Unreachable> {
        self.reaches(who)?;
        if self.lapsed {
            if self.mutant == Some(Mutant::WritesWhileLapsed) {
                self.breaks(Invariant::I15, || {
                    format!("{what} was written without a subscription")
                });
            }
            return Err(Unreachable);
        }
        Ok(())
    }

    pub(crate) fn send_put(
        &mut self,
        who: usize,
        key: &str,
        stored: &Stored,
        when: &Precondition,
    ) -> Heard {
        if self.may_write(who, key).is_err() {
            return Heard::Nothing;
        }
        let blind = matches!(
            self.mutant,
            Some(Mutant::BlindPut | Mutant::BlindPutUnversioned)
        ) || (self.mutant == Some(Mutant::ForgottenTag)
            && *when != Precondition::Absent);
        let when = (!blind).then_some(when);
        let double = std::mem::take(&mut self.devices[who].faults.double_request);
        let mut done = self.cloud.put(&self.oracle, key, stored.clone(), when);
        if done.is_ok() {
            self.devices[who].sent.insert(key.to_owned());
            self.tell(who, key, Some(stored.version));
        }
        if double {
            done = self.cloud.put(&self.oracle, key, stored.clone(), when);
        }
        self.heard(who, done.is_ok())
    }

    pub(crate) fn send_delete(&mut self, who: usize, key: &str, etag: &str) -> Heard {
        if self.may_write(who, key).is_err() {
            return Heard::Nothing;
        }
        let etag = (self.mutant != Some(Mutant::BlindDelete)).then_some(etag);
        let done = self.cloud.delete(&self.oracle, key, etag);
        if done.is_ok() {
            self.devices[who].sent.insert(key.to_owned());
            self.tell(who, key, None);
        }
        self.heard(who, done.is_ok())
    }

    fn heard(&mut self, who: usize, done: bool) -> Heard {
        if std::mem::take(&mut self.devices[who].faults.lose_answer) {
            return Heard::Nothing;
        }
        if done { Heard::Done } else { Heard::Refused }
    }

    /// As a session of the guard puts: where the answer is no plain success, it looks.
    pub(crate) fn guarded_put(
        &mut self,
        who: usize,
        key: &str,
        stored: &Stored,
        when: &Precondition,
    ) -> Heard {
        let heard = self.send_put(who, key, stored, when);
        let said = match heard {
            Heard::Done => return Heard::Done,
            Heard::Refused => GuardHeard::Refused,
            Heard::Nothing => GuardHeard::Nothing,
        };
        let Ok(found) = self.head(who, key) else {
            return heard;
        };
        if self.mutant == Some(Mutant::TrustedAnswer) && found.is_some() {
            return Heard::Done;
        }
        let version = self.oracle.get(stored.version);
        let sent = (version.size, Some(version.md5.as_str()));
        match settle(when, sent, said, found.as_ref()) {
            Settlement::Done { .. } => Heard::Done,
            Settlement::LostRace => Heard::Refused,
            Settlement::NotDone => Heard::Nothing,
        }
    }

    pub(crate) fn head(&mut self, who: usize, key: &str) -> Result<Option<Object>, Unreachable> {
        self.reaches(who)?;
        let found = self.cloud.object(&self.oracle, key);
        Ok(found.map(|object| self.remembered(who, object)))
    }

    pub(crate) fn list(&mut self, who: usize) -> Result<BTreeMap<String, Object>, Unreachable> {
        self.reaches(who)?;
        if std::mem::take(&mut self.devices[who].faults.empty_list) {
            return Ok(BTreeMap::new());
        }
        let mut listed = self.cloud.list(&self.oracle);
        if std::mem::take(&mut self.devices[who].faults.short_list) {
            let notes: Vec<String> = self.cloud.objects.keys().cloned().collect();
            if !notes.is_empty() {
                listed.remove(self.chance.pick(&notes));
            }
        }
        let listed = listed.into_iter();
        Ok(listed
            .map(|(key, object)| (key, self.remembered(who, object)))
            .collect())
    }

    /// The object as it is; a planted error remembers it by its size.
    fn remembered(&mut self, who: usize, object: Object) -> Object {
        if self.mutant != Some(Mutant::StaleHeads) {
            return object;
        }
        let known = &mut self.devices[who].stale;
        match known.get(&object.key) {
            Some(known) if known.size == object.size => known.clone(),
            Some(_) | None => {
                known.insert(object.key.clone(), object.clone());
                object
            }
        }
    }

    /// The version under a key, if it is the one with this entity tag.
    pub(crate) fn get(
        &mut self,
        who: usize,
        key: &str,
        etag: Option<&str>,
    ) -> Result<Option<Stored>, Unreachable> {
        self.reaches(who)?;
        let found = self.cloud.objects.get(key);
        let fits =
            |stored: &&Stored| etag.is_none_or(|etag| self.oracle.md5(stored.version) == etag);
        Ok(found.filter(fits).cloned())
    }

    /// Something changed in the bucket: the other devices get a hint.
    pub(crate) fn tell(&mut self, from: usize, key: &str, version: Option<u32>) {
        for (who, device) in self.devices.iter_mut().enumerate() {
            if who != from {
                let hint = match version {
                    Some(version) => Hint::Stored { version },
                    None => Hint::Ask,
                };
                device.mail.push((key.to_owned(), hint));
            }
        }
    }
}
