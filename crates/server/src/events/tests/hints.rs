use s3_store::{Change, ChangeKind as StoreChange};
use tokio::sync::broadcast;

use super::*;
use crate::events::feed;
use crate::store::tests::on_both;

on_both!(
    the_embedded_stores_changes_become_events,
    changes_that_overflowed_make_readers_look,
);

fn change(bucket: &str, key: &str, number: i64) -> Change {
    Change {
        bucket: bucket.to_owned(),
        key: key.to_owned(),
        kind: StoreChange::Put,
        etag: Some("x".to_owned()),
        size: 5,
        version_id: number.to_string(),
        at_ms: NOW_MS + number,
    }
}

async fn the_embedded_stores_changes_become_events(fixture: Fixture) {
    ana(&fixture).await;
    let replica = Replica::start(&fixture.store, quiet()).await;
    let (sender, changes) = broadcast::channel(64);
    let end = CancellationToken::new();
    let feeding = tokio::spawn(feed(replica.app.events.clone(), changes, end.clone()));
    let mut reader = replica.follow(Start::After(0));
    // Whatever happened before the start is unknown.
    assert_eq!(reader.expect("ready").await.event, "ready");
    reader.expect("resync").await;
    for (bucket, key, number) in [
        ("bucket", "a.md", 1),
        ("nobody's", "b.md", 2),
        ("bucket", "c.md", 3),
        ("bucket", "c.md", 3),
    ] {
        sender.send(change(bucket, key, number)).unwrap();
    }
    let first = reader.change().await;
    assert_eq!((first.seq, first.path.as_str()), (2, "a.md"));
    let second = reader.change().await;
    assert_eq!((second.seq, second.path.as_str()), (3, "c.md"));
    let told = NewEvent {
        kind: ChangeKind::Put,
        ..put("a.md")
    };
    let seq = replica.app.events.append(TENANT, &[told]).await.unwrap();
    assert_eq!(seq, Some(2), "the device told what the store had told");

    for number in 10..60 {
        sender
            .send(change("bucket", &format!("{number}.md"), number))
            .unwrap();
    }
    end.cancel();
    feeding.await.unwrap();
    assert_eq!(fixture.count("tenant_event").await, 52);
}

async fn changes_that_overflowed_make_readers_look(fixture: Fixture) {
    ana(&fixture).await;
    let replica = Replica::start(&fixture.store, quiet()).await;
    let (sender, changes) = broadcast::channel(2);
    for number in 0..8 {
        sender
            .send(change("bucket", &format!("{number}.md"), number))
            .unwrap();
    }
    let mut reader = replica.follow(Start::Now).ready().await;
    let end = CancellationToken::new();
    let feeding = tokio::spawn(feed(replica.app.events.clone(), changes, end.clone()));
    let mut reached = reader.expect("resync").await.id;
    end.cancel();
    feeding.await.unwrap();
    let tenant = TenantScope::for_tests(TENANT, "bucket");
    let page = fixture.store.events_after(&tenant, 0, 10).await.unwrap();
    assert_eq!(page.events.len(), 2, "what did not overflow is recorded");
    // The events may have come before the reader woke, and be part of what it has to look at.
    while reached < Some(page.head) {
        reached = reader.next().await.unwrap().id.or(reached);
    }
}
