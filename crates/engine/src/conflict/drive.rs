//! Conflicts of a drive. There is no folder with both versions: they are objects in the bucket, and
//! a decision is carried out there, conditional on what it was made of. What it replaces stays an
//! earlier version of the bucket.

use bytes::Bytes;
use guard::{Body, Bucket, BucketError, Object, Precondition};

use super::detail::{LARGEST_SHOWN, compared};
use crate::cycle::{CycleFailure, StateHandle};
use crate::lane::Hint;
use crate::state::ConflictRow;
use crate::view::{Choice, ConflictDetail, SeenVersions, VersionText};

/// The drives of an account, and the way to what they show.
#[derive(Clone)]
pub(crate) struct Drives {
    pub(crate) mounts: Vec<String>,
    pub(crate) bucket: Option<Bucket>,
    pub(crate) state: StateHandle,
}

/// What became of objects, for whoever shows them.
pub(crate) type Touched = Vec<(String, Hint)>;

impl Drives {
    pub(super) fn has(&self, pair: &str) -> bool {
        self.mounts.iter().any(|mount| mount == pair)
    }

    fn bucket(&self) -> Result<&Bucket, CycleFailure> {
        let unreachable = || BucketError::Unreachable {
            reason: "there is no connection yet".to_owned(),
        };
        Ok(self.bucket.as_ref().ok_or_else(unreachable)?)
    }

    /// Carries a decision out. `false`: the versions are not those that it was made of, and
    /// everything is as it was.
    pub(super) async fn resolve(
        &self,
        row: &ConflictRow,
        choice: Choice,
        seen: Option<&SeenVersions>,
        touched: &mut Touched,
    ) -> Result<bool, CycleFailure> {
        let bucket = self.bucket()?;
        let (note, copy) = look(bucket, row).await?;
        let tag = |object: &Option<Object>| object.as_ref().map(|object| object.etag.clone());
        if seen.is_some_and(|seen| {
            (tag(&copy), tag(&note)) != (seen.mine.clone(), seen.theirs.clone())
        }) {
            return Ok(false);
        }
        let when = match &note {
            Some(note) => Precondition::Match(note.etag.clone()),
            None => Precondition::Absent,
        };
        let merged = matches!(choice, Choice::Merged { .. });
        let written = match (choice, &copy) {
            (Choice::KeepBoth, _) => None,
            (Choice::KeepTheirs, _) => Some(Ok(None)),
            (Choice::KeepMine, None) => return Ok(false),
            (Choice::KeepMine, Some(copy)) => {
                let stored = bucket.copy(&copy.key, &copy.etag, &row.path, when).await;
                Some(stored.map(|etag| Some((etag, copy.size))))
            }
            (Choice::Merged { text }, _) => {
                let size = text.len() as u64;
                let body = Body::Bytes(Bytes::from(text));
                let stored = bucket.put(&row.path, body, when, &[]).await;
                Some(stored.map(|etag| Some((etag, size))))
            }
        };
        match written {
            None => {}
            Some(Err(BucketError::PreconditionFailed { .. })) => return Ok(false),
            Some(Err(error)) => return Err(error.into()),
            Some(Ok(stored)) => {
                if let Some((etag, size)) = stored {
                    touched.push((row.path.clone(), Hint::Stored { etag, size }));
                }
                if let Some(copy) = &copy {
                    match bucket.delete(&copy.key, &copy.etag).await {
                        Ok(()) => touched.push((copy.key.clone(), Hint::Ask)),
                        // Saved again meanwhile: that version stays beside the note.
                        Err(BucketError::PreconditionFailed { .. }) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
            }
        }
        let id = row.id.clone();
        self.state
            .with(move |state| state.close_conflict(&id, merged))
            .await?;
        Ok(true)
    }

    /// Reads both versions from the bucket.
    pub(crate) async fn detail(
        &self,
        row: &ConflictRow,
    ) -> Result<Option<ConflictDetail>, CycleFailure> {
        if !self.has(&row.pair) {
            return Ok(None);
        }
        let bucket = self.bucket()?;
        let (note, copy) = look(bucket, row).await?;
        let mut theirs = version(bucket, note).await?;
        if let Some(etag) = &theirs.md5 {
            theirs.device = bucket.find_writer(&row.path, etag).await?;
        }
        let mut mine = version(bucket, copy).await?;
        mine.device = mine.md5.is_some().then(|| row.device.clone());
        Ok(Some(compared(row.clone(), mine, theirs, None).await?))
    }
}

async fn look(
    bucket: &Bucket,
    row: &ConflictRow,
) -> Result<(Option<Object>, Option<Object>), CycleFailure> {
    let note = bucket.head(&row.path).await?;
    let copy = match &row.copy_path {
        Some(copy) => bucket.head(copy).await?,
        None => None,
    };
    Ok((note, copy))
}

async fn version(bucket: &Bucket, object: Option<Object>) -> Result<VersionText, CycleFailure> {
    let Some(object) = object else {
        return Ok(VersionText::default());
    };
    let text = if object.size <= LARGEST_SHOWN {
        let download = bucket.get(&object.key, Some(&object.etag)).await?;
        let bytes = download.into_bytes(LARGEST_SHOWN).await?;
        String::from_utf8(bytes.to_vec()).ok()
    } else {
        None
    };
    Ok(VersionText {
        device: None,
        at_ms: Some(object.mtime_ms.unwrap_or(object.last_modified_ms)),
        size: object.size,
        md5: Some(object.etag),
        text,
    })
}
