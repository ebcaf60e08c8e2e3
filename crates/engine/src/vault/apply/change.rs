use std::fs::FileTimes;
use std::io::{self, Read};
use std::time::{Duration, SystemTime};

use super::out::Proof;
use super::work::{State, Stop, Work, on_path, on_way};
use super::{Applied, ApplyError, ApplyStep, Expect, NewBytes, doing};
use crate::vault::beneath::{Audience, Folder, Moved, PathError};
use crate::vault::history::{Slot, day, remove_empty_parents};
use crate::vault::intent::{Intent, Names};
use crate::vault::lease::Claim;
use crate::vault::problem::ProblemCode;
use crate::vault::signature::{Signature, digest_into, md5_of_file};
use crate::vault::swap::Swapped;
use crate::vault::system::{Looks, open_own};

/// The version to install.
pub(super) struct Source<'s> {
    pub from: &'s NewBytes,
    pub md5: &'s str,
    pub mtime_ms: Option<i64>,
}

/// When a staged copy becomes durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lasting {
    Now,
    /// Before it is moved to the vault, with others.
    Later,
}

/// What became of a new note.
pub(super) enum Placed {
    /// Its folder is not durable yet.
    InPlace {
        folder: Folder,
        signature: Signature,
    },
    Answered(Applied),
}

impl Work<'_> {
    pub(super) fn install(
        &self,
        path: &str,
        source: &Source<'_>,
        expect: &Expect,
    ) -> Result<Applied, Stop> {
        let names = Names::new();
        let result = match expect {
            Expect::Absent => self.install_new(path, source, &names),
            Expect::Content { md5 } => self.install_over(path, source, md5, &names),
        };
        // A part was never in the vault, whatever happened.
        drop(self.stage.discard_own(&names.part));
        result
    }

    fn install_new(&self, path: &str, source: &Source<'_>, names: &Names) -> Result<Applied, Stop> {
        if let Some(answer) = self.answered(path, source.md5)? {
            return Ok(answer);
        }
        let looks = &self.side.new_looks;
        let signature = self.stage(path, source, names, looks, Lasting::Now)?;
        self.reach(ApplyStep::Staged);
        let (folder, signature) = match self.place_new(path, source.md5, names, signature)? {
            Placed::InPlace { folder, signature } => (folder, signature),
            Placed::Answered(answer) => return Ok(answer),
        };
        folder
            .sync()
            .map_err(doing("make the note's folder durable"))?;
        self.reach(ApplyStep::Synced);
        self.reach(ApplyStep::Settled);
        Ok(Applied::Done {
            signature: Some(signature),
            kept: None,
        })
    }

    /// The answer for a new note where its path has something.
    pub(super) fn answered(&self, path: &str, ours: &str) -> Result<Option<Applied>, Stop> {
        match self.root.parent_of(path) {
            Ok((folder, name)) => self.already(&folder, name, ours),
            Err(PathError::Missing) => Ok(None),
            Err(error) => Err(on_way(error)),
        }
    }

    /// Moves a staged new note to its path, if nothing is there.
    pub(super) fn place_new(
        &self,
        path: &str,
        ours: &str,
        names: &Names,
        signature: Signature,
    ) -> Result<Placed, Stop> {
        let (folder, name) = match self.root.make_parent_of(path) {
            Ok(found) => found,
            // The user removes the folders as they are made.
            Err(PathError::Missing) => return Ok(Placed::Answered(Applied::UserSaved)),
            Err(error) => return Err(on_way(error)),
        };
        let moved = self.stage.move_to(&names.part, &folder, name);
        let answer = match moved.map_err(on_path("put the note in place"))? {
            Moved::Done => {
                self.reach(ApplyStep::Swapped);
                let signature = signature.untrusted();
                return Ok(Placed::InPlace { folder, signature });
            }
            Moved::Taken => self.already(&folder, name, ours)?,
            // The user removed the folder in this moment.
            Moved::Gone => None,
        };
        Ok(Placed::Answered(answer.unwrap_or(Applied::UserSaved)))
    }

    fn install_over(
        &self,
        path: &str,
        source: &Source<'_>,
        expected: &str,
        names: &Names,
    ) -> Result<Applied, Stop> {
        let (folder, name) = match self.root.parent_of(path) {
            Ok(found) => found,
            Err(PathError::Missing) => return Ok(Applied::UserSaved),
            Err(error) => return Err(on_way(error)),
        };
        let looks = match self.examine(&folder, name)? {
            State::Content { md5, signature, .. } if md5 == source.md5 => {
                return Ok(Applied::Done {
                    signature: Some(signature),
                    kept: None,
                });
            }
            State::Content { md5, looks, .. } if md5 == expected => looks,
            State::Content { .. } | State::Moving | State::Absent => {
                return Ok(Applied::UserSaved);
            }
        };
        self.refuse_open_file(&folder, name)?;
        let signature = self.stage(path, source, names, &looks, Lasting::Now)?;
        self.reach(ApplyStep::Staged);
        let intent = Intent {
            id: names.id.clone(),
            path: path.to_owned(),
            ours: Some(source.md5.to_owned()),
            expect: expected.to_owned(),
            day: day(self.now),
        };
        let slot = self.intend(names, &intent)?;
        self.prepare(names)?;
        let swapped = self
            .side
            .swap
            .run(&self.stage, &names.file, &names.aside, &folder, name);
        match swapped {
            Ok(Swapped::Done) => {}
            Ok(Swapped::Gone) => {
                self.withdraw(names, &slot, Some(source.md5))?;
                return Ok(Applied::UserSaved);
            }
            Ok(Swapped::Taken) => {
                return self.settle_taken(names, &slot, &intent, &folder);
            }
            Err(error) => {
                self.withdraw(names, &slot, Some(source.md5))?;
                return Err(on_path("put the note in place")(error));
            }
        }
        self.reach(ApplyStep::Swapped);
        let signature = Some(signature.untrusted());
        match self.keep_if(&names.file, &slot, &intent.expect)? {
            Proof::Kept(kept) => {
                self.finish(&folder, names)?;
                Ok(Applied::Done {
                    signature,
                    kept: Some(kept),
                })
            }
            Proof::Differs => self.return_to_user(&folder, name, names, &slot, &intent),
            Proof::Busy => match self.return_to_user(&folder, name, names, &slot, &intent)? {
                Applied::UserSaved => Err(Stop::Blocked(ProblemCode::InUse)),
                settled @ (Applied::Done { .. }
                | Applied::KeptBoth { .. }
                | Applied::Blocked(_)) => Ok(settled),
            },
        }
    }

    pub(super) fn remove(&self, path: &str, expect: &Expect) -> Result<Applied, Stop> {
        const GONE: Applied = Applied::Done {
            signature: None,
            kept: None,
        };
        let (folder, name) = match self.root.parent_of(path) {
            Ok(found) => found,
            Err(PathError::Missing) => return Ok(GONE),
            Err(error) => return Err(on_way(error)),
        };
        let expected = match (self.examine(&folder, name)?, expect) {
            (State::Absent, _) => return Ok(GONE),
            (State::Content { md5, .. }, Expect::Content { md5: expected }) if md5 == *expected => {
                expected
            }
            (State::Content { .. } | State::Moving, _) => return Ok(Applied::UserSaved),
        };
        self.refuse_open_file(&folder, name)?;
        let names = Names::new();
        let intent = Intent {
            id: names.id.clone(),
            path: path.to_owned(),
            ours: None,
            expect: expected.clone(),
            day: day(self.now),
        };
        let slot = self.intend(&names, &intent)?;
        match folder.move_to(name, &self.stage, &names.file) {
            Ok(Moved::Done) => {}
            Ok(Moved::Gone | Moved::Taken) => {
                self.withdraw(&names, &slot, None)?;
                return Ok(GONE);
            }
            Err(error) => {
                self.withdraw(&names, &slot, None)?;
                return Err(on_path("take the note out")(error));
            }
        }
        self.reach(ApplyStep::Swapped);
        match self.keep_if(&names.file, &slot, &intent.expect)? {
            Proof::Kept(kept) => {
                self.finish(&folder, &names)?;
                drop(folder);
                remove_empty_parents(&self.root, path);
                Ok(Applied::Done {
                    signature: None,
                    kept: Some(kept),
                })
            }
            Proof::Differs => self.return_to_user(&folder, name, &names, &slot, &intent),
            Proof::Busy => match self.return_to_user(&folder, name, &names, &slot, &intent)? {
                Applied::UserSaved => Err(Stop::Blocked(ProblemCode::InUse)),
                settled @ (Applied::Done { .. }
                | Applied::KeptBoth { .. }
                | Applied::Blocked(_)) => Ok(settled),
            },
        }
    }

    /// The answer where the path has something already: done if it is our version.
    fn already(&self, folder: &Folder, name: &str, ours: &str) -> Result<Option<Applied>, Stop> {
        Ok(match self.examine(folder, name)? {
            State::Absent => None,
            State::Content { md5, signature, .. } if md5 == ours => Some(Applied::Done {
                signature: Some(signature),
                kept: None,
            }),
            State::Content { .. } | State::Moving => Some(Applied::UserSaved),
        })
    }

    /// Waits for writers before anything moves, so that the vault does not flicker under them.
    #[expect(clippy::unused_self, reason = "reads like the other steps")]
    fn refuse_open_file(&self, folder: &Folder, name: &str) -> Result<(), Stop> {
        let file = match folder.open_file(name) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(on_path("read the note")(error)),
        };
        match Claim::take(&file) {
            Claim::Held(_) | Claim::Unsupported => Ok(()),
            Claim::Busy => Err(Stop::Blocked(ProblemCode::InUse)),
        }
    }

    /// Makes the copy that will be in the vault: bytes, looks and time.
    pub(super) fn stage(
        &self,
        path: &str,
        source: &Source<'_>,
        names: &Names,
        looks: &Looks,
        lasting: Lasting,
    ) -> Result<Signature, Stop> {
        let failed = doing("stage the new version");
        let mut file;
        let mut bytes;
        let from: &mut dyn Read = match source.from {
            NewBytes::File(path) => {
                file = open_own(path).map_err(&failed)?;
                &mut file
            }
            NewBytes::Here(content) => {
                bytes = content.as_ref();
                &mut bytes
            }
        };
        let mut copy = self
            .stage
            .create_file(&names.part, Audience::Owner)
            .map_err(&failed)?;
        let (md5, _) = digest_into(from, &mut copy).map_err(&failed)?;
        if md5 != source.md5 {
            return Err(ApplyError::WrongSource {
                path: path.to_owned(),
            }
            .into());
        }
        looks.give_to(&copy).map_err(&failed)?;
        // Whole milliseconds: what the kernel stamps on a later write is never the same.
        let mtime_ms = source.mtime_ms.unwrap_or_else(|| {
            i64::try_from(self.now.unix_timestamp_nanos() / 1_000_000).unwrap_or(0)
        });
        let time = since_1970(mtime_ms);
        let times = FileTimes::new().set_accessed(time).set_modified(time);
        copy.set_times(times).map_err(&failed)?;
        if lasting == Lasting::Now {
            copy.sync_all().map_err(&failed)?;
        }
        Ok(Signature::of_file(&copy).map_err(&failed)?)
    }

    /// Makes room in history and writes the intent, so that what follows needs no space.
    fn intend<'p>(&self, names: &Names, intent: &'p Intent) -> Result<Slot<'p>, Stop> {
        let slot = Slot::make(self.side, &intent.day, &names.id, &intent.path)
            .map_err(|error| doing("make room in history")(error.into()))?;
        if let Err(error) = names.write(&self.stage, intent) {
            drop(names.withdraw(&self.stage));
            slot.abandon();
            return Err(doing("write down the change")(error).into());
        }
        self.reach(ApplyStep::Intended);
        Ok(slot)
    }

    fn prepare(&self, names: &Names) -> Result<(), Stop> {
        let failed = doing("stage the new version");
        match self
            .stage
            .move_to(&names.part, &self.stage, &names.file)
            .map_err(&failed)?
        {
            Moved::Done => Ok(()),
            Moved::Taken | Moved::Gone => Err(failed(io::ErrorKind::NotFound.into()).into()),
        }
    }

    /// Undoes the preparations of a swap that did not happen: the staged copy, which is `ours`, was
    /// never in the vault. Where anything else is in the stage, a disk moved it and said that it did
    /// not, as one behind a network does that lost its answer; only recovery may tidy that up.
    fn withdraw(&self, names: &Names, slot: &Slot<'_>, ours: Option<&str>) -> Result<(), Stop> {
        let failed = doing("tidy the stage");
        let is_there = |name| self.stage.find(name).map(|found| found.is_some());
        if is_there(&names.aside).map_err(&failed)? {
            return Ok(());
        }
        if is_there(&names.file).map_err(&failed)? {
            let staged = self.stage.open_file(&names.file).ok();
            let staged = staged.and_then(|file| md5_of_file(&file).ok());
            if staged.is_none_or(|(md5, _)| Some(md5.as_str()) != ours) {
                return Ok(());
            }
        }
        self.stage.discard_own(&names.file).map_err(&failed)?;
        slot.abandon();
        names.withdraw(&self.stage).map_err(&failed)?;
        Ok(())
    }

    fn finish(&self, folder: &Folder, names: &Names) -> Result<(), Stop> {
        folder
            .sync()
            .map_err(doing("make the note's folder durable"))?;
        self.reach(ApplyStep::Synced);
        names.settle(&self.stage).map_err(doing("tidy the stage"))?;
        self.reach(ApplyStep::Settled);
        Ok(())
    }
}

/// The epoch itself for what no clock of this system can say.
fn since_1970(ms: i64) -> SystemTime {
    let distance = Duration::from_millis(ms.unsigned_abs());
    let epoch = SystemTime::UNIX_EPOCH;
    let time = if ms < 0 {
        epoch.checked_sub(distance)
    } else {
        epoch.checked_add(distance)
    };
    time.unwrap_or(epoch)
}
