//! `bm-cloud conflicts`.

mod compare;
mod resolve;
pub(crate) mod seen;

use engine::view::{ConflictDetail, ConflictState, ConflictView, VersionText};
use engine::{Connection, Reply, Request};
use serde_json::json;
use time::UtcOffset;

use crate::arguments::{ConflictAction, Conflicts, DiffForm};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::words;

pub(crate) async fn run(context: &Context, arguments: &Conflicts) -> Result<Exit, Failure> {
    context
        .with_engine(
            async |connection| match (&arguments.action, &arguments.dismiss) {
                (Some(ConflictAction::Show { id, diff }), _) => {
                    show(context, connection, id, *diff).await
                }
                (Some(ConflictAction::Recall { id }), _) => recall(context, connection, id).await,
                (Some(ConflictAction::Resolve(asked)), _) => {
                    resolve::run(context, connection, asked).await
                }
                (Some(ConflictAction::Undo { id }), _) => {
                    resolve::undo(context, connection, id).await
                }
                (None, Some(id)) => dismiss(context, connection, id).await,
                (Some(ConflictAction::List), _) | (None, None) => list(context, connection).await,
            },
        )
        .await
}

/// All conflicts; a view has only the first.
async fn all(context: &Context, connection: &Connection) -> Result<Vec<ConflictView>, Failure> {
    let reply = context.ask(connection, Request::ListConflicts).await?;
    let Reply::Conflicts { conflicts } = reply else {
        return Err(unexpected());
    };
    Ok(conflicts)
}

async fn read(
    context: &Context,
    connection: &Connection,
    id: &str,
) -> Result<ConflictDetail, Failure> {
    let id = id.to_owned();
    let request = Request::ReadConflict { id };
    let Reply::Conflict { conflict } = context.ask(connection, request).await? else {
        return Err(unexpected());
    };
    Ok(*conflict)
}

fn unexpected() -> Failure {
    Failure::new("protocol", "The engine answered something else")
        .hint("Another version of the program may be running; end it first.")
}

async fn show(
    context: &Context,
    connection: &Connection,
    typed: &str,
    form: DiffForm,
) -> Result<Exit, Failure> {
    let conflicts = all(context, connection).await?;
    let id = &find(&conflicts, typed, Which::Any)?.id;
    let detail = read(context, connection, id).await?;
    context
        .output
        .json(&json!({ "ok": true, "conflict": detail }));
    for line in shown(&detail, form, context.offset) {
        context.output.data(&line);
    }
    if detail.state != ConflictState::Resolved {
        let [mine, theirs] = [&detail.mine, &detail.theirs].map(|it| seen::name(it.md5.as_deref()));
        context.output.hint(&format!(
            "Decide on these two: bm-cloud conflicts resolve {} --keep mine|theirs|both --seen \
             {mine},{theirs}",
            detail.id
        ));
    }
    Ok(Exit::Done)
}

fn shown(detail: &ConflictDetail, form: DiffForm, offset: UtcOffset) -> Vec<String> {
    let mut lines = vec![detail.path.clone()];
    lines.push(version("mine  ", &detail.mine, offset));
    lines.push(version("theirs", &detail.theirs, offset));
    let merge = match &detail.merge {
        Some(merge) if merge.clean => "clean: `bm-cloud conflicts resolve ID --merge` joins both",
        Some(_) => "both changed the same place",
        None => "not possible: what both came from is not known",
    };
    lines.push(format!("  merge   {merge}"));
    lines.extend(match form {
        DiffForm::Unified => compare::unified(&detail.diff),
        DiffForm::Side => compare::side_by_side(&detail.diff),
    });
    lines
}

fn version(name: &str, version: &VersionText, offset: UtcOffset) -> String {
    if version.md5.is_none() {
        return format!("  {name}  deleted");
    }
    let device = version.device.as_deref().unwrap_or("another device");
    let time = version.at_ms.map_or_else(
        || "at an unknown time".to_owned(),
        |ms| words::minute(ms, offset),
    );
    let named = seen::name(version.md5.as_deref());
    format!(
        "  {name}  {device} · {time} · {} bytes · {named}",
        version.size
    )
}

async fn dismiss(context: &Context, connection: &Connection, typed: &str) -> Result<Exit, Failure> {
    let conflicts = all(context, connection).await?;
    let conflict = find(&conflicts, typed, Which::Open)?;
    let id = conflict.id.clone();
    context
        .ask(connection, Request::DismissConflict { id })
        .await?;
    context.output.good(&format!(
        "Off the list: {}; both versions stay",
        conflict.path
    ));
    context
        .output
        .json(&json!({ "ok": true, "id": conflict.id, "path": conflict.path }));
    Ok(Exit::Done)
}

async fn recall(context: &Context, connection: &Connection, typed: &str) -> Result<Exit, Failure> {
    let conflicts = all(context, connection).await?;
    let conflict = find(&conflicts, typed, Which::Any)?;
    let id = conflict.id.clone();
    context
        .ask(connection, Request::RecallConflict { id })
        .await?;
    let path = &conflict.path;
    context.output.good(&format!("On the list again: {path}"));
    context
        .output
        .json(&json!({ "ok": true, "id": conflict.id, "path": path }));
    Ok(Exit::Done)
}

/// Among which conflicts an id is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    Open,
    Any,
}

/// An id may be cut short where that is clear.
fn find<'a>(
    conflicts: &'a [ConflictView],
    typed: &str,
    which: Which,
) -> Result<&'a ConflictView, Failure> {
    let among = || {
        conflicts
            .iter()
            .filter(|conflict| which == Which::Any || conflict.state == ConflictState::Open)
    };
    let found: Vec<&ConflictView> = match among().find(|conflict| conflict.id == typed) {
        Some(exact) => vec![exact],
        None => among()
            .filter(|conflict| conflict.id.starts_with(typed))
            .collect(),
    };
    match found.as_slice() {
        [one] if !typed.is_empty() => Ok(one),
        _ => Err(Failure::new(
            "not_found",
            format!("There is no one open conflict {typed:?}"),
        )
        .hint("`bm-cloud conflicts` lists them with their ids.")),
    }
}

async fn list(context: &Context, connection: &Connection) -> Result<Exit, Failure> {
    let conflicts = all(context, connection).await?;
    let open = conflicts
        .iter()
        .filter(|conflict| conflict.state == ConflictState::Open)
        .count();
    context.output.json(&json!({
        "ok": true,
        "openCount": open,
        "conflicts": conflicts,
    }));
    for line in lines(&conflicts, context.offset) {
        context.output.data(&line);
    }
    if open > 0 {
        context.output.hint(
            "Compare: bm-cloud conflicts show ID. Decide: bm-cloud conflicts resolve ID --keep \
             mine|theirs|both, or --merge",
        );
    }
    Ok(Exit::Done)
}

fn lines(conflicts: &[ConflictView], offset: UtcOffset) -> Vec<String> {
    let mut lines = Vec::new();
    for conflict in conflicts {
        let state = match conflict.state {
            ConflictState::Open => "open",
            ConflictState::Resolved if conflict.merged => "resolved: it holds what both wrote",
            ConflictState::Resolved => "resolved: what was replaced is in history",
            ConflictState::Dismissed => "put off until the next start",
        };
        lines.push(format!("{}  {state}", conflict.path));
        if let Some(copy) = &conflict.copy_path {
            lines.push(format!("  other version: {copy}"));
        }
        let time = words::minute(conflict.at_ms, offset);
        lines.push(format!(
            "  {time} · {} · id {}",
            conflict.device, conflict.id
        ));
    }
    if lines.is_empty() {
        lines.push("No conflicts".to_owned());
    }
    lines
}

#[cfg(test)]
mod tests {
    use engine::view::ConflictKind;

    use super::*;

    fn conflict(id: &str, state: ConflictState) -> ConflictView {
        ConflictView {
            id: id.into(),
            pair: "pair_1".into(),
            path: format!("{id}.md"),
            copy_path: Some(format!("{id} (conflict desktop 2026-01-02 03.04.05).md")),
            device: "desktop".into(),
            at_ms: 0,
            state,
            kind: ConflictKind::BothEdited,
            mine_at_ms: None,
            theirs_at_ms: None,
            theirs_device: None,
            mine_size: None,
            theirs_size: None,
            mine_md5: None,
            theirs_md5: None,
            merged: false,
            undo: None,
        }
    }

    #[test]
    fn finds_an_open_conflict_by_the_beginning_of_its_id() {
        let conflicts = [
            conflict("abc1", ConflictState::Open),
            conflict("abc2", ConflictState::Open),
            conflict("abc", ConflictState::Open),
            conflict("dee", ConflictState::Dismissed),
        ];
        let found = |typed| {
            find(&conflicts, typed, Which::Open)
                .map(|conflict| conflict.id.as_str())
                .ok()
        };
        assert_eq!(found("abc2"), Some("abc2"));
        assert_eq!(found("abc"), Some("abc"));
        assert_eq!(found("ab"), None);
        assert_eq!(found("dee"), None);
        assert_eq!(found(""), None);
    }

    #[test]
    fn lists_both_versions_also_of_what_was_put_off() {
        let conflicts = vec![
            conflict("a", ConflictState::Open),
            conflict("b", ConflictState::Dismissed),
        ];
        let expected = [
            "a.md  open",
            "  other version: a (conflict desktop 2026-01-02 03.04.05).md",
            "  1970-01-01 00:00 · desktop · id a",
            "b.md  put off until the next start",
            "  other version: b (conflict desktop 2026-01-02 03.04.05).md",
            "  1970-01-01 00:00 · desktop · id b",
        ];
        assert_eq!(lines(&conflicts, UtcOffset::UTC), expected);
        assert_eq!(lines(&[], UtcOffset::UTC), ["No conflicts"]);
    }
}
