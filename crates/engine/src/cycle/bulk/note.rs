//! One note's way: read once, stored or compared.

use std::path::PathBuf;
use std::time::Duration;

use guard::{Body, Bucket, BucketError, Precondition};

use super::pick::{LARGEST, Pick, Way};
use crate::config::{Observer, Step};
use crate::cycle::{CycleFailure, CycleInput};
use crate::lane;
use crate::state::{BaseText, Node};
use crate::vault::{self, Note};

/// Before the one more try of a request that got no proper answer.
const PAUSE: Duration = Duration::from_millis(250);

/// What all notes of a run share.
pub(super) struct Carrier {
    vault: PathBuf,
    bucket: Bucket,
    observer: Observer,
}

/// A note that both sides hold now.
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
    Equal,
}

pub(super) enum Outcome {
    Carried(Carried),
    /// It cannot be read as one version, or differs.
    LeftToBisync,
    /// What is in the cloud is not what was listed.
    CloudMoved,
}

impl Carrier {
    pub(super) fn of(input: &CycleInput) -> Self {
        Self {
            vault: input.vault.clone(),
            bucket: input.bucket.clone(),
            observer: input.observer.clone(),
        }
    }

    pub(super) async fn carry(&self, pick: Pick) -> Result<Outcome, CycleFailure> {
        let Pick { path, way } = pick;
        let Some((note, text)) = self.read(&path).await? else {
            return Ok(Outcome::LeftToBisync);
        };
        let came = match way {
            Way::AdoptIfEqual { md5 } if md5 == note.md5 => Came::Equal,
            Way::AdoptIfEqual { .. } => return Ok(Outcome::LeftToBisync),
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

/// What a refused upload means: for this note, or for all of them.
fn refused(error: BucketError) -> Result<Outcome, CycleFailure> {
    match error {
        BucketError::PreconditionFailed { .. } | BucketError::Conflict { .. } => {
            Ok(Outcome::CloudMoved)
        }
        BucketError::UnsendableKey { .. } => Ok(Outcome::LeftToBisync),
        BucketError::Endpoint { .. }
        | BucketError::Unreachable { .. }
        | BucketError::Refused { .. }
        | BucketError::ClockSkew { .. }
        | BucketError::NotFound { .. }
        | BucketError::BucketMissing { .. }
        | BucketError::Malformed { .. }
        | BucketError::Server { .. }
        | BucketError::LocalBody { .. } => Err(error.into()),
    }
}
