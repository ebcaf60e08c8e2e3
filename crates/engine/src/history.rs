//! Earlier versions of notes: what sync took out here, and what the bucket still has.
//!
//! A version is put back by safe apply, as a save of the person's: what is under the name goes to
//! history first, and the next pass carries the rest. Nothing here changes the bucket.

mod pages;
mod put_back;
mod tidy;

use std::path::PathBuf;

use bytes::Bytes;
use guard::{Bucket, BucketError};

use crate::Clock;
use crate::cycle::{CycleFailure, StateHandle};
use crate::state::{StateError, Version};
use crate::vault::{self, ApplyError, SideError};
use crate::view::{VersionReason, VersionView};

pub(crate) use pages::list;
pub(crate) use put_back::{Restored, restore, undo_last};
pub(crate) use tidy::{Retention, tidy};

/// The largest version that is shown as text, in bytes.
const LARGEST_TEXT: u64 = 1024 * 1024;
/// The largest version that is fetched from the bucket, in bytes: it is held in memory meanwhile.
const LARGEST: u64 = 256 * 1024 * 1024;

/// A pair's folder, and where its history is.
#[derive(Clone)]
pub(crate) struct Shelf {
    pub(crate) pair: String,
    pub(crate) vault: PathBuf,
    pub(crate) side_home: PathBuf,
    pub(crate) state: StateHandle,
    /// `None` while there is no way to it.
    pub(crate) bucket: Option<Bucket>,
    pub(crate) device: String,
    pub(crate) clock: Clock,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum HistoryError {
    #[error("there is no such version")]
    NotFound,
    #[error("this version is no longer in history")]
    Gone,
    #[error("this version is in the cloud, which cannot be reached now")]
    Offline,
    #[error("the versions in the cloud cannot be reached now")]
    CloudAway,
    #[error("no page of the history ended there")]
    NoSuchPage,
    #[error("the note is being saved; try again in a moment")]
    Busy,
    #[error("{path}: {message}")]
    Blocked { path: String, message: String },
    #[error(transparent)]
    Bucket(#[from] BucketError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Side(#[from] SideError),
    #[error(transparent)]
    Apply(#[from] ApplyError),
    #[error(transparent)]
    Cycle(#[from] CycleFailure),
}

impl HistoryError {
    /// Stable name for scripts.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::Gone => "version_gone",
            Self::Offline | Self::CloudAway => "unreachable",
            Self::NoSuchPage => "no_such_page",
            Self::Busy => "note_busy",
            Self::Blocked { .. } => "note_blocked",
            Self::Bucket(error) => error.code(),
            Self::State(_) => "state",
            Self::Side(_) => "side_folder",
            Self::Apply(error) => error.code(),
            Self::Cycle(failure) => failure.code(),
        }
    }
}

/// Names a version wherever it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum VersionId {
    Here(i64),
    InCloud {
        pair: String,
        version: String,
        path: String,
    },
}

impl VersionId {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if let Some(number) = text.strip_prefix('h') {
            return number.parse().ok().map(Self::Here);
        }
        let mut parts = text.strip_prefix("cloud:")?.splitn(3, ':');
        Some(Self::InCloud {
            pair: parts.next()?.to_owned(),
            version: parts.next().filter(|id| !id.is_empty())?.to_owned(),
            path: parts.next().filter(|path| !path.is_empty())?.to_owned(),
        })
    }

    pub(crate) fn text(&self) -> String {
        match self {
            Self::Here(id) => format!("h{id}"),
            Self::InCloud {
                pair,
                version,
                path,
            } => format!("cloud:{pair}:{version}:{path}"),
        }
    }
}

/// Whether this names a version that only the bucket has.
pub(crate) fn is_in_cloud(id: &str) -> bool {
    matches!(VersionId::parse(id), Some(VersionId::InCloud { .. }))
}

fn view(version: Version, current: bool) -> VersionView {
    VersionView {
        id: VersionId::Here(version.id).text(),
        pair: version.pair,
        path: version.path,
        at_ms: version.at_ms,
        size: version.kept.size,
        reason: match version.reason.as_str() {
            "removed" => VersionReason::Removed,
            "conflict" | "resolved" => VersionReason::Resolved,
            "merged" => VersionReason::Merged,
            "restored" => VersionReason::Restored,
            _ => VersionReason::Replaced,
        },
        device: None,
        current,
    }
}

/// The bucket's versions of a note, newest first. `None` where it cannot be asked.
async fn in_cloud(shelf: &Shelf, path: &str) -> Option<Vec<VersionView>> {
    let versions = match shelf.bucket.as_ref()?.versions(path).await {
        Ok(versions) => versions,
        Err(error) => {
            tracing::debug!(%error, "the bucket's versions are not to be had");
            return None;
        }
    };
    // A store that keeps no versions calls the only one `null`.
    let kept = versions.into_iter().filter(|it| it.id != "null");
    let views = kept.map(|version| VersionView {
        id: VersionId::InCloud {
            pair: shelf.pair.clone(),
            version: version.id,
            path: path.to_owned(),
        }
        .text(),
        pair: shelf.pair.clone(),
        path: path.to_owned(),
        at_ms: version.at_ms,
        size: version.size,
        reason: VersionReason::InCloud,
        device: None,
        current: version.current,
    });
    Some(views.collect())
}

/// A version and its bytes.
pub(super) struct Found<'s> {
    pub(super) shelf: &'s Shelf,
    pub(super) path: String,
    pub(super) bytes: Bytes,
    pub(super) view: VersionView,
}

/// Fetches a version from wherever it is.
async fn fetch<'s>(shelves: &'s [Shelf], id: &str) -> Result<Found<'s>, HistoryError> {
    let id = VersionId::parse(id).ok_or(HistoryError::NotFound)?;
    let shelf_of = |pair: &str| {
        let found = shelves.iter().find(|shelf| shelf.pair == pair);
        found.ok_or(HistoryError::NotFound)
    };
    match id {
        VersionId::Here(number) => {
            let first = shelves.first().ok_or(HistoryError::NotFound)?;
            let read = first.state.with(move |state| state.version(number)).await?;
            let version = read.ok_or(HistoryError::NotFound)?;
            let shelf = shelf_of(&version.pair)?;
            let file = version.kept.file.clone();
            let bytes = tokio::task::spawn_blocking(move || std::fs::read(file))
                .await
                .map_err(CycleFailure::panicked)?
                .map_err(|_| HistoryError::Gone)?;
            Ok(Found {
                shelf,
                path: version.path.clone(),
                bytes: bytes.into(),
                view: view(version, false),
            })
        }
        VersionId::InCloud {
            pair,
            version,
            path,
        } => {
            let shelf = shelf_of(&pair)?;
            let bucket = shelf.bucket.as_ref().ok_or(HistoryError::Offline)?;
            let (bytes, _) = match bucket.get_version(&path, &version, LARGEST).await {
                Ok(found) => found,
                Err(BucketError::NotFound { .. } | BucketError::Server { status: 400, .. }) => {
                    return Err(HistoryError::Gone);
                }
                Err(error) => return Err(error.into()),
            };
            let listed = in_cloud(shelf, &path).await.unwrap_or_default();
            let id = VersionId::InCloud {
                pair,
                version,
                path: path.clone(),
            };
            let view = listed.into_iter().find(|view| view.id == id.text());
            Ok(Found {
                shelf,
                path,
                bytes,
                view: view.ok_or(HistoryError::Gone)?,
            })
        }
    }
}

/// A version, and its text where it is one and not too large to show.
pub(crate) async fn read(
    shelves: &[Shelf],
    id: &str,
) -> Result<(VersionView, Option<String>), HistoryError> {
    let Found {
        shelf,
        path,
        bytes,
        mut view,
    } = fetch(shelves, id).await?;
    let file = shelf.vault.join(&path);
    let here = tokio::task::spawn_blocking(move || vault::md5_of(&file).ok())
        .await
        .map_err(CycleFailure::panicked)?;
    view.current = here.is_some_and(|(md5, _)| md5 == put_back::digest(&bytes));
    let small = bytes.len() as u64 <= LARGEST_TEXT;
    let text = small
        .then(|| String::from_utf8(bytes.to_vec()).ok())
        .flatten();
    Ok((view, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_its_text() {
        for id in [
            VersionId::Here(7),
            VersionId::InCloud {
                pair: "pair_1".into(),
                version: "v.x=".into(),
                path: "a: b/c.md".into(),
            },
        ] {
            assert_eq!(VersionId::parse(&id.text()), Some(id));
        }
        for text in [
            "",
            "h",
            "hx",
            "cloud:",
            "cloud:p",
            "cloud:p::a",
            "cloud:p:v:",
        ] {
            assert_eq!(VersionId::parse(text), None, "{text}");
        }
    }
}
