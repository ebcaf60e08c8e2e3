use super::{Fixture, on_both, origin};
use crate::store::{Instance, Profile, Standing, StoreError, Subscription, Tenant};

on_both!(
    a_stranger_has_nothing,
    a_profile_is_made_once_and_keeps_the_newest_address,
    a_subscription_is_replaced_whole,
    a_profile_has_one_tenant_whatever_is_claimed,
    a_bucket_name_belongs_to_one_tenant,
    a_standing_shows_everything_together,
);

const ANA: &str = "user_ana";

async fn profile(fixture: &Fixture, subject: &str) -> Profile {
    let email = format!("{subject}@example.org");
    fixture
        .store
        .ensure_profile(subject, Some(&email), &origin(10))
        .await
        .unwrap()
}

fn active(end: i64) -> Subscription {
    Subscription {
        status: "active".to_owned(),
        plan: Some("plus".to_owned()),
        current_period_end: Some(end),
    }
}

async fn a_stranger_has_nothing(fixture: Fixture) {
    let standing = fixture.store.standing("nobody").await.unwrap();
    assert_eq!(standing, Standing::default());
    assert_eq!(fixture.audit().await, Vec::<String>::new());
}

async fn a_profile_is_made_once_and_keeps_the_newest_address(fixture: Fixture) {
    let first = profile(&fixture, ANA).await;
    let again = fixture
        .store
        .ensure_profile(ANA, Some("new@example.org"), &origin(20))
        .await
        .unwrap();
    assert_eq!(again.id, first.id);
    assert_eq!(again.email.as_deref(), Some("new@example.org"));
    assert_eq!(fixture.count("user_profile").await, 1);
    assert_eq!(
        fixture.audit().await,
        [format!("profile.create {} done", first.id)]
    );
}

async fn a_subscription_is_replaced_whole(fixture: Fixture) {
    let store = &fixture.store;
    store
        .put_subscription(ANA, &active(1_000), &origin(10))
        .await
        .unwrap();
    let ended = Subscription {
        status: "canceled".to_owned(),
        plan: None,
        current_period_end: None,
    };
    store
        .put_subscription(ANA, &ended, &origin(20))
        .await
        .unwrap();
    assert_eq!(store.standing(ANA).await.unwrap().subscription, Some(ended));
    assert_eq!(fixture.count("subscriptions").await, 1);
    assert_eq!(
        fixture.audit().await,
        [
            "subscription.put user_ana active",
            "subscription.put user_ana canceled"
        ]
    );
}

async fn a_profile_has_one_tenant_whatever_is_claimed(fixture: Fixture) {
    let ana = profile(&fixture, ANA).await;
    let origin = origin(20);
    let claim = |id: &'static str| fixture.store.claim_tenant(&ana, id, id, &origin);
    let (one, two, three) = tokio::join!(claim("t1"), claim("t2"), claim("t3"));
    let tenants = [one.unwrap(), two.unwrap(), three.unwrap()];
    assert!(tenants.iter().all(|tenant| *tenant == tenants[0]));
    assert_eq!(fixture.count("tenant").await, 1);
    let linked = fixture.texts("select tenant_id from user_profile").await;
    assert_eq!(linked, [tenants[0].id.clone()]);
}

async fn a_bucket_name_belongs_to_one_tenant(fixture: Fixture) {
    let ana = profile(&fixture, ANA).await;
    let ben = profile(&fixture, "user_ben").await;
    let store = &fixture.store;
    store
        .claim_tenant(&ana, "t1", "notes", &origin(20))
        .await
        .unwrap();
    let refused = store.claim_tenant(&ben, "t2", "notes", &origin(30)).await;
    assert!(matches!(
        refused,
        Err(StoreError::BucketNameTaken { name }) if name == "notes"
    ));
    assert_eq!(store.standing("user_ben").await.unwrap().tenant, None);
    assert_eq!(fixture.count("tenant").await, 1);
}

async fn a_standing_shows_everything_together(fixture: Fixture) {
    let ana = profile(&fixture, ANA).await;
    let store = &fixture.store;
    store
        .put_subscription(ANA, &active(i64::MAX), &origin(20))
        .await
        .unwrap();
    let tenant = store
        .claim_tenant(&ana, "t1", "notes", &origin(30))
        .await
        .unwrap();
    store.record_bucket(&tenant, &origin(40)).await.unwrap();
    let mut instance = Instance {
        address: "127.0.0.1:1".to_owned(),
        key_id: "k1".to_owned(),
        state: "starting".to_owned(),
    };
    store
        .record_instance("t1", &instance, &origin(50))
        .await
        .unwrap();
    instance.state = "ready".to_owned();
    store
        .record_instance("t1", &instance, &origin(60))
        .await
        .unwrap();
    let expected = Standing {
        subscription: Some(active(i64::MAX)),
        profile: Some(ana),
        tenant: Some(Tenant {
            id: "t1".to_owned(),
            reserved_bucket_name: "notes".to_owned(),
            bucket_name: Some("notes".to_owned()),
            instance: Some(instance),
        }),
    };
    assert_eq!(store.standing(ANA).await.unwrap(), expected);
    assert_eq!(fixture.count("tenant_instance").await, 1);
}
