//! Sessions that follow the bucket, as mounts use them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use guard::{
    Access, Body, Bucket, BucketError, CopyName, Guard, GuardEvent, Held, LiveSpec, Precondition,
    Session,
};
use testkit::wait_until;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::cloud::{BUCKET, Cloud, SOON, connect, read, through};
use crate::rclone::Rclone;
use crate::watcher::Line;

const ANY: Precondition = Precondition::Absent;

fn text(text: &str) -> Body {
    Body::from(text.as_bytes().to_vec())
}

struct Mount {
    session: Session,
    client: Bucket,
    events: mpsc::Receiver<GuardEvent>,
    dirty: Arc<Mutex<Vec<String>>>,
    _guard: Guard,
}

impl Mount {
    async fn over(bucket: Bucket, shown: BTreeMap<String, String>) -> Self {
        let guard = Guard::start(bucket).await.unwrap();
        let (events, receiver) = mpsc::channel(1000);
        let dirty = Arc::new(Mutex::new(Vec::<String>::new()));
        let seen = dirty.clone();
        let held: Held = Arc::new(move |key| seen.lock().unwrap().iter().any(|one| one == key));
        let copy_name: CopyName = Arc::new(|key, number| format!("{key} (copy {number})"));
        let session = guard.open_live(LiveSpec {
            access: Access::ReadWrite,
            shown,
            held,
            copy_name,
            events,
        });
        Self {
            client: through(&session),
            session,
            events: receiver,
            dirty,
            _guard: guard,
        }
    }

    async fn keys(&self) -> Vec<String> {
        let all = self.client.sweep().await.unwrap();
        all.into_iter().map(|object| object.key).collect()
    }

    /// What rclone finds, folder by folder.
    async fn listed(&self) -> Vec<String> {
        let place = format!("guard:{BUCKET}");
        let run = Rclone::new(&self.session)
            .run(&["lsf", "-R", "--disable", "ListR", &place])
            .await;
        run.assert_success();
        let mut names: Vec<String> = run.stdout.lines().map(str::to_owned).collect();
        names.sort();
        names
    }

    fn told(&mut self) -> Vec<GuardEvent> {
        std::iter::from_fn(|| self.events.try_recv().ok()).collect()
    }
}

fn lost(outcome: Result<String, BucketError>) {
    let error = outcome.unwrap_err();
    assert!(
        matches!(error, BucketError::PreconditionFailed { .. }),
        "{error}"
    );
}

#[tokio::test]
async fn changes_from_elsewhere_are_seen_and_own_ones_follow_them() {
    let cloud = Cloud::start().await;
    cloud.write("a", "1").await;
    let mount = Mount::over(cloud.bucket(), BTreeMap::new()).await;
    assert_eq!(mount.keys().await, ["a"]);
    assert_eq!(read(&mount.client, "a").await.as_deref(), Some("1"));
    cloud.write("a", "2").await;
    cloud.write("b", "new").await;
    assert_eq!(mount.keys().await, ["a", "b"]);
    assert_eq!(read(&mount.client, "a").await.as_deref(), Some("2"));
    assert_eq!(read(&mount.client, "b").await.as_deref(), Some("new"));
    mount.client.put("a", text("3"), ANY, &[]).await.unwrap();
    mount.client.put("c", text("own"), ANY, &[]).await.unwrap();
    assert_eq!(cloud.read("a").await.as_deref(), Some("3"));
    mount.client.delete("b", "e").await.unwrap();
    assert_eq!(mount.keys().await, ["a", "c"]);
    assert_eq!(mount.client.head("b").await.unwrap(), None);
    assert_eq!(mount.client.head("never").await.unwrap(), None);
    cloud.watcher.assert_all_conditional();
}

#[tokio::test]
async fn a_write_that_comes_too_late_is_stored_beside_the_note() {
    let cloud = Cloud::start().await;
    cloud.write("note", "base").await;
    let mut mount = Mount::over(cloud.bucket(), BTreeMap::new()).await;
    assert_eq!(read(&mount.client, "note").await.as_deref(), Some("base"));
    cloud.write("note", "theirs").await;
    mount.keys().await;
    lost(mount.client.put("note", text("ours"), ANY, &[]).await);
    let told = mount.told();
    assert!(
        told.contains(&GuardEvent::LostRace { key: "note".into() }),
        "{told:?}"
    );

    let etag = mount
        .client
        .put("note", text("ours"), ANY, &[])
        .await
        .unwrap();
    let aside = GuardEvent::SetAside {
        key: "note".into(),
        stored: "note (copy 1)".into(),
        size: 4,
        etag: etag.clone(),
    };
    let told = mount.told();
    assert!(told.contains(&aside), "{told:?}");
    assert_eq!(cloud.read("note").await.as_deref(), Some("theirs"));
    assert_eq!(cloud.read("note (copy 1)").await.as_deref(), Some("ours"));
    let own = mount.client.head("note").await.unwrap().unwrap();
    assert_eq!(own.etag, etag, "who wrote it finds what it wrote");

    mount
        .client
        .put("note", text("ours, more"), ANY, &[])
        .await
        .unwrap();
    assert_eq!(
        cloud.read("note (copy 1)").await.as_deref(),
        Some("ours, more")
    );
    assert_eq!(mount.keys().await, ["note", "note (copy 1)"]);
    assert_eq!(read(&mount.client, "note").await.as_deref(), Some("theirs"));
    mount
        .client
        .put("note", text("both"), ANY, &[])
        .await
        .unwrap();
    assert_eq!(cloud.read("note").await.as_deref(), Some("both"));
    cloud.watcher.assert_all_conditional();
}

#[tokio::test]
async fn what_was_shown_is_remembered_from_session_to_session() {
    let cloud = Cloud::start().await;
    cloud.write("note", "base").await;
    let before = Mount::over(cloud.bucket(), BTreeMap::new()).await;
    read(&before.client, "note").await;
    let (changes, shown) = before.session.shown();
    assert_eq!(changes, before.session.shown_changes());
    drop(before);
    cloud.write("note", "theirs").await;
    let mount = Mount::over(cloud.bucket(), shown).await;
    mount.keys().await;
    lost(mount.client.put("note", text("ours"), ANY, &[]).await);
    assert_eq!(cloud.read("note").await.as_deref(), Some("theirs"));
}

#[tokio::test]
async fn a_note_with_waiting_changes_keeps_its_base_while_listings_go_on() {
    let cloud = Cloud::start().await;
    cloud.write("unread", "base").await;
    let mount = Mount::over(cloud.bucket(), BTreeMap::new()).await;
    mount.keys().await;
    mount
        .dirty
        .lock()
        .unwrap()
        .extend(["unread".into(), "new".into()]);
    cloud.write("unread", "theirs").await;
    cloud.write("new", "theirs").await;
    mount.keys().await;
    for key in ["unread", "new"] {
        lost(mount.client.put(key, text("ours"), ANY, &[]).await);
        mount.client.put(key, text("ours"), ANY, &[]).await.unwrap();
        assert_eq!(cloud.read(key).await.as_deref(), Some("theirs"));
        let copy = format!("{key} (copy 1)");
        assert_eq!(cloud.read(&copy).await.as_deref(), Some("ours"));
    }
}

#[tokio::test]
async fn an_edit_beats_a_delete_elsewhere() {
    let cloud = Cloud::start().await;
    let etag = cloud.write("note", "base").await;
    let mount = Mount::over(cloud.bucket(), BTreeMap::new()).await;
    read(&mount.client, "note").await;
    cloud.elsewhere.delete("note", &etag).await.unwrap();
    lost(mount.client.put("note", text("ours"), ANY, &[]).await);
    mount
        .client
        .put("note", text("ours"), ANY, &[])
        .await
        .unwrap();
    assert_eq!(cloud.read("note").await.as_deref(), Some("ours"));
}

#[tokio::test]
async fn without_the_bucket_everything_is_answered_at_once() {
    let nobody = format!("http://127.0.0.1:{}", testkit::free_port());
    let mount = Mount::over(connect(&nobody, "a", &"b".into()), BTreeMap::new()).await;
    let start = Instant::now();
    let silent = |error: BucketError| {
        let is_503 = matches!(&error, BucketError::Server { status: 503, .. });
        assert!(is_503, "{error:?}");
    };
    for _ in 0..20 {
        silent(mount.client.sweep().await.unwrap_err());
        silent(mount.client.get("note", None).await.unwrap_err());
        silent(
            mount
                .client
                .put("note", text("x"), ANY, &[])
                .await
                .unwrap_err(),
        );
    }
    assert!(
        start.elapsed() < Duration::from_secs(20),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn without_the_bucket_folders_are_given_with_what_was_written_since() {
    let cloud = Cloud::start().await;
    cloud.write("note", "1").await;
    cloud.write("folder/note", "1").await;
    let mount = Mount::over(cloud.bucket(), BTreeMap::new()).await;
    assert_eq!(mount.listed().await, ["folder/", "folder/note", "note"]);
    for key in ["own", "folder/own", "new/own"] {
        mount.client.put(key, text("x"), ANY, &[]).await.unwrap();
    }
    mount.client.delete("note", "e").await.unwrap();
    let all = [
        "folder/",
        "folder/note",
        "folder/own",
        "new/",
        "new/own",
        "own",
    ];
    for (line, later) in [(Line::Cut, "one"), (Line::Silent, "other")] {
        cloud.watcher.make(line);
        let start = Instant::now();
        for _ in 0..2 {
            assert_eq!(mount.listed().await, all);
        }
        // One that is silent is asked for half a minute.
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "{:?}",
            start.elapsed()
        );
        cloud.watcher.make(Line::Whole);
        let etag = cloud.write(later, "1").await;
        wait_until(SOON, async || {
            mount.listed().await.contains(&later.to_owned())
        })
        .await;
        cloud.elsewhere.delete(later, &etag).await.unwrap();
        wait_until(SOON, async || mount.listed().await == all).await;
    }
}

#[tokio::test]
async fn an_answer_that_comes_late_is_told_of_if_it_has_news() {
    let cloud = Cloud::start().await;
    cloud.write("note", "1").await;
    let mut mount = Mount::over(cloud.bucket(), BTreeMap::new()).await;
    assert_eq!(mount.listed().await, ["note"]);
    cloud.write("other", "1").await;
    cloud.watcher.make(Line::Slow);
    assert_eq!(mount.listed().await, ["note"]);
    cloud.watcher.make(Line::Whole);
    let late = GuardEvent::ListedLate {
        folder: String::new(),
    };
    let mut told = Vec::new();
    wait_until(SOON, async || {
        told.extend(mount.told());
        told.contains(&late)
    })
    .await;
    assert_eq!(mount.listed().await, ["note", "other"]);
    let times = told.iter().filter(|event| **event == late).count();
    assert_eq!(times, 1, "{told:?}");
}
