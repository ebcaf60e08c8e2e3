//! What is in the folder now, and where a version that is not there is kept.

use std::path::{Path, PathBuf};

use super::Desk;
use crate::cycle::{CycleFailure, blocking};
use crate::vault::{self, HashError};

/// A file as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) md5: String,
    pub(super) size: u64,
    pub(super) saved_ms: i64,
}

/// The files of a conflict. `None`: there is no file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Live {
    pub(super) note: Option<Found>,
    pub(super) copy: Option<Found>,
}

impl Live {
    pub(super) fn note_md5(&self) -> Option<&String> {
        self.note.as_ref().map(|found| &found.md5)
    }

    pub(super) fn copy_md5(&self) -> Option<&String> {
        self.copy.as_ref().map(|found| &found.md5)
    }
}

impl Desk {
    /// Looks at both files. `None` if one cannot be read, or is being written.
    pub(super) async fn look(
        &self,
        note: &str,
        copy: Option<&String>,
    ) -> Result<Option<Live>, CycleFailure> {
        let note = self.vault.join(note);
        let copy = copy.map(|copy| self.vault.join(copy));
        blocking(move || {
            let found = find(&note).and_then(|note| {
                Ok(Live {
                    note,
                    copy: copy.as_deref().map_or(Ok(None), find)?,
                })
            });
            Ok::<_, CycleFailure>(found.ok())
        })
        .await
    }

    /// A file with this content: one of the conflict's own, or one in history.
    pub(super) async fn locate(
        &self,
        md5: &str,
        near: &[&str],
    ) -> Result<Option<PathBuf>, CycleFailure> {
        let (pair, wanted) = (self.pair.clone(), md5.to_owned());
        let kept = self
            .state
            .with(move |state| state.kept_files(&pair, &wanted))
            .await?;
        let wanted = md5.to_owned();
        let mut places: Vec<PathBuf> = near.iter().map(|path| self.vault.join(path)).collect();
        places.extend(kept.into_iter().map(PathBuf::from));
        blocking(move || {
            let holds = |file: &PathBuf| {
                find(file).is_ok_and(|found| found.is_some_and(|found| found.md5 == wanted))
            };
            Ok::<_, CycleFailure>(places.into_iter().find(holds))
        })
        .await
    }
}

fn find(file: &Path) -> Result<Option<Found>, HashError> {
    match vault::md5_of(file) {
        Ok((md5, signature)) => Ok(Some(Found {
            md5,
            size: signature.size,
            saved_ms: signature.mtime_ns / 1_000_000,
        })),
        Err(HashError::Missing) => Ok(None),
        Err(error) => Err(error),
    }
}
