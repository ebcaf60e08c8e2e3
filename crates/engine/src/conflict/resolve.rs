//! Carrying out decisions, one conflict at a time; each is committed by itself.

use std::collections::BTreeMap;

use bytes::Bytes;
use md5::{Digest, Md5};

use super::decide::{Shape, Target, Targets, decide};
use super::drive::{Drives, Touched};
use super::live::Live;
use super::{Carried, Desk, Desks};
use crate::cycle::{CycleFailure, StateHandle};
use crate::state::{ConflictRow, Copy, HistoryEntry, Resolution};
use crate::vault::{Change, Expect, Kept, NewBytes, Side};
use crate::view::{Choice, ConflictChoice, ConflictState, SeenVersions};

/// Resolves conflicts and answers with the ids of those that were left alone because they are not
/// what was decided about. `undo` names what takes all of it back.
///
/// # Errors
/// Why nothing could be settled. What fails in one folder keeps nothing back in another.
pub(crate) async fn resolve(
    desks: Vec<Desk>,
    state: &StateHandle,
    drives: &Drives,
    choices: Vec<ConflictChoice>,
    (undo, touched): (&str, &mut Touched),
) -> Result<Vec<String>, CycleFailure> {
    let mut work = Work {
        desks: Desks::new(desks),
        drives,
        undo,
        touched,
    };
    let (mut stale, mut settled) = (Vec::new(), 0);
    let mut stopped: BTreeMap<String, CycleFailure> = BTreeMap::new();
    for choice in choices {
        let id = choice.id.clone();
        let wanted = id.clone();
        let row = state.with(move |state| state.conflict(&wanted)).await?;
        let undecided = row.filter(|row| row.state != ConflictState::Resolved);
        let Some(row) = undecided.filter(|row| !stopped.contains_key(&row.pair)) else {
            stale.push(id);
            continue;
        };
        let pair = row.pair.clone();
        match work.settle(row, choice).await {
            Ok(true) => settled += 1,
            Ok(false) => stale.push(id),
            Err(failure) => {
                tracing::warn!(pair.id = pair, error = %failure, "could not settle conflicts");
                stopped.insert(pair, failure);
                stale.push(id);
            }
        }
    }
    // What was carried out can only be taken back by whom it is told to.
    match stopped.into_values().next() {
        Some(failure) if settled == 0 => Err(failure),
        Some(_) | None => Ok(stale),
    }
}

/// What a request's decisions are carried out with.
struct Work<'r> {
    desks: Desks,
    drives: &'r Drives,
    undo: &'r str,
    touched: &'r mut Touched,
}

impl Work<'_> {
    async fn settle(
        &mut self,
        row: ConflictRow,
        ConflictChoice { choice, seen, .. }: ConflictChoice,
    ) -> Result<bool, CycleFailure> {
        let seen = seen.as_ref();
        if self.drives.has(&row.pair) {
            return self.drives.resolve(&row, choice, seen, self.touched).await;
        }
        let Some((desk, side)) = self.desks.get(&row.pair).await? else {
            return Ok(false);
        };
        one(&desk, &side, row, (choice, Why::Chosen), seen, self.undo).await
    }
}

/// Closes conflicts whose two versions have become the same, each with their hash: the note stays,
/// the copy goes to history. Like every resolution it can be undone. Answers how many there were.
///
/// # Errors
/// What stops everything that follows; what was carried out before stays so and can be undone.
pub(crate) async fn close_equal(
    desks: Vec<Desk>,
    state: &StateHandle,
    equal: Vec<(String, String)>,
    undo: &str,
) -> Result<usize, CycleFailure> {
    let mut desks = Desks::new(desks);
    let mut closed = 0;
    for (id, md5) in equal {
        let wanted = id.clone();
        let row = state.with(move |state| state.conflict(&wanted)).await?;
        let Some(row) = row.filter(|row| row.state != ConflictState::Resolved) else {
            continue;
        };
        let seen = SeenVersions {
            mine: Some(md5.clone()),
            theirs: Some(md5),
        };
        let decision = (Choice::KeepTheirs, Why::Equal);
        if let Some((desk, side)) = desks.get(&row.pair).await?
            && one(&desk, &side, row, decision, Some(&seen), undo).await?
        {
            tracing::info!(conflict.id = id, "both versions are the same by now");
            closed += 1;
        }
    }
    Ok(closed)
}

/// Who says what becomes of a conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    Chosen,
    /// Nobody needs to: both versions are the same.
    Equal,
}

/// Answers whether the conflict is resolved; otherwise the folder is as it was.
async fn one(
    desk: &Desk,
    side: &Side,
    mut row: ConflictRow,
    (choice, why): (Choice, Why),
    seen: Option<&SeenVersions>,
    undo: &str,
) -> Result<bool, CycleFailure> {
    let Some(live) = desk.look(&row.path, row.copy_path.as_ref()).await? else {
        return Ok(false);
    };
    let shape = Shape::of(row.kind, row.copy_path.as_ref());
    if seen.is_some_and(|seen| !is_current(seen, shape, &live)) {
        return Ok(false);
    }
    // A copy that is gone says nothing of what its writer wants: at most that this was done before.
    let lost_copy = shape == Shape::Beside && live.copy.is_none() && choice == Choice::KeepMine;
    if lost_copy && live.note_md5() != row.mine.md5.as_ref() {
        return Ok(false);
    }
    row.merged = why == Why::Equal || matches!(choice, Choice::Merged { .. });
    let Targets { mut note, copy } = decide(shape, choice);
    if lost_copy {
        note = Target::Leave;
    }
    let reason = if row.merged { "merged" } else { "resolved" };
    let mut history = Vec::new();
    let mut entry = |path: &str, kept: Option<Kept>| {
        history.extend(kept.map(|kept| HistoryEntry {
            path: path.to_owned(),
            kept,
            reason,
        }));
    };

    let (note_change, became) = change_of_note(desk, &row, &live, note);
    let mut note_kept = None;
    if let Some(change) = note_change {
        match desk.apply(side, change).await? {
            Carried::Done(kept) => note_kept = kept,
            Carried::Refused => return Ok(false),
        }
    }
    entry(&row.path, note_kept.clone());
    let mut copy_became = live.copy_md5().cloned();
    if let (Target::Remove, Some(path), Some(md5)) = (&copy, &row.copy_path, live.copy_md5()) {
        let change = Change::Remove {
            path: path.clone(),
            expect: Expect::Content { md5: md5.clone() },
        };
        match desk.apply(side, change).await? {
            Carried::Done(kept) => entry(path, kept),
            Carried::Refused => {
                put_back(desk, side, &row.path, &live, became.as_ref(), note_kept).await?;
                desk.keep(history).await?;
                return Ok(false);
            }
        }
        copy_became = None;
    }

    let dropped = match (&row.copy_path, &copy_became) {
        (Some(copy), None) => known_copy(desk, copy).await?,
        (Some(_), Some(_)) | (None, _) => None,
    };
    let resolution = Resolution {
        undo: undo.to_owned(),
        conflict: row.id.clone(),
        path: row.path.clone(),
        was: live.note_md5().cloned(),
        became,
        copy: row.copy_path.clone(),
        copy_was: live.copy_md5().cloned(),
        copy_became,
    };
    let at_ms = desk.clock.now_ms();
    desk.state
        .with(move |state| {
            state.resolve_conflict(&row, &resolution, &history, dropped.as_ref(), at_ms)
        })
        .await?;
    Ok(true)
}

fn is_current(seen: &SeenVersions, shape: Shape, live: &Live) -> bool {
    let (mine, theirs) = shape.versions(live.note_md5(), live.copy_md5());
    (mine, theirs) == (seen.mine.as_ref(), seen.theirs.as_ref())
}

/// The change that the note needs, and what it is afterwards.
fn change_of_note(
    desk: &Desk,
    row: &ConflictRow,
    live: &Live,
    target: Target,
) -> (Option<Change>, Option<String>) {
    let was = live.note_md5().cloned();
    let expect = expected(was.clone());
    let install = |from, md5: String, mtime_ms| Change::Install {
        path: row.path.clone(),
        from,
        md5,
        mtime_ms,
        expect: expect.clone(),
    };
    let remove = || Change::Remove {
        path: row.path.clone(),
        expect: expect.clone(),
    };
    let (change, became) = match (target, &live.copy, &row.copy_path) {
        (Target::Leave, _, _) => (None, was.clone()),
        (Target::Copy, Some(found), Some(copy)) => {
            let from = NewBytes::File(desk.vault.join(copy));
            let change = install(from, found.md5.clone(), Some(found.saved_ms));
            (Some(change), Some(found.md5.clone()))
        }
        (Target::Copy, _, _) => (None, was.clone()),
        (Target::Remove, _, _) => (was.as_ref().map(|_| remove()), None),
        (Target::Text(text), _, _) => {
            let md5 = hex::encode(Md5::digest(&text));
            let from = NewBytes::Here(Bytes::from(text));
            (Some(install(from, md5.clone(), None)), Some(md5))
        }
    };
    let change = change.filter(|_| became != was);
    (change, became)
}

fn expected(md5: Option<String>) -> Expect {
    match md5 {
        Some(md5) => Expect::Content { md5 },
        None => Expect::Absent,
    }
}

/// Takes a note back to what it was before half a resolution.
async fn put_back(
    desk: &Desk,
    side: &Side,
    path: &str,
    live: &Live,
    became: Option<&String>,
    kept: Option<Kept>,
) -> Result<(), CycleFailure> {
    if became == live.note_md5() {
        return Ok(());
    }
    let expect = expected(became.cloned());
    let change = match (&live.note, kept) {
        (Some(found), Some(kept)) => Change::Install {
            path: path.to_owned(),
            from: NewBytes::File(kept.file),
            md5: found.md5.clone(),
            mtime_ms: Some(found.saved_ms),
            expect,
        },
        (None, _) | (_, None) => Change::Remove {
            path: path.to_owned(),
            expect,
        },
    };
    if let Carried::Refused = desk.apply(side, change).await? {
        tracing::info!("a note was saved in the middle of a resolution and stays as it is");
    }
    Ok(())
}

/// The object of a copy that is gone here, as it was last known.
async fn known_copy(desk: &Desk, path: &str) -> Result<Option<Copy>, CycleFailure> {
    let (pair, key) = (desk.pair.clone(), path.to_owned());
    let nodes = desk
        .state
        .with(move |state| state.nodes(&pair, [&key]))
        .await?;
    Ok(nodes.into_iter().next().map(|(key, node)| Copy {
        key,
        etag: node.etag,
    }))
}
