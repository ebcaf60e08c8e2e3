//! One note's way: read once and stored or compared, or fetched and staged.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use guard::{Body, Bucket, BucketError, Object, Precondition};
use time::OffsetDateTime;

use super::pick::{LARGEST, Pick, Way, has_md5};
use crate::config::{Observer, Step};
use crate::cycle::{CycleFailure, CycleInput};
use crate::lane;
use crate::state::{BaseText, Node};
use crate::vault::{self, ApplyError, Arrival, Note, Side, Signature};

/// Before the one more try of a request that got no proper answer.
const PAUSE: Duration = Duration::from_millis(250);

/// What all notes of a run share.
pub(super) struct Carrier {
    vault: PathBuf,
    side: Side,
    now: OffsetDateTime,
    bucket: Bucket,
    observer: Observer,
}

/// A note that both sides hold now, or will when it is placed.
pub(super) struct Carried {
    pub(super) path: String,
    pub(super) node: Node,
    pub(super) text: Option<BaseText>,
    pub(super) came: Came,
}

/// How both sides came to hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Came {
    Uploaded,
    Downloaded,
    Equal,
}

pub(super) enum Outcome {
    Carried(Carried),
    /// It is in the stage; its signature is known when it is in its place.
    Staged(Carried, Box<Arrival>),
    /// It cannot be read as one version, or differs.
    LeftToBisync,
    /// What is in the cloud is not what was listed.
    CloudMoved,
}

impl Carrier {
    pub(super) fn of(input: &CycleInput, side: &Side) -> Self {
        Self {
            vault: input.vault.clone(),
            side: side.clone(),
            now: OffsetDateTime::from(input.clock.now()),
            bucket: input.bucket.clone(),
            observer: input.observer.clone(),
        }
    }

    pub(super) async fn carry(&self, pick: Pick) -> Result<Outcome, CycleFailure> {
        let Pick { path, way } = pick;
        if way == Way::Download {
            return self.fetch(path).await;
        }
        let Some((note, text)) = self.read(&path).await? else {
            return Ok(Outcome::LeftToBisync);
        };
        let came = match way {
            Way::AdoptIfEqual { md5 } if md5 == note.md5 => Came::Equal,
            Way::AdoptIfEqual { .. } | Way::Download => return Ok(Outcome::LeftToBisync),
            Way::Upload => match self.store(&path, &note).await {
                Ok(etag) if etag == note.md5 => Came::Uploaded,
                // Encrypted by the store; only a comparison can tell of its bytes.
                Ok(_) => return Ok(Outcome::CloudMoved),
                Err(error) => return refused(error),
            },
        };
        let node = Node {
            etag: note.md5.clone(),
            md5: note.md5,
            size: note.signature.size,
            signature: note.signature,
        };
        Ok(Outcome::Carried(Carried {
            path,
            node,
            text,
            came,
        }))
    }

    async fn fetch(&self, path: String) -> Result<Outcome, CycleFailure> {
        let fetched = match self.get(&path).await {
            Err(error) if error.is_transient() => {
                tracing::debug!(%error, "a download is tried once more");
                tokio::time::sleep(PAUSE).await;
                self.get(&path).await
            }
            result => result,
        };
        match fetched {
            Ok(Some((object, bytes))) => self.stage(path, object, bytes).await,
            Ok(None) => Ok(Outcome::LeftToBisync),
            Err(error) => refused(error),
        }
    }

    /// None where it has become what bisync carries.
    async fn get(&self, path: &str) -> Result<Option<(Object, Bytes)>, BucketError> {
        let download = self.bucket.get(path, None).await?;
        let object = download.object.clone();
        if object.size > LARGEST || !has_md5(&object) {
            return Ok(None);
        }
        Ok(Some((object, download.into_bytes(LARGEST).await?)))
    }

    async fn stage(
        &self,
        path: String,
        object: Object,
        bytes: Bytes,
    ) -> Result<Outcome, CycleFailure> {
        let (vault, side, now) = (self.vault.clone(), self.side.clone(), self.now);
        let staged = tokio::task::spawn_blocking(move || {
            let node = Node {
                md5: object.etag.clone(),
                etag: object.etag,
                size: bytes.len() as u64,
                signature: Signature::unknown(),
            };
            let text = BaseText::of(&path, &node.md5, &bytes);
            let what = (path.as_str(), node.md5.as_str());
            let arrival = vault::stage_arrival(&vault, &side, now, what, bytes, object.mtime_ms)?;
            let carried = Carried {
                path,
                node,
                text,
                came: Came::Downloaded,
            };
            Ok((carried, arrival))
        });
        match staged.await.map_err(CycleFailure::panicked)? {
            Ok((carried, arrival)) => Ok(Outcome::Staged(carried, Box::new(arrival))),
            // Damaged on its way or there; bisync finds out which.
            Err(ApplyError::WrongSource { .. }) => Ok(Outcome::LeftToBisync),
            Err(error) => Err(error.into()),
        }
    }

    async fn read(&self, path: &str) -> Result<Option<(Note, Option<BaseText>)>, CycleFailure> {
        let (vault, path) = (self.vault.clone(), path.to_owned());
        let read = tokio::task::spawn_blocking(move || {
            let note = vault::read_note(&vault, &path, LARGEST).ok()??;
            let text = BaseText::of(&path, &note.md5, &note.bytes);
            Some((note, text))
        });
        read.await.map_err(CycleFailure::panicked)
    }

    /// Stores the note where nothing is. A request may arrive twice, and its answer may be lost: then
    /// the name is taken by our own bytes.
    async fn store(&self, path: &str, note: &Note) -> Result<String, BucketError> {
        let stored = match self.put(path, note).await {
            Err(error) if error.is_transient() => {
                tracing::debug!(%error, "an upload is tried once more");
                tokio::time::sleep(PAUSE).await;
                self.put(path, note).await
            }
            result => result,
        };
        match stored {
            Err(BucketError::PreconditionFailed { key }) => {
                let found = self.bucket.head(path).await?;
                let ours = found.filter(|object| object.etag == note.md5);
                ours.map(|object| object.etag)
                    .ok_or(BucketError::PreconditionFailed { key })
            }
            result => result,
        }
    }

    async fn put(&self, path: &str, note: &Note) -> Result<String, BucketError> {
        let meta = [("mtime", lane::seconds(note.signature.mtime_ns))];
        let body = Body::Bytes(note.bytes.clone());
        let stored = self.bucket.put(path, body, Precondition::Absent, &meta);
        let etag = stored.await?;
        self.observer.reached(Step::LaneUploaded);
        Ok(etag)
    }
}

/// What a refused request means: for this note, or for all of them.
fn refused(error: BucketError) -> Result<Outcome, CycleFailure> {
    match error {
        BucketError::PreconditionFailed { .. }
        | BucketError::Conflict { .. }
        | BucketError::NotFound { .. } => Ok(Outcome::CloudMoved),
        BucketError::UnsendableKey { .. } => Ok(Outcome::LeftToBisync),
        BucketError::Endpoint { .. }
        | BucketError::Unreachable { .. }
        | BucketError::Refused { .. }
        | BucketError::ClockSkew { .. }
        | BucketError::BucketMissing { .. }
        | BucketError::Malformed { .. }
        | BucketError::Server { .. }
        | BucketError::LocalBody { .. } => Err(error.into()),
    }
}
