//! Taking a resolution back: both files become, to the byte, what they were before it.

use super::live::Live;
use super::{Carried, Desk, Desks};
use crate::cycle::{CycleFailure, StateHandle};
use crate::state::{Forgotten, HistoryEntry, Resolution};
use crate::vault::{Change, Expect, Kept, NewBytes, Side};

/// How far an undo came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Undone {
    pub(crate) done: usize,
    /// Notes that were changed since, or whose version is no longer kept. They are as they were.
    pub(crate) left: Vec<String>,
}

/// Takes back what `undo` names: a request's resolutions, or one conflict's last.
///
/// # Errors
/// What stops everything that follows; what was taken back before stays so.
pub(crate) async fn undo(
    desks: Vec<Desk>,
    state: &StateHandle,
    undo: &str,
) -> Result<Undone, CycleFailure> {
    let mut desks = Desks::new(desks);
    let wanted = undo.to_owned();
    let resolutions = state.with(move |state| state.resolutions(&wanted)).await?;
    let mut undone = Undone::default();
    for (pair, resolution) in resolutions {
        let done = match desks.get(&pair).await? {
            Some((desk, side)) => one(&desk, &side, &resolution).await?,
            None => false,
        };
        if done {
            undone.done += 1;
        } else {
            undone.left.push(resolution.path);
        }
    }
    Ok(undone)
}

async fn one(desk: &Desk, side: &Side, resolution: &Resolution) -> Result<bool, CycleFailure> {
    let Resolution {
        path,
        was,
        became,
        copy,
        copy_was,
        copy_became,
        ..
    } = resolution;
    let Some(live) = desk.look(path, copy.as_ref()).await? else {
        return Ok(false);
    };
    if live.note_md5() != became.as_ref() || live.copy_md5() != copy_became.as_ref() {
        return Ok(false);
    }
    let near: Vec<&str> = [Some(path), copy.as_ref()]
        .into_iter()
        .flatten()
        .map(String::as_str)
        .collect();
    let Some(note_change) = change(desk, path, became.as_ref(), was.as_ref(), &near).await? else {
        return Ok(false);
    };
    let copy_change = match copy {
        Some(copy) => change(desk, copy, copy_became.as_ref(), copy_was.as_ref(), &near).await?,
        None => Some(Step::Nothing),
    };
    let Some(copy_change) = copy_change else {
        return Ok(false);
    };
    let returning = copy.as_ref().filter(|_| copy_became != copy_was);
    let forgotten = match returning {
        Some(copy) => Some(forget(desk, copy).await?),
        None => None,
    };
    // The copy first: what it is to be may still be what the note is.
    let steps = [
        copy.as_ref().map(|copy| (copy, copy_change)),
        Some((path, note_change)),
    ];
    let mut history = Vec::new();
    let carried = carry(desk, side, steps, &mut history).await;
    if !matches!(carried, Ok(Carried::Done(_))) {
        let away = take_copy_away(desk, side, resolution, &live, &mut history).await;
        if let Some((copy, forgotten)) = returning.zip(forgotten) {
            recall(desk, copy, forgotten).await?;
        }
        desk.keep(history).await?;
        carried?;
        away?;
        return Ok(false);
    }
    let (pair, resolution) = (desk.pair.clone(), resolution.clone());
    let at_ms = desk.clock.now_ms();
    desk.state
        .with(move |state| state.reopen_conflict(&pair, &resolution, &history, at_ms))
        .await?;
    Ok(true)
}

/// Carries the steps out, up to one that is refused.
async fn carry(
    desk: &Desk,
    side: &Side,
    steps: [Option<(&String, Step)>; 2],
    history: &mut Vec<HistoryEntry>,
) -> Result<Carried, CycleFailure> {
    for (path, step) in steps.into_iter().flatten() {
        let Step::Change(change) = step else {
            continue;
        };
        match desk.apply(side, change).await? {
            Carried::Done(kept) => history.extend(entry(path, kept)),
            Carried::Refused => return Ok(Carried::Refused),
        }
    }
    Ok(Carried::Done(None))
}

fn entry(path: &str, kept: Option<Kept>) -> Option<HistoryEntry> {
    kept.map(|kept| HistoryEntry {
        path: path.to_owned(),
        kept,
        reason: "resolved",
    })
}

/// Before the copy is back: a cycle that knew of it would take it away again.
async fn forget(desk: &Desk, copy: &str) -> Result<Forgotten, CycleFailure> {
    let (pair, copy) = (desk.pair.clone(), copy.to_owned());
    Ok(desk
        .state
        .with(move |state| state.forget_dropped(&pair, &copy))
        .await?)
}

/// The copy stays away: a cycle that did not know of its object would bring it back.
async fn recall(desk: &Desk, copy: &str, forgotten: Forgotten) -> Result<(), CycleFailure> {
    let (pair, copy) = (desk.pair.clone(), copy.to_owned());
    Ok(desk
        .state
        .with(move |state| state.recall_dropped(&pair, &copy, forgotten))
        .await?)
}

enum Step {
    Nothing,
    Change(Change),
}

/// What makes a file what it was. `None` if that version is not to be found.
async fn change(
    desk: &Desk,
    path: &str,
    now: Option<&String>,
    was: Option<&String>,
    near: &[&str],
) -> Result<Option<Step>, CycleFailure> {
    if now == was {
        return Ok(Some(Step::Nothing));
    }
    let expect = match now {
        Some(md5) => Expect::Content { md5: md5.clone() },
        None => Expect::Absent,
    };
    let path = path.to_owned();
    let Some(was) = was else {
        return Ok(Some(Step::Change(Change::Remove { path, expect })));
    };
    Ok(desk.locate(was, near).await?.map(|file| {
        Step::Change(Change::Install {
            path,
            mtime_ms: saved_ms(&file),
            from: NewBytes::File(file),
            md5: was.clone(),
            expect,
        })
    }))
}

fn saved_ms(file: &std::path::Path) -> Option<i64> {
    let saved = std::fs::symlink_metadata(file).ok()?.modified().ok()?;
    Some(crate::clock::unix_ms(saved))
}

/// The note was saved while its copy came back: the resolution stands after all.
async fn take_copy_away(
    desk: &Desk,
    side: &Side,
    resolution: &Resolution,
    before: &Live,
    history: &mut Vec<HistoryEntry>,
) -> Result<(), CycleFailure> {
    let (Some(copy), Some(md5), None) = (&resolution.copy, &resolution.copy_was, before.copy_md5())
    else {
        return Ok(());
    };
    let change = Change::Remove {
        path: copy.clone(),
        expect: Expect::Content { md5: md5.clone() },
    };
    match desk.apply(side, change).await? {
        Carried::Done(kept) => history.extend(entry(copy, kept)),
        Carried::Refused => {
            tracing::info!("a copy was not there, or saved, and stays as it is");
        }
    }
    Ok(())
}
