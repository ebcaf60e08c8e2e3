//! `bm-cloud conflicts`.

use engine::view::{ConflictState, ConflictView};
use engine::{Connection, Request, View};
use serde_json::json;
use time::UtcOffset;

use crate::arguments::Conflicts;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::words;

pub(crate) async fn run(context: &Context, arguments: &Conflicts) -> Result<Exit, Failure> {
    context
        .with_engine(async |connection| match &arguments.dismiss {
            Some(id) => dismiss(context, connection, id).await,
            None => Ok(list(context, &connection.view())),
        })
        .await
}

async fn dismiss(context: &Context, connection: &Connection, typed: &str) -> Result<Exit, Failure> {
    let view = connection.view();
    let conflict = find(&view.conflicts, typed)?;
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

/// An id may be cut short where that is clear.
fn find<'a>(conflicts: &'a [ConflictView], typed: &str) -> Result<&'a ConflictView, Failure> {
    let open = || {
        conflicts
            .iter()
            .filter(|conflict| conflict.state == ConflictState::Open)
    };
    let found: Vec<&ConflictView> = match open().find(|conflict| conflict.id == typed) {
        Some(exact) => vec![exact],
        None => open()
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

fn list(context: &Context, view: &View) -> Exit {
    context.output.json(&json!({
        "ok": true,
        "openCount": view.open_conflict_count,
        "conflicts": view.conflicts,
    }));
    for line in lines(view, context.offset) {
        context.output.data(&line);
    }
    if view.open_conflict_count > 0 {
        context.output.hint(
            "Open both versions, keep what you want in the note, delete the other; or take it off \
             the list: bm-cloud conflicts --dismiss ID",
        );
    }
    Exit::Done
}

fn lines(view: &View, offset: UtcOffset) -> Vec<String> {
    let mut lines = Vec::new();
    for conflict in &view.conflicts {
        let state = match conflict.state {
            ConflictState::Open => "open",
            ConflictState::Resolved => "resolved: the newer has the name, the older is in history",
            ConflictState::Dismissed => continue,
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
            mine_size: None,
            theirs_size: None,
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
            find(&conflicts, typed)
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
    fn lists_both_versions_and_leaves_out_what_was_dismissed() {
        let conflicts = vec![
            conflict("a", ConflictState::Open),
            conflict("b", ConflictState::Dismissed),
        ];
        let view = View {
            conflicts,
            ..View::starting("laptop")
        };
        let expected = [
            "a.md  open",
            "  other version: a (conflict desktop 2026-01-02 03.04.05).md",
            "  1970-01-01 00:00 · desktop · id a",
        ];
        assert_eq!(lines(&view, UtcOffset::UTC), expected);
        assert_eq!(
            lines(&View::starting("laptop"), UtcOffset::UTC),
            ["No conflicts"]
        );
    }
}
