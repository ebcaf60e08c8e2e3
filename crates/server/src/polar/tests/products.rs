//! Deployments where some products open an account and others of the organization do not.

use super::super::products::tests::{FREE, PAID, only};
use super::payload::{NEXT_END, Said, THIS_END};
use super::questions::{Mock, run_until, settings};
use super::{NOW_MS, Products, World};
use crate::store::Aligned;
use crate::store::tests::{Fixture, on_both};

on_both!(
    another_product_opens_nothing_and_closes_nothing_in_any_order,
    a_change_of_product_on_one_subscription_opens_and_closes,
    of_two_that_open_the_other_one_stays,
    a_trial_of_a_product_that_opens_is_still_a_trial,
    what_opens_nothing_is_neither_parked_nor_looked_up,
    a_payment_for_what_opens_nothing_asks_whether_it_still_does,
    other_products_after_a_restart_bring_everybody_in_line,
    many_people_are_brought_in_line_and_the_others_left_alone,
    a_subscription_of_before_counts_until_its_product_is_known,
    a_sweep_plans_lookups_for_products_that_open_again,
    a_lookup_that_finds_another_product_closes,
);

fn closed(status: &str) -> (String, bool) {
    (status.to_owned(), false)
}

fn open() -> (String, bool) {
    ("active".to_owned(), true)
}

/// A second subscription of the same person.
fn second(kind: &'static str, status: &'static str, version: i64) -> Said {
    let mut said = Said::new(kind, status, version);
    said.subscription = "sub_2".to_owned();
    said
}

async fn another_product_opens_nothing_and_closes_nothing_in_any_order(fixture: Fixture) {
    let world = World::with(fixture, only(PAID), None);
    let paid = Said::new("subscription.active", "active", 1);
    let free = second("subscription.active", "active", 1)
        .of_product(FREE)
        .until(NEXT_END);
    let ended = second("subscription.revoked", "canceled", 2).of_product(FREE);
    let of_none = second("subscription.updated", "active", 3).of_product("");
    let mut number = 0;
    for (case, order, expected) in [
        ("alone", vec![&free], closed("none")),
        ("of no product", vec![&of_none], closed("none")),
        ("before", vec![&free, &paid], open()),
        ("after", vec![&paid, &free], open()),
        ("ends before", vec![&free, &ended, &paid], open()),
        ("ends after", vec![&paid, &free, &ended], open()),
        ("ends before it began", vec![&paid, &ended, &free], open()),
    ] {
        let suffix = format!("-{}", case.replace(' ', "-"));
        for said in order {
            number += 1;
            let body = said.clone().of(&suffix).body();
            world.deliver(&format!("e{number}"), &body).await;
        }
        let found = world.access(&format!("user_1{suffix}")).await;
        assert_eq!(found, expected, "{case}");
    }
    let left = world
        .fixture
        .count("inbox_event where state <> 'done'")
        .await;
    assert_eq!(left, 0);
    let profiles = "user_profile where workos_user_id in ('user_1-alone', 'user_1-of-no-product')";
    assert_eq!(world.fixture.count(profiles).await, 0);
}

async fn a_change_of_product_on_one_subscription_opens_and_closes(fixture: Fixture) {
    let world = World::with(fixture, only(PAID), None);
    let said =
        |product, version| Said::new("subscription.updated", "active", version).of_product(product);
    for (id, said, expected) in [
        ("e1", said(FREE, 1), closed("none")),
        ("e2", said(PAID, 2), open()),
        ("late", said(FREE, 1), open()),
        ("e3", said(FREE, 4), closed("none")),
        ("late too", said(PAID, 3), closed("none")),
        ("e4", said(PAID, 5), open()),
    ] {
        world.deliver(id, &said.body()).await;
        assert_eq!(world.access("user_1").await, expected, "{id}");
    }
    let mut audited = world.fixture.audit().await;
    audited.retain(|event| event.starts_with("subscription."));
    assert_eq!(
        audited,
        [
            "subscription.put user_1 active",
            "subscription.put user_1 none",
            "subscription.put user_1 active",
        ]
    );
}

async fn of_two_that_open_the_other_one_stays(fixture: Fixture) {
    let both = Products::of([PAID, FREE]).unwrap();
    let world = World::with(fixture, both, None);
    let one = Said::new("subscription.active", "active", 1).until(NEXT_END);
    let two = second("subscription.active", "active", 1).of_product(FREE);
    world.deliver("e1", &one.body()).await;
    world.deliver("e2", &two.body()).await;
    let ended = Said::new("subscription.revoked", "canceled", 2).until(NEXT_END);
    world.deliver("e3", &ended.body()).await;
    assert_eq!(world.access("user_1").await, open());
    let left = world.standing("user_1").await.unwrap();
    assert_eq!(left.current_period_end, Some(THIS_END));
    let moved = second("subscription.updated", "active", 2).of_product("");
    world.deliver("e4", &moved.body()).await;
    assert_eq!(world.access("user_1").await, closed("canceled"));
}

async fn a_trial_of_a_product_that_opens_is_still_a_trial(fixture: Fixture) {
    let world = World::with(fixture, only(PAID), None);
    let free = second("subscription.active", "active", 1).of_product(FREE);
    world.deliver("e1", &free.body()).await;
    let trial = Said::new("subscription.created", "trialing", 1);
    world.deliver("e2", &trial.body()).await;
    assert_eq!(world.access("user_1").await, closed("trialing"));
    let paid = Said::new("subscription.active", "active", 2);
    world.deliver("e3", &paid.body()).await;
    assert_eq!(world.access("user_1").await, open());
}

async fn what_opens_nothing_is_neither_parked_nor_looked_up(fixture: Fixture) {
    let world = World::with(fixture, only(PAID), None);
    let mut free = Said::new("subscription.active", "active", 1).of_product(FREE);
    free.external_id = None;
    world.deliver("e1", &free.body()).await;
    let store = &world.fixture.store;
    assert_eq!(store.list_parked_events(10).await.unwrap(), []);
    assert_eq!(
        store.claim_due_checks(i64::MAX, 0, 9).await.unwrap(),
        Vec::<String>::new()
    );
    let mut paid = Said::new("subscription.updated", "active", 2);
    paid.external_id = None;
    world.deliver("e2", &paid.body()).await;
    assert_eq!(store.list_parked_events(10).await.unwrap().len(), 1);
    assert_eq!(
        store.claim_due_checks(i64::MAX, 0, 9).await.unwrap(),
        ["sub_1"]
    );
}

async fn a_payment_for_what_opens_nothing_asks_whether_it_still_does(fixture: Fixture) {
    let world = World::with(fixture, only(PAID), None);
    let free = Said::new("subscription.active", "active", 1).of_product(FREE);
    let paid = second("subscription.active", "active", 1);
    for (id, said) in [("e1", &free), ("e2", &paid)] {
        world.deliver(id, &said.body()).await;
        let order = Said {
            kind: "order.paid",
            status: "paid",
            ..said.clone()
        };
        world.deliver(&format!("{id}-paid"), &order.body()).await;
    }
    let due = world.fixture.store.claim_due_checks(NOW_MS, 0, 9).await;
    assert_eq!(due.unwrap(), ["sub_1"]);
}

async fn other_products_after_a_restart_bring_everybody_in_line(fixture: Fixture) {
    let world = World::over(fixture, None);
    let mut of_nobody = Said::new("subscription.active", "active", 1).of("-nobody");
    of_nobody.external_id = None;
    let free = |suffix: &str| {
        let said = Said::new("subscription.active", "active", 1).of_product(FREE);
        said.of(suffix)
    };
    let of_nobody_free = Said {
        external_id: None,
        ..free("-nobody-free")
    };
    let paid = Said::new("subscription.active", "active", 1).of("-paid");
    for (number, said) in [free("-free"), paid, of_nobody, of_nobody_free]
        .iter()
        .enumerate()
    {
        world.deliver(&format!("e{number}"), &said.body()).await;
    }
    assert_eq!(world.polar.align().await.unwrap(), Aligned::default());
    assert_eq!(world.access("user_1-free").await, open());

    let world = world.restarted(only(PAID), None);
    let aligned = world.polar.align().await.unwrap();
    assert_eq!(
        aligned,
        Aligned {
            people: 1,
            unparked: 1
        }
    );
    assert_eq!(world.access("user_1-free").await, closed("none"));
    assert_eq!(world.access("user_1-paid").await, open());
    let parked = world.fixture.store.list_parked_events(9).await.unwrap();
    let parked: Vec<&str> = parked
        .iter()
        .map(|event| event.delivery_id.as_str())
        .collect();
    assert_eq!(parked, ["e2"]);
    assert_eq!(world.polar.align().await.unwrap(), Aligned::default());

    let world = world.restarted(only(FREE), None);
    run_until(&world, async || world.access("user_1-free").await.1).await;
    assert_eq!(world.access("user_1-paid").await, closed("none"));
    let world = world.restarted(Products::default(), None);
    assert_eq!(world.polar.align().await.unwrap().people, 1);
    assert_eq!(world.access("user_1-paid").await, open());
    let mut audited = world.fixture.audit().await;
    audited.retain(|event| event.starts_with("subscription."));
    assert_eq!(
        audited,
        [
            "subscription.put user_1-free active",
            "subscription.put user_1-paid active",
            "subscription.put user_1-free none",
            "subscription.put user_1-free active",
            "subscription.put user_1-paid none",
            "subscription.put user_1-paid active",
        ]
    );
}

/// More than are compared at once.
async fn many_people_are_brought_in_line_and_the_others_left_alone(fixture: Fixture) {
    let world = World::over(fixture, None);
    let active = Said::new("subscription.active", "active", 1)
        .of_product(FREE)
        .of("-0");
    world.deliver("e1", &active.body()).await;
    for statement in [
        "insert into polar_customer (id, external_id, revision, created_at, updated_at)
         with recursive n (i) as (select 1 union all select i + 1 from n where i < 1200)
         select 'c' || i, 'user_' || i, 1, 1, 1 from n",
        "insert into polar_subscription
            (id, customer_id, revision, told_at, status, product_id, current_period_end,
             cancel_at_period_end, pause_at_period_end, created_at, updated_at)
         select 's' || id, id, 1, 1, 'active', product_id, current_period_end, 0, 0, 1, 1
         from (select c.id, s.product_id, s.current_period_end from polar_customer c
               cross join polar_subscription s where c.external_id <> 'user_1-0') who",
        "insert into subscriptions
            (workos_user_id, status, current_period_end, subscription_id, created_at, updated_at)
         select c.external_id, 'active', s.current_period_end, s.id, 1, 1
         from polar_subscription s join polar_customer c on c.id = s.customer_id
         where c.external_id <> 'user_1-0'",
        "update polar_subscription set product_id = 'c3f9a1de-0a67-4a0e-9a52-2f3c4a5b6c7d'
         where customer_id in ('c7', 'c1200')",
    ] {
        world.fixture.execute(statement).await;
    }
    assert_eq!(world.polar.align().await.unwrap(), Aligned::default());
    let world = world.restarted(only(PAID), None);
    let aligned = world.polar.align().await.unwrap();
    assert_eq!(aligned.people, 1199);
    let left = world
        .fixture
        .texts("select workos_user_id from subscriptions order by workos_user_id")
        .await;
    assert_eq!(left, ["user_1200", "user_7"]);
}

async fn a_subscription_of_before_counts_until_its_product_is_known(fixture: Fixture) {
    let mock = Mock::default();
    let said = |product, suffix: &str| {
        let said = Said::new("subscription.active", "active", 1).of_product(product);
        said.of(suffix)
    };
    let world = World::over(fixture, None);
    world.deliver("e1", &said(PAID, "-paid").body()).await;
    world.deliver("e2", &said(FREE, "-free").body()).await;
    world
        .fixture
        .execute("update polar_subscription set product_id = null")
        .await;

    let world = world.restarted(only(PAID), None);
    assert_eq!(world.polar.align().await.unwrap(), Aligned::default());
    assert!(world.access("user_1-paid").await.1 && world.access("user_1-free").await.1);

    mock.holds(&[said(PAID, "-paid"), said(FREE, "-free")]);
    let api = settings(mock.clone().start().await);
    let world = world.restarted(only(PAID), Some(api));
    run_until(&world, async || !world.access("user_1-free").await.1).await;
    assert_eq!(world.access("user_1-paid").await, open());
    assert_eq!(mock.asked(), ["page 1", "page 2"]);
    let unknown = "polar_subscription where product_id is null";
    assert_eq!(world.fixture.count(unknown).await, 0);
}

async fn a_sweep_plans_lookups_for_products_that_open_again(fixture: Fixture) {
    let mock = Mock::default();
    let api = settings(mock.clone().start().await);
    let world = World::with(fixture, only(FREE), Some(api.clone()));
    let paid = Said::new("subscription.active", "active", 1);
    world.deliver("e1", &paid.body()).await;
    mock.holds(std::slice::from_ref(&paid));
    let planned = "polar_subscription where check_at is not null";
    assert_eq!(world.fixture.count(planned).await, 0);

    let world = world.restarted(only(PAID), Some(api));
    run_until(&world, async || world.fixture.count(planned).await == 1).await;
    assert_eq!(world.access("user_1").await, open());
}

async fn a_lookup_that_finds_another_product_closes(fixture: Fixture) {
    let mock = Mock::default();
    let api = settings(mock.clone().start().await);
    let world = World::with(fixture, only(PAID), Some(api));
    let said = Said::new("subscription.active", "active", 1);
    world.deliver("e1", &said.body()).await;
    mock.holds(&[Said::new("", "active", 2).of_product(FREE).until(NEXT_END)]);
    world.put_clock(THIS_END - 1);
    let api = world.polar.api.as_ref().unwrap();
    world.polar.check_due(api).await.unwrap();
    assert_eq!(mock.asked(), ["one sub_1"]);
    assert_eq!(world.access("user_1").await, closed("none"));
    world.put_clock(NEXT_END);
    world.polar.check_due(api).await.unwrap();
    assert_eq!(
        mock.asked(),
        Vec::<String>::new(),
        "it opens nothing for anybody"
    );
}
