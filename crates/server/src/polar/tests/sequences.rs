use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::World;
use super::payload::{NEXT_END, Said, THIS_END};
use crate::store::tests::{Fixture, on_both};

on_both!(
    every_sequence_ends_as_it_should_when_it_comes_in_order,
    a_repeated_delivery_has_no_effect,
    an_unreadable_delivery_is_kept_and_a_strange_one_passes,
    a_customer_without_a_person_is_parked_until_there_is_one,
    an_event_whose_worker_vanished_is_acted_on_by_another,
);

/// A delivery, and what follows from it: the status, and whether it opens anything.
type Step = (Said, &'static str, bool);

/// The sequences of deliveries that Polar documents.
fn sequences() -> Vec<(&'static str, Vec<Step>)> {
    let said = Said::new;
    vec![
        (
            "first payment",
            vec![
                (
                    said("subscription.created", "incomplete", 1),
                    "incomplete",
                    false,
                ),
                (said("subscription.updated", "active", 2), "active", true),
                (said("subscription.active", "active", 2), "active", true),
                (said("order.created", "pending", 2), "active", true),
                (said("order.paid", "paid", 2), "active", true),
            ],
        ),
        (
            "first payment that never comes",
            vec![
                (
                    said("subscription.created", "incomplete", 1),
                    "incomplete",
                    false,
                ),
                (
                    said("subscription.updated", "incomplete_expired", 2),
                    "incomplete_expired",
                    false,
                ),
            ],
        ),
        (
            "cancellation at the end of the period",
            vec![
                (said("subscription.active", "active", 1), "active", true),
                (
                    said("subscription.updated", "active", 2).canceling(),
                    "active",
                    true,
                ),
                (
                    said("subscription.canceled", "active", 2).canceling(),
                    "active",
                    true,
                ),
                (
                    said("subscription.updated", "canceled", 3).canceling(),
                    "canceled",
                    false,
                ),
                (
                    said("subscription.revoked", "canceled", 3).canceling(),
                    "canceled",
                    false,
                ),
            ],
        ),
        (
            "cancellation that is taken back",
            vec![
                (
                    said("subscription.updated", "active", 2).canceling(),
                    "active",
                    true,
                ),
                (
                    said("subscription.canceled", "active", 2).canceling(),
                    "active",
                    true,
                ),
                (said("subscription.updated", "active", 3), "active", true),
                (said("subscription.uncanceled", "active", 3), "active", true),
            ],
        ),
        (
            "cancellation at once",
            vec![
                (said("subscription.active", "active", 1), "active", true),
                (
                    said("subscription.updated", "canceled", 2),
                    "canceled",
                    false,
                ),
                (
                    said("subscription.canceled", "canceled", 2),
                    "canceled",
                    false,
                ),
                (
                    said("subscription.revoked", "canceled", 2),
                    "canceled",
                    false,
                ),
            ],
        ),
        (
            "renewal",
            vec![
                (said("subscription.active", "active", 1), "active", true),
                (
                    said("subscription.cycled", "active", 2).until(NEXT_END),
                    "active",
                    true,
                ),
                (
                    said("subscription.updated", "active", 2).until(NEXT_END),
                    "active",
                    true,
                ),
                (said("order.created", "pending", 2), "active", true),
                (said("order.updated", "paid", 2), "active", true),
                (said("order.paid", "paid", 2), "active", true),
            ],
        ),
        (
            "payment that fails and then succeeds",
            vec![
                (
                    said("subscription.updated", "past_due", 2),
                    "past_due",
                    false,
                ),
                (
                    said("subscription.past_due", "past_due", 2),
                    "past_due",
                    false,
                ),
                (
                    said("subscription.updated", "active", 3).until(NEXT_END),
                    "active",
                    true,
                ),
                (
                    said("subscription.active", "active", 3).until(NEXT_END),
                    "active",
                    true,
                ),
            ],
        ),
        (
            "payment that fails for good",
            vec![
                (
                    said("subscription.past_due", "past_due", 2),
                    "past_due",
                    false,
                ),
                (said("subscription.updated", "unpaid", 3), "unpaid", false),
                (said("subscription.revoked", "unpaid", 3), "unpaid", false),
            ],
        ),
        (
            "pause",
            vec![
                (said("subscription.updated", "active", 2), "active", true),
                (said("subscription.updated", "paused", 3), "paused", false),
                (said("subscription.paused", "paused", 3), "paused", false),
                (
                    said("subscription.updated", "active", 4).until(NEXT_END),
                    "active",
                    true,
                ),
                (
                    said("subscription.resumed", "active", 4).until(NEXT_END),
                    "active",
                    true,
                ),
            ],
        ),
        (
            "trial",
            vec![
                (
                    said("subscription.created", "trialing", 1),
                    "trialing",
                    false,
                ),
                (
                    said("subscription.active", "active", 2).until(NEXT_END),
                    "active",
                    true,
                ),
            ],
        ),
        (
            "the seeds' spelling, and a word of tomorrow",
            vec![
                (
                    said("subscription.updated", "cancelled", 2),
                    "canceled",
                    false,
                ),
                (
                    said("subscription.of_tomorrow", "hibernating", 3),
                    "hibernating",
                    false,
                ),
            ],
        ),
    ]
}

async fn every_sequence_ends_as_it_should_when_it_comes_in_order(fixture: Fixture) {
    let world = World::over(fixture, None);
    for (number, (name, steps)) in sequences().into_iter().enumerate() {
        let suffix = format!("-{number}");
        let subject = format!("user_1{suffix}");
        for (step, (said, status, open)) in steps.into_iter().enumerate() {
            let said = said.of(&suffix);
            world
                .deliver(&format!("e{suffix}-{step}"), &said.body())
                .await;
            let found = world.access(&subject).await;
            assert_eq!(found, (status.to_owned(), open), "{name}: {said:?}");
        }
    }
    let left = world
        .fixture
        .count("inbox_event where state <> 'done'")
        .await;
    assert_eq!(left, 0);
}

async fn a_repeated_delivery_has_no_effect(fixture: Fixture) {
    let world = World::over(fixture, None);
    let active = Said::new("subscription.active", "active", 1).body();
    let revoked = Said::new("subscription.revoked", "canceled", 2).body();
    world.deliver("e1", &active).await;
    world.deliver("e2", &revoked).await;
    // Polar gives a repetition the same body; whatever it is, the id is known.
    let again = Said::new("subscription.active", "active", 9).body();
    for _ in 0..3 {
        world.deliver("e1", &again).await;
    }
    assert_eq!(world.access("user_1").await, ("canceled".to_owned(), false));
    assert_eq!(world.fixture.count("inbox_event").await, 2);
    let mut audited = world.fixture.audit().await;
    // Whoever buys before ever signing in gets a profile, once.
    let profiles = audited.len();
    audited.retain(|event| !event.starts_with("profile.create "));
    assert_eq!(profiles - audited.len(), 1);
    assert_eq!(
        audited,
        [
            "subscription.put user_1 active",
            "subscription.put user_1 canceled"
        ]
    );
}

async fn an_unreadable_delivery_is_kept_and_a_strange_one_passes(fixture: Fixture) {
    let world = World::over(fixture, None);
    world.deliver("e1", "{").await;
    world
        .deliver("e2", r#"{"type":"subscription.updated","data":{}}"#)
        .await;
    world
        .deliver("e3", r#"{"type":"of.tomorrow","data":[1]}"#)
        .await;
    world.polar.take("e4", &[b'{', 0, 0xff]).await.unwrap();
    let states = world
        .fixture
        .texts("select delivery_id || ' ' || state from inbox_event order by delivery_id")
        .await;
    assert_eq!(
        states,
        ["e1 unreadable", "e2 unreadable", "e3 done", "e4 unreadable"]
    );
    assert_eq!(world.fixture.count("polar_subscription").await, 0);
    assert_eq!(world.polar.work_inbox().await.unwrap(), 0);
}

async fn a_customer_without_a_person_is_parked_until_there_is_one(fixture: Fixture) {
    let world = World::over(fixture, None);
    let mut said = Said::new("subscription.active", "active", 1);
    said.external_id = None;
    world.deliver("e1", &said.body()).await;
    let parked = world.fixture.store.list_parked_events(10).await.unwrap();
    assert_eq!(parked.len(), 1);
    assert_eq!(parked[0].kind, "subscription.active");
    assert_eq!(world.fixture.count("subscriptions").await, 0);

    let mut customer = said.data()["customer"].take();
    customer["external_id"] = "user_1".into();
    customer["modified_at"] = super::payload::time(super::NOW_MS);
    let event = serde_json::json!({ "type": "customer.updated", "data": customer });
    world.deliver("e2", &event.to_string()).await;
    assert_eq!(world.access("user_1").await, ("active".to_owned(), true));
    let parked = world.fixture.store.list_parked_events(10).await.unwrap();
    assert_eq!(parked, []);
}

async fn an_event_whose_worker_vanished_is_acted_on_by_another(fixture: Fixture) {
    let world = World::over(fixture, None);
    let event = crate::store::NewInboxEvent {
        provider: "polar",
        delivery_id: "e1".to_owned(),
        kind: "subscription.active".to_owned(),
        body: Said::new("subscription.active", "active", 1).body(),
    };
    let store = &world.fixture.store;
    let lease_until = super::NOW_MS + 30_000;
    store
        .receive(&event, super::NOW_MS, lease_until)
        .await
        .unwrap();
    assert_eq!(world.polar.work_inbox().await.unwrap(), 0);
    world.put_clock(lease_until);
    assert_eq!(world.polar.work_inbox().await.unwrap(), 1);
    assert_eq!(world.access("user_1").await, ("active".to_owned(), true));
    assert_eq!(world.polar.work_inbox().await.unwrap(), 0);
}

/// Which sequence, and its steps in any order, some of them several times.
fn any_order() -> impl Strategy<Value = (usize, Vec<usize>)> {
    let lengths: Vec<usize> = sequences().iter().map(|(_, steps)| steps.len()).collect();
    (0..lengths.len()).prop_flat_map(move |sequence| {
        let length = lengths[sequence];
        proptest::collection::vec(0..length, 0..length)
            .prop_map(move |repeated| (0..length).chain(repeated).collect::<Vec<usize>>())
            .prop_shuffle()
            .prop_map(move |order| (sequence, order))
    })
}

#[test]
fn every_order_and_repetition_ends_in_the_newest_snapshot() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let world = World::over(runtime.block_on(Fixture::sqlite()), None);
    let cases = std::cell::Cell::new(0);
    let mut runner = TestRunner::new(Config::with_cases(64));
    let outcome = runner.run(&any_order(), |(sequence, order)| {
        cases.set(cases.get() + 1);
        let suffix = format!("-{}", cases.get());
        let (name, steps) = sequences().swap_remove(sequence);
        let newest = steps
            .iter()
            .filter(|(said, _, _)| said.kind.starts_with("subscription."))
            .max_by_key(|(said, _, _)| said.version)
            .unwrap();
        let (_, status, open) = newest;
        let found = runtime.block_on(async {
            for (turn, step) in order.iter().enumerate() {
                let body = steps[*step].0.clone().of(&suffix).body();
                // Every other repetition comes as a new delivery of the same content.
                let id = if turn % 2 == 0 { *step } else { 100 + turn };
                world.deliver(&format!("e{suffix}-{id}"), &body).await;
            }
            world.access(&format!("user_1{suffix}")).await
        });
        prop_assert_eq!(
            found,
            ((*status).to_owned(), *open),
            "{}: {:?}",
            name,
            order
        );
        Ok(())
    });
    outcome.unwrap();
}

#[tokio::test]
async fn access_ends_with_the_period_to_the_millisecond() {
    let world = World::over(Fixture::sqlite().await, None);
    world
        .deliver("e1", &Said::new("subscription.active", "active", 1).body())
        .await;
    for (now, open) in [
        (THIS_END - 1, true),
        (THIS_END, true),
        (THIS_END + 1, false),
    ] {
        world.put_clock(now);
        assert_eq!(world.access("user_1").await, ("active".to_owned(), open));
    }
}
