use super::*;
use crate::store::tests::on_both;

on_both!(
    a_stream_replays_what_was_missed_and_goes_on,
    a_stream_without_a_position_begins_now,
    reconnecting_under_writers_misses_and_doubles_nothing,
    a_reader_too_far_behind_is_told_to_look,
    a_position_that_is_no_longer_or_never_was_there_is_told_to_look,
    a_lapsed_subscription_ends_the_stream_before_the_next_event,
    a_heartbeat_notices_what_no_event_does,
    a_deleted_tenant_ends_its_streams,
    a_draining_server_sends_its_readers_away,
    a_stream_ends_after_its_life,
    a_device_has_one_stream,
);

async fn alone(fixture: &Fixture, settings: EventSettings) -> Replica {
    ana(fixture).await;
    Replica::start(&fixture.store, settings).await
}

async fn a_stream_replays_what_was_missed_and_goes_on(fixture: Fixture) {
    let replica = alone(&fixture, quiet()).await;
    for path in ["a.md", "b.md", "c.md"] {
        replica.append(path).await;
    }
    let mut reader = replica.follow(Start::After(1));
    let retry = reader.next().await.unwrap().retry_ms.unwrap();
    assert!((2_000..4_000).contains(&retry), "{retry}");
    let ready = reader.expect("ready").await;
    assert_eq!((ready.id, &ready.data["seq"]), (None, &Value::from(3)));
    assert_eq!(reader.change().await.path, "b.md");
    assert_eq!(reader.change().await.path, "c.md");
    assert_eq!(replica.append("d.md").await, 4);
    let change = reader.change().await;
    assert_eq!(
        change,
        ChangeEvent {
            seq: 4,
            kind: ChangeKind::Put,
            path: "d.md".to_owned(),
            from: None,
            etag: Some("x".to_owned()),
            size: Some(1),
            at: "2023-11-14T22:13:20Z".to_owned(),
            device: Some("laptop".to_owned()),
        }
    );
}

async fn a_stream_without_a_position_begins_now(fixture: Fixture) {
    let replica = alone(&fixture, quiet()).await;
    replica.append("a.md").await;
    let mut reader = replica.follow(Start::Now);
    assert_eq!(reader.expect("ready").await.id, Some(1));
    replica.append("b.md").await;
    assert_eq!(reader.change().await.seq, 2);
}

async fn reconnecting_under_writers_misses_and_doubles_nothing(fixture: Fixture) {
    const WRITERS: i64 = 3;
    const EACH: i64 = 30;
    let replica = Arc::new(alone(&fixture, quiet()).await);
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let replica = Arc::clone(&replica);
        writers.spawn(async move {
            for number in 0..EACH {
                replica.append(&format!("{writer}-{number}.md")).await;
            }
        });
    }
    let mut seen: Vec<i64> = Vec::new();
    for visit in 1.. {
        let start = Start::After(seen.last().copied().unwrap_or(0));
        let mut reader = replica.follow(start).ready().await;
        for _ in 0..visit % 5 {
            if seen.len() == usize::try_from(WRITERS * EACH).unwrap() {
                assert_eq!(seen, (1..=WRITERS * EACH).collect::<Vec<_>>());
                return;
            }
            seen.push(reader.change().await.seq);
        }
    }
}

async fn a_reader_too_far_behind_is_told_to_look(fixture: Fixture) {
    let settings = EventSettings {
        max_behind: 5,
        ..quiet()
    };
    let replica = alone(&fixture, settings).await;
    let mut reader = replica.follow(Start::Now).ready().await;
    for number in 0..6 {
        replica.append(&format!("{number}.md")).await;
    }
    let resync = reader.expect("resync").await;
    assert_eq!((resync.id, &resync.data["seq"]), (Some(6), &Value::from(6)));
    replica.append("next.md").await;
    assert_eq!(reader.change().await.seq, 7);
}

async fn a_position_that_is_no_longer_or_never_was_there_is_told_to_look(fixture: Fixture) {
    let settings = EventSettings { keep: 2, ..quiet() };
    let replica = alone(&fixture, settings).await;
    for number in 0..5 {
        replica.append(&format!("{number}.md")).await;
    }
    assert_eq!(replica.app.events.trim().await.unwrap(), 3);
    for start in [Start::After(2), Start::After(6), Start::Unknown] {
        let mut reader = replica.follow(start).ready().await;
        assert_eq!(reader.expect("resync").await.id, Some(5), "{start:?}");
    }
    let mut reader = replica.follow(Start::After(3)).ready().await;
    assert_eq!(reader.change().await.seq, 4);
    replica.app.events.ask_to_look(None).await.unwrap();
    assert_eq!(reader.change().await.seq, 5);
    assert_eq!(reader.expect("resync").await.id, Some(6));
}

/// The last frame of a stream that the server ends for a reason.
async fn end(reader: &mut Follower) -> Value {
    let end = reader.expect("end").await;
    assert_eq!((end.id, reader.next().await), (None, None));
    end.data
}

async fn a_lapsed_subscription_ends_the_stream_before_the_next_event(fixture: Fixture) {
    let replica = alone(&fixture, quiet()).await;
    let mut reader = replica.follow(Start::Now).ready().await;
    subscribe(&*fixture.store, NOW_MS - 1).await;
    replica.append("secret.md").await;
    let refusal = end(&mut reader).await;
    assert_eq!(refusal["error"], "subscription_required");
    assert_eq!(
        refusal["subscribe_url"],
        "https://basicmemory.com/subscribe"
    );
}

async fn a_heartbeat_notices_what_no_event_does(fixture: Fixture) {
    let settings = EventSettings {
        heartbeat: Duration::from_millis(30),
        ..quiet()
    };
    let replica = alone(&fixture, settings).await;
    let mut reader = replica.follow(Start::Now).ready().await;
    for _ in 0..3 {
        assert_eq!(reader.next().await.unwrap().event, "beat");
    }
    // Nobody wakes the stream for this one.
    fixture
        .store
        .append_events(TENANT, &[put("a.md")], NOW_MS)
        .await
        .unwrap();
    assert_eq!(reader.change().await.seq, 1);
    subscribe(&*fixture.store, NOW_MS - 1).await;
    assert_eq!(end(&mut reader).await["error"], "subscription_required");
}

async fn a_deleted_tenant_ends_its_streams(fixture: Fixture) {
    let settings = EventSettings {
        heartbeat: Duration::from_millis(30),
        ..quiet()
    };
    let replica = alone(&fixture, settings).await;
    let mut reader = replica.follow(Start::Now).ready().await;
    fixture
        .texts("update user_profile set tenant_id = null returning id")
        .await;
    assert_eq!(end(&mut reader).await["error"], "no_tenant");
}

async fn a_draining_server_sends_its_readers_away(fixture: Fixture) {
    let replica = alone(&fixture, quiet()).await;
    let mut reader = replica.follow(Start::Now).ready().await;
    replica.app.life.drain();
    let parting = reader.next().await.unwrap();
    assert!(parting.retry_ms.is_some() && parting.event.is_empty());
    assert_eq!(reader.next().await, None);
}

async fn a_stream_ends_after_its_life(fixture: Fixture) {
    let settings = EventSettings {
        max_life: Duration::from_millis(50),
        ..quiet()
    };
    let replica = alone(&fixture, settings).await;
    let mut reader = replica.follow(Start::Now).ready().await;
    assert!(reader.next().await.unwrap().retry_ms.is_some());
    assert_eq!(reader.next().await, None);
}

async fn a_device_has_one_stream(fixture: Fixture) {
    let replica = alone(&fixture, quiet()).await;
    let mut first = replica
        .follow_from(Start::Now, Some("laptop"))
        .ready()
        .await;
    let mut other = replica.follow_from(Start::Now, Some("phone")).ready().await;
    let mut second = replica
        .follow_from(Start::Now, Some("laptop"))
        .ready()
        .await;
    assert_eq!(end(&mut first).await["error"], "replaced");
    replica.append("a.md").await;
    assert_eq!(second.change().await.seq, 1);
    assert_eq!(other.change().await.seq, 1);
}
