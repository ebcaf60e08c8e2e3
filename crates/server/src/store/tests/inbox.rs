use super::{Fixture, on_both};
use crate::store::inbox::{Claim, ClaimedEvent, InboxCounts, NewInboxEvent, RecurringJob};

on_both!(
    an_id_is_taken_in_once,
    a_lease_keeps_others_away_until_it_ends,
    many_workers_share_the_events_out,
    a_lost_claim_changes_nothing,
    an_unreadable_event_is_kept_with_its_body,
    ids_are_forgotten_when_they_are_old_and_settled,
    a_recurring_job_is_taken_once_each_time,
);

fn event(delivery_id: &str) -> NewInboxEvent {
    NewInboxEvent {
        provider: "polar",
        delivery_id: delivery_id.to_owned(),
        kind: "subscription.updated".to_owned(),
        body: "{}".to_owned(),
    }
}

async fn receive(fixture: &Fixture, delivery_id: &str, now: i64) -> Option<ClaimedEvent> {
    fixture
        .store
        .receive(&event(delivery_id), now, now + 100)
        .await
        .unwrap()
}

async fn states(fixture: &Fixture) -> Vec<String> {
    fixture
        .texts("select delivery_id || ' ' || state from inbox_event order by delivery_id")
        .await
}

async fn an_id_is_taken_in_once(fixture: Fixture) {
    let store = &fixture.store;
    let new = event("e1");
    let (one, two, three) = tokio::join!(
        store.receive(&new, 10, 20),
        store.receive(&new, 10, 20),
        store.receive(&new, 10, 20),
    );
    let received = [one.unwrap(), two.unwrap(), three.unwrap()];
    let claimed: Vec<&ClaimedEvent> = received.iter().flatten().collect();
    assert_eq!(claimed.len(), 1);
    assert_eq!(claimed[0].body, "{}");
    assert_eq!((claimed[0].attempt, claimed[0].claim.fence), (1, 1));
    assert_eq!(states(&fixture).await, ["e1 queued"]);
    let another_provider = NewInboxEvent {
        provider: "another",
        ..event("e1")
    };
    let received = store.receive(&another_provider, 10, 20).await.unwrap();
    assert!(received.is_some());
    assert_eq!(fixture.count("inbox_event").await, 2);
}

async fn a_lease_keeps_others_away_until_it_ends(fixture: Fixture) {
    let store = &fixture.store;
    let first = receive(&fixture, "e1", 10).await.unwrap();
    assert_eq!(store.claim_inbox_event(109, 500).await.unwrap(), None);
    let second = store.claim_inbox_event(110, 500).await.unwrap().unwrap();
    assert_eq!(second.claim.id, first.claim.id);
    assert_eq!((second.attempt, second.claim.fence), (2, 2));
    assert_eq!(store.claim_inbox_event(499, 900).await.unwrap(), None);
    store
        .postpone_inbox_event(&second.claim, "the database rests", 200)
        .await
        .unwrap();
    let third = store.claim_inbox_event(200, 900).await.unwrap().unwrap();
    assert_eq!(third.attempt, 3);
    let errors = fixture.texts("select error from inbox_event").await;
    assert_eq!(errors, ["the database rests"]);
}

async fn many_workers_share_the_events_out(fixture: Fixture) {
    for number in 0..12 {
        receive(&fixture, &format!("e{number:02}"), 10)
            .await
            .unwrap();
    }
    let store = &fixture.store;
    let worker = async || {
        let mut ids = Vec::new();
        while let Some(claimed) = store.claim_inbox_event(200, 900).await.unwrap() {
            ids.push(claimed.claim.id);
        }
        ids
    };
    let (one, two, three) = tokio::join!(worker(), worker(), worker());
    let mut ids = [one, two, three].concat();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 12);
    let attempts = fixture
        .texts("select distinct cast(attempt as text) from inbox_event")
        .await;
    assert_eq!(attempts, ["2"]);
}

async fn a_lost_claim_changes_nothing(fixture: Fixture) {
    let lost = receive(&fixture, "e1", 10).await.unwrap().claim;
    let store = &fixture.store;
    let held = store.claim_inbox_event(200, 500).await.unwrap().unwrap();
    store.postpone_inbox_event(&lost, "late", 0).await.unwrap();
    store.reject_inbox_event(&lost, "late", 300).await.unwrap();
    let stranger = Claim {
        id: "no such event".to_owned(),
        fence: 1,
    };
    store
        .reject_inbox_event(&stranger, "late", 300)
        .await
        .unwrap();
    assert_eq!(store.claim_inbox_event(499, 900).await.unwrap(), None);
    assert_eq!(states(&fixture).await, ["e1 queued"]);
    let errors = fixture
        .texts("select coalesce(error, 'none') from inbox_event")
        .await;
    assert_eq!(errors, ["none"]);
    store
        .reject_inbox_event(&held.claim, "odd", 300)
        .await
        .unwrap();
    assert_eq!(states(&fixture).await, ["e1 unreadable"]);
}

async fn an_unreadable_event_is_kept_with_its_body(fixture: Fixture) {
    let claimed = receive(&fixture, "e1", 10).await.unwrap();
    receive(&fixture, "e2", 10).await.unwrap();
    let store = &fixture.store;
    store
        .reject_inbox_event(&claimed.claim, "no type", 20)
        .await
        .unwrap();
    let kept = fixture
        .texts("select body || error || cast(settled_at as text) from inbox_event where state = 'unreadable'")
        .await;
    assert_eq!(kept, ["{}no type20"]);
    let counts = store.count_inbox_events().await.unwrap();
    let expected = InboxCounts {
        queued: 1,
        parked: 0,
        unreadable: 1,
    };
    assert_eq!(counts, expected);
    assert_eq!(receive(&fixture, "e1", 30).await, None);
}

async fn ids_are_forgotten_when_they_are_old_and_settled(fixture: Fixture) {
    let store = &fixture.store;
    for (id, at) in [("old", 10), ("old queued", 10), ("young", 20)] {
        let claimed = receive(&fixture, id, at).await.unwrap();
        if id != "old queued" {
            store
                .reject_inbox_event(&claimed.claim, "odd", at)
                .await
                .unwrap();
        }
    }
    assert_eq!(store.trim_inbox(20).await.unwrap(), 1);
    assert_eq!(
        states(&fixture).await,
        ["old queued queued", "young unreadable"]
    );
    assert_eq!(store.trim_inbox(20).await.unwrap(), 0);
}

async fn a_recurring_job_is_taken_once_each_time(fixture: Fixture) {
    let store = &fixture.store;
    for job in [RecurringJob::TrimInbox, RecurringJob::SweepPolar] {
        let (one, two) = tokio::join!(
            store.claim_recurring_job(job, 1, 100),
            store.claim_recurring_job(job, 1, 100),
        );
        assert!(one.unwrap() != two.unwrap());
        assert!(!store.claim_recurring_job(job, 99, 200).await.unwrap());
        assert!(store.claim_recurring_job(job, 100, 200).await.unwrap());
    }
}
