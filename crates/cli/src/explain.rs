//! `bm-cloud explain`: whether a file syncs, and if not, why.

use std::path::Path;

use clap::Args;
use engine::view::{ExplainState, PairView};
use engine::{Connection, Reply, Request};
use serde_json::json;

use crate::bisync::folders;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;

#[derive(Args, Debug)]
pub(crate) struct Explain {
    /// A file, from where you stand, or as it is called in its folder.
    #[arg(value_name = "PATH")]
    pub(crate) path: String,
    /// Print JSON on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) async fn run(context: &Context, arguments: &Explain) -> Result<Exit, Failure> {
    context
        .with_engine(async |connection| explain(context, connection, &arguments.path).await)
        .await
}

async fn explain(context: &Context, connection: &Connection, typed: &str) -> Result<Exit, Failure> {
    folders(connection)?;
    let path = whole(&connection.view().pairs, typed).unwrap_or_else(|| typed.to_owned());
    let request = Request::Explain { path };
    let Reply::Explanation {
        state,
        reason,
        action,
    } = context.ask(connection, request).await?
    else {
        return Err(Failure::unexpected());
    };
    context.output.json(&json!({
        "ok": true,
        "path": typed,
        "state": state,
        "reason": reason,
        "action": action,
    }));
    context.output.data(&format!("{typed}: {}", word(state)));
    context.output.data(&format!("  {reason}"));
    if let Some(action) = &action {
        context.output.hint(action);
    }
    Ok(Exit::Done)
}

/// The whole path of a file that is there from where one stands, if it is in a folder that syncs.
/// The last link is not followed: a link is asked about as one.
fn whole(pairs: &[PairView], typed: &str) -> Option<String> {
    let typed = Path::new(typed);
    typed.symlink_metadata().ok()?;
    let folder = match typed.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    let place = dunce::canonicalize(folder).ok()?.join(typed.file_name()?);
    let inside = pairs.iter().any(|pair| place.starts_with(&pair.folder));
    inside.then(|| place.to_str().map(str::to_owned)).flatten()
}

fn word(state: ExplainState) -> &'static str {
    match state {
        ExplainState::Synced => "in sync",
        ExplainState::Waiting => "waits",
        ExplainState::Hidden => "left out",
        ExplainState::CannotSync => "cannot sync",
        ExplainState::Paused => "paused",
        ExplainState::Conflict => "in conflict",
        ExplainState::ReadOnly => "read-only",
        ExplainState::Unknown => "not known",
    }
}
