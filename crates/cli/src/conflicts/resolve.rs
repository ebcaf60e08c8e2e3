//! Decisions: made, sent on their way, taken back.

use std::path::Path;

use engine::view::{
    Choice, ConflictChoice, ConflictDetail, ConflictState, ConflictView, MergeChunk,
};
use engine::{Connection, Reply, Request};
use serde_json::json;

use super::seen::{self, Listed};
use super::{Which, all, find, read, unexpected};
use crate::arguments::{Keep, Resolve};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::runs;

pub(super) async fn run(
    context: &Context,
    connection: &Connection,
    asked: &Resolve,
) -> Result<Exit, Failure> {
    if asked.seen.is_some() && asked.ids.len() != 1 {
        let hint = "Decide on each by itself; `bm-cloud conflicts show ID` has the words.";
        return Err(Failure::new("one_conflict", "--seen is about one conflict")
            .exit(Exit::Usage)
            .hint(hint));
    }
    let conflicts = all(context, connection).await?;
    let chosen = chosen(&conflicts, asked)?;
    let given = asked.merged.as_deref().map(text_of).transpose()?;
    let mut choices = Vec::new();
    let mut unclear = Vec::new();
    let mut changed = Vec::new();
    for conflict in &chosen {
        match decided(context, connection, conflict, asked, given.as_deref()).await? {
            Decided::Choice(choice) => choices.push(choice),
            Decided::Unclear => unclear.push(conflict.path.clone()),
            Decided::Changed => changed.push(*conflict),
        }
    }
    let (undo, stale) = if choices.is_empty() {
        (None, Vec::new())
    } else {
        let request = Request::ResolveConflicts { choices };
        let Reply::Resolved { undo, stale } = context.ask(connection, request).await? else {
            return Err(unexpected());
        };
        (Some(undo), stale)
    };
    let stale = |conflict: &&&ConflictView| stale.contains(&conflict.id);
    changed.extend(chosen.iter().filter(stale));
    let resolved = chosen.len() - unclear.len() - changed.len();
    context.output.json(&json!({
        "ok": unclear.is_empty() && changed.is_empty(),
        "resolved": resolved,
        "undo": undo,
        "unclear": unclear,
        "stale": changed.iter().map(|conflict| &conflict.path).collect::<Vec<_>>(),
    }));
    if resolved > 0 {
        context.output.good(&format!("Resolved: {resolved}"));
        if let Some(undo) = &undo {
            context
                .output
                .hint(&format!("To take it back: bm-cloud conflicts undo {undo}"));
        }
        runs::carry(context, connection).await;
    }
    if chosen.is_empty() {
        context.output.say("No conflict is open.");
    }
    for path in &unclear {
        context
            .output
            .warn(&format!("{path}: both changed the same place; left open"));
    }
    for conflict in &changed {
        context.output.warn(&format!(
            "{}: a version changed meanwhile; nothing of it was touched",
            conflict.path
        ));
        context.output.hint(&format!(
            "Look again, and decide on what that shows: bm-cloud conflicts show {}",
            conflict.id
        ));
    }
    Ok(if unclear.is_empty() && changed.is_empty() {
        Exit::Done
    } else {
        Exit::Failed
    })
}

pub(super) async fn undo(
    context: &Context,
    connection: &Connection,
    typed: &str,
) -> Result<Exit, Failure> {
    let undo = if typed.starts_with("undo_") {
        typed.to_owned()
    } else {
        let conflicts = all(context, connection).await?;
        find(&conflicts, typed, Which::Any)?.id.clone()
    };
    let request = Request::UndoResolution { undo: undo.clone() };
    context.ask(connection, request).await?;
    context.output.good("Taken back; both versions are there");
    context.output.json(&json!({ "ok": true, "undo": undo }));
    runs::carry(context, connection).await;
    Ok(Exit::Done)
}

fn chosen<'c>(
    conflicts: &'c [ConflictView],
    asked: &Resolve,
) -> Result<Vec<&'c ConflictView>, Failure> {
    if asked.all {
        let open = |conflict: &&ConflictView| conflict.state == ConflictState::Open;
        return Ok(conflicts.iter().filter(open).collect());
    }
    asked
        .ids
        .iter()
        .map(|typed| find(conflicts, typed, Which::Open))
        .collect()
}

fn text_of(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file).map_err(|error| {
        let message = format!("{} cannot be read: {error}", file.display());
        Failure::new("file_unreadable", message)
    })
}

/// What becomes of one conflict.
enum Decided {
    Choice(ConflictChoice),
    /// Both changed the same place.
    Unclear,
    /// A version is not what was seen of it.
    Changed,
}

async fn decided(
    context: &Context,
    connection: &Connection,
    conflict: &ConflictView,
    asked: &Resolve,
    given: Option<&str>,
) -> Result<Decided, Failure> {
    let simple = match (asked.keep, given) {
        (Some(Keep::Mine), _) => Some(Choice::KeepMine),
        (Some(Keep::Theirs), _) => Some(Choice::KeepTheirs),
        (Some(Keep::Both), _) => Some(Choice::KeepBoth),
        (None, Some(text)) => Some(Choice::Merged {
            text: text.to_owned(),
        }),
        (None, None) => None,
    };
    let id = conflict.id.clone();
    if let (Some(choice), None) = (&simple, &asked.seen) {
        let seen = match seen::listed(conflict, choice) {
            Listed::Versions(seen) => Some(seen),
            Listed::Any => None,
            Listed::Unknown => Some(seen::read(&read(context, connection, &id).await?)),
        };
        let choice = choice.clone();
        return Ok(Decided::Choice(ConflictChoice { id, choice, seen }));
    }
    let detail = read(context, connection, &id).await?;
    let now = seen::read(&detail);
    let seen = match &asked.seen {
        Some(typed) => typed.still(now),
        None => Some(now),
    };
    let Some(seen) = seen else {
        return Ok(Decided::Changed);
    };
    let Some(choice) = simple.or_else(|| merged(&detail)) else {
        return Ok(Decided::Unclear);
    };
    let seen = Some(seen);
    Ok(Decided::Choice(ConflictChoice { id, choice, seen }))
}

/// `None` where both changed the same place.
fn merged(detail: &ConflictDetail) -> Option<Choice> {
    let merge = detail.merge.as_ref()?;
    let text = merge
        .chunks
        .iter()
        .map(|chunk| match chunk {
            MergeChunk::Agreed { text, .. } => Some(text.as_str()),
            MergeChunk::Overlap { .. } => None,
        })
        .collect::<Option<String>>()?;
    Some(Choice::Merged { text })
}
