//! `bm-cloud rclone`: the program that does the work, and a remote for a person's own use of it.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use engine::view::{InstallWayView, RcloneView};
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
    Install {
        /// Another way than a copy of this app's alone; `ways` shows them.
        #[arg(long = "with", value_name = "WAY")]
        way: Option<String>,
        /// Agree to a command that changes the system with an administrator's rights.
        #[arg(long, requires = "way")]
        yes: bool,
    },
    /// Show the ways to get rclone that this machine has, and what each would run.
    Ways,
    /// Use an rclone that is on this computer already, before any other. It is tested first: it
    /// has to run and to be new enough.
    Use {
        /// The program.
        #[arg(required_unless_present = "any", conflicts_with = "any")]
        path: Option<PathBuf>,
        /// Forget what was chosen, and use what is found.
        #[arg(long)]
        any: bool,
    },
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
            Some(Action::Install { way: None, .. }) => install(context, connection).await,
            Some(Action::Install {
                way: Some(way),
                yes,
            }) => {
                let consent = if *yes {
                    Consent::Given
                } else {
                    Consent::Missing
                };
                install_with(context, connection, way, consent).await
            }
            Some(Action::Ways) => list_ways(context, connection).await,
            Some(Action::Use { path, any: _ }) => choose(context, connection, path.clone()).await,
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

/// Whether a person agreed to what needs an administrator's rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Consent {
    Given,
    Missing,
}

async fn list_ways(context: &Context, connection: &Connection) -> Result<Exit, Failure> {
    let ways = ways(context, connection).await?;
    for way in &ways {
        let rights = if way.administrator {
            " (administrator)"
        } else {
            ""
        };
        let command = match way.command.as_str() {
            "" => "a copy that is this app's alone",
            command => command,
        };
        context
            .output
            .data(&format!("{}{rights}: {command}", way.way));
    }
    if ways.is_empty() {
        context
            .output
            .data("None: install rclone 1.74.2 or newer yourself");
    }
    context.output.json(&json!({ "ok": true, "ways": ways }));
    Ok(Exit::Done)
}

async fn install_with(
    context: &Context,
    connection: &Connection,
    wanted: &str,
    consent: Consent,
) -> Result<Exit, Failure> {
    let ways = ways(context, connection).await?;
    let Some(way) = ways.into_iter().find(|way| way.way == wanted) else {
        let message = format!("This machine has no way {wanted:?} to get rclone");
        return Err(
            Failure::new("no_such_way", message).hint("`bm-cloud rclone ways` shows what it has.")
        );
    };
    if way.administrator && consent == Consent::Missing {
        let message = format!("This changes the system: {}", way.command);
        return Err(Failure::new("consent_needed", message)
            .hint("To agree, run the command again with --yes."));
    }
    context.output.say(&format!("Running: {}", way.command));
    let request = Request::InstallRcloneWith { way: way.way };
    context.ask(connection, request).await?;
    status(context, connection).await
}

async fn choose(
    context: &Context,
    connection: &Connection,
    path: Option<PathBuf>,
) -> Result<Exit, Failure> {
    let path = path.map(absolute).transpose()?;
    // What a look finds that began before the choice would be shown in its place.
    context.wait(connection, setup::known_rclone).await?;
    context.ask(connection, Request::UseRclone { path }).await?;
    status(context, connection).await
}

fn absolute(path: PathBuf) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| {
        let message = format!("That path cannot be used: {error}");
        Failure::new("file_unusable", message)
    })
}

async fn ways(context: &Context, connection: &Connection) -> Result<Vec<InstallWayView>, Failure> {
    let reply = context.ask(connection, Request::ListInstallWays).await?;
    let Reply::InstallWays { ways } = reply else {
        return Err(Failure::unexpected());
    };
    Ok(ways)
}

async fn export(
    context: &Context,
    connection: &Connection,
    config: Option<PathBuf>,
) -> Result<Exit, Failure> {
    let config = config.map(absolute).transpose()?;
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
