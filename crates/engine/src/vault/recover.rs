//! Settles what a crash left in the stage, by content alone.

use std::path::Path;

use time::OffsetDateTime;

use super::apply::{Applied, ApplyError, State, Stop, Work, doing, on_way};
use super::beneath::{Folder, Moved, PathError};
use super::history::{Kept, Slot, below, day, remove_empty_parents};
use super::intent::{Intent, Names, unsettled};
use super::lease::has_writers;
use super::problem::PathProblem;
use super::side::Side;
use super::signature::md5_of_file;

/// An interrupted change, and how it was settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recovered {
    pub path: String,
    pub outcome: Applied,
}

/// Settles every change that a crash, or a failed [`super::apply`], left in the stage. To be run
/// before each scan; with nothing to settle it costs one directory read.
///
/// Bytes that were ever in the vault are put back, put beside, or moved to history; never removed.
///
/// # Errors
/// [`ApplyError`] if the stage cannot be worked on. What is still unsettled then stays there.
pub(crate) fn recover(
    vault: &Path,
    side: &Side,
    device: &str,
    now: OffsetDateTime,
) -> Result<Vec<Recovered>, ApplyError> {
    let work = Work::open(vault, side, device, now, &|_| {})?;
    let mut recovered = Vec::new();
    for (names, intent) in unsettled(&work.stage).map_err(doing("read the stage"))? {
        work.stage
            .discard_own(&names.part)
            .map_err(doing("tidy the stage"))?;
        let (path, settled) = match &intent {
            Some(intent) => {
                let over = names
                    .is_settled(&work.stage)
                    .map_err(doing("read the stage"))?;
                let settled = if over {
                    work.recheck(&names, intent)
                } else {
                    work.settle(&names, intent)
                };
                (intent.path.as_str(), settled)
            }
            None => ("unfinished", work.store(&names)),
        };
        let outcome = match settled {
            Ok(outcome) => outcome,
            Err(Stop::Blocked(code)) => Some(Applied::Blocked(PathProblem::new(path, code))),
            Err(Stop::Error(error)) => return Err(error),
        };
        recovered.extend(outcome.map(|outcome| Recovered {
            path: path.to_owned(),
            outcome,
        }));
    }
    Ok(recovered)
}

impl Work<'_> {
    fn settle(&self, names: &Names, intent: &Intent) -> Result<Option<Applied>, Stop> {
        let outcome = match (self.has(&names.file)?, self.has(&names.aside)?) {
            (false, false) => None,
            (true, false) => Some(self.settle_file(names, intent)?),
            (false, true) => {
                self.rename(&names.aside, &names.file)?;
                Some(self.settle_file(names, intent)?)
            }
            (true, true) => Some(self.settle_half_swapped(names, intent)?),
        };
        names.settle(&self.stage).map_err(doing("tidy the stage"))?;
        self.stage.sync().map_err(doing("tidy the stage"))?;
        Ok(outcome)
    }

    /// The staged file is ours before the swap, and the user's or the expected one after it.
    fn settle_file(&self, names: &Names, intent: &Intent) -> Result<Applied, Stop> {
        let slot = self.slot(&names.id, intent)?;
        if let Some(kept) = self.keep_if(&names.file, &slot, &intent.expect)?.kept() {
            return Ok(Applied::Done {
                signature: None,
                kept: Some(kept),
            });
        }
        if let Some(ours) = &intent.ours
            && self.keep_if(&names.file, &slot, ours)?.kept().is_some()
        {
            return Ok(Applied::UserSaved);
        }
        let outcome = match self.root.parent_of(&intent.path) {
            Ok((folder, name)) => match (self.examine(&folder, name)?, &intent.ours) {
                (State::Content { md5, .. }, Some(ours)) if md5 == *ours => {
                    self.put_back(&folder, name, names, &slot, intent)
                }
                (State::Absent, _) => self.lay_back(&names.file, &intent.path),
                (State::Content { .. } | State::Moving, _) => {
                    self.lay_beside(&names.file, &intent.path)
                }
            },
            Err(PathError::Missing) => self.lay_back(&names.file, &intent.path),
            Err(error) => Err(on_way(error)),
        };
        slot.abandon();
        outcome
    }

    /// A move-aside stopped between its renames: the path is free, unless the user took it.
    fn settle_half_swapped(&self, names: &Names, intent: &Intent) -> Result<Applied, Stop> {
        let path = intent.path.as_str();
        let [aside, file] = [&names.aside, &names.file];
        // Ours is aside when a save was being put back; then the save is the staged file.
        let (first, second) = match (self.known(aside, intent), self.known(file, intent)) {
            (true, false) => (file, aside),
            (true | false, true) | (false, false) => (aside, file),
        };
        let outcome = if self.known(first, intent) && !absent_below(&self.root, path)? {
            self.keep_or_lay_beside(names, first, intent)?
        } else {
            self.lay_back(first, path)?
        };
        match self.keep_or_lay_beside(names, second, intent)? {
            both @ Applied::KeptBoth { .. } => Ok(both),
            Applied::Done { .. } | Applied::UserSaved | Applied::Blocked(_) => Ok(outcome),
        }
    }

    /// Whether a staged file is a version that the cloud has too.
    fn known(&self, staged: &str, intent: &Intent) -> bool {
        let Ok(file) = self.stage.open_file(staged) else {
            return false;
        };
        md5_of_file(&file)
            .is_ok_and(|(md5, _)| md5 == intent.expect || Some(&md5) == intent.ours.as_ref())
    }

    fn keep_or_lay_beside(
        &self,
        names: &Names,
        staged: &str,
        intent: &Intent,
    ) -> Result<Applied, Stop> {
        let own = format!("{}-{}", names.id, staged.len());
        let slot = self.slot(&own, intent)?;
        for md5 in [Some(&intent.expect), intent.ours.as_ref()]
            .into_iter()
            .flatten()
        {
            if self.keep_if(staged, &slot, md5)?.kept().is_some() {
                return Ok(Applied::UserSaved);
            }
        }
        slot.abandon();
        self.lay_beside(staged, &intent.path)
    }

    /// Files without a readable intent are kept where nothing is lost.
    fn store(&self, names: &Names) -> Result<Option<Applied>, Stop> {
        let failed = doing("move a version to history");
        let mut kept = None;
        for name in [&names.file, &names.aside] {
            let Ok(file) = self.stage.open_file(name) else {
                continue;
            };
            let Ok((md5, signature)) = md5_of_file(&file) else {
                continue;
            };
            let slot = Slot::make(self.side, &day(self.now), &names.id, name)
                .map_err(|error| failed(error.into()))?;
            slot.take(&self.stage, name).map_err(&failed)?;
            kept = Some(Kept {
                file: slot.file.clone(),
                md5,
                size: signature.size,
            });
        }
        names
            .withdraw(&self.stage)
            .map_err(doing("tidy the stage"))?;
        names.forget(&self.stage).map_err(doing("tidy the stage"))?;
        Ok(kept.map(|kept| Applied::Done {
            signature: None,
            kept: Some(kept),
        }))
    }

    fn slot<'p>(&self, id: &str, intent: &'p Intent) -> Result<Slot<'p>, Stop> {
        Ok(Slot::make(self.side, &intent.day, id, &intent.path)
            .map_err(|error| doing("make room in history")(error.into()))?)
    }

    /// Looks again at the old version of a settled change. A program that had found the note's
    /// path before the swap, and opened it only after the proof, wrote there: a save, which goes
    /// back to where it can be seen.
    fn recheck(&self, names: &Names, intent: &Intent) -> Result<Option<Applied>, Stop> {
        let failed = doing("look at history");
        let history = Folder::open_root(&self.side.history).map_err(&failed)?;
        let below = below(&intent.day, &names.id, &intent.path);
        let mut outcome = None;
        if let Ok((folder, name)) = history.parent_of(&below)
            && let Ok(file) = folder.open_file(name)
        {
            // Open for writing, whatever it says by now: next time.
            if has_writers(&file) {
                return Ok(None);
            }
            match md5_of_file(&file) {
                Ok((md5, _)) if md5 == intent.expect || Some(&md5) == intent.ours.as_ref() => {}
                Ok(_) => {
                    folder
                        .move_to(name, &self.stage, &names.file)
                        .map_err(&failed)?;
                    outcome = Some(self.lay_back(&names.file, &intent.path)?);
                    remove_empty_parents(&history, &below);
                }
                Err(_) => return Ok(None),
            }
        }
        names.forget(&self.stage).map_err(doing("tidy the stage"))?;
        Ok(outcome)
    }

    fn has(&self, name: &str) -> Result<bool, Stop> {
        Ok(self
            .stage
            .find(name)
            .map_err(doing("read the stage"))?
            .is_some())
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), Stop> {
        let failed = doing("tidy the stage");
        match self.stage.move_to(from, &self.stage, to).map_err(&failed)? {
            Moved::Done => Ok(()),
            Moved::Taken | Moved::Gone => Err(failed(std::io::ErrorKind::NotFound.into()).into()),
        }
    }
}

fn absent_below(root: &Folder, path: &str) -> Result<bool, Stop> {
    match root.parent_of(path) {
        Ok((folder, name)) => Ok(folder
            .find(name)
            .map_err(doing("look at the note's path"))?
            .is_none()),
        Err(PathError::Missing) => Ok(true),
        Err(error) => Err(on_way(error)),
    }
}
