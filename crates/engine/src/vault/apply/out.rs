use std::fs::File;
use std::io;

use super::work::{Stop, Work, on_path, on_way};
use super::{Applied, ApplyError, ApplyStep, doing};
use crate::naming;
use crate::vault::beneath::{Folder, Moved};
use crate::vault::history::{Kept, Slot};
use crate::vault::intent::{Intent, Names};
use crate::vault::lease::Claim;
use crate::vault::signature::{Signature, md5_of_file};
use crate::vault::swap::Swapped;
use crate::vault::system::make_version_durable;

/// What the file that came out of the vault turned out to be.
pub(in crate::vault) enum Proof {
    /// The expected version; it is in history.
    Kept(Kept),
    /// Something else, which is in the stage still.
    Differs,
    /// A program has it open for writing; it is in the stage still.
    Busy,
}

/// The version that a lease and a hash have proven.
struct Proven<'f> {
    md5: String,
    signature: Signature,
    claim: Claim<'f>,
    file: &'f File,
}

impl Proven<'_> {
    /// Whether nobody can have written since the proof.
    fn holds(&self) -> bool {
        match &self.claim {
            Claim::Held(lease) => lease.intact(),
            Claim::Busy => false,
            Claim::Unsupported => Signature::of_file(self.file)
                .is_ok_and(|now| now.same_content_likely(&self.signature)),
        }
    }
}

enum Reading<'f> {
    Proven(Proven<'f>),
    Busy,
    Unsteady,
}

impl Proof {
    pub(in crate::vault) fn kept(self) -> Option<Kept> {
        match self {
            Self::Kept(kept) => Some(kept),
            Self::Differs | Self::Busy => None,
        }
    }
}

fn read(file: &File) -> Reading<'_> {
    let claim = Claim::take(file);
    if matches!(claim, Claim::Busy) {
        return Reading::Busy;
    }
    match md5_of_file(file) {
        Ok((md5, signature)) => Reading::Proven(Proven {
            md5,
            signature,
            claim,
            file,
        }),
        Err(_) => Reading::Unsteady,
    }
}

impl Work<'_> {
    /// Moves a staged file to history if it is proven to be the version `md5`.
    pub(in crate::vault) fn keep_if(
        &self,
        staged: &str,
        slot: &Slot<'_>,
        md5: &str,
    ) -> Result<Proof, Stop> {
        let Ok(file) = self.stage.open_file(staged) else {
            return Ok(Proof::Differs);
        };
        let proven = match read(&file) {
            Reading::Proven(proven) if proven.md5 == md5 => proven,
            Reading::Proven(_) | Reading::Unsteady => return Ok(Proof::Differs),
            Reading::Busy => return Ok(Proof::Busy),
        };
        self.reach(ApplyStep::Verified);
        let failed = doing("move the old version to history");
        make_version_durable(&file).map_err(&failed)?;
        slot.take(&self.stage, staged).map_err(&failed)?;
        if !proven.holds() {
            slot.give_back(&self.stage, staged).map_err(&failed)?;
            return Ok(Proof::Differs);
        }
        self.reach(ApplyStep::Kept);
        Ok(Proof::Kept(Kept {
            file: slot.file.clone(),
            md5: proven.md5.clone(),
            size: proven.signature.size,
        }))
    }

    /// Puts the user's version, which is the staged `file`, back to its path. What it meets there
    /// is ours, and goes to history, or another save, and then both stay.
    pub(in crate::vault) fn return_to_user(
        &self,
        folder: &Folder,
        name: &str,
        names: &Names,
        slot: &Slot<'_>,
        intent: &Intent,
    ) -> Result<Applied, Stop> {
        let applied =
            self.put_back(folder, name, names, slot, intent)
                .map_err(|stop| match stop {
                    Stop::Blocked(code) => Stop::Error(ApplyError::Unfinished {
                        path: intent.path.clone(),
                        code,
                    }),
                    Stop::Error(error) => Stop::Error(error),
                })?;
        slot.abandon();
        folder
            .sync()
            .map_err(doing("make the note's folder durable"))?;
        self.reach(ApplyStep::Synced);
        names.settle(&self.stage).map_err(doing("tidy the stage"))?;
        self.reach(ApplyStep::Settled);
        Ok(applied)
    }

    pub(in crate::vault) fn put_back(
        &self,
        folder: &Folder,
        name: &str,
        names: &Names,
        slot: &Slot<'_>,
        intent: &Intent,
    ) -> Result<Applied, Stop> {
        let failed = on_path("put the user's version back");
        let Some(ours) = &intent.ours else {
            return self.lay_back(&names.file, &intent.path);
        };
        let swapped = self
            .side
            .swap
            .run(&self.stage, &names.file, &names.aside, folder, name)
            .map_err(&failed)?;
        self.reach(ApplyStep::PutBack);
        match swapped {
            Swapped::Gone => self.lay_back(&names.file, &intent.path),
            Swapped::Done => match self.keep_if(&names.file, slot, ours)? {
                Proof::Kept(_) => Ok(Applied::UserSaved),
                Proof::Differs | Proof::Busy => self.lay_beside(&names.file, &intent.path),
            },
            Swapped::Taken => {
                let copy = self.lay_beside(&names.file, &intent.path)?;
                match self.keep_if(&names.aside, slot, ours)? {
                    Proof::Kept(_) => Ok(copy),
                    Proof::Differs | Proof::Busy => self.lay_beside(&names.aside, &intent.path),
                }
            }
        }
    }

    /// A new file took the path while the old one was aside: the new one stays.
    pub(super) fn settle_taken(
        &self,
        names: &Names,
        slot: &Slot<'_>,
        intent: &Intent,
        folder: &Folder,
    ) -> Result<Applied, Stop> {
        self.stage
            .discard_own(&names.file)
            .map_err(doing("tidy the stage"))?;
        let applied = match self.keep_if(&names.aside, slot, &intent.expect)? {
            Proof::Kept(_) => Applied::UserSaved,
            Proof::Differs | Proof::Busy => self.lay_beside(&names.aside, &intent.path)?,
        };
        slot.abandon();
        folder
            .sync()
            .map_err(doing("make the note's folder durable"))?;
        names.settle(&self.stage).map_err(doing("tidy the stage"))?;
        Ok(applied)
    }

    /// Puts a staged file of the user's at its path if that is free, beside it otherwise.
    pub(in crate::vault) fn lay_back(&self, staged: &str, path: &str) -> Result<Applied, Stop> {
        let failed = on_path("put the user's version back");
        let (folder, name) = self.root.make_parent_of(path).map_err(on_way)?;
        match self.stage.move_to(staged, &folder, name).map_err(&failed)? {
            Moved::Done => {
                self.reach(ApplyStep::PutBack);
                folder.sync().map_err(&failed)?;
                Ok(Applied::UserSaved)
            }
            Moved::Taken => self.lay_beside(staged, path),
            Moved::Gone => Err(failed(io::ErrorKind::NotFound.into())),
        }
    }

    /// Puts a staged file of the user's beside its path, under the name of a conflict copy.
    pub(in crate::vault) fn lay_beside(&self, staged: &str, path: &str) -> Result<Applied, Stop> {
        let failed = on_path("keep the user's version beside the note");
        for attempt in 1.. {
            let copy = naming::numbered_conflict_name(path, self.device, self.now, attempt);
            let (folder, name) = self.root.make_parent_of(&copy).map_err(on_way)?;
            match self.stage.move_to(staged, &folder, name).map_err(&failed)? {
                Moved::Done => {
                    folder.sync().map_err(&failed)?;
                    return Ok(Applied::KeptBoth { copy });
                }
                Moved::Taken => {}
                Moved::Gone => break,
            }
        }
        Err(failed(io::ErrorKind::NotFound.into()))
    }
}
