//! `bm-cloud filters`: what does not sync.

use std::io::{Read, Write};
use std::path::Path;

use engine::view::{FilterEffect, PairView};
use engine::{Connection, Reply, Request};
use serde_json::json;

use crate::arguments::{FilterAction, FilterLines, Filters};
use crate::bisync::folders;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::report::Report;
use crate::{runs, words};

pub(crate) async fn run(context: &Context, arguments: &Filters) -> Result<Exit, Failure> {
    let typed = match &arguments.action {
        FilterAction::Check(typed) | FilterAction::Set(typed) => Some(read(typed)?),
        FilterAction::Show | FilterAction::Edit => None,
    };
    context
        .with_engine(async |connection| {
            let pair = chosen(connection, arguments.folder.as_deref())?;
            match (&arguments.action, &typed) {
                (FilterAction::Check(_), Some(lines)) => {
                    check(context, connection, &pair, lines).await
                }
                (FilterAction::Set(_), Some(lines)) => set(context, connection, &pair, lines).await,
                (FilterAction::Edit, _) => edit(context, connection, &pair).await,
                (FilterAction::Show | FilterAction::Check(_) | FilterAction::Set(_), _) => {
                    Ok(show(context, &pair))
                }
            }
        })
        .await
}

/// The folder that is named, or the only one.
pub(crate) fn chosen(connection: &Connection, folder: Option<&Path>) -> Result<PairView, Failure> {
    folders(connection)?;
    let view = connection.view();
    let is_asked = |pair: &&PairView| match folder {
        Some(folder) => {
            let whole = dunce::canonicalize(folder);
            Path::new(&pair.folder) == whole.as_deref().unwrap_or(folder)
        }
        None => true,
    };
    let found: Vec<&PairView> = view.pairs.iter().filter(is_asked).collect();
    match (found.as_slice(), folder) {
        ([pair], _) => Ok((*pair).clone()),
        (_, Some(folder)) => Err(Failure::new(
            "not_found",
            format!("{} is not a folder that syncs", folder.display()),
        )
        .hint("`bm-cloud status` lists them.")),
        (_, None) => Err(Failure::new("which_folder", "There are several folders")
            .hint("Name one: --folder PATH")
            .exit(Exit::Usage)),
    }
}

fn show(context: &Context, pair: &PairView) -> Exit {
    context
        .output
        .json(&json!({ "ok": true, "folder": pair.folder, "lines": pair.filters }));
    for line in &pair.filters {
        context.output.data(line);
    }
    Exit::Done
}

async fn effect(
    context: &Context,
    connection: &Connection,
    pair: &PairView,
    lines: &[String],
) -> Result<FilterEffect, Failure> {
    let request = Request::CheckFilters {
        pair: pair.id.clone(),
        lines: lines.to_vec(),
    };
    let Reply::Filters { effect } = context.ask(connection, request).await? else {
        return Err(Failure::unexpected());
    };
    Ok(effect)
}

async fn check(
    context: &Context,
    connection: &Connection,
    pair: &PairView,
    lines: &[String],
) -> Result<Exit, Failure> {
    let effect = effect(context, connection, pair, lines).await?;
    let ok = effect.errors.is_empty();
    context.output.json(&json!({ "ok": ok, "effect": effect }));
    for line in words_of(&effect) {
        context.output.data(&line);
    }
    match unusable(&effect) {
        Some(failure) => {
            context.output.failure(&failure);
            Ok(failure.exit)
        }
        None => Ok(Exit::Done),
    }
}

async fn set(
    context: &Context,
    connection: &Connection,
    pair: &PairView,
    lines: &[String],
) -> Result<Exit, Failure> {
    let effect = effect(context, connection, pair, lines).await?;
    if let Some(failure) = unusable(&effect) {
        return Err(failure);
    }
    for line in words_of(&effect) {
        context.output.say(&line);
    }
    let request = Request::SetFilters {
        pair: pair.id.clone(),
        lines: lines.to_vec(),
    };
    let asked = [pair.id.clone()];
    let view = runs::complete(context, connection, request, &asked).await?;
    context.output.good("The lines are in use from now on.");
    Ok(Report::new(&view, &asked).finish(context))
}

async fn edit(
    context: &Context,
    connection: &Connection,
    pair: &PairView,
) -> Result<Exit, Failure> {
    let Some(editor) = context.editor.clone() else {
        return Err(Failure::new("no_editor", "No editor is known")
            .hint("Set EDITOR, or use `bm-cloud filters set --file FILE`."));
    };
    let failed = |error: std::io::Error| {
        Failure::new("editor", format!("The lines could not be edited: {error}"))
    };
    let mut file = tempfile::Builder::new()
        .prefix("filters-")
        .suffix(".txt")
        .tempfile()
        .map_err(failed)?;
    file.write_all((pair.filters.join("\n") + "\n").as_bytes())
        .map_err(failed)?;
    let path = file.into_temp_path();
    loop {
        let before = std::fs::read_to_string(&path).map_err(failed)?;
        open(&editor, &path).await.map_err(failed)?;
        let after = std::fs::read_to_string(&path).map_err(failed)?;
        let lines: Vec<String> = after.lines().map(str::to_owned).collect();
        if lines == pair.filters {
            context.output.say("Nothing was changed.");
            return Ok(show(context, pair));
        }
        let effect = effect(context, connection, pair, &lines).await?;
        match unusable(&effect) {
            None => return set(context, connection, pair, &lines).await,
            // Saved again as it was: they gave up.
            Some(failure) if before == after => return Err(failure),
            Some(failure) => context.output.failure(&failure),
        }
    }
}

/// Waits for the person's editor. It may be given with words of its own, as `code --wait`.
async fn open(editor: &std::ffi::OsStr, path: &Path) -> std::io::Result<()> {
    let text = editor.to_string_lossy().into_owned();
    let mut words = text.split_whitespace();
    let program = words.next().unwrap_or_default();
    #[expect(
        clippy::disallowed_methods,
        reason = "the person's own editor, in the terminal"
    )]
    let status = tokio::process::Command::new(program)
        .args(words)
        .arg(path)
        .status()
        .await?;
    if status.success() {
        Ok(())
    } else {
        Err(std::io::Error::other(format!(
            "{program} ended with {status}"
        )))
    }
}

fn read(typed: &FilterLines) -> Result<Vec<String>, Failure> {
    let Some(file) = &typed.file else {
        return Ok(typed.lines.clone());
    };
    let text = if file.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(file)
    };
    let text = text.map_err(|error| {
        let message = format!("{} could not be read: {error}", file.display());
        Failure::new("unreadable", message)
    })?;
    Ok(text.lines().map(str::to_owned).collect())
}

fn unusable(effect: &FilterEffect) -> Option<Failure> {
    let first = effect.errors.first()?;
    let others = match effect.errors.len() {
        1 => String::new(),
        count => format!(" (and {} more)", count - 1),
    };
    let message = format!(
        "Line {} cannot be used, {}{others}",
        first.line, first.message
    );
    Some(Failure::new("filters", message).hint("Nothing was changed."))
}

fn words_of(effect: &FilterEffect) -> Vec<String> {
    let mut lines = Vec::new();
    let mut group = |heading: &str, paths: &[String], count: u64| {
        if count > 0 {
            lines.push(format!("{heading} ({count}):"));
            lines.extend(paths.iter().map(|path| format!("  {path}")));
            let rest = count.saturating_sub(paths.len() as u64);
            if rest > 0 {
                lines.push(format!("  and {rest} more"));
            }
        }
    };
    group(
        "Would stop syncing, and stay on both sides",
        &effect.newly_hidden,
        effect.newly_hidden_count,
    );
    group(
        "Would begin to sync, compared first",
        &effect.newly_shown,
        effect.newly_shown_count,
    );
    lines.push(format!(
        "In sync: {}; left out: {}",
        words::count(effect.shown, "file"),
        effect.hidden
    ));
    lines
}

#[cfg(test)]
mod tests {
    use engine::view::FilterError;

    use super::*;

    #[test]
    fn tells_the_effect_and_the_first_bad_line() {
        let effect = FilterEffect {
            errors: vec![
                FilterError {
                    line: 2,
                    message: "`-x`: a space must follow".into(),
                };
                2
            ],
            hidden: 3,
            shown: 1,
            newly_hidden: vec!["a.log".into()],
            newly_hidden_count: 2,
            ..FilterEffect::default()
        };
        let expected = [
            "Would stop syncing, and stay on both sides (2):",
            "  a.log",
            "  and 1 more",
            "In sync: 1 file; left out: 3",
        ];
        assert_eq!(words_of(&effect), expected);
        let failure = unusable(&effect).unwrap();
        assert_eq!(
            failure.message,
            "Line 2 cannot be used, `-x`: a space must follow (and 1 more)"
        );
    }
}
