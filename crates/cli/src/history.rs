//! `bm-cloud history`: earlier versions of notes.

use std::ffi::OsStr;
use std::path::Path;

use clap::Args;
use engine::view::{HistoryView, PairView, VersionReason, VersionView};
use engine::{Connection, Reply, Request};
use serde_json::json;
use time::UtcOffset;

use crate::bisync::folders;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::words;

#[derive(Args, Debug)]
pub(crate) struct History {
    /// A note, as it is called in its folder; then what the cloud keeps of it is listed, too.
    #[arg(value_name = "PATH")]
    pub(crate) path: Option<String>,
    /// List all, not only the newest hundred.
    #[arg(long)]
    pub(crate) all: bool,
    /// Print JSON on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

/// A note, and the folder that it is in where that is clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) pair: Option<String>,
    pub(crate) path: String,
}

pub(crate) async fn run(context: &Context, arguments: &History) -> Result<Exit, Failure> {
    context
        .with_engine(async |connection| show(context, connection, arguments).await)
        .await
}

async fn show(
    context: &Context,
    connection: &Connection,
    arguments: &History,
) -> Result<Exit, Failure> {
    folders(connection)?;
    let note = arguments
        .path
        .as_deref()
        .map(|typed| note(&connection.view().pairs, typed));
    let (versions, more) = if arguments.all {
        (all(context, connection, note.as_ref()).await?, false)
    } else {
        let (versions, next) = page(context, connection, note.as_ref(), None).await?;
        (versions, next.is_some())
    };
    let kept = &connection.view().history;
    context.output.json(&json!({
        "ok": true,
        "versions": versions,
        "more": more,
        "history": kept,
    }));
    for line in lines(&versions, context.offset) {
        context.output.data(&line);
    }
    if !versions.is_empty() {
        context
            .output
            .hint("Look: bm-cloud restore ID --print. Put back: bm-cloud restore ID");
    }
    if more {
        context.output.hint("Older ones: bm-cloud history --all");
    }
    context.output.say(&limits(kept));
    Ok(Exit::Done)
}

/// The versions of all pages.
pub(crate) async fn all(
    context: &Context,
    connection: &Connection,
    note: Option<&Note>,
) -> Result<Vec<VersionView>, Failure> {
    let (mut versions, mut next) = page(context, connection, note, None).await?;
    while next.is_some() {
        let (older, after) = page(context, connection, note, next).await?;
        versions.extend(older);
        next = after;
    }
    Ok(versions)
}

/// A page of versions, and what the next one is asked with.
async fn page(
    context: &Context,
    connection: &Connection,
    note: Option<&Note>,
    after: Option<String>,
) -> Result<(Vec<VersionView>, Option<String>), Failure> {
    let request = Request::ListHistory {
        pair: note.and_then(|note| note.pair.clone()),
        path: note.map(|note| note.path.clone()),
        after,
    };
    let Reply::History { versions, next } = context.ask(connection, request).await? else {
        return Err(Failure::unexpected());
    };
    Ok((versions, next))
}

/// The note that a person means: one that is there from where they stand, else its name in the
/// folder.
pub(crate) fn note(pairs: &[PairView], typed: &str) -> Note {
    let there = dunce::canonicalize(typed).ok();
    named(pairs, typed, there.as_deref())
}

fn named(pairs: &[PairView], typed: &str, there: Option<&Path>) -> Note {
    for whole in there.into_iter().chain([Path::new(typed)]) {
        for pair in pairs {
            let inside = whole.strip_prefix(&pair.folder).ok();
            let names: Option<Vec<&str>> =
                inside.and_then(|inside| inside.iter().map(OsStr::to_str).collect());
            if let Some(names) = names.filter(|names| !names.is_empty()) {
                return Note {
                    pair: Some(pair.id.clone()),
                    path: names.join("/"),
                };
            }
        }
    }
    let path = typed.strip_prefix("./").unwrap_or(typed);
    Note {
        pair: None,
        path: path.to_owned(),
    }
}

fn lines(versions: &[VersionView], offset: UtcOffset) -> Vec<String> {
    let mut lines = Vec::new();
    for version in versions {
        let now = if version.current {
            "; the note reads so now"
        } else {
            ""
        };
        lines.push(format!("{}  {}{now}", version.path, reason(version.reason)));
        let device = version.device.as_ref().map(|device| format!(" · {device}"));
        lines.push(format!(
            "  {}{} · {} · id {}",
            words::minute(version.at_ms, offset),
            device.unwrap_or_default(),
            words::count(version.size, "byte"),
            version.id
        ));
    }
    if lines.is_empty() {
        lines.push("No earlier versions".to_owned());
    }
    lines
}

fn reason(reason: VersionReason) -> &'static str {
    match reason {
        VersionReason::Replaced => "replaced by a newer version",
        VersionReason::Removed => "removed elsewhere",
        VersionReason::Resolved => "lost a conflict",
        VersionReason::Merged => "went into a merge",
        VersionReason::Restored => "made room for a restored version",
        VersionReason::InCloud => "kept in the cloud",
    }
}

fn limits(kept: &HistoryView) -> String {
    let days = words::count(u64::from(kept.days), "day");
    format!(
        "History here: {}, {} MiB; kept for {days}, {} MiB of a folder at most",
        words::count(kept.versions, "version"),
        kept.used_bytes.div_ceil(1024 * 1024),
        kept.budget_mib
    )
}

#[cfg(test)]
mod tests {
    use engine::view::ProfileName;

    use super::*;

    #[test]
    fn a_note_is_found_from_where_one_stands_or_by_its_name() {
        let pairs = [
            PairView::new("p1", "/home/ana/Notes", "b", ProfileName::Safe),
            PairView::new("p2", "/home/ana/Work", "b", ProfileName::Safe),
        ];
        let found = |typed: &str, there: Option<&str>| {
            let note = named(&pairs, typed, there.map(Path::new));
            (note.pair, note.path)
        };
        let of = |pair: Option<&str>, path: &str| (pair.map(str::to_owned), path.to_owned());
        let there = Some("/home/ana/Work/Deep/a.md");
        assert_eq!(found("a.md", there), of(Some("p2"), "Deep/a.md"));
        assert_eq!(found("Deep/a.md", None), of(None, "Deep/a.md"));
        assert_eq!(found("./a.md", Some("/tmp/a.md")), of(None, "a.md"));
        let gone = "/home/ana/Notes/gone.md";
        assert_eq!(found(gone, None), of(Some("p1"), "gone.md"));
        assert_eq!(found("/home/ana/Notes", None), of(None, "/home/ana/Notes"));
    }

    #[test]
    fn lists_each_version_with_its_id() {
        let version = VersionView {
            id: "h7".into(),
            pair: "p1".into(),
            path: "a.md".into(),
            at_ms: 0,
            size: 12,
            reason: VersionReason::Replaced,
            device: None,
            current: true,
        };
        let expected = [
            "a.md  replaced by a newer version; the note reads so now",
            "  1970-01-01 00:00 · 12 bytes · id h7",
        ];
        assert_eq!(lines(&[version], UtcOffset::UTC), expected);
        assert_eq!(lines(&[], UtcOffset::UTC), ["No earlier versions"]);
    }
}
