use crate::listing::ListQuery;
use crate::object::Precondition;
use crate::request::Operation;
use crate::session::{Access, RefusedReason};
use crate::snapshot::Snapshot;

/// What is done about one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Answer(Answer),
    Refuse {
        key: String,
        reason: RefusedReason,
    },
    Forward(Forward),
    /// Each key of the batch is decided as a delete of its own.
    DeleteEach,
}

/// What is said without asking the bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Bucket,
    Location,
    List(ListQuery),
    /// The entry is in the snapshot with its headers.
    Described {
        key: String,
    },
    Missing {
        key: String,
    },
    MissingUpload {
        key: String,
    },
    AlreadyGone,
    /// The session stored this version itself, whole; it stays, and the client is not told.
    OwnVersionStays,
}

/// What goes to the bucket. `stored` is the key there; all that changes an object has a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Forward {
    List(ListQuery),
    Head {
        key: String,
        stored: String,
        etag: String,
    },
    Get {
        key: String,
        stored: String,
        etag: String,
    },
    Put(Target),
    Copy {
        target: Target,
        source: String,
        source_etag: String,
        source_size: u64,
    },
    Complete {
        target: Target,
        upload: String,
    },
    Delete {
        key: String,
        stored: String,
        etag: String,
    },
    StartUpload {
        key: String,
        stored_as: Option<String>,
    },
    UploadPart {
        key: String,
        stored: String,
        upload: String,
        number: u16,
    },
    AbortUpload {
        stored: String,
        upload: String,
    },
}

/// Where a write goes, and the state it goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// The client's key.
    pub(crate) key: String,
    /// The key in the bucket, where it differs.
    pub(crate) stored_as: Option<String>,
    pub(crate) when: Precondition,
}

impl Target {
    pub(crate) fn stored(&self) -> &str {
        self.stored_as.as_deref().unwrap_or(&self.key)
    }
}

/// Decides one request from what the session knows. Nothing is asked, nothing changes.
pub(crate) fn decide(snapshot: &Snapshot, operation: &Operation) -> Action {
    match operation {
        Operation::DescribeBucket => Action::Answer(Answer::Bucket),
        Operation::LocateBucket => Action::Answer(Answer::Location),
        Operation::List(query) if snapshot.live().is_some() => {
            Action::Forward(Forward::List(query.clone()))
        }
        Operation::List(query) if query.token.is_some() && query.after.is_none() => {
            refuse(&query.prefix, RefusedReason::Unsupported)
        }
        Operation::List(query) => Action::Answer(Answer::List(query.clone())),
        Operation::Head { key } => head(snapshot, key),
        Operation::Get { key } => match snapshot.entries.get(key) {
            None => Action::Answer(Answer::Missing { key: key.clone() }),
            Some(entry) => Action::Forward(Forward::Get {
                key: key.clone(),
                stored: snapshot.stored_key(key).to_owned(),
                etag: entry.etag.clone(),
            }),
        },
        Operation::AbortUpload { key, upload } => match snapshot.uploads.get(upload) {
            Some(known) if known.key == *key => Action::Forward(Forward::AbortUpload {
                stored: known.stored_as.as_deref().unwrap_or(key).to_owned(),
                upload: upload.clone(),
            }),
            _ => Action::Answer(Answer::MissingUpload { key: key.clone() }),
        },
        Operation::DeleteMany => match snapshot.access {
            Access::ReadOnly => refuse("", RefusedReason::ReadOnly),
            Access::ReadWrite => Action::DeleteEach,
        },
        Operation::Put { key, .. }
        | Operation::Copy { key, .. }
        | Operation::Delete { key }
        | Operation::StartUpload { key, .. }
        | Operation::UploadPart { key, .. }
        | Operation::CompleteUpload { key, .. } => {
            if snapshot.access == Access::ReadOnly {
                refuse(key, RefusedReason::ReadOnly)
            } else if snapshot.hidden.contains(key) {
                refuse(key, RefusedReason::NotVisible)
            } else {
                write(snapshot, operation)
            }
        }
    }
}

fn refuse(key: &str, reason: RefusedReason) -> Action {
    Action::Refuse {
        key: key.to_owned(),
        reason,
    }
}

fn head(snapshot: &Snapshot, key: &str) -> Action {
    let key = key.to_owned();
    match snapshot.entries.get(&key) {
        None => Action::Answer(Answer::Missing { key }),
        Some(entry) if entry.described.is_some() => Action::Answer(Answer::Described { key }),
        Some(entry) => Action::Forward(Forward::Head {
            stored: snapshot.stored_key(&key).to_owned(),
            etag: entry.etag.clone(),
            key,
        }),
    }
}

fn write(snapshot: &Snapshot, operation: &Operation) -> Action {
    match operation {
        Operation::Put { key, mtime_ms } => {
            Action::Forward(Forward::Put(target(snapshot, key, *mtime_ms)))
        }
        Operation::Copy {
            key,
            source,
            mtime_ms,
        } => match snapshot.entries.get(source) {
            None => Action::Answer(Answer::Missing {
                key: source.clone(),
            }),
            Some(entry) => Action::Forward(Forward::Copy {
                target: target(snapshot, key, *mtime_ms),
                source: snapshot.stored_key(source).to_owned(),
                source_etag: entry.etag.clone(),
                source_size: entry.size,
            }),
        },
        Operation::Delete { key } => match snapshot.entries.get(key) {
            None => Action::Answer(Answer::AlreadyGone),
            // rclone takes back what it uploaded when the file changes meanwhile, and with it the
            // note that was there before.
            Some(_) if snapshot.stored_itself(key) => Action::Answer(Answer::OwnVersionStays),
            Some(entry) => Action::Forward(Forward::Delete {
                key: key.clone(),
                stored: snapshot.stored_key(key).to_owned(),
                etag: entry.etag.clone(),
            }),
        },
        Operation::StartUpload { key, mtime_ms } => Action::Forward(Forward::StartUpload {
            stored_as: target(snapshot, key, *mtime_ms).stored_as,
            key: key.clone(),
        }),
        Operation::UploadPart {
            key,
            upload,
            number,
        } => match snapshot.uploads.get(upload) {
            Some(known) if known.key == *key => Action::Forward(Forward::UploadPart {
                key: key.clone(),
                stored: known.stored_as.as_deref().unwrap_or(key).to_owned(),
                upload: upload.clone(),
                number: *number,
            }),
            _ => Action::Answer(Answer::MissingUpload { key: key.clone() }),
        },
        Operation::CompleteUpload { key, upload } => match snapshot.uploads.get(upload) {
            Some(known) if known.key == *key => Action::Forward(Forward::Complete {
                target: Target {
                    key: key.clone(),
                    stored_as: known.stored_as.clone(),
                    when: state_of(snapshot, key, known.stored_as.as_deref()),
                },
                upload: upload.clone(),
            }),
            _ => Action::Answer(Answer::MissingUpload { key: key.clone() }),
        },
        Operation::DescribeBucket
        | Operation::LocateBucket
        | Operation::List(_)
        | Operation::DeleteMany
        | Operation::Head { .. }
        | Operation::Get { .. }
        | Operation::AbortUpload { .. } => refuse("", RefusedReason::Unsupported),
    }
}

/// An object that was renamed stays where it is; otherwise the rename rule is asked; otherwise it is the key itself.
fn target(snapshot: &Snapshot, key: &str, mtime_ms: Option<i64>) -> Target {
    if let Some(live) = snapshot.live() {
        return live.target(&snapshot.entries, key);
    }
    let known = snapshot.entries.get(key);
    let stored_as = match known.and_then(|entry| entry.stored_as.clone()) {
        Some(stored) => Some(stored),
        None => snapshot
            .rename
            .as_ref()
            .and_then(|rename| rename(key, mtime_ms))
            .filter(|new| new != key),
    };
    Target {
        key: key.to_owned(),
        when: state_of(snapshot, key, stored_as.as_deref()),
        stored_as,
    }
}

/// The state that the session believes the stored key to be in. A name it knows nothing of is believed to be free.
fn state_of(snapshot: &Snapshot, key: &str, stored_as: Option<&str>) -> Precondition {
    if let Some(live) = snapshot.live() {
        return live.condition(&snapshot.entries, key, stored_as);
    }
    match snapshot.entries.get(key) {
        Some(entry) if entry.stored_as.as_deref() == stored_as => {
            Precondition::Match(entry.etag.clone())
        }
        _ => Precondition::Absent,
    }
}

#[cfg(test)]
mod tests;
