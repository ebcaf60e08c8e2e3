use std::sync::Arc;

use wire::ChangeKind;

use super::{Fixture, on_both, origin};
use crate::events::{NewEvent, Teller};
use crate::principal::TenantScope;
use crate::store::events::Appended;
use crate::store::{EventPage, RecordedEvent, Retention};

on_both!(
    changes_are_numbered_in_their_order,
    the_two_tellers_of_a_change_share_one_event,
    writers_at_once_leave_no_gap_and_readers_see_none,
    an_unknown_tenant_has_no_log,
    a_skipped_number_puts_earlier_positions_below_the_floor,
    what_is_too_old_or_too_much_goes_and_the_rest_stays,
    logs_touched_lately_are_listed,
    a_webhook_token_is_replaced_without_a_gap,
    a_tenant_takes_its_log_along,
);

async fn tenant(fixture: &Fixture, id: &str) -> TenantScope {
    let store = &fixture.store;
    let profile = store
        .ensure_profile(id, Some("person@example.org"), &origin(1))
        .await
        .unwrap();
    let tenant = store
        .claim_tenant(&profile, id, &format!("bucket-{id}"), &origin(2))
        .await
        .unwrap();
    store.record_bucket(&tenant, &origin(3)).await.unwrap();
    TenantScope::for_tests(id, &format!("bucket-{id}"))
}

fn put(path: &str, etag: &str, teller: Teller) -> NewEvent {
    NewEvent {
        kind: ChangeKind::Put,
        path: path.to_owned(),
        from: None,
        etag: Some(etag.to_owned()),
        size: Some(3),
        at: 50,
        teller,
    }
}

fn by_device(told_at: i64) -> Teller {
    Teller::Device {
        name: Some("laptop".to_owned()),
        told_at: Some(told_at),
    }
}

fn by_bucket(mark: &str) -> Teller {
    Teller::Bucket {
        mark: mark.to_owned(),
    }
}

fn appended(seq: i64, added: usize) -> Appended {
    Appended { seq, added }
}

async fn changes_are_numbered_in_their_order(fixture: Fixture) {
    let scope = tenant(&fixture, "t1").await;
    tenant(&fixture, "t2").await;
    let store = &fixture.store;
    let rename = NewEvent {
        kind: ChangeKind::Rename,
        from: Some("a.md".to_owned()),
        ..put("b.md", "x", by_device(2))
    };
    let changes = [put("a.md", "x", by_device(1)), rename];
    let first = store.append_events("t1", &changes, 100).await.unwrap();
    assert_eq!(first, Some(appended(2, 2)));
    let other = store.append_events("t2", &changes, 100).await.unwrap();
    assert_eq!(other, Some(appended(2, 2)), "each tenant counts for itself");
    let again = store.append_events("t1", &changes, 200).await.unwrap();
    assert_eq!(
        again,
        Some(appended(2, 0)),
        "a repeated report changes nothing"
    );

    let event = |seq, kind, path: &str, from: Option<&str>| RecordedEvent {
        seq,
        kind,
        path: path.to_owned(),
        from: from.map(str::to_owned),
        etag: Some("x".to_owned()),
        size: Some(3),
        at: 50,
        device: Some("laptop".to_owned()),
    };
    let expected = EventPage {
        head: 2,
        floor: 0,
        events: vec![
            event(1, ChangeKind::Put, "a.md", None),
            event(2, ChangeKind::Rename, "b.md", Some("a.md")),
        ],
    };
    assert_eq!(store.events_after(&scope, 0, 10).await.unwrap(), expected);
    let one = store.events_after(&scope, 0, 1).await.unwrap();
    assert_eq!((one.head, one.events.len()), (2, 1));
    let end = store.events_after(&scope, 2, 10).await.unwrap();
    assert_eq!((end.head, end.events.len()), (2, 0));
    assert_eq!(fixture.count("tenant_event").await, 4);
}

async fn the_two_tellers_of_a_change_share_one_event(fixture: Fixture) {
    let scope = tenant(&fixture, "t1").await;
    let store = &fixture.store;
    let told = [
        put("a.md", "x", by_bucket("m1")),
        put("a.md", "x", by_device(1)),
        put("a.md", "x", by_bucket("m1")),
        put("b.md", "y", by_device(2)),
        put("b.md", "y", by_bucket("m2")),
    ];
    let all = store.append_events("t1", &told, 100).await.unwrap();
    assert_eq!(all, Some(appended(2, 2)));
    let page = store.events_after(&scope, 0, 10).await.unwrap();
    let seen: Vec<_> = page
        .events
        .iter()
        .map(|event| (event.path.as_str(), event.device.as_deref()))
        .collect();
    assert_eq!(seen, [("a.md", Some("laptop")), ("b.md", Some("laptop"))]);
    let marks =
        "select path || ' ' || reported_as || ' ' || confirmed_as from tenant_event order by seq";
    assert_eq!(
        fixture.texts(marks).await,
        ["a.md laptop@1 m1", "b.md laptop@2 m2"]
    );
}

async fn writers_at_once_leave_no_gap_and_readers_see_none(fixture: Fixture) {
    const WRITERS: i64 = 4;
    const EACH: i64 = 15;
    let scope = tenant(&fixture, "t1").await;
    let store = Arc::clone(&fixture.store);
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let store = Arc::clone(&store);
        writers.spawn(async move {
            for number in 0..EACH {
                let change = put(&format!("{writer}-{number}.md"), "x", by_device(number));
                store.append_events("t1", &[change], 100).await.unwrap();
            }
        });
    }
    let mut seen = Vec::new();
    while i64::try_from(seen.len()).unwrap() < WRITERS * EACH {
        let position = seen.last().copied().unwrap_or(0);
        let page = store.events_after(&scope, position, 7).await.unwrap();
        seen.extend(page.events.iter().map(|event| event.seq));
    }
    assert_eq!(seen, (1..=WRITERS * EACH).collect::<Vec<_>>());
    while let Some(done) = writers.join_next().await {
        done.unwrap();
    }
}

async fn an_unknown_tenant_has_no_log(fixture: Fixture) {
    let store = &fixture.store;
    let change = [put("a.md", "x", by_device(1))];
    assert_eq!(store.append_events("t9", &change, 1).await.unwrap(), None);
    store.skip_events(Some("t9"), 1).await.unwrap();
    let page = store
        .events_after(&TenantScope::for_tests("t9", "b"), 0, 10)
        .await
        .unwrap();
    assert_eq!(page, EventPage::default());
    assert_eq!(fixture.count("tenant_event_counter").await, 0);
    assert_eq!(store.find_tenant_of_bucket("b").await.unwrap(), None);
    let scope = tenant(&fixture, "t1").await;
    let found = store.find_tenant_of_bucket(scope.bucket()).await.unwrap();
    assert_eq!(found.as_deref(), Some("t1"));
}

async fn a_skipped_number_puts_earlier_positions_below_the_floor(fixture: Fixture) {
    let (one, two) = (tenant(&fixture, "t1").await, tenant(&fixture, "t2").await);
    let store = &fixture.store;
    let change = [put("a.md", "x", by_device(1))];
    store.append_events("t1", &change, 100).await.unwrap();
    store.skip_events(Some("t1"), 100).await.unwrap();
    let page = store.events_after(&one, 2, 10).await.unwrap();
    assert_eq!((page.head, page.floor), (2, 2));
    assert_eq!(
        store.events_after(&two, 0, 10).await.unwrap(),
        EventPage::default()
    );
    store.skip_events(None, 100).await.unwrap();
    let page = store.events_after(&one, 3, 10).await.unwrap();
    assert_eq!((page.head, page.floor), (3, 3));
    let page = store.events_after(&two, 1, 10).await.unwrap();
    assert_eq!((page.head, page.floor), (1, 1));
    let next = store
        .append_events("t2", &[put("b.md", "y", by_device(1))], 100)
        .await
        .unwrap();
    assert_eq!(next, Some(appended(2, 1)));
}

async fn what_is_too_old_or_too_much_goes_and_the_rest_stays(fixture: Fixture) {
    let (one, two) = (tenant(&fixture, "t1").await, tenant(&fixture, "t2").await);
    let store = &fixture.store;
    for (number, at) in [(1, 10), (2, 20), (3, 30)] {
        let change = [put(&format!("{number}.md"), "x", by_device(number))];
        store.append_events("t1", &change, at).await.unwrap();
        store.append_events("t2", &change, 30).await.unwrap();
    }
    let retention = Retention {
        before: 20,
        keep: 2,
    };
    let mut overlong = store.overlong_logs(retention, 10).await.unwrap();
    overlong.sort();
    assert_eq!(overlong, ["t1", "t2"]);
    assert_eq!(store.trim_events("t1", retention).await.unwrap(), 1);
    assert_eq!(store.trim_events("t2", retention).await.unwrap(), 1);
    assert_eq!(store.trim_events("t2", retention).await.unwrap(), 0);
    assert_eq!(store.overlong_logs(retention, 10).await.unwrap().len(), 0);
    for scope in [&one, &two] {
        let page = store.events_after(scope, 1, 10).await.unwrap();
        let left: Vec<_> = page.events.iter().map(|event| event.seq).collect();
        assert_eq!((page.head, page.floor, left), (3, 1, vec![2, 3]));
    }
    let all = Retention {
        before: 100,
        keep: 2,
    };
    assert_eq!(store.trim_events("t1", all).await.unwrap(), 2);
    let next = [put("4.md", "x", by_device(4))];
    let next = store.append_events("t1", &next, 200).await.unwrap();
    assert_eq!(next, Some(appended(4, 1)), "an emptied log counts on");
}

async fn logs_touched_lately_are_listed(fixture: Fixture) {
    for (id, at) in [("t1", 100), ("t2", 200)] {
        tenant(&fixture, id).await;
        let change = [put("a.md", "x", by_device(1))];
        fixture.store.append_events(id, &change, at).await.unwrap();
    }
    let touched = fixture.store.touched_logs(150).await.unwrap();
    assert_eq!(touched, [("t2".to_owned(), 1)]);
}

async fn a_webhook_token_is_replaced_without_a_gap(fixture: Fixture) {
    let scope = tenant(&fixture, "t1").await;
    let store = &fixture.store;
    let hashes = async || {
        let hook = store.find_hook("t1").await.unwrap().unwrap();
        assert_eq!(hook.bucket, scope.bucket());
        hook.token_hashes
    };
    assert_eq!(store.find_hook("t1").await.unwrap(), None);
    store.offer_hook_token("t1", "one", 10).await.unwrap();
    assert_eq!(hashes().await, ["one"]);
    store.settle_hook_token("t1", "one", 20).await.unwrap();
    store.offer_hook_token("t1", "two", 30).await.unwrap();
    assert_eq!(hashes().await, ["one", "two"]);
    store.offer_hook_token("t1", "three", 40).await.unwrap();
    store.settle_hook_token("t1", "two", 50).await.unwrap();
    assert_eq!(hashes().await, ["one", "three"], "two was given up");
    store.settle_hook_token("t1", "three", 60).await.unwrap();
    assert_eq!(hashes().await, ["three"]);
    assert_eq!(fixture.count("tenant_hook").await, 1);
}

async fn a_tenant_takes_its_log_along(fixture: Fixture) {
    tenant(&fixture, "t1").await;
    let store = &fixture.store;
    let change = [put("a.md", "x", by_device(1))];
    store.append_events("t1", &change, 100).await.unwrap();
    store.offer_hook_token("t1", "one", 10).await.unwrap();
    fixture
        .texts("update user_profile set tenant_id = null returning id")
        .await;
    fixture
        .texts("delete from tenant where id = 't1' returning id")
        .await;
    for table in ["tenant_event", "tenant_event_counter", "tenant_hook"] {
        assert_eq!(fixture.count(table).await, 0, "{table}");
    }
    let late = store.append_events("t1", &change, 200).await.unwrap();
    assert_eq!(late, None);
}
