//! The guard's decisions, for the model test (`crates/model`). Not part of the crate's face.
//!
//! Each item wraps the function that a session calls, and decides nothing itself.

use std::collections::BTreeSet;

use crate::decide::{Action, Answer, Forward, decide};
use crate::forward::settled_by;
use crate::object::{Object, Precondition};
use crate::request::Operation;
use crate::session::{Access, Rename, Visibility};
use crate::snapshot::{Entry, Snapshot};

pub use crate::forward::Settlement;

/// What a session knows of the bucket.
pub struct Knowledge(Snapshot);

impl std::fmt::Debug for Knowledge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.shown()).finish()
    }
}

/// What is done about a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// A write to this key of the bucket, on this condition.
    Write { stored: String, when: Precondition },
    /// A read of just this version.
    Read { stored: String, etag: String },
    /// A delete of just this version.
    Delete { stored: String, etag: String },
    /// Answered without asking the bucket: there is no such object.
    Absent,
    /// Not answered as asked.
    Refused,
}

impl Knowledge {
    #[must_use]
    pub fn new(
        objects: Vec<Object>,
        visible: BTreeSet<String>,
        access: Access,
        rename: Option<Rename>,
    ) -> Self {
        Self(Snapshot::new(
            objects,
            &Visibility::Keys(visible),
            access,
            rename,
        ))
    }

    /// What a listing shows: key and `ETag`.
    pub fn shown(&self) -> impl Iterator<Item = (&String, &String)> {
        self.0.entries.iter().map(|(key, entry)| (key, &entry.etag))
    }

    #[must_use]
    pub fn put(&self, key: &str, mtime_ms: Option<i64>) -> Decision {
        self.decide(&Operation::Put {
            key: key.to_owned(),
            mtime_ms,
        })
    }

    #[must_use]
    pub fn get(&self, key: &str) -> Decision {
        self.decide(&Operation::Get {
            key: key.to_owned(),
        })
    }

    #[must_use]
    pub fn delete(&self, key: &str) -> Decision {
        self.decide(&Operation::Delete {
            key: key.to_owned(),
        })
    }

    /// Takes a successful write in.
    pub fn wrote(&mut self, key: &str, stored: &str, etag: &str, size: u64) {
        let entry = Entry {
            stored_as: (stored != key).then(|| stored.to_owned()),
            etag: etag.to_owned(),
            size,
            last_modified_ms: 0,
            described: None,
        };
        self.0.wrote(key, entry);
    }

    /// Takes a successful delete in.
    pub fn deleted(&mut self, key: &str) {
        self.0.entries.remove(key);
    }

    fn decide(&self, operation: &Operation) -> Decision {
        match decide(&self.0, operation) {
            Action::Forward(Forward::Put(target)) => Decision::Write {
                stored: target.stored().to_owned(),
                when: target.when,
            },
            Action::Forward(Forward::Get { stored, etag, .. }) => Decision::Read { stored, etag },
            Action::Forward(Forward::Delete { stored, etag, .. }) => {
                Decision::Delete { stored, etag }
            }
            Action::Answer(Answer::Missing { .. } | Answer::AlreadyGone) => Decision::Absent,
            Action::Answer(
                Answer::Bucket
                | Answer::Location
                | Answer::List(_)
                | Answer::Described { .. }
                | Answer::MissingUpload { .. }
                | Answer::OwnVersionStays,
            )
            | Action::Forward(
                Forward::List(_)
                | Forward::Head { .. }
                | Forward::Copy { .. }
                | Forward::Complete { .. }
                | Forward::StartUpload { .. }
                | Forward::UploadPart { .. }
                | Forward::AbortUpload { .. },
            )
            | Action::Refuse { .. }
            | Action::DeleteEach => Decision::Refused,
        }
    }
}

/// What a write came to whose answer was no plain success, after a look at what is there.
#[must_use]
pub fn settle(
    when: &Precondition,
    content: (u64, Option<&str>),
    heard: Heard,
    found: Option<&Object>,
) -> Settlement {
    settled_by(when, content, heard == Heard::Refused, found)
}

/// What the bucket said of a write that did not plainly succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    Refused,
    Nothing,
}
