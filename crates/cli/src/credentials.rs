//! `bm-cloud credentials`: the keys to the cloud storage.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use engine::view::{CredentialState, CredentialView};
use engine::{Connection, Reply, Request};
use serde_json::json;
use time::UtcOffset;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::words;

#[derive(Args, Debug)]
pub(crate) struct Credentials {
    #[command(subcommand)]
    action: Option<Action>,
    /// Print JSON on standard output.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show the live keys; this is what happens without a word, too.
    List,
    /// Make a key for another program, and write it to a new file for rclone that only you can
    /// read.
    Create {
        /// What the key is for.
        #[arg(long)]
        name: String,
        /// The file to make; one that is there is never overwritten.
        #[arg(long, value_name = "PATH")]
        file: PathBuf,
    },
    /// Take a key away. This device's own is replaced by a new one.
    Revoke {
        /// The key's id, or its beginning.
        id: String,
    },
}

pub(crate) async fn run(context: &Context, arguments: &Credentials) -> Result<Exit, Failure> {
    context
        .with_engine(async |connection| match &arguments.action {
            None | Some(Action::List) => list(context, connection).await,
            Some(Action::Create { name, file }) => create(context, connection, name, file).await,
            Some(Action::Revoke { id }) => revoke(context, connection, id).await,
        })
        .await
}

async fn list(context: &Context, connection: &Connection) -> Result<Exit, Failure> {
    let credentials = live(context, connection).await?;
    context
        .output
        .json(&json!({ "ok": true, "credentials": credentials }));
    if credentials.is_empty() {
        context.output.data("No keys");
    }
    for credential in &credentials {
        context.output.data(&line(credential, context.offset));
    }
    Ok(Exit::Done)
}

async fn create(
    context: &Context,
    connection: &Connection,
    name: &str,
    file: &std::path::Path,
) -> Result<Exit, Failure> {
    let file = std::path::absolute(file).map_err(|error| {
        let message = format!("{} cannot be used: {error}", file.display());
        Failure::new("file_unusable", message)
    })?;
    let name = name.to_owned();
    let request = Request::CreateCredential { name, file };
    let Reply::Exported { path, .. } = context.ask(connection, request).await? else {
        return Err(Failure::unexpected());
    };
    context
        .output
        .good(&format!("A new key is in {path}; only you can read it"));
    context
        .output
        .hint("Its first line says how to use it with rclone --config.");
    context.output.json(&json!({ "ok": true, "path": path }));
    Ok(Exit::Done)
}

async fn revoke(context: &Context, connection: &Connection, typed: &str) -> Result<Exit, Failure> {
    let credentials = live(context, connection).await?;
    let credential = find(&credentials, typed)?;
    let id = credential.id.clone();
    context
        .ask(connection, Request::RevokeCredential { id })
        .await?;
    let output = &context.output;
    output.good(&format!("Revoked: {}", credential.name));
    if credential.this_device {
        output.say("It was this device's own; a new one has taken its place.");
    } else {
        output.say(
            "A device of yours that is still signed in makes itself a new one; to keep it out, \
             end its session, too.",
        );
    }
    output.json(&json!({
        "ok": true, "id": credential.id, "thisDevice": credential.this_device
    }));
    Ok(Exit::Done)
}

async fn live(context: &Context, connection: &Connection) -> Result<Vec<CredentialView>, Failure> {
    let reply = context.ask(connection, Request::ListCredentials).await?;
    let Reply::Credentials { credentials } = reply else {
        return Err(Failure::unexpected());
    };
    Ok(credentials)
}

/// An id may be cut short where that is clear.
fn find<'a>(credentials: &'a [CredentialView], typed: &str) -> Result<&'a CredentialView, Failure> {
    let exact = credentials.iter().find(|it| it.id == typed);
    let mut begun = credentials.iter().filter(|it| it.id.starts_with(typed));
    match (exact, begun.next(), begun.next()) {
        (Some(one), _, _) | (None, Some(one), None) if !typed.is_empty() => Ok(one),
        _ => Err(
            Failure::new("not_found", format!("There is no one key {typed:?}"))
                .hint("`bm-cloud credentials list` shows them with their ids."),
        ),
    }
}

fn line(credential: &CredentialView, offset: UtcOffset) -> String {
    let day = |ms: Option<i64>| ms.map(|ms| words::day(ms, offset));
    let mut parts = vec![credential.name.clone()];
    parts.extend(
        credential
            .this_device
            .then(|| "this device".to_owned())
            .into_iter()
            .chain(day(credential.created_at_ms).map(|day| format!("made {day}")))
            .chain(day(credential.last_used_at_ms).map(|day| format!("last used {day}")))
            .chain(day(credential.expires_at_ms).map(|day| format!("until {day}")))
            .chain(state(credential.state)),
    );
    format!("{}  {}", credential.id, parts.join(" · "))
}

fn state(state: CredentialState) -> Option<String> {
    match state {
        CredentialState::Active => None,
        CredentialState::Revoking => Some("being revoked".to_owned()),
        CredentialState::RevokeFailed => Some("revoked; the storage is slow to follow".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credential(id: &str) -> CredentialView {
        CredentialView {
            id: id.into(),
            name: "laptop".into(),
            created_at_ms: Some(1_759_442_400_000),
            last_used_at_ms: None,
            expires_at_ms: None,
            this_device: true,
            state: CredentialState::Active,
        }
    }

    #[test]
    fn a_key_is_found_by_the_beginning_of_its_id() {
        let credentials = [credential("ab1"), credential("ab2"), credential("ab")];
        let found = |typed| find(&credentials, typed).map(|it| it.id.as_str()).ok();
        assert_eq!(found("ab"), Some("ab"));
        assert_eq!(found("ab2"), Some("ab2"));
        assert_eq!(found("a"), None);
        assert_eq!(found(""), None);
    }

    #[test]
    fn a_key_is_told_in_one_line() {
        assert_eq!(
            line(&credential("c1"), UtcOffset::UTC),
            "c1  laptop · this device · made 2 Oct 2025"
        );
    }
}
