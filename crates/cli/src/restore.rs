//! `bm-cloud restore` and `bm-cloud undo`: putting earlier versions back.

mod choose;

use std::path::PathBuf;

use clap::Args;
use engine::{Connection, Reply, Request};
use serde_json::json;

use crate::bisync::folders;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::report::Report;
use crate::{filters, history, runs};

#[derive(Args, Debug)]
pub(crate) struct Restore {
    /// The id of a version, or a note: then the newest version that is not the note as it is. With
    /// a time behind it, as `a.md@2026-01-31 14:05`, the version listed with that time, else the
    /// note as it was then.
    #[arg(value_name = "ID|PATH[@TIME]")]
    pub(crate) version: String,
    /// Write the version to standard output instead, and change nothing.
    #[arg(long)]
    pub(crate) print: bool,
    /// Print the result as JSON on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Undo {
    /// The folder whose last sync it is; not needed where there is only one.
    #[arg(long, value_name = "PATH")]
    pub(crate) folder: Option<PathBuf>,
    /// Print the result as JSON on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) async fn run(context: &Context, arguments: &Restore) -> Result<Exit, Failure> {
    context
        .with_engine(async |connection| {
            folders(connection)?;
            let id = meant(context, connection, &arguments.version).await?;
            if arguments.print {
                print(context, connection, id).await
            } else {
                put_back(context, connection, id).await
            }
        })
        .await
}

/// The id of the version that was typed.
async fn meant(context: &Context, connection: &Connection, typed: &str) -> Result<String, Failure> {
    if choose::is_id(typed) {
        return Ok(typed.to_owned());
    }
    let (path, at) = choose::note_and_time(typed, context.offset);
    let note = history::note(&connection.view().pairs, path);
    let versions = history::all(context, connection, Some(&note)).await?;
    choose::version(&versions, &note.path, at.as_ref()).map(|version| version.id.clone())
}

async fn print(context: &Context, connection: &Connection, id: String) -> Result<Exit, Failure> {
    let request = Request::ReadVersion { id };
    let Reply::Version { version, text } = context.ask(connection, request).await? else {
        return Err(Failure::unexpected());
    };
    let Some(text) = text else {
        let message = format!("This version of {} cannot be shown as text", version.path);
        return Err(Failure::new("not_text", message)
            .hint(format!("Put it back: bm-cloud restore {}", version.id)));
    };
    context
        .output
        .data(text.strip_suffix('\n').unwrap_or(&text));
    context
        .output
        .json(&json!({ "ok": true, "version": version, "text": text }));
    Ok(Exit::Done)
}

async fn put_back(context: &Context, connection: &Connection, id: String) -> Result<Exit, Failure> {
    let request = Request::RestoreVersion { id: id.clone() };
    let Reply::Restored { path, undo } = context.ask(connection, request).await? else {
        return Err(Failure::unexpected());
    };
    context
        .output
        .json(&json!({ "ok": true, "id": id, "path": path, "undo": undo }));
    context.output.good(&format!("Put back: {path}"));
    if let Some(undo) = &undo {
        context
            .output
            .hint(&format!("To take it back: bm-cloud restore {undo}"));
    }
    runs::carry(context, connection).await;
    Ok(Exit::Done)
}

pub(crate) async fn undo(context: &Context, arguments: &Undo) -> Result<Exit, Failure> {
    let report = context
        .with_engine(async |connection| {
            let pair = filters::chosen(connection, arguments.folder.as_deref())?.id;
            let request = Request::UndoLastSync { pair: pair.clone() };
            let pairs = [pair];
            let view = runs::complete(context, connection, request, &pairs).await?;
            Ok(Report::new(&view, &pairs))
        })
        .await?;
    context
        .output
        .good("What the last sync replaced or removed here is back");
    Ok(report.finish(context))
}
