//! The job against the embedded store and a store that others wrote.

use std::sync::atomic::{AtomicI64, Ordering};

use http::{HeaderMap, HeaderValue};
use tokio::net::TcpListener;
use tokio_util::sync::DropGuard;

use super::*;
use crate::buckets::ledger::{Fault, Ledger};
use crate::buckets::{
    AdminKey, AwsBuckets, Condition, EmbeddedBuckets, Endpoint, History, Incoming, MintedKeys,
    ObjectKeys, Objects, Repeats, VersionKind, Wanted,
};
use crate::clock::system_clock;
use crate::principal::TenantScope;
use crate::store::BucketSnapshot;
use crate::store::tests::{Fixture, origin};

const BUCKET: &str = "basic-memory-ana";
const DAY: i64 = 24 * 60 * 60 * 1000;

struct Rig {
    sweeper: Sweeper,
    objects: Objects,
    now: Arc<AtomicI64>,
    fixture: Fixture,
    _served: Option<DropGuard>,
    _folder: tempfile::TempDir,
    _weed: Option<testkit::SeaweedFs>,
}

/// A tenant with a bucket, in the given store; both go by this clock.
async fn rig(
    buckets: Arc<dyn Buckets>,
    objects: Objects,
    now: Arc<AtomicI64>,
    folder: tempfile::TempDir,
) -> Rig {
    let fixture = Fixture::sqlite().await;
    let store = Arc::clone(&fixture.store);
    let origin = origin(now.load(Ordering::SeqCst));
    let profile = store
        .ensure_profile("ana", Some("a@b.c"), &origin)
        .await
        .unwrap();
    let tenant = store.claim_tenant(&profile, "t1", BUCKET, &origin).await;
    store
        .record_bucket(&tenant.unwrap(), &origin)
        .await
        .unwrap();
    buckets.ensure_bucket(BUCKET).await.unwrap();
    let clock = Arc::clone(&now);
    Rig {
        sweeper: Sweeper {
            store,
            buckets,
            rule: VersionRule {
                newest_kept: 1,
                ..VersionRule::default()
            },
            clock: Arc::new(move || clock.load(Ordering::SeqCst)),
        },
        objects,
        now,
        fixture,
        _served: None,
        _folder: folder,
        _weed: None,
    }
}

async fn embedded() -> Rig {
    let folder = tempfile::tempdir().unwrap();
    let now = Arc::new(AtomicI64::new(system_clock()()));
    let read = Arc::clone(&now);
    let clock: Clock = Arc::new(move || read.load(Ordering::SeqCst));
    let store = s3_store::Store::open(folder.path(), clock).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let cancel = CancellationToken::new();
    tokio::spawn(store.clone().serve(listener, cancel.clone()));
    let buckets = EmbeddedBuckets::new(store.clone(), url.clone());
    let keys = ObjectKeys::Minted(MintedKeys::new(store));
    let region = "auto".to_owned();
    let objects = Objects::new(
        Endpoint { url, region },
        keys,
        History::Versions,
        system_clock(),
    );
    Rig {
        _served: Some(cancel.drop_guard()),
        ..rig(Arc::new(buckets), objects.unwrap(), now, folder).await
    }
}

async fn seaweedfs() -> Rig {
    let weed = testkit::seaweedfs().await;
    let key = AdminKey {
        access_key: weed.access_key.clone(),
        secret: weed.secret_key.clone().into(),
    };
    let at = || Endpoint {
        url: weed.endpoint.clone(),
        region: "us-east-1".to_owned(),
    };
    let clock = system_clock();
    let buckets = AwsBuckets::new(at(), at(), at(), &key, &clock, Repeats::default()).unwrap();
    let keys = ObjectKeys::Server(key);
    let objects = Objects::new(at(), keys, History::Versions, Arc::clone(&clock)).unwrap();
    let now = Arc::new(AtomicI64::new(clock()));
    let folder = tempfile::tempdir().unwrap();
    Rig {
        _weed: Some(weed),
        ..rig(Arc::new(buckets), objects, now, folder).await
    }
}

impl Rig {
    async fn put(&self, key: &str, text: &'static str) {
        let piece = bytes::Bytes::from_static(text.as_bytes());
        let incoming = Incoming {
            length: piece.len() as u64,
            body: Box::pin(futures::stream::iter([Ok(piece)])),
            content_type: Some(HeaderValue::from_static("text/markdown")),
            edited_at_s: None,
            condition: Condition::None,
        };
        self.objects.put(BUCKET, key, incoming).await.unwrap();
    }

    async fn delete(&self, key: &str) {
        let deleted = self.objects.delete(BUCKET, key, Condition::None);
        deleted.await.unwrap();
    }

    async fn read(&self, key: &str) -> Option<String> {
        let wanted = Wanted {
            bucket: BUCKET,
            key,
            version: None,
        };
        let answer = self.objects.open(wanted, HeaderMap::new()).await.ok()?;
        Some(answer.text().await.unwrap())
    }

    /// Lets the second pass in which the store wrote last, or the time of a store that goes by
    /// the test's clock.
    async fn a_second_later(&self) {
        self.now.fetch_add(1000, Ordering::SeqCst);
        if self._weed.is_some() {
            let before = system_clock()() / 1000;
            testkit::wait_until(Duration::from_secs(10), async || {
                system_clock()() / 1000 > before
            })
            .await;
        }
    }

    /// Takes a snapshot where the next second begins.
    async fn snapshot(&self, id: &str) -> i64 {
        self.a_second_later().await;
        let store_now = match self._weed {
            Some(_) => system_clock()(),
            None => self.now.load(Ordering::SeqCst),
        };
        let taken_at = store_now - store_now.rem_euclid(1000);
        let snapshot = BucketSnapshot {
            id: id.to_owned(),
            name: id.to_owned(),
            description: None,
            taken_at,
            created_by: None,
        };
        let scope = TenantScope::for_tests("t1", BUCKET);
        let (store, origin) = (&self.fixture.store, origin(taken_at));
        let added = store.add_snapshot(&scope, &snapshot, 100, &origin);
        added.await.unwrap();
        taken_at
    }

    /// What the snapshot has, with its contents.
    async fn then(&self, taken_at: i64) -> Vec<(String, String)> {
        let old = self.objects.list_as_of(BUCKET, "", taken_at).await.unwrap();
        let mut notes = Vec::new();
        for old in old {
            let wanted = Wanted {
                bucket: BUCKET,
                key: &old.held.key,
                version: Some(&old.version),
            };
            let answer = self.objects.open(wanted, HeaderMap::new()).await.unwrap();
            notes.push((old.held.key.clone(), answer.text().await.unwrap()));
        }
        notes
    }

    /// All there is: contents and marks of deletes, by key.
    async fn all(&self) -> Vec<(String, usize, usize)> {
        let page = self.sweeper.buckets.list_versions(BUCKET, "", None).await;
        let mut counts: Vec<(String, usize, usize)> = Vec::new();
        for entry in page.unwrap().entries {
            if counts.last().is_none_or(|last| last.0 != entry.key) {
                counts.push((entry.key.clone(), 0, 0));
            }
            let last = counts.last_mut().unwrap();
            match entry.kind {
                VersionKind::Content => last.1 += 1,
                VersionKind::DeleteMarker => last.2 += 1,
            }
        }
        counts.sort();
        counts
    }

    async fn sweep_after(&self, days: i64) -> Round {
        let mut days = days;
        if days > 8 {
            self.now.fetch_add((days - 1) * DAY, Ordering::SeqCst);
            assert_eq!(self.sweeper.round().await.unwrap(), Round::default());
            days = 1;
        }
        self.now.fetch_add(days * DAY, Ordering::SeqCst);
        let round = self.sweeper.round().await.unwrap();
        assert_eq!(round.failed, 0, "{round:?}");
        round
    }
}

fn counts(rows: &[(&str, usize, usize)]) -> Vec<(String, usize, usize)> {
    let owned = |row: &(&str, usize, usize)| (row.0.to_owned(), row.1, row.2);
    rows.iter().map(owned).collect()
}

fn notes(rows: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |row: &(&str, &str)| (row.0.to_owned(), row.1.to_owned());
    rows.iter().map(owned).collect()
}

/// Ages are counted from now, so everything is written first and looked at from later days.
async fn a_snapshot_outlives_what_is_swept_around_it(rig: Rig) {
    for text in ["a1", "a2", "a3"] {
        rig.put("main/a.md", text).await;
        rig.a_second_later().await;
    }
    rig.put("main/kept.md", "d1").await;
    rig.put("main/deleted and shown.md", "s1").await;
    rig.put("main/same.md", "same").await;
    let taken_at = rig.snapshot("s").await;
    for text in ["a4", "a5", "a6", "a7"] {
        rig.a_second_later().await;
        rig.put("main/a.md", text).await;
    }
    rig.put("main/later.md", "l1").await;
    rig.a_second_later().await;
    for key in ["main/deleted and shown.md", "main/later.md"] {
        rig.delete(key).await;
    }
    rig.put(".basic-memory-probe-0190", "1").await;
    rig.put(".basic-memory-probe-mine", "somebody's").await;
    let shown = notes(&[
        ("main/a.md", "a3"),
        ("main/deleted and shown.md", "s1"),
        ("main/kept.md", "d1"),
        ("main/same.md", "same"),
    ]);
    assert_eq!(rig.then(taken_at).await, shown);

    // Two days later nothing is old enough but what a trial left.
    let round = rig.sweep_after(2).await;
    assert_eq!((round.sweeps, round.tally.removed), (1, 1));
    let everything = counts(&[
        (".basic-memory-probe-mine", 1, 0),
        ("main/a.md", 7, 0),
        ("main/deleted and shown.md", 1, 1),
        ("main/kept.md", 1, 0),
        ("main/later.md", 1, 1),
        ("main/same.md", 1, 0),
    ]);
    assert_eq!(rig.all().await, everything);
    assert_eq!(rig.sweeper.round().await.unwrap().sweeps, 0);

    // After the time the newest replaced one stays, and what the snapshot shows.
    let round = rig.sweep_after(89).await;
    assert_eq!((round.sweeps, round.tally.removed), (1, 5));
    let left = counts(&[
        (".basic-memory-probe-mine", 1, 0),
        ("main/a.md", 3, 0),
        ("main/deleted and shown.md", 1, 1),
        ("main/kept.md", 1, 0),
        ("main/later.md", 0, 1),
        ("main/same.md", 1, 0),
    ]);
    assert_eq!(rig.all().await, left);
    assert_eq!(rig.then(taken_at).await, shown);
    rig.sweep_after(1).await;
    let without_the_mark: Vec<_> = left
        .into_iter()
        .filter(|row| row.0 != "main/later.md")
        .collect();
    assert_eq!(rig.all().await, without_the_mark);
    assert_eq!(rig.read("main/later.md").await, None);

    // And it can be gone back to.
    for old in rig.objects.list_as_of(BUCKET, "", taken_at).await.unwrap() {
        let key = &old.held.key;
        let back = rig.objects.bring_back(BUCKET, key, &old.version);
        back.await.unwrap();
    }
    assert_eq!(rig.read("main/a.md").await.as_deref(), Some("a3"));
    let back = rig.read("main/deleted and shown.md").await;
    assert_eq!(back.as_deref(), Some("s1"));

    // Without the snapshot its versions go like others.
    let scope = TenantScope::for_tests("t1", BUCKET);
    let store = &rig.fixture.store;
    assert!(
        store
            .forget_snapshot(&scope, "s", &origin(1))
            .await
            .unwrap()
    );
    rig.delete("main/a.md").await;
    rig.sweep_after(92).await;
    rig.sweep_after(1).await;
    assert_eq!(rig.read("main/a.md").await, None);
    let a = rig.all().await.into_iter().find(|row| row.0 == "main/a.md");
    assert_eq!(a, None);
    assert_eq!(rig.read("main/same.md").await.as_deref(), Some("same"));
    let removed = rig.fixture.audit().await;
    let removed = removed
        .iter()
        .filter(|row| row.starts_with("versions.remove t1/"));
    assert!(removed.count() >= 4);
}

#[tokio::test]
async fn the_embedded_store_keeps_what_a_snapshot_shows() {
    a_snapshot_outlives_what_is_swept_around_it(embedded().await).await;
}

#[tokio::test]
async fn seaweedfs_keeps_what_a_snapshot_shows() {
    a_snapshot_outlives_what_is_swept_around_it(seaweedfs().await).await;
}

#[tokio::test]
async fn a_sweep_that_fails_goes_on_an_hour_later_where_it_was() {
    let rig = embedded().await;
    rig.put("a.md", "1").await;
    rig.sweeper.buckets.delete_bucket(BUCKET).await.unwrap();
    rig.now.fetch_add(2 * DAY, Ordering::SeqCst);
    let round = rig.sweeper.round().await.unwrap();
    assert_eq!((round.sweeps, round.failed), (1, 1));
    assert_eq!(rig.sweeper.round().await.unwrap().sweeps, 0);
    rig.sweeper.buckets.ensure_bucket(BUCKET).await.unwrap();
    rig.now.fetch_add(60 * 60 * 1000, Ordering::SeqCst);
    let round = rig.sweeper.round().await.unwrap();
    assert_eq!((round.sweeps, round.failed), (1, 0));
}

#[tokio::test]
async fn a_clock_that_jumps_ahead_for_an_hour_removes_nothing() {
    let rig = embedded().await;
    for text in ["1", "2", "3"] {
        rig.put("a.md", text).await;
        rig.a_second_later().await;
    }
    rig.delete("a.md").await;
    rig.sweep_after(2).await;
    let right = rig.now.load(Ordering::SeqCst);
    for minutes in [0, 30, 60] {
        rig.now
            .store(right + 400 * DAY + minutes * 60_000, Ordering::SeqCst);
        assert_eq!(rig.sweeper.round().await.unwrap(), Round::default());
    }
    rig.now.store(right, Ordering::SeqCst);
    assert_eq!(rig.all().await, counts(&[("a.md", 3, 1)]));
}

#[tokio::test]
async fn an_upload_that_was_left_unfinished_is_given_up_after_a_week() {
    let mut rig = embedded().await;
    let store = Arc::new(Ledger::default());
    rig.sweeper.buckets = store.clone();
    let begun = rig.now.load(Ordering::SeqCst);
    store.begin_upload(BUCKET, begun);
    store.begin_upload(BUCKET, begun + 2 * DAY);
    rig.sweep_after(6).await;
    assert_eq!(store.uploads(BUCKET).len(), 2);
    rig.sweep_after(2).await;
    assert_eq!(store.uploads(BUCKET), [begun + 2 * DAY]);
    // Versions that cannot be listed keep nothing back, and the other way round.
    store.break_with(Some(Fault::Before));
    rig.sweep_after(2).await;
    assert_eq!(store.uploads(BUCKET), [begun + 2 * DAY]);
    store.break_with(None);
    rig.sweep_after(1).await;
    assert_eq!(store.uploads(BUCKET), [0; 0]);
}

#[tokio::test]
async fn nothing_goes_where_versions_are_kept_for_good() {
    let mut rig = embedded().await;
    rig.sweeper.rule.kept_for = None;
    for text in ["1", "2", "3"] {
        rig.put("a.md", text).await;
    }
    rig.delete("a.md").await;
    let round = rig.sweep_after(5000).await;
    assert_eq!((round.tally.listed, round.tally.removed), (4, 0));
    assert_eq!(rig.all().await, counts(&[("a.md", 3, 1)]));
}
