use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use guard::{
    Access, Body, BucketError, Credentials, GuardEvent, Precondition, Refused, RefusedReason,
    SessionOutcome, Stored, Visibility,
};

use crate::cloud::{Cloud, Machine, connect, read, spec, through};

fn text(text: &str) -> Body {
    Body::from(text.as_bytes().to_vec())
}

const ANY: Precondition = Precondition::Absent;

#[tokio::test]
async fn a_lost_update_is_refused_and_the_first_writer_stays() {
    let cloud = Cloud::start().await;
    cloud.write("note", "base").await;
    cloud.write("other", "base").await;
    let ours = Machine::new(cloud.bucket()).await;
    let mut theirs = Machine::new(cloud.bucket()).await;

    let etag = through(&ours.session)
        .put("note", text("ours"), ANY, &[])
        .await
        .unwrap();
    through(&ours.session)
        .put("new", text("ours"), ANY, &[])
        .await
        .unwrap();
    let other = ours.bucket.head("other").await.unwrap().unwrap();
    through(&ours.session)
        .put("other", text("ours"), ANY, &[])
        .await
        .unwrap();

    let client = through(&theirs.session);
    for key in ["note", "new"] {
        let lost = client.put(key, text("theirs"), ANY, &[]).await.unwrap_err();
        assert!(
            matches!(lost, BucketError::PreconditionFailed { .. }),
            "{lost}"
        );
    }
    let lost = client.delete("other", &other.etag).await.unwrap_err();
    assert!(
        matches!(lost, BucketError::PreconditionFailed { .. }),
        "{lost}"
    );
    let lost = client.get("other", None).await.unwrap_err();
    assert!(
        matches!(lost, BucketError::PreconditionFailed { .. }),
        "{lost}"
    );

    for key in ["note", "new", "other"] {
        assert_eq!(cloud.read(key).await.as_deref(), Some("ours"));
    }
    let refused = |key: &str| Refused {
        key: key.into(),
        reason: RefusedReason::LostRace,
    };
    let expected = SessionOutcome {
        refused: vec![refused("note"), refused("new"), refused("other")],
        ..SessionOutcome::default()
    };
    assert_eq!(theirs.session.outcome(), expected);
    let races: BTreeSet<String> = theirs
        .told()
        .into_iter()
        .filter_map(|event| {
            let GuardEvent::LostRace { key } = event else {
                return None;
            };
            Some(key)
        })
        .collect();
    assert_eq!(
        races.into_iter().collect::<Vec<_>>(),
        ["new", "note", "other"]
    );
    let uploaded = &ours.session.outcome().uploaded["note"];
    let expected = Stored {
        key: "note".into(),
        etag,
        size: 4,
    };
    assert_eq!(*uploaded, expected);
    cloud.watcher.assert_all_conditional();
}

#[tokio::test]
async fn a_session_sees_its_snapshot_and_its_own_writes_only() {
    let cloud = Cloud::start().await;
    cloud.write("a", "1").await;
    let mut machine = Machine::new(cloud.bucket()).await;
    let client = through(&machine.session);
    cloud.write("b", "elsewhere").await;
    let keys = async || -> Vec<String> {
        client
            .sweep()
            .await
            .unwrap()
            .into_iter()
            .map(|object| object.key)
            .collect()
    };
    let before = machine.bucket.requests();
    assert_eq!(keys().await, ["a"]);
    assert_eq!(client.head("b").await.unwrap(), None);
    assert_eq!(
        machine.bucket.requests(),
        before,
        "nothing was asked of the bucket"
    );

    let meta = [("mtime", "5.25".to_owned())];
    let etag = client.put("c", text("own"), ANY, &meta).await.unwrap();
    assert_eq!(keys().await, ["a", "c"]);
    let before = machine.bucket.requests();
    let own = client.head("c").await.unwrap().unwrap();
    assert_eq!(
        (own.size, own.etag, own.mtime_ms),
        (3, etag.clone(), Some(5250))
    );
    assert_eq!(machine.bucket.requests(), before, "an own upload is known");

    client.head("a").await.unwrap();
    client.head("a").await.unwrap();
    assert_eq!(
        machine.bucket.requests().head,
        before.head + 1,
        "metadata is asked for once"
    );

    let copied = client.copy("c", &etag, "d", ANY).await.unwrap();
    client.put("c", text("again"), ANY, &[]).await.unwrap();
    client.delete("a", "whatever").await.unwrap();
    client.delete("never there", "whatever").await.unwrap();
    assert_eq!(keys().await, ["c", "d"]);
    assert_eq!(read(&client, "d").await.as_deref(), Some("own"));
    let outcome = machine.session.outcome();
    assert_eq!(outcome.uploaded.keys().collect::<Vec<_>>(), ["c", "d"]);
    assert_eq!(outcome.uploaded["d"].etag, copied);
    assert_eq!(outcome.deleted, BTreeSet::from(["a".to_owned()]));
    assert_eq!(outcome.refused, vec![]);
    let told = machine.told();
    assert!(told.contains(&GuardEvent::Uploading {
        key: "c".into(),
        size: 3
    }));
    assert!(told.contains(&GuardEvent::Uploaded {
        key: "c".into(),
        size: 3,
        etag
    }));
    assert!(told.contains(&GuardEvent::Downloaded {
        key: "d".into(),
        size: 3
    }));
    assert!(told.contains(&GuardEvent::Deleted { key: "a".into() }));
    cloud.watcher.assert_all_conditional();
}

#[tokio::test]
async fn what_is_outside_the_scope_is_neither_shown_nor_touched() {
    let cloud = Cloud::start().await;
    for key in ["in", "out"] {
        let _etag = cloud.write(key, "text").await;
    }
    let machine = Machine::with(cloud.bucket(), |mut spec| {
        spec.visible = Visibility::Keys(BTreeSet::from(["in".to_owned(), "new".to_owned()]));
        spec
    })
    .await;
    let client = through(&machine.session);
    let listed = client.sweep().await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(client.head("out").await.unwrap(), None);
    let refused = client.put("out", text("x"), ANY, &[]).await.unwrap_err();
    assert!(matches!(refused, BucketError::Refused { .. }), "{refused}");
    client.delete("out", "e").await.unwrap_err();
    client.put("new", text("x"), ANY, &[]).await.unwrap();
    client
        .put("conflict copy", text("x"), ANY, &[])
        .await
        .unwrap();
    assert_eq!(cloud.read("out").await.as_deref(), Some("text"));
    let expected = Refused {
        key: "out".into(),
        reason: RefusedReason::NotVisible,
    };
    assert_eq!(machine.session.outcome().refused, vec![expected]);
}

#[tokio::test]
async fn a_read_only_session_reads_and_refuses_the_rest() {
    let cloud = Cloud::start().await;
    cloud.write("note", "text").await;
    let mut machine = Machine::with(cloud.bucket(), |mut spec| {
        spec.access = Access::ReadOnly;
        spec
    })
    .await;
    let client = through(&machine.session);
    assert_eq!(read(&client, "note").await.as_deref(), Some("text"));
    let refused = client.put("note", text("x"), ANY, &[]).await.unwrap_err();
    assert!(matches!(refused, BucketError::Refused { .. }), "{refused}");
    client.delete("note", "e").await.unwrap_err();
    client.copy("note", "e", "copy", ANY).await.unwrap_err();
    assert_eq!(
        cloud.watcher.count("PUT") + cloud.watcher.count("DELETE"),
        0
    );
    let refused = GuardEvent::Refused {
        key: "note".into(),
        reason: RefusedReason::ReadOnly,
    };
    assert!(machine.told().contains(&refused));

    machine.session.set_access(Access::ReadWrite);
    client.put("note", text("x"), ANY, &[]).await.unwrap();
    assert_eq!(cloud.read("note").await.as_deref(), Some("x"));
}

#[tokio::test]
async fn a_renamed_upload_keeps_its_own_name_in_the_session() {
    let cloud = Cloud::start().await;
    cloud.write("taken", "theirs").await;
    let machine = Machine::with(cloud.bucket(), |mut spec| {
        spec.rename = Some(Arc::new(|key, mtime_ms| match key {
            "n.MARK1.md" => Some(format!("n (conflict {}).md", mtime_ms.unwrap())),
            "m.MARK1.md" => Some("taken".into()),
            _ => None,
        }));
        spec
    })
    .await;
    let client = through(&machine.session);
    let meta = [("mtime", "9".to_owned())];
    let etag = client
        .put("n.MARK1.md", text("ours"), ANY, &meta)
        .await
        .unwrap();
    assert_eq!(
        cloud.read("n (conflict 9000).md").await.as_deref(),
        Some("ours")
    );
    assert_eq!(cloud.read("n.MARK1.md").await, None);
    assert_eq!(read(&client, "n.MARK1.md").await.as_deref(), Some("ours"));
    let listed: Vec<_> = client
        .sweep()
        .await
        .unwrap()
        .into_iter()
        .map(|o| o.key)
        .collect();
    assert_eq!(listed, ["n.MARK1.md", "taken"]);
    let stored = Stored {
        key: "n (conflict 9000).md".into(),
        etag,
        size: 4,
    };
    let uploaded = BTreeMap::from([("n.MARK1.md".to_owned(), stored)]);
    assert_eq!(machine.session.outcome().uploaded, uploaded);

    let lost = client
        .put("m.MARK1.md", text("ours"), ANY, &meta)
        .await
        .unwrap_err();
    assert!(
        matches!(lost, BucketError::PreconditionFailed { .. }),
        "{lost}"
    );
    assert_eq!(cloud.read("taken").await.as_deref(), Some("theirs"));

    let meta = [("mtime", "10".to_owned())];
    client
        .put("n.MARK1.md", text("more"), ANY, &meta)
        .await
        .unwrap();
    assert_eq!(
        cloud.read("n (conflict 9000).md").await.as_deref(),
        Some("more")
    );
    // What a session stored is not taken back by it.
    client.delete("n.MARK1.md", "e").await.unwrap();
    assert_eq!(
        cloud.read("n (conflict 9000).md").await.as_deref(),
        Some("more")
    );
    cloud.watcher.assert_all_conditional();
}

#[tokio::test]
async fn throw_away_keys_work_only_while_and_where_they_should() {
    let cloud = Cloud::start().await;
    cloud.write("note", "text").await;
    let machine = Machine::new(cloud.bucket()).await;
    let (other, _events) = spec(vec![]);
    let other = machine.guard.open(other);
    assert_eq!(through(&machine.session).sweep().await.unwrap().len(), 1);
    assert_eq!(
        through(&other).sweep().await.unwrap().len(),
        0,
        "each session has its own view"
    );

    let code = async |key: &str, secret: &secrecy::SecretString| {
        let client = connect(&other.endpoint(), key, secret);
        match client.sweep().await {
            Err(BucketError::Refused { code, .. }) => code,
            other => panic!("not refused: {other:?}"),
        }
    };
    let mixed = code(other.access_key(), machine.session.secret_key()).await;
    assert_eq!(mixed, "SignatureDoesNotMatch");
    let upstream = code(cloud.first_access_key(), other.secret_key()).await;
    assert_eq!(upstream, "InvalidAccessKeyId");

    let client = through(&machine.session);
    let upstream = connect(
        &cloud.watcher.endpoint,
        machine.session.access_key(),
        machine.session.secret_key(),
    );
    upstream
        .sweep()
        .await
        .expect_err("the bucket does not know throw-away keys");
    drop(machine.session);
    let ended = client.sweep().await.unwrap_err();
    assert!(
        matches!(&ended, BucketError::Refused { code, .. } if code == "InvalidAccessKeyId"),
        "{ended}"
    );
    through(&other).sweep().await.unwrap();

    let endpoint = other.endpoint();
    drop(machine.guard);
    let dead = connect(&endpoint, other.access_key(), other.secret_key());
    testkit::wait_until(crate::cloud::SOON, || async {
        matches!(dead.sweep().await, Err(BucketError::Unreachable { .. }))
    })
    .await;
}

#[tokio::test]
async fn new_credentials_work_without_a_new_session() {
    let cloud = Cloud::start().await;
    cloud.write("note", "text").await;
    let machine = Machine::new(cloud.bucket()).await;
    let client = through(&machine.session);
    cloud.store.delete_key(cloud.first_access_key()).unwrap();
    let refused = client.put("new", text("x"), ANY, &[]).await.unwrap_err();
    assert!(matches!(refused, BucketError::Refused { .. }), "{refused}");
    let outcome = machine.session.outcome();
    let [
        Refused {
            key,
            reason: RefusedReason::Upstream { code, .. },
        },
    ] = outcome.refused.as_slice()
    else {
        panic!("the cause is not remembered: {outcome:?}");
    };
    assert_eq!((key.as_str(), code.as_str()), ("new", "InvalidAccessKeyId"));

    let (access_key, secret_key) = cloud.store.create_key(crate::cloud::BUCKET).unwrap();
    machine.bucket.set_credentials(Credentials {
        access_key,
        secret_key,
    });
    client.put("new", text("x"), ANY, &[]).await.unwrap();
    assert_eq!(read(&client, "note").await.as_deref(), Some("text"));
}

#[tokio::test]
async fn secrets_are_in_no_debug_text() {
    let cloud = Cloud::start().await;
    let machine = Machine::new(cloud.bucket()).await;
    let secret = secrecy::ExposeSecret::expose_secret(machine.session.secret_key()).to_owned();
    let credentials = Credentials {
        access_key: "key".into(),
        secret_key: "hush-hush".into(),
    };
    let text = format!(
        "{:?} {:?} {:?} {credentials:?}",
        machine.session, machine.guard, machine.bucket
    );
    assert!(
        !text.contains(&secret) && !text.contains("hush-hush"),
        "{text}"
    );
}
