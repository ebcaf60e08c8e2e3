use futures::{StreamExt, TryStreamExt, stream};
use guard::{Body, BucketError, Capabilities, Precondition, Support};
use testkit::{Fate, HttpRelay};

use crate::cloud::{BUCKET, Cloud, SOON, connect, read};

#[tokio::test]
async fn objects_go_up_and_down_and_away_only_as_expected() {
    let cloud = Cloud::start().await;
    let bucket = cloud.bucket();
    let key = "Ordner/ä b+c%20'\"#?&=//ü.md";
    assert_eq!(bucket.head(key).await.unwrap(), None);

    let meta = [("mtime", "1700000000.123456789".to_owned())];
    let body = || Body::from(b"one".to_vec());
    let etag = bucket
        .put(key, body(), Precondition::Absent, &meta)
        .await
        .unwrap();
    assert_eq!(etag, "f97c5d29941bfb1b2fdab0874906ab82");
    let object = bucket.head(key).await.unwrap().unwrap();
    assert_eq!((object.size, object.etag.as_str()), (3, etag.as_str()));
    assert_eq!(object.mtime_ms, Some(1_700_000_000_123));

    let again = bucket.put(key, body(), Precondition::Absent, &[]).await;
    assert!(
        matches!(again, Err(BucketError::PreconditionFailed { .. })),
        "{again:?}"
    );
    let stale = Precondition::Match("0123".into());
    let stale = bucket.put(key, body(), stale, &[]).await;
    assert!(
        matches!(stale, Err(BucketError::PreconditionFailed { .. })),
        "{stale:?}"
    );
    let gone = Precondition::Match(etag.clone());
    let gone = bucket.put("never there", body(), gone, &[]).await;
    assert!(
        matches!(gone, Err(BucketError::PreconditionFailed { .. })),
        "{gone:?}"
    );

    let copied = bucket
        .copy(key, &etag, "copy ü", Precondition::Absent)
        .await
        .unwrap();
    assert_eq!(copied, etag);
    let again = bucket
        .copy(key, &etag, "copy ü", Precondition::Absent)
        .await;
    assert!(
        matches!(again, Err(BucketError::PreconditionFailed { .. })),
        "{again:?}"
    );
    let stale = bucket
        .copy(key, "0123", "copy 2", Precondition::Absent)
        .await;
    assert!(
        matches!(stale, Err(BucketError::PreconditionFailed { .. })),
        "{stale:?}"
    );

    let download = bucket.get(key, Some(&etag)).await.unwrap();
    assert_eq!(download.object, object);
    assert_eq!(download.into_bytes(3).await.unwrap().as_ref(), b"one");
    let stale = bucket.get(key, Some("0123")).await;
    assert!(
        matches!(stale, Err(BucketError::PreconditionFailed { .. })),
        "{stale:?}"
    );
    let missing = bucket.get("never there", None).await;
    assert!(
        matches!(missing, Err(BucketError::NotFound { .. })),
        "{missing:?}"
    );

    let swept: Vec<_> = bucket
        .sweep()
        .await
        .unwrap()
        .into_iter()
        .map(|o| o.key)
        .collect();
    assert_eq!(swept, [key, "copy ü"]);
    let stale = bucket.delete(key, "0123").await;
    assert!(
        matches!(stale, Err(BucketError::PreconditionFailed { .. })),
        "{stale:?}"
    );
    bucket.delete(key, &etag).await.unwrap();
    bucket.delete(key, &etag).await.unwrap();
    assert_eq!(read(&bucket, key).await, None);
    cloud.watcher.assert_all_conditional();
    let counts = bucket.requests();
    assert_eq!(
        (counts.list, counts.put, counts.copy, counts.delete),
        (1, 4, 3, 3)
    );
}

#[tokio::test]
async fn a_file_is_sent_whole_with_its_length() {
    let cloud = Cloud::start().await;
    let bucket = cloud.bucket();
    let folder = testkit::scratch();
    let path = folder.path().join("note");
    let text = "0123456789".repeat(30_000);
    std::fs::write(&path, &text).unwrap();
    let file = std::fs::File::open(&path).unwrap();
    bucket
        .put("note", file.into(), Precondition::Absent, &[])
        .await
        .unwrap();
    assert_eq!(cloud.read("note").await, Some(text));
}

#[tokio::test]
async fn keys_that_clients_rewrite_are_not_sent() {
    let cloud = Cloud::start().await;
    let bucket = cloud.bucket();
    for key in ["..", "a/../b", "./a", "a/."] {
        let error = bucket.head(key).await.unwrap_err();
        assert!(
            matches!(error, BucketError::UnsendableKey { .. }),
            "{key}: {error}"
        );
    }
    assert_eq!(cloud.watcher.seen(), vec![]);
}

#[tokio::test]
async fn a_sweep_joins_all_pages() {
    let cloud = Cloud::start().await;
    let expected: Vec<String> = (0..1003).map(|n| format!("n{n:04} +é.md")).collect();
    let put = async |key: &String| {
        let body = Body::from(vec![]);
        cloud
            .elsewhere
            .put(key, body, Precondition::Absent, &[])
            .await
    };
    let puts: Vec<_> = stream::iter(&expected)
        .map(put)
        .buffered(32)
        .try_collect()
        .await
        .unwrap();
    assert_eq!(puts.len(), expected.len());
    let bucket = cloud.bucket();
    let swept: Vec<_> = bucket
        .sweep()
        .await
        .unwrap()
        .into_iter()
        .map(|o| o.key)
        .collect();
    assert_eq!(swept, expected);
    assert_eq!(bucket.requests().list, 2);
}

#[tokio::test]
async fn refusals_and_silence_are_told_apart() {
    let cloud = Cloud::start().await;
    let wrong = connect(
        &cloud.watcher.endpoint,
        cloud.first_access_key(),
        &"wrong".into(),
    );
    let refused = wrong.sweep().await.unwrap_err();
    assert!(
        matches!(refused, BucketError::Refused { .. }),
        "{refused:?}"
    );
    assert!(!refused.is_transient());

    let nobody = format!("http://127.0.0.1:{}", testkit::free_port());
    let silent = connect(&nobody, "a", &"b".into())
        .sweep()
        .await
        .unwrap_err();
    assert!(
        matches!(silent, BucketError::Unreachable { .. }),
        "{silent:?}"
    );
    assert!(silent.is_transient());
}

#[tokio::test]
async fn the_probe_proves_our_own_store_and_leaves_nothing() {
    let cloud = Cloud::start().await;
    let capabilities = cloud.bucket().probe(".probe/1").await.unwrap();
    let expected = Capabilities {
        put_if_absent: Support::Proven,
        put_if_match: Support::Proven,
        delete_if_match: Support::Proven,
        copy_if_absent: Support::Proven,
        versioning: Support::Proven,
    };
    assert_eq!(capabilities, expected);
    assert_eq!(capabilities.compare_and_swap(), Support::Proven);
    assert_eq!(cloud.elsewhere.sweep().await.unwrap(), vec![]);
    cloud.watcher.assert_all_conditional();
}

#[tokio::test]
async fn what_a_trial_left_goes_once_it_is_old_and_nothing_else() {
    let cloud = Cloud::start().await;
    let bucket = cloud.bucket();
    for (key, text) in [
        ("a.md", ""),
        ("probe-1", "2"),
        ("probe-1.copy", "2"),
        ("probe-mine", "mine"),
    ] {
        let body = Body::from(text.as_bytes().to_vec());
        let put = bucket.put(key, body, Precondition::Absent, &[]);
        put.await.unwrap();
    }
    let written = bucket.head("probe-1").await.unwrap().unwrap();
    let young = bucket.sweep_trials("probe-", written.last_modified_ms);
    assert_eq!(young.await.unwrap(), 0);
    let late = written.last_modified_ms + 60_000;
    assert_eq!(bucket.sweep_trials("probe-", late).await.unwrap(), 2);
    assert_eq!(bucket.sweep_trials("probe-", late).await.unwrap(), 0);
    let left = cloud.elsewhere.sweep().await.unwrap();
    let left: Vec<&str> = left.iter().map(|object| object.key.as_str()).collect();
    assert_eq!(left, ["a.md", "probe-mine"]);
    cloud.watcher.assert_all_conditional();
}

#[tokio::test]
async fn the_probe_sees_through_a_store_that_ignores_conditions() {
    let folder = testkit::scratch();
    std::fs::create_dir(folder.path().join(BUCKET)).unwrap();
    let port = testkit::free_port();
    let _store = testkit::program(testkit::rclone())
        .args([
            "serve",
            "s3",
            "--auth-key",
            "key,secret",
            "--config",
            "",
            "--addr",
        ])
        .arg(format!("127.0.0.1:{port}"))
        .arg(folder.path())
        .spawn();
    let bucket = connect(&format!("http://127.0.0.1:{port}"), "key", &"secret".into());
    testkit::wait_until(SOON, || async { bucket.head("x").await.is_ok() }).await;
    let capabilities = bucket.probe("probe").await.unwrap();
    assert_eq!(
        capabilities.compare_and_swap(),
        Support::Ignored,
        "{capabilities:?}"
    );
    assert_eq!(capabilities.versioning, Support::Ignored);
    assert_eq!(bucket.head("probe").await.unwrap(), None);
}

/// An answer to HEAD has no body: it is the same for a missing object, for a missing bucket, and
/// from a web server that took the store's address.
#[tokio::test]
async fn an_object_is_missing_only_where_the_store_says_so_in_words() {
    let cloud = Cloud::start().await;
    let etag = cloud.write("a.md", "one").await;
    let found = cloud.bucket().find("a.md").await.unwrap();
    assert_eq!(found.unwrap().etag, etag);
    assert_eq!(cloud.bucket().find("b.md").await.unwrap(), None);

    let relay = HttpRelay::start(&cloud.watcher.endpoint).await;
    let bucket = connect(&relay.url, "key", &"secret".into());
    let mut codes = Vec::new();
    for text in [
        "<Error><Code>NoSuchBucket</Code><Message>gone</Message></Error>",
        "<html><h1>404 Not Found</h1></html>",
    ] {
        relay.decide(move |seen| Fate::Answer {
            status: 404,
            headers: Vec::new(),
            body: if seen.method == "HEAD" { "" } else { text }.to_owned(),
        });
        assert_eq!(bucket.head("a.md").await.unwrap(), None);
        codes.push(bucket.find("a.md").await.unwrap_err().code());
    }
    assert_eq!(codes, ["bucket_missing", "bucket_malformed_answer"]);
}
