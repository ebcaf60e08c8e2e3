//! Putting versions back into the vault.

use std::collections::BTreeSet;
use std::path::Path;

use bytes::Bytes;
use md5::{Digest, Md5};
use time::OffsetDateTime;

use super::{Found, HistoryError, Shelf, VersionId, fetch};
use crate::cycle::CycleFailure;
use crate::naming::numbered_conflict_name;
use crate::state::{Node, Version};
use crate::vault::{self, Applied, Change, Expect, Kept, NewBytes, Side};

/// How often a note that is being saved is tried.
const ATTEMPTS: u32 = 3;
/// Names that are tried for a copy.
const COPIES: u32 = 50;

/// A version that is back under its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Restored {
    pub(crate) pair: String,
    pub(crate) path: String,
    /// The version that was under the name before, for taking this back.
    pub(crate) undo: Option<String>,
}

/// What is under a note's name.
enum Here {
    Nothing,
    Note { md5: String },
}

enum Placed {
    Already,
    Done { kept: Option<Kept> },
}

/// Puts a version back under its note's name. To be called while neither a run nor the lane works
/// on the pair.
pub(crate) async fn restore(shelves: &[Shelf], id: &str) -> Result<Restored, HistoryError> {
    let Found {
        shelf, path, bytes, ..
    } = fetch(shelves, id).await?;
    let mut undo = None;
    if let Placed::Done { kept: Some(kept) } = put(shelf, &path, &bytes, Over::Anything).await? {
        undo = Some(keep(shelf, &path, kept).await?);
    }
    Ok(Restored {
        pair: shelf.pair.clone(),
        path,
        undo: undo.map(|id| VersionId::Here(id).text()),
    })
}

/// Puts back what the newest run that changed something here took out, and answers how many notes
/// that were. A note that was saved since keeps its name, and the old version comes beside it.
pub(crate) async fn undo_last(shelf: &Shelf) -> Result<usize, HistoryError> {
    let pair = shelf.pair.clone();
    let (versions, nodes) = shelf
        .state
        .with(move |state| {
            let versions = state.last_batch(&pair)?;
            let nodes = state.nodes(&pair, versions.iter().map(|version| &version.path))?;
            Ok((versions, nodes))
        })
        .await?;
    // The first of a run is what was there before it.
    let mut seen = BTreeSet::new();
    let mut back = 0;
    for version in &versions {
        if seen.insert(version.path.clone()) {
            put_back(shelf, version, nodes.get(&version.path)).await?;
            back += 1;
        }
        let id = version.id;
        shelf.state.with(move |state| state.undone(&[id])).await?;
    }
    Ok(back)
}

async fn put_back(
    shelf: &Shelf,
    version: &Version,
    known: Option<&Node>,
) -> Result<(), HistoryError> {
    let file = version.kept.file.clone();
    let read = tokio::task::spawn_blocking(move || std::fs::read(file));
    let Ok(bytes) = read.await.map_err(CycleFailure::panicked)? else {
        tracing::warn!("a version that is to be put back is no longer in history");
        return Ok(());
    };
    let bytes = Bytes::from(bytes);
    let over = Over::Known(known.map(|node| node.md5.clone()));
    match put(shelf, &version.path, &bytes, over).await {
        Ok(Placed::Done { kept: Some(kept) }) => {
            keep(shelf, &version.path, kept).await?;
            Ok(())
        }
        Ok(Placed::Already | Placed::Done { kept: None }) => Ok(()),
        Err(HistoryError::Busy) => put_beside(shelf, version, &bytes).await,
        Err(error) => Err(error),
    }
}

/// The note was saved since: the old version becomes a copy.
async fn put_beside(shelf: &Shelf, version: &Version, bytes: &Bytes) -> Result<(), HistoryError> {
    let at = OffsetDateTime::from_unix_timestamp(version.at_ms.div_euclid(1000))
        .unwrap_or(OffsetDateTime::UNIX_EPOCH);
    for number in 1..=COPIES {
        let copy = numbered_conflict_name(&version.path, &shelf.device, at, number);
        match put(shelf, &copy, bytes, Over::Nothing).await {
            Err(HistoryError::Busy) => {}
            Ok(_) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Err(HistoryError::Busy)
}

/// What may be replaced. Anything else under the name is a save that came since.
enum Over {
    Anything,
    /// What sync left there.
    Known(Option<String>),
    Nothing,
}

async fn put(shelf: &Shelf, path: &str, bytes: &Bytes, over: Over) -> Result<Placed, HistoryError> {
    let (shelf, path, bytes) = (shelf.clone(), path.to_owned(), bytes.clone());
    tokio::task::spawn_blocking(move || put_now(&shelf, &path, &bytes, &over))
        .await
        .map_err(CycleFailure::panicked)?
}

fn put_now(shelf: &Shelf, path: &str, bytes: &Bytes, over: &Over) -> Result<Placed, HistoryError> {
    let side = Side::open(&shelf.vault, &shelf.side_home, &shelf.pair)?;
    let md5 = digest(bytes);
    for _ in 0..ATTEMPTS {
        let expect = match (here(&shelf.vault, path)?, over) {
            (Here::Note { md5: found }, _) if found == md5 => return Ok(Placed::Already),
            (Here::Nothing, _) => Expect::Absent,
            (Here::Note { md5 }, Over::Anything) => Expect::Content { md5 },
            (Here::Note { md5 }, Over::Known(Some(known))) if md5 == *known => {
                Expect::Content { md5 }
            }
            (Here::Note { .. }, Over::Known(_) | Over::Nothing) => return Err(HistoryError::Busy),
        };
        let change = Change::Install {
            path: path.to_owned(),
            from: NewBytes::Here(bytes.clone()),
            md5: md5.clone(),
            mtime_ms: None,
            expect,
        };
        let now = OffsetDateTime::from(shelf.clock.now());
        match vault::apply(&shelf.vault, &side, &change, &shelf.device, now, &|_| {})? {
            Applied::Done { kept, .. } => return Ok(Placed::Done { kept }),
            Applied::KeptBoth { .. } => return Ok(Placed::Done { kept: None }),
            Applied::UserSaved => {}
            Applied::Blocked(problem) => {
                return Err(HistoryError::Blocked {
                    path: problem.path,
                    message: problem.message,
                });
            }
        }
    }
    Err(HistoryError::Busy)
}

fn here(vault: &Path, path: &str) -> Result<Here, HistoryError> {
    match vault::md5_of(&vault.join(path)) {
        Ok((md5, _)) => Ok(Here::Note { md5 }),
        Err(_) if vault::absent(vault, path).map_err(CycleFailure::from)? => Ok(Here::Nothing),
        Err(_) => Err(HistoryError::Busy),
    }
}

async fn keep(shelf: &Shelf, path: &str, kept: Kept) -> Result<i64, HistoryError> {
    let (pair, path) = (shelf.pair.clone(), path.to_owned());
    let at_ms = shelf.clock.now_ms();
    Ok(shelf
        .state
        .with(move |state| state.add_version(&pair, &path, &kept, at_ms))
        .await?)
}

pub(super) fn digest(bytes: &Bytes) -> String {
    hex::encode(Md5::digest(bytes))
}
