//! A look before a folder becomes a vault: what both sides hold, and what speaks against the
//! folder. Reads only, and the default that it shows is the union of both sides.

mod fitness;
mod found;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use futures::StreamExt;
use guard::{Bucket, BucketError, Object};
use md5::{Digest, Md5};

use crate::cycle::{CycleFailure, blocking};
use crate::filters::Filters;
use crate::plan::RESERVED;
use crate::vault::{self, Scan};
use crate::view::{ChangeAction, PreviewChange, SetUpPreview};

pub(crate) use found::notes;

/// Lines that a preview shows.
const LINES: usize = 200;
/// Objects without a known MD5 that are read at once.
const AT_ONCE: usize = 8;

/// What is looked at.
pub(crate) struct Look {
    pub(crate) folder: PathBuf,
    pub(crate) filters: Filters,
    /// Where the working folders of pairs are, unless they are beside the vault.
    pub(crate) side_home: PathBuf,
    pub(crate) bucket: Bucket,
}

pub(crate) async fn preview(look: Look) -> Result<SetUpPreview, CycleFailure> {
    let Look {
        folder,
        filters,
        side_home,
        bucket,
    } = look;
    let exists = folder.exists();
    let scan = if exists {
        let (folder, filters) = (folder.clone(), filters.clone());
        blocking(move || vault::scan(&folder, &filters)).await?
    } else {
        Scan::default()
    };
    let cloud: BTreeMap<String, Object> = bucket
        .sweep()
        .await?
        .into_iter()
        .filter(|object| !object.key.starts_with(RESERVED) && filters.includes(&object.key))
        .map(|object| (object.key.clone(), object))
        .collect();
    let identical = identical(&folder, &scan, &cloud, &bucket).await?;
    let paths: BTreeSet<&String> = scan.files.keys().chain(cloud.keys()).collect();
    let changes: Vec<PreviewChange> = paths
        .into_iter()
        .filter(|path| !identical.contains(*path))
        .map(|path| PreviewChange {
            path: path.clone(),
            action: match (scan.files.contains_key(path), cloud.contains_key(path)) {
                (true, false) => ChangeAction::Upload,
                (false, _) => ChangeAction::Download,
                (true, true) => ChangeAction::Conflict,
            },
        })
        .collect();
    let count = |action| changes.iter().filter(|it| it.action == action).count() as u64;
    let to_come = changes
        .iter()
        .filter(|change| change.action != ChangeAction::Upload)
        .filter_map(|change| cloud.get(&change.path))
        .map(|object| object.size)
        .sum();
    let place = folder.clone();
    let files = scan.files.len();
    let (warnings, free_bytes) = blocking(move || {
        let found = fitness::look(&place);
        let warnings = fitness::warnings(&place, &side_home, &found, files, to_come);
        Ok::<_, CycleFailure>((warnings, found.free_bytes))
    })
    .await?;
    Ok(SetUpPreview {
        folder: folder.display().to_string(),
        exists,
        warnings,
        free_bytes,
        only_here: count(ChangeAction::Upload),
        only_in_cloud: count(ChangeAction::Download),
        identical: identical.len() as u64,
        differ: count(ChangeAction::Conflict),
        lines: shown(changes, LINES),
    })
}

/// As many of the changes as can be shown: those of which there are least, and which a person
/// cares about most, are not crowded out by the others.
fn shown(mut changes: Vec<PreviewChange>, most: usize) -> Vec<PreviewChange> {
    changes.sort_by_key(|change| match change.action {
        ChangeAction::Conflict => 0,
        ChangeAction::RemoveHere | ChangeAction::RemoveInCloud => 1,
        ChangeAction::Download => 2,
        ChangeAction::Upload => 3,
    });
    changes.truncate(most);
    changes
}

/// Paths whose bytes are the same on both sides. An `ETag` with a dash is no MD5: such an object
/// is read.
async fn identical(
    folder: &Path,
    scan: &Scan,
    cloud: &BTreeMap<String, Object>,
    bucket: &Bucket,
) -> Result<BTreeSet<String>, CycleFailure> {
    let same_size = scan.files.iter().filter_map(|(path, signature)| {
        let object = cloud.get(path)?;
        (object.size == signature.size).then(|| (path.clone(), object.etag.clone()))
    });
    let mut compared = futures::stream::iter(same_size.collect::<Vec<_>>())
        .map(|(path, etag)| async {
            let file = folder.join(&path);
            let hashed = blocking(move || Ok::<_, CycleFailure>(vault::md5_of(&file).ok()));
            let Some((md5, _)) = hashed.await? else {
                return Ok(None);
            };
            let there = if etag.contains('-') {
                md5_there(bucket, &path).await?
            } else {
                Some(etag)
            };
            Ok::<_, CycleFailure>((there == Some(md5)).then_some(path))
        })
        .buffer_unordered(AT_ONCE);
    let mut identical = BTreeSet::new();
    while let Some(path) = compared.next().await {
        identical.extend(path?);
    }
    Ok(identical)
}

async fn md5_there(bucket: &Bucket, key: &str) -> Result<Option<String>, CycleFailure> {
    let mut stream = match bucket.get(key, None).await {
        Ok(download) => download.stream,
        Err(BucketError::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut md5 = Md5::new();
    while let Some(piece) = stream.next().await {
        md5.update(&piece?);
    }
    Ok(Some(hex::encode(md5.finalize())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_shown_however_many_notes_are_on_one_side_only() {
        let change = |path: &str, action| PreviewChange {
            path: path.to_owned(),
            action,
        };
        let changes = vec![
            change("a.md", ChangeAction::Upload),
            change("b.md", ChangeAction::Upload),
            change("c.md", ChangeAction::Download),
            change("d.md", ChangeAction::Upload),
            change("e.md", ChangeAction::Conflict),
        ];
        let paths: Vec<String> = shown(changes, 3).into_iter().map(|it| it.path).collect();
        assert_eq!(paths, ["e.md", "c.md", "a.md"]);
    }
}
