use super::{Fixture, on_both, origin};
use crate::principal::TenantScope;
use crate::store::api_keys::KeyHolder;
use crate::store::{ApiKeyCaps, BucketSnapshot, KeyAdded, NewApiKey, SnapshotAdded};

on_both!(
    a_key_is_found_by_its_hash_until_its_owner_ends_it,
    keys_are_made_under_caps,
    snapshots_belong_to_one_tenant_and_go_with_it,
);

const CAPS: ApiKeyCaps = ApiKeyCaps {
    live: 3,
    recent: 2,
    recent_since: 10,
};

fn key(id: &str) -> NewApiKey {
    NewApiKey {
        id: id.to_owned(),
        name: format!("key {id}"),
        hash: format!("hash {id}"),
    }
}

async fn profile(fixture: &Fixture, subject: &str) {
    fixture
        .store
        .ensure_profile(subject, Some("a@b.c"), &origin(1))
        .await
        .unwrap();
}

async fn add(fixture: &Fixture, subject: &str, id: &str, at: i64) -> KeyAdded {
    let (key, origin) = (key(id), origin(at));
    let added = fixture.store.add_api_key(subject, &key, CAPS, &origin);
    added.await.unwrap()
}

async fn a_key_is_found_by_its_hash_until_its_owner_ends_it(fixture: Fixture) {
    let store = &fixture.store;
    assert_eq!(
        add(&fixture, "ana", "k1", 5).await,
        KeyAdded::ProfileMissing
    );
    profile(&fixture, "ana").await;
    assert_eq!(add(&fixture, "ana", "k1", 5).await, KeyAdded::Added);
    let holder = |last_used_at| KeyHolder {
        key_id: "k1".to_owned(),
        subject: "ana".to_owned(),
        last_used_at,
    };
    let find = async || store.find_key_holder("hash k1").await.unwrap();
    assert_eq!(find().await, Some(holder(None)));
    store.record_api_key_use("k1", 9).await.unwrap();
    assert_eq!(find().await, Some(holder(Some(9))));
    assert_eq!(store.find_key_holder("hash").await.unwrap(), None);

    let revoke = async |subject, id| {
        store
            .revoke_api_key(subject, id, &origin(20))
            .await
            .unwrap()
    };
    assert!(!revoke("ben", "k1").await);
    assert!(find().await.is_some());
    assert!(revoke("ana", "k1").await && revoke("ana", "k1").await);
    assert_eq!(find().await, None);
    assert_eq!(store.list_api_keys("ana").await.unwrap(), []);
    assert_eq!(fixture.count("api_key").await, 1);
    let audit = fixture.audit().await;
    let about_keys: Vec<&String> = audit.iter().filter(|row| row.contains("api_key")).collect();
    assert_eq!(
        about_keys,
        ["api_key.create k1 done", "api_key.revoke k1 done"]
    );
}

async fn keys_are_made_under_caps(fixture: Fixture) {
    profile(&fixture, "ana").await;
    profile(&fixture, "ben").await;
    assert_eq!(add(&fixture, "ana", "k1", 5).await, KeyAdded::Added);
    assert_eq!(add(&fixture, "ana", "k2", 11).await, KeyAdded::Added);
    assert_eq!(add(&fixture, "ana", "k3", 12).await, KeyAdded::Added);
    assert_eq!(add(&fixture, "ana", "k4", 13).await, KeyAdded::TooManyLive);
    fixture
        .store
        .revoke_api_key("ana", "k2", &origin(14))
        .await
        .unwrap();
    let recent = KeyAdded::TooManyRecent { earliest: 11 };
    assert_eq!(add(&fixture, "ana", "k4", 15).await, recent);
    assert_eq!(add(&fixture, "ben", "k4", 15).await, KeyAdded::Added);
    let names: Vec<String> = fixture
        .store
        .list_api_keys("ana")
        .await
        .unwrap()
        .into_iter()
        .map(|key| key.name)
        .collect();
    assert_eq!(names, ["key k1", "key k3"]);
}

async fn snapshots_belong_to_one_tenant_and_go_with_it(fixture: Fixture) {
    let store = &fixture.store;
    profile(&fixture, "ana").await;
    let owner = store.standing("ana").await.unwrap().profile.unwrap();
    store
        .claim_tenant(&owner, "t1", "t1", &origin(2))
        .await
        .unwrap();
    let (own, other) = (
        TenantScope::for_tests("t1", "t1"),
        TenantScope::for_tests("t2", "t2"),
    );
    let snapshot = |id: &str, taken_at| BucketSnapshot {
        id: id.to_owned(),
        name: "n".to_owned(),
        description: None,
        taken_at,
        created_by: None,
    };
    let add = async |tenant: &TenantScope, id: &str, at| {
        let (snapshot, origin) = (snapshot(id, at), origin(at));
        let added = store.add_snapshot(tenant, &snapshot, 2, &origin);
        added.await.unwrap()
    };
    assert_eq!(add(&other, "s0", 3).await, SnapshotAdded::TenantGone);
    assert_eq!(add(&own, "s1", 3).await, SnapshotAdded::Added);
    assert_eq!(add(&own, "s2", 4).await, SnapshotAdded::Added);
    assert_eq!(add(&own, "s3", 5).await, SnapshotAdded::TooMany);
    let listed = store.list_snapshots(&own).await.unwrap();
    assert_eq!(listed, [snapshot("s2", 4), snapshot("s1", 3)]);
    assert_eq!(store.find_snapshot(&other, "s1").await.unwrap(), None);
    assert!(
        !store
            .forget_snapshot(&other, "s1", &origin(6))
            .await
            .unwrap()
    );
    assert!(store.forget_snapshot(&own, "s1", &origin(6)).await.unwrap());
    assert_eq!(store.find_snapshot(&own, "s1").await.unwrap(), None);
    assert_eq!(fixture.count("bucket_snapshot").await, 1);
}
