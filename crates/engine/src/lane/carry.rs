//! Carrying the plain moves, and recording them in one transaction.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use futures::StreamExt;
use guard::{Body, BucketError, Precondition};
use time::OffsetDateTime;
use wire::{ChangeIn, ChangeKind};

use super::decide::Move;
use super::sight::AT_ONCE;
use super::{LARGEST, LaneInput, Trip};
use crate::config::Step;
use crate::cycle::{CycleFailure, Tally, blocking, touched_nodes};
use crate::state::{BaseText, Baseline, Growth, HistoryEntry, Node, Publication};
use crate::vault::{self, Applied, Change, Expect, Kept, NewBytes, Note, Side, Signature};
use crate::view::ChangeAction;

/// What one move's part in the cloud came to.
enum Answer {
    Uploaded(Node, Option<BaseText>),
    Removed,
    Fetched(Fetched),
    /// The other side moved, or its state is not certain.
    Left,
}

/// A version from the cloud, complete and proven.
struct Fetched {
    bytes: Bytes,
    etag: String,
    mtime_ms: Option<i64>,
}

struct Carrying<'a> {
    input: &'a LaneInput,
    baseline: Baseline,
    news: Publication,
    trip: Trip,
    side: Option<Side>,
}

pub(super) async fn carry(
    input: &LaneInput,
    baseline: Baseline,
    mut notes: BTreeMap<String, Note>,
    touched: BTreeMap<String, Signature>,
    moves: BTreeMap<String, Move>,
    left: BTreeSet<String>,
) -> Result<Trip, CycleFailure> {
    let mut carrying = Carrying {
        input,
        news: Publication {
            at_ms: input.clock.now_ms(),
            set: touched_nodes(&baseline, &touched),
            batch: -input.clock.now_ms(),
            ..Publication::default()
        },
        baseline,
        trip: Trip {
            tally: Tally::default(),
            left,
            freed: BTreeSet::new(),
            growth: Growth::default(),
            told: Vec::new(),
        },
        side: None,
    };
    // Deletes come last: of a rename, the new name is there before the old one goes.
    let (deletes, rest): (Vec<_>, Vec<_>) = moves
        .into_iter()
        .partition(|(_, way)| matches!(way, Move::RemoveHere | Move::RemoveInCloud));
    let before = carrying.trip.left.len();
    let mut carried = carrying.group(rest, &mut notes).await;
    if carrying.trip.left.len() > before {
        let paths = deletes.into_iter().map(|(path, _)| path);
        carrying.trip.left.extend(paths);
    } else if carried.is_ok() {
        carried = carrying.group(deletes, &mut notes).await;
    }
    // After a failure, too: what went to history must stay findable.
    let trip = carrying.publish().await?;
    carried.map(|()| trip)
}

/// Does a move's part in the cloud, on the condition that the cloud is as it was last known.
async fn ask(
    input: &LaneInput,
    path: &str,
    way: Move,
    note: Option<Note>,
    known: Option<&Node>,
) -> Result<Answer, CycleFailure> {
    let done = match (way, note, known) {
        (Move::Upload, Some(note), known) => upload(input, path, note, known).await,
        (Move::RemoveInCloud, None, Some(node)) => input
            .bucket
            .delete(path, &node.etag)
            .await
            .map(|()| Answer::Removed),
        (Move::Download, None, _) => fetch(input, path).await,
        (Move::RemoveHere, None, Some(_)) => Ok(Answer::Removed),
        (Move::Upload | Move::Download | Move::RemoveHere | Move::RemoveInCloud, _, _) => {
            Ok(Answer::Left)
        }
    };
    match done {
        Ok(answer) => Ok(answer),
        Err(error @ (BucketError::Unreachable { .. } | BucketError::Refused { .. })) => {
            Err(error.into())
        }
        Err(error) => {
            tracing::debug!(%error, "a path is left to a cycle");
            Ok(Answer::Left)
        }
    }
}

async fn upload(
    input: &LaneInput,
    path: &str,
    note: Note,
    known: Option<&Node>,
) -> Result<Answer, BucketError> {
    let when = match known {
        Some(node) => Precondition::Match(node.etag.clone()),
        None => Precondition::Absent,
    };
    let text = BaseText::of(path, &note.md5, &note.bytes);
    let meta = [("mtime", seconds(note.signature.mtime_ns))];
    let stored = input.bucket.put(path, Body::Bytes(note.bytes), when, &meta);
    let (etag, durable) = tokio::join!(stored, keep_durably(input, path));
    let etag = etag?;
    input.observer.reached(Step::LaneUploaded);
    if etag != note.md5 || durable.is_err() {
        return Ok(Answer::Left);
    }
    let node = Node {
        md5: note.md5,
        etag,
        size: note.signature.size,
        signature: note.signature,
    };
    Ok(Answer::Uploaded(node, text))
}

/// Makes the note durable here while its bytes are on their way.
async fn keep_durably(input: &LaneInput, path: &str) -> Result<(), CycleFailure> {
    let (vault, paths) = (input.vault.clone(), vec![path.to_owned()]);
    blocking(move || {
        vault::make_durable(&vault, &vault, &paths).map_err(|source| CycleFailure::Disk {
            what: "the notes folder",
            source,
        })
    })
    .await
}

async fn fetch(input: &LaneInput, path: &str) -> Result<Answer, BucketError> {
    let download = input.bucket.get(path, None).await?;
    let (size, etag) = (download.object.size, download.object.etag.clone());
    // A multipart `ETag` says nothing about the bytes.
    if size > LARGEST || etag.contains('-') {
        return Ok(Answer::Left);
    }
    let mtime_ms = download.object.mtime_ms;
    let bytes = download.into_bytes(LARGEST).await?;
    Ok(Answer::Fetched(Fetched {
        bytes,
        etag,
        mtime_ms,
    }))
}

impl Carrying<'_> {
    async fn group(
        &mut self,
        moves: Vec<(String, Move)>,
        notes: &mut BTreeMap<String, Note>,
    ) -> Result<(), CycleFailure> {
        let input = self.input;
        let asked: Vec<_> = moves
            .into_iter()
            .map(|(path, way)| {
                let note = notes.remove(&path);
                let known = self.baseline.get(&path).cloned();
                (path, way, note, known)
            })
            .collect();
        let mut answers = futures::stream::iter(asked)
            .map(|(path, way, note, known)| async move {
                let answer = ask(input, &path, way, note, known.as_ref()).await;
                (path, way, answer)
            })
            .buffer_unordered(AT_ONCE);
        while let Some((path, way, answer)) = answers.next().await {
            self.take(path, way, answer?).await?;
        }
        Ok(())
    }

    async fn take(&mut self, path: String, way: Move, answer: Answer) -> Result<(), CycleFailure> {
        match answer {
            Answer::Uploaded(node, text) => {
                self.news.texts.extend(text);
                if !self.baseline.contains_key(&path) {
                    self.trip.tally.remarks.extend(vault::remark_on(&path));
                }
                self.trip.tally.uploaded += 1;
                self.tell(&path, ChangeKind::Put, Some(&node));
                self.record(path, node, ChangeAction::Upload);
            }
            Answer::Removed if way == Move::RemoveInCloud => {
                self.trip.tally.removed_in_cloud += 1;
                self.tell(&path, ChangeKind::Delete, None);
                self.forget(path, ChangeAction::RemoveInCloud);
            }
            Answer::Removed => self.remove(path).await?,
            Answer::Fetched(fetched) => self.install(path, fetched).await?,
            Answer::Left => {
                self.trip.left.insert(path);
            }
        }
        Ok(())
    }

    async fn install(&mut self, path: String, fetched: Fetched) -> Result<(), CycleFailure> {
        let Fetched {
            bytes,
            etag,
            mtime_ms,
        } = fetched;
        let size = bytes.len() as u64;
        let text = BaseText::of(&path, &etag, &bytes);
        let change = Change::Install {
            path: path.clone(),
            from: NewBytes::Here(bytes),
            md5: etag.clone(),
            mtime_ms,
            expect: self.expect(&path),
        };
        match self.apply(change).await? {
            Applied::Done {
                signature: Some(signature),
                kept,
            } => {
                self.keep(&path, kept, "replaced");
                self.news.texts.extend(text);
                self.trip.tally.downloaded += 1;
                let node = Node {
                    md5: etag.clone(),
                    etag,
                    size,
                    signature,
                };
                self.record(path, node, ChangeAction::Download);
            }
            Applied::Done {
                signature: None, ..
            }
            | Applied::UserSaved
            | Applied::KeptBoth { .. }
            | Applied::Blocked(_) => {
                self.trip.left.insert(path);
            }
        }
        Ok(())
    }

    async fn remove(&mut self, path: String) -> Result<(), CycleFailure> {
        let change = Change::Remove {
            path: path.clone(),
            expect: self.expect(&path),
        };
        match self.apply(change).await? {
            Applied::Done { kept, .. } => {
                self.keep(&path, kept, "removed");
                self.trip.tally.removed_here += 1;
                self.trip.freed.insert(path.clone());
                self.forget(path, ChangeAction::RemoveHere);
            }
            Applied::UserSaved | Applied::KeptBoth { .. } | Applied::Blocked(_) => {
                self.trip.left.insert(path);
            }
        }
        Ok(())
    }

    fn expect(&self, path: &str) -> Expect {
        match self.baseline.get(path) {
            Some(node) => Expect::Content {
                md5: node.md5.clone(),
            },
            None => Expect::Absent,
        }
    }

    async fn apply(&mut self, change: Change) -> Result<Applied, CycleFailure> {
        let side = self.side().await?;
        let (vault, device) = (self.input.vault.clone(), self.input.device.clone());
        let now = OffsetDateTime::from(self.input.clock.now());
        let observer = self.input.observer.clone();
        blocking(move || {
            let reached = |step: vault::ApplyStep| observer.reached(step.into());
            vault::apply(&vault, &side, &change, &device, now, &reached)
        })
        .await
    }

    async fn side(&mut self) -> Result<Side, CycleFailure> {
        if let Some(side) = &self.side {
            return Ok(side.clone());
        }
        let input = self.input;
        let (vault, home, pair) = (
            input.vault.clone(),
            input.side_home.clone(),
            input.pair.clone(),
        );
        let side = blocking(move || Side::open(&vault, &home, &pair)).await?;
        Ok(self.side.insert(side).clone())
    }

    fn tell(&mut self, path: &str, kind: ChangeKind, stored: Option<&Node>) {
        self.trip.told.push(ChangeIn {
            path: path.to_owned(),
            kind,
            from: None,
            etag: stored.map(|node| node.etag.clone()),
            size: stored.map(|node| node.size),
            at: None,
        });
    }

    fn record(&mut self, path: String, node: Node, action: ChangeAction) {
        self.trip.growth.add(self.baseline.get(&path), Some(&node));
        self.news.activity.push((path.clone(), action));
        self.news.set.insert(path, node);
    }

    fn forget(&mut self, path: String, action: ChangeAction) {
        self.trip.growth.add(self.baseline.get(&path), None);
        self.news.activity.push((path.clone(), action));
        self.news.forget.push(path);
    }

    fn keep(&mut self, path: &str, kept: Option<Kept>, reason: &'static str) {
        if let Some(kept) = kept {
            self.news.history.push(HistoryEntry {
                path: path.to_owned(),
                kept,
                reason,
            });
        }
    }

    async fn publish(self) -> Result<Trip, CycleFailure> {
        let Self {
            input, news, trip, ..
        } = self;
        if news.set.is_empty() && news.forget.is_empty() {
            return Ok(trip);
        }
        input.observer.reached(Step::BeforeCommit);
        let pair = input.pair.clone();
        input
            .state
            .with(move |state| state.publish(&pair, &news))
            .await?;
        input.observer.reached(Step::Committed);
        Ok(trip)
    }
}

/// A time as rclone writes it beside an object: seconds since 1970 with a fraction.
pub(crate) fn seconds(mtime_ns: i64) -> String {
    const SECOND: i64 = 1_000_000_000;
    let (whole, fraction) = (mtime_ns.div_euclid(SECOND), mtime_ns.rem_euclid(SECOND));
    if whole < 0 && fraction > 0 {
        return format!("-{}.{:09}", -(whole + 1), SECOND - fraction);
    }
    format!("{whole}.{fraction:09}")
}
