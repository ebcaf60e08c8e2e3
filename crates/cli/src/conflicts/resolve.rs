//! Decisions: made, sent on their way, taken back.

use std::path::Path;

use engine::view::{
    Choice, ConflictChoice, ConflictDetail, ConflictState, ConflictView, MergeChunk, SeenVersions,
};
use engine::{Connection, Reply, Request};
use serde_json::json;

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
    let conflicts = all(context, connection).await?;
    let chosen = chosen(&conflicts, asked)?;
    let given = asked.merged.as_deref().map(text_of).transpose()?;
    let mut choices = Vec::new();
    let mut unclear = Vec::new();
    for conflict in &chosen {
        let choice = match (asked.keep, &given) {
            (Some(keep), _) => Some(kept(keep, conflict)),
            (None, Some(text)) => {
                let detail = read(context, connection, &conflict.id).await?;
                let text = text.clone();
                Some(seen(&detail, Choice::Merged { text }))
            }
            (None, None) => merged(&read(context, connection, &conflict.id).await?),
        };
        match choice {
            Some(choice) => choices.push(choice),
            None => unclear.push(conflict.path.clone()),
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
    let changed: Vec<String> = chosen
        .iter()
        .filter(|conflict| stale.contains(&conflict.id))
        .map(|conflict| conflict.path.clone())
        .collect();
    let resolved = chosen.len() - unclear.len() - changed.len();
    context.output.json(&json!({
        "ok": unclear.is_empty() && changed.is_empty(),
        "resolved": resolved,
        "undo": undo,
        "unclear": unclear,
        "stale": changed,
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
    for path in &changed {
        context
            .output
            .warn(&format!("{path}: changed meanwhile; look again"));
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

fn kept(keep: Keep, conflict: &ConflictView) -> ConflictChoice {
    ConflictChoice {
        id: conflict.id.clone(),
        choice: match keep {
            Keep::Mine => Choice::KeepMine,
            Keep::Theirs => Choice::KeepTheirs,
            Keep::Both => Choice::KeepBoth,
        },
        seen: None,
    }
}

/// `None` where both changed the same place.
fn merged(detail: &ConflictDetail) -> Option<ConflictChoice> {
    let merge = detail.merge.as_ref()?;
    let text = merge
        .chunks
        .iter()
        .map(|chunk| match chunk {
            MergeChunk::Agreed { text, .. } => Some(text.as_str()),
            MergeChunk::Overlap { .. } => None,
        })
        .collect::<Option<String>>()?;
    Some(seen(detail, Choice::Merged { text }))
}

fn seen(detail: &ConflictDetail, choice: Choice) -> ConflictChoice {
    ConflictChoice {
        id: detail.id.clone(),
        choice,
        seen: Some(SeenVersions {
            mine: detail.mine.md5.clone(),
            theirs: detail.theirs.md5.clone(),
        }),
    }
}
