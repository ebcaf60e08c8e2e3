//! `bm-cloud rclone`: the program that does the work, and a remote for a person's own use of it.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use engine::view::RcloneView;
use engine::{Connection, Reply, Request};
use serde_json::json;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::{setup, words};

#[derive(Args, Debug)]
pub(crate) struct Rclone {
    #[command(subcommand)]
    action: Option<Action>,
    /// Print JSON on standard output.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show which rclone is used; this is what happens without a word, too.
    Status,
    /// Put a copy of rclone in place that is this app's alone, unless a fit one is there.
    Install,
    /// Write the cloud storage as a remote into your own rclone configuration, with a key of its
    /// own. What the file had before stays in a backup beside it.
    Export {
        /// The configuration to write to [default: the one that `rclone config file` tells].
        #[arg(long, value_name = "PATH")]
        config: Option<PathBuf>,
    },
}

pub(crate) async fn run(context: &Context, arguments: &Rclone) -> Result<Exit, Failure> {
    context
        .with_engine(async |connection| match &arguments.action {
            None | Some(Action::Status) => status(context, connection).await,
            Some(Action::Install) => install(context, connection).await,
            Some(Action::Export { config }) => export(context, connection, config.clone()).await,
        })
        .await
}

async fn status(context: &Context, connection: &Connection) -> Result<Exit, Failure> {
    let found = context.wait(connection, setup::known_rclone).await?;
    match &found {
        RcloneView::Ready { version, path } => {
            context.output.data(&format!("rclone {version} ({path})"));
            context.output.json(&json!({ "ok": true, "rclone": found }));
            Ok(Exit::Done)
        }
        RcloneView::Missing { message, hint } | RcloneView::TooOld { message, hint, .. } => {
            Err(Failure::new("rclone", words::capitalized(message)).hint(hint))
        }
        RcloneView::Unknown | RcloneView::Installing => Err(Failure::unexpected()),
    }
}

async fn install(context: &Context, connection: &Connection) -> Result<Exit, Failure> {
    let rclone = setup::rclone(context, connection).await?;
    context.output.good(&format!("rclone: {rclone}"));
    let found = connection.view().rclone.clone();
    context.output.json(&json!({ "ok": true, "rclone": found }));
    Ok(Exit::Done)
}

async fn export(
    context: &Context,
    connection: &Connection,
    config: Option<PathBuf>,
) -> Result<Exit, Failure> {
    let config = config.map(std::path::absolute).transpose();
    let config = config.map_err(|error| {
        Failure::new(
            "file_unusable",
            format!("That path cannot be used: {error}"),
        )
    })?;
    context.wait(connection, setup::known_rclone).await?;
    let reply = context
        .ask(connection, Request::ExportRclone { config })
        .await?;
    let Reply::Exported { path, backup } = reply else {
        return Err(Failure::unexpected());
    };
    let output = &context.output;
    output.good(&format!(
        "Your rclone has the cloud storage as a remote now: {path}"
    ));
    if let Some(backup) = &backup {
        output.say(&format!("What it had before is in {backup}"));
    }
    output.hint("See it: rclone listremotes. Its key is in `bm-cloud credentials`.");
    output.json(&json!({ "ok": true, "path": path, "backup": backup }));
    Ok(Exit::Done)
}
