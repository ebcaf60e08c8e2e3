use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use secrecy::SecretString;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::bucket::Bucket;
use crate::live::{CopyName, Held, Live};
use crate::object::Object;
use crate::snapshot::Snapshot;

/// Gives another key for an upload, from its key and its modification time in Unix milliseconds. Must give the same
/// answer for the same input, so that a repeated upload finds itself.
pub type Rename = Arc<dyn Fn(&str, Option<i64>) -> Option<String> + Send + Sync>;

/// What a session is opened with.
pub struct SessionSpec {
    /// What [`Bucket::sweep`] gave: the state that every write of the session is conditional on.
    pub snapshot: Vec<Object>,
    pub visible: Visibility,
    pub access: Access,
    /// Stores uploads under another key; the session goes on showing them under their own.
    pub rename: Option<Rename>,
    /// Told what happens, as it happens. A full or closed channel loses events; [`Session::outcome`] never does.
    pub events: mpsc::Sender<GuardEvent>,
}

/// What a session that follows the bucket is opened with.
pub struct LiveSpec {
    pub access: Access,
    /// What [`Session::shown`] gave of the session before: the versions whose content the client has.
    pub shown: BTreeMap<String, String>,
    pub held: Held,
    pub copy_name: CopyName,
    /// Told what happens, as it happens. A full or closed channel loses events.
    pub events: mpsc::Sender<GuardEvent>,
}

/// Which objects of the snapshot a session shows. The others cannot be read, replaced or deleted; keys that are not in
/// the snapshot can be created in any case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Visibility {
    All,
    Keys(BTreeSet<String>),
}

/// What a session may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    ReadWrite,
    ReadOnly,
}

/// What a session reports while it runs. Keys are the client's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GuardEvent {
    Uploading {
        key: String,
        size: u64,
    },
    Uploaded {
        key: String,
        size: u64,
        etag: String,
    },
    /// `size` is that of the piece asked for.
    Downloading {
        key: String,
        size: u64,
    },
    Downloaded {
        key: String,
        size: u64,
    },
    Deleted {
        key: String,
    },
    /// Somebody else had changed the object, so this version was stored beside it.
    SetAside {
        key: String,
        stored: String,
        size: u64,
        etag: String,
    },
    /// Somebody else changed the object since the snapshot was taken.
    LostRace {
        key: String,
    },
    Refused {
        key: String,
        reason: RefusedReason,
    },
    /// A listing took too long, and what was given instead of it was not as the folder is. Empty for the bucket's own.
    ListedLate {
        folder: String,
    },
    /// The bucket did not answer.
    Unreachable,
}

/// Why the guard did not do what the client asked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RefusedReason {
    /// The object is not in the state of the snapshot.
    LostRace,
    ReadOnly,
    NotVisible,
    /// The guard does not do this kind of request.
    Unsupported,
    /// The bucket did not answer.
    Unreachable,
    /// The bucket said no.
    Upstream {
        code: String,
        message: String,
    },
    /// The bucket rejects signatures because the clocks differ.
    ClockSkew,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refused {
    pub key: String,
    pub reason: RefusedReason,
}

/// An object the session stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The key in the bucket, after renaming.
    pub key: String,
    pub etag: String,
    /// Bytes.
    pub size: u64,
}

/// All that a session changed, and all that it was not allowed to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionOutcome {
    /// By the key the client used.
    pub uploaded: BTreeMap<String, Stored>,
    /// Keys in the bucket.
    pub deleted: BTreeSet<String>,
    /// In the order it happened, each pair of key and reason once; also what a later try of the client then achieved.
    pub refused: Vec<Refused>,
}

/// A throw-away way into the bucket. Its key stops working, and what is under way is cut off, when this is dropped.
#[must_use]
pub struct Session {
    pub(crate) state: Arc<SessionState>,
    pub(crate) endpoint: String,
    pub(crate) close: Box<dyn Fn(&SessionState) + Send + Sync>,
}

impl Session {
    /// The URL for clients, without a path.
    #[must_use]
    pub fn endpoint(&self) -> String {
        self.endpoint.clone()
    }

    /// The bucket's name for clients.
    #[must_use]
    pub fn bucket(&self) -> &str {
        self.state.bucket.name()
    }

    #[must_use]
    pub fn access_key(&self) -> &str {
        &self.state.access_key
    }

    #[must_use]
    pub fn secret_key(&self) -> &SecretString {
        &self.state.secret_key
    }

    /// What happened so far.
    #[must_use]
    pub fn outcome(&self) -> SessionOutcome {
        self.state.inner().outcome.clone()
    }

    /// The version of each key whose content the client of a live session has, with a number that grows as this
    /// changes. Given to the next session, no write of it replaces what the client never saw.
    #[must_use]
    pub fn shown(&self) -> (u64, BTreeMap<String, String>) {
        let inner = self.state.inner();
        inner.snapshot.live().map(Live::shown).unwrap_or_default()
    }

    /// The number of [`Session::shown`] alone.
    #[must_use]
    pub fn shown_changes(&self) -> u64 {
        let inner = self.state.inner();
        inner.snapshot.live().map_or(0, Live::changes)
    }

    /// Changes what the session may do from the next request on.
    pub fn set_access(&self, access: Access) {
        self.state.inner().snapshot.access = access;
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("endpoint", &self.endpoint)
            .field("bucket", &self.bucket())
            .finish_non_exhaustive()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        (self.close)(&self.state);
        self.state.cancel.cancel();
    }
}

pub(crate) struct SessionState {
    pub(crate) bucket: Bucket,
    pub(crate) access_key: String,
    pub(crate) secret_key: SecretString,
    pub(crate) cancel: CancellationToken,
    events: mpsc::Sender<GuardEvent>,
    inner: Mutex<SessionInner>,
}

pub(crate) struct SessionInner {
    pub(crate) snapshot: Snapshot,
    pub(crate) outcome: SessionOutcome,
    reported: BTreeSet<Refused>,
}

impl SessionState {
    pub(crate) fn new(
        bucket: Bucket,
        (access_key, secret_key): (String, SecretString),
        spec: SessionSpec,
    ) -> Self {
        let SessionSpec {
            snapshot,
            visible,
            access,
            rename,
            events,
        } = spec;
        let snapshot = Snapshot::new(snapshot, &visible, access, rename);
        Self::over(bucket, (access_key, secret_key), snapshot, events)
    }

    pub(crate) fn following(bucket: Bucket, keys: (String, SecretString), spec: LiveSpec) -> Self {
        let live = Live::new(spec.held, spec.copy_name, spec.shown);
        let snapshot = Snapshot::following(spec.access, live);
        Self::over(bucket, keys, snapshot, spec.events)
    }

    fn over(
        bucket: Bucket,
        (access_key, secret_key): (String, SecretString),
        snapshot: Snapshot,
        events: mpsc::Sender<GuardEvent>,
    ) -> Self {
        Self {
            bucket,
            access_key,
            secret_key,
            cancel: CancellationToken::new(),
            events,
            inner: Mutex::new(SessionInner {
                snapshot,
                outcome: SessionOutcome::default(),
                reported: BTreeSet::new(),
            }),
        }
    }

    /// Never held across an `await`.
    pub(crate) fn inner(&self) -> MutexGuard<'_, SessionInner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn tell(&self, event: GuardEvent) {
        if let Err(error) = self.events.try_send(event) {
            tracing::debug!(%error, "an event of the guard was not taken");
        }
    }

    /// The bucket did not answer; a live session does not ask it for a moment.
    pub(crate) fn went_down(&self) {
        if let Some(live) = self.inner().snapshot.live_mut() {
            live.went_down(tokio::time::Instant::now());
        }
    }

    pub(crate) fn refuse(&self, key: &str, reason: RefusedReason) {
        let refused = Refused {
            key: key.to_owned(),
            reason: reason.clone(),
        };
        {
            let mut inner = self.inner();
            if inner.reported.insert(refused.clone()) {
                inner.outcome.refused.push(refused);
            }
        }
        let key = key.to_owned();
        self.tell(match reason {
            RefusedReason::LostRace => GuardEvent::LostRace { key },
            RefusedReason::Unreachable => GuardEvent::Unreachable,
            RefusedReason::ReadOnly
            | RefusedReason::NotVisible
            | RefusedReason::Unsupported
            | RefusedReason::ClockSkew
            | RefusedReason::Upstream { .. } => GuardEvent::Refused { key, reason },
        });
    }
}
