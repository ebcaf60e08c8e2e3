//! What the files themselves say. A mount answers through this very process: a look from one of its
//! working threads could wait for itself.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::Backlog;

/// What of the work is there.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Folders at the top.
    pub(super) folders: BTreeSet<String>,
    /// Those of the named paths that are notes.
    pub(super) notes: BTreeSet<String>,
}

impl Seen {
    /// Looks on a thread that nothing else needs.
    pub(super) async fn look(data: PathBuf, work: &Backlog) -> Self {
        let work = work.clone();
        let looked = tokio::task::spawn_blocking(move || Self::look_now(&data, &work));
        looked.await.unwrap_or_else(|error| {
            tracing::warn!(%error, "the files could not be looked at");
            Self::default()
        })
    }

    pub(super) fn look_now(data: &Path, work: &Backlog) -> Self {
        let mut folders: BTreeSet<String> = match work.anything {
            true => folders_in(data).collect(),
            false => BTreeSet::new(),
        };
        let tops: BTreeSet<&str> = work.paths.iter().filter_map(|path| top(path)).collect();
        for folder in tops {
            if !folders.contains(folder) && data.join(folder).is_dir() {
                folders.insert(folder.to_owned());
            }
        }
        let notes = work
            .paths
            .iter()
            .filter(|path| path.ends_with(".md") && data.join(path).is_file());
        Self {
            folders,
            notes: notes.cloned().collect(),
        }
    }
}

pub(super) fn top(path: &str) -> Option<&str> {
    path.split_once('/').map(|(folder, _)| folder)
}

fn folders_in(data: &Path) -> impl Iterator<Item = String> {
    let entries = std::fs::read_dir(data).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter_map(|entry| entry.file_name().into_string().ok())
}
