//! Settles what a crash left in the stage, by content alone.

use std::path::Path;

use time::OffsetDateTime;

use super::apply::{Applied, ApplyError, State, Stop, Work, doing, on_way};
use super::beneath::{Moved, PathError};
use super::history::{Kept, Slot};
use super::intent::{Intent, Names, unsettled};
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
        work.stage.discard_own(&names.part).map_err(doing("tidy the stage"))?;
        let (path, settled) = match &intent {
            Some(intent) => (intent.path.as_str(), work.settle(&names, intent)),
            None => ("unfinished", work.store(&names)),
        };
        let outcome = match settled {
            Ok(outcome) => outcome,
            Err(Stop::Blocked(code)) => Some(Applied::Blocked(PathProblem::new(path, code))),
            Err(Stop::Error(error)) => return Err(error),
        };
        recovered.extend(outcome.map(|outcome| Recovered { path: path.to_owned(), outcome }));
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
        let slot = self.slot(names, &intent.path)?;
        if let Some(kept) = self.keep_if(&names.file, &slot, &intent.expect)?.kept() {
            return Ok(Applied::Done { signature: None, kept: Some(kept) });
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
        let is_ours = |name: &str| {
            let file = self.stage.open_file(name).ok()?;
            let (md5, _) = md5_of_file(&file).ok()?;
            (Some(md5) == intent.ours).then_some(())
        };
        let (users, other) = match (is_ours(&names.aside), is_ours(&names.file)) {
            (Some(()), None) => (&names.file, &names.aside),
            (Some(()) | None, Some(())) | (None, None) => (&names.aside, &names.file),
        };
        let outcome = self.lay_back(users, &intent.path)?;
        let slot = self.slot(names, &intent.path)?;
        slot.take(&self.stage, other).map_err(doing("move a version to history"))?;
        Ok(outcome)
    }

    /// Files without a readable intent are kept where nothing is lost.
    fn store(&self, names: &Names) -> Result<Option<Applied>, Stop> {
        let failed = doing("move a version to history");
        let mut kept = None;
        for name in [&names.file, &names.aside] {
            let Ok(file) = self.stage.open_file(name) else { continue };
            let Ok((md5, signature)) = md5_of_file(&file) else { continue };
            let slot = self.slot(names, name)?;
            slot.take(&self.stage, name).map_err(&failed)?;
            kept = Some(Kept { file: slot.file.clone(), md5, size: signature.size });
        }
        names.settle(&self.stage).map_err(doing("tidy the stage"))?;
        Ok(kept.map(|kept| Applied::Done { signature: None, kept: Some(kept) }))
    }

    fn slot<'p>(&self, names: &Names, path: &'p str) -> Result<Slot<'p>, Stop> {
        Ok(Slot::make(self.side, &names.id, path, self.now)
            .map_err(|error| doing("make room in history")(error.into()))?)
    }

    fn has(&self, name: &str) -> Result<bool, Stop> {
        Ok(self.stage.find(name).map_err(doing("read the stage"))?.is_some())
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), Stop> {
        let failed = doing("tidy the stage");
        match self.stage.move_to(from, &self.stage, to).map_err(&failed)? {
            Moved::Done => Ok(()),
            Moved::Taken | Moved::Gone => Err(failed(std::io::ErrorKind::NotFound.into()).into()),
        }
    }
}
