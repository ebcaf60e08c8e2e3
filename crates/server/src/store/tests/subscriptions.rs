use super::{Fixture, on_both, origin};
use crate::polar::{Customer, Facts, Products, Snapshot, Status};
use crate::store::inbox::{ClaimedEvent, NewInboxEvent};
use crate::store::{Applied, FactSource, Subscription};

on_both!(
    a_snapshot_decides_for_its_person,
    an_older_snapshot_changes_nothing,
    access_stays_while_any_subscription_is_active,
    an_event_of_nobody_is_parked_until_its_customer_is_known,
    a_customer_that_moves_takes_its_subscriptions_along,
    a_lost_claim_applies_nothing,
    replicas_that_learn_of_one_person_at_once_agree,
    a_payment_asks_for_a_lookup_unless_access_is_open,
    lookups_are_shared_out_in_order,
);

const PAID: &str = "c3f9a1de-0a67-4a0e-9a52-2f3c4a5b6c7d";
const END: i64 = 4_000_000_000_000;

fn customer(id: &str, external_id: Option<&str>, revision: i64) -> Customer {
    Customer {
        revision,
        id: id.to_owned(),
        external_id: external_id.map(str::to_owned),
    }
}

fn snapshot(id: &str, customer_id: &str, status: Status, revision: i64) -> Snapshot {
    Snapshot {
        revision,
        told_at: revision,
        id: id.to_owned(),
        customer_id: customer_id.to_owned(),
        status,
        product_id: Some(PAID.to_owned()),
        plan: Some("Pro".to_owned()),
        current_period_start: Some(1),
        current_period_end: Some(END),
        trial_end: None,
        cancel_at_period_end: true,
        canceled_at: Some(2),
        ends_at: Some(END),
        past_due_at: Some(3),
        pause_at_period_end: true,
        resumes_at: Some(4),
    }
}

fn facts(customer: Option<Customer>, snapshot: Option<Snapshot>) -> Facts {
    Facts {
        customer,
        snapshot,
        changed_subscription: None,
    }
}

async fn tell(fixture: &Fixture, facts: &Facts) -> Applied {
    fixture
        .store
        .apply_facts(facts, FactSource::Api, &Products::default(), &origin(10))
        .await
        .unwrap()
}

async fn receive(fixture: &Fixture, delivery_id: &str) -> ClaimedEvent {
    let event = NewInboxEvent {
        provider: "polar",
        delivery_id: delivery_id.to_owned(),
        kind: "subscription.updated".to_owned(),
        body: "{}".to_owned(),
    };
    let received = fixture.store.receive(&event, 10, 20).await.unwrap();
    received.unwrap()
}

async fn standing(fixture: &Fixture, subject: &str) -> Option<Subscription> {
    fixture.store.standing(subject).await.unwrap().subscription
}

fn bought(status: &str) -> Subscription {
    Subscription {
        status: status.to_owned(),
        plan: Some("Pro".to_owned()),
        current_period_end: Some(END),
    }
}

/// What the audit says of subscriptions.
async fn purchases(fixture: &Fixture) -> Vec<String> {
    let mut events = fixture.audit().await;
    events.retain(|event| event.starts_with("subscription."));
    events
}

async fn a_snapshot_decides_for_its_person(fixture: Fixture) {
    let claimed = receive(&fixture, "e1").await;
    let active = snapshot("s1", "c1", Status::Active, 5);
    let told = facts(
        Some(customer("c1", Some("user_1"), 1)),
        Some(active.clone()),
    );
    let applied = fixture
        .store
        .apply_facts(
            &told,
            FactSource::Inbox(&claimed.claim),
            &Products::default(),
            &origin(10),
        )
        .await
        .unwrap();
    assert_eq!(applied, Applied::Done);
    assert_eq!(standing(&fixture, "user_1").await, Some(bought("active")));
    let deciding = fixture.store.find_deciding_snapshot("user_1").await;
    assert_eq!(deciding.unwrap(), Some(active));
    let event = fixture
        .texts("select state || coalesce(body, ' without body') from inbox_event")
        .await;
    assert_eq!(event, ["done without body"]);
    assert_eq!(
        purchases(&fixture).await,
        ["subscription.put user_1 active"]
    );
    let registered = fixture
        .texts("select workos_user_id from user_profile")
        .await;
    assert_eq!(registered, ["user_1"], "they may never have signed in");
}

async fn an_older_snapshot_changes_nothing(fixture: Fixture) {
    let mapped = Some(customer("c1", Some("user_1"), 1));
    let newest = snapshot("s1", "c1", Status::Canceled, 9);
    tell(&fixture, &facts(mapped.clone(), Some(newest.clone()))).await;
    for older in [
        snapshot("s1", "c1", Status::Active, 8),
        Snapshot {
            told_at: 8,
            ..snapshot("s1", "c1", Status::Active, 9)
        },
        newest.clone(),
    ] {
        assert_eq!(
            tell(&fixture, &facts(mapped.clone(), Some(older))).await,
            Applied::Done
        );
    }
    tell(&fixture, &facts(Some(customer("c1", None, 0)), None)).await;
    assert_eq!(standing(&fixture, "user_1").await, Some(bought("canceled")));
    assert_eq!(fixture.count("polar_subscription").await, 1);
    assert_eq!(
        purchases(&fixture).await,
        ["subscription.put user_1 canceled"]
    );
}

async fn access_stays_while_any_subscription_is_active(fixture: Fixture) {
    let mapped = Some(customer("c1", Some("user_1"), 1));
    let tell_status = async |id: &str, status, revision| {
        let told = facts(mapped.clone(), Some(snapshot(id, "c1", status, revision)));
        tell(&fixture, &told).await;
        standing(&fixture, "user_1").await.unwrap().status
    };
    assert_eq!(tell_status("s1", Status::Trialing, 1).await, "trialing");
    assert_eq!(tell_status("s2", Status::Active, 2).await, "active");
    assert_eq!(tell_status("s1", Status::Canceled, 3).await, "active");
    assert_eq!(tell_status("s2", Status::Canceled, 4).await, "canceled");
    assert_eq!(tell_status("s3", Status::Unpaid, 5).await, "unpaid");
    assert_eq!(fixture.count("subscriptions").await, 1);
    assert_eq!(fixture.count("polar_subscription").await, 3);
}

async fn an_event_of_nobody_is_parked_until_its_customer_is_known(fixture: Fixture) {
    let store = &fixture.store;
    for (delivery, id, customer_id) in [("e1", "s1", "c1"), ("e2", "s2", "c1"), ("e3", "s3", "c2")]
    {
        let claimed = receive(&fixture, delivery).await;
        let told = facts(
            Some(customer(customer_id, None, 1)),
            Some(snapshot(id, customer_id, Status::Active, 1)),
        );
        let applied = store
            .apply_facts(
                &told,
                FactSource::Inbox(&claimed.claim),
                &Products::default(),
                &origin(10),
            )
            .await;
        assert_eq!(applied.unwrap(), Applied::Parked);
    }
    assert_eq!(fixture.count("subscriptions").await, 0);
    let parked = store.list_parked_events(10).await.unwrap();
    let listed: Vec<(&str, Option<&str>)> = parked
        .iter()
        .map(|event| (event.delivery_id.as_str(), event.subscription_id.as_deref()))
        .collect();
    assert_eq!(
        listed,
        [("e1", Some("s1")), ("e2", Some("s2")), ("e3", Some("s3"))]
    );
    assert_eq!(store.list_parked_events(1).await.unwrap().len(), 1);

    tell(
        &fixture,
        &facts(Some(customer("c1", Some("user_1"), 2)), None),
    )
    .await;
    assert_eq!(standing(&fixture, "user_1").await, Some(bought("active")));
    let left = store.list_parked_events(10).await.unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].customer_id.as_deref(), Some("c2"));
    assert_eq!(store.trim_inbox(i64::MAX).await.unwrap(), 2);
    assert_eq!(fixture.count("inbox_event").await, 1);
    assert_eq!(
        purchases(&fixture).await,
        ["subscription.put user_1 active"]
    );
}

async fn a_customer_that_moves_takes_its_subscriptions_along(fixture: Fixture) {
    let active = snapshot("s1", "c1", Status::Active, 1);
    let told = facts(Some(customer("c1", Some("user_1"), 1)), Some(active));
    tell(&fixture, &told).await;
    tell(
        &fixture,
        &facts(Some(customer("c1", Some("user_2"), 2)), None),
    )
    .await;
    assert_eq!(standing(&fixture, "user_1").await, None);
    assert_eq!(standing(&fixture, "user_2").await, Some(bought("active")));

    let moved = snapshot("s1", "c2", Status::Active, 2);
    let told = facts(Some(customer("c2", Some("user_3"), 1)), Some(moved));
    tell(&fixture, &told).await;
    assert_eq!(standing(&fixture, "user_2").await, None);
    assert_eq!(standing(&fixture, "user_3").await, Some(bought("active")));

    tell(&fixture, &facts(Some(customer("c2", None, 2)), None)).await;
    assert_eq!(fixture.count("subscriptions").await, 0);
    assert_eq!(
        purchases(&fixture).await,
        [
            "subscription.put user_1 active",
            "subscription.put user_1 none",
            "subscription.put user_2 active",
            "subscription.put user_2 none",
            "subscription.put user_3 active",
            "subscription.put user_3 none",
        ]
    );
}

async fn a_lost_claim_applies_nothing(fixture: Fixture) {
    let lost = receive(&fixture, "e1").await.claim;
    let store = &fixture.store;
    let held = store.claim_inbox_event(20, 90).await.unwrap().unwrap();
    let told = facts(
        Some(customer("c1", Some("user_1"), 1)),
        Some(snapshot("s1", "c1", Status::Active, 1)),
    );
    let apply = async |claim| {
        store
            .apply_facts(
                &told,
                FactSource::Inbox(claim),
                &Products::default(),
                &origin(30),
            )
            .await
            .unwrap()
    };
    assert_eq!(apply(&lost).await, Applied::ClaimLost);
    assert_eq!(fixture.count("polar_customer").await, 0);
    assert_eq!(fixture.count("polar_subscription").await, 0);
    assert_eq!(apply(&held.claim).await, Applied::Done);
    assert_eq!(apply(&held.claim).await, Applied::ClaimLost);
    assert_eq!(
        purchases(&fixture).await,
        ["subscription.put user_1 active"]
    );
}

async fn replicas_that_learn_of_one_person_at_once_agree(fixture: Fixture) {
    for round in 0..20 {
        let subject = format!("user_{round}");
        let told = |number: i64, status| {
            let id = format!("{round}-{number}");
            let mapped = customer(&format!("c{id}"), Some(&subject), 1);
            facts(
                Some(mapped.clone()),
                Some(snapshot(&id, &mapped.id, status, number)),
            )
        };
        let all = [
            told(1, Status::Canceled),
            told(2, Status::Active),
            told(3, Status::Canceled),
            told(4, Status::Unpaid),
        ];
        let applied = tokio::join!(
            tell(&fixture, &all[0]),
            tell(&fixture, &all[1]),
            tell(&fixture, &all[2]),
            tell(&fixture, &all[3]),
        );
        assert_eq!(
            applied,
            (Applied::Done, Applied::Done, Applied::Done, Applied::Done)
        );
        assert_eq!(standing(&fixture, &subject).await, Some(bought("active")));
    }
}

async fn a_payment_asks_for_a_lookup_unless_access_is_open(fixture: Fixture) {
    let mapped = Some(customer("c1", Some("user_1"), 1));
    tell(
        &fixture,
        &facts(
            mapped.clone(),
            Some(snapshot("s1", "c1", Status::Active, 1)),
        ),
    )
    .await;
    tell(
        &fixture,
        &facts(
            mapped.clone(),
            Some(snapshot("s2", "c1", Status::Unpaid, 1)),
        ),
    )
    .await;
    for id in ["s1", "s2", "unknown"] {
        let paid = Facts {
            changed_subscription: Some(id.to_owned()),
            ..facts(mapped.clone(), None)
        };
        tell(&fixture, &paid).await;
    }
    let due = fixture.store.claim_due_checks(10, 100, 10).await.unwrap();
    assert_eq!(due, ["s2"]);
}

async fn lookups_are_shared_out_in_order(fixture: Fixture) {
    let mapped = Some(customer("c1", Some("user_1"), 1));
    let store = &fixture.store;
    for (id, at) in [
        ("s1", Some(30)),
        ("s2", Some(20)),
        ("s3", None),
        ("s4", Some(99)),
    ] {
        let told = facts(mapped.clone(), Some(snapshot(id, "c1", Status::Unpaid, 1)));
        tell(&fixture, &told).await;
        store.put_check(id, at).await.unwrap();
    }
    assert_eq!(store.claim_due_checks(50, 200, 1).await.unwrap(), ["s2"]);
    let (one, two) = tokio::join!(
        store.claim_due_checks(50, 200, 5),
        store.claim_due_checks(50, 200, 5),
    );
    assert_eq!([one.unwrap(), two.unwrap()].concat(), ["s1"]);
    let active = store.list_active_subscriptions().await.unwrap();
    assert_eq!(active, []);
}
