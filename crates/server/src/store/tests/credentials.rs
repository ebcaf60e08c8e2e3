use super::{Fixture, on_both, origin};
use crate::buckets::{Access, KeyRef};
use crate::principal::TenantScope;
use crate::store::credentials::AccessChange;
use crate::store::{
    Begun, Completed, CredentialCaps, CredentialKind, KeyRemoval, Leaving, NewCredential,
    Revocation, Subscription,
};

on_both!(
    a_credential_is_listed_from_its_completion_to_its_revocation,
    a_foreign_credential_is_not_there,
    caps_count_rows_and_not_replicas,
    a_credential_revoked_meanwhile_is_unwanted,
    unfinished_and_expired_credentials_are_orphans,
    removals_are_claimed_once_and_again_when_due,
    unused_credentials_are_revoked_by_their_last_use,
    access_follows_the_subscription,
    a_deployment_keeps_the_id_it_got_first,
);

const CAPS: CredentialCaps = CredentialCaps {
    live: 100,
    recent: 100,
    recent_since: 0,
};

async fn tenant(fixture: &Fixture, id: &str) -> TenantScope {
    let store = &fixture.store;
    let profile = store
        .ensure_profile(id, Some("person@example.org"), &origin(1))
        .await
        .unwrap();
    let tenant = store
        .claim_tenant(&profile, id, id, &origin(2))
        .await
        .unwrap();
    store.record_bucket(&tenant, &origin(3)).await.unwrap();
    TenantScope::for_tests(id, id)
}

fn credential(id: &str) -> NewCredential {
    NewCredential {
        id: id.to_owned(),
        name: format!("bm-{id}"),
        description: "laptop".to_owned(),
        kind: CredentialKind::Mount,
        expires_at: None,
    }
}

fn key(id: &str) -> KeyRef {
    KeyRef {
        name: format!("bm-{id}"),
        access_key: Some(format!("tid_{id}")),
        policy_arn: Some("arn".to_owned()),
    }
}

async fn begin(fixture: &Fixture, scope: &TenantScope, id: &str, at: i64) {
    let begun = fixture
        .store
        .begin_credential(scope, &credential(id), CAPS, &origin(at))
        .await;
    assert_eq!(begun.unwrap(), Begun::Recorded);
}

async fn issue(fixture: &Fixture, scope: &TenantScope, id: &str, at: i64) {
    begin(fixture, scope, id, at).await;
    assert_eq!(
        complete(fixture, scope, id, at + 1).await,
        Completed::Issued
    );
}

async fn complete(fixture: &Fixture, scope: &TenantScope, id: &str, at: i64) -> Completed {
    let access_key = format!("tid_{id}");
    fixture
        .store
        .complete_credential(scope, id, &access_key, "arn", &origin(at))
        .await
        .unwrap()
}

async fn live(fixture: &Fixture, scope: &TenantScope) -> Vec<String> {
    let listed = fixture.store.list_credentials(scope).await.unwrap();
    listed.into_iter().map(|found| found.id).collect()
}

async fn leaving(fixture: &Fixture, scope: &TenantScope) -> Vec<(String, Leaving)> {
    let listed = fixture.store.leaving_credentials(scope).await.unwrap();
    let ids = listed
        .into_iter()
        .map(|(found, leaving)| (found.id, leaving));
    ids.collect()
}

/// Audit events about credentials, with their reasons.
async fn events(fixture: &Fixture) -> Vec<String> {
    fixture
        .texts(
            "select action || ' ' || target || ' ' || outcome || coalesce(' ' || reason, '')
             from audit where action like 'MountCredential%' or action like 'credential.%'
             order by at, id",
        )
        .await
}

async fn a_credential_is_listed_from_its_completion_to_its_revocation(fixture: Fixture) {
    let scope = tenant(&fixture, "t1").await;
    let store = &fixture.store;
    begin(&fixture, &scope, "c1", 10).await;
    assert_eq!(live(&fixture, &scope).await, [""; 0]);
    let early = store.revoke_credential(&scope, "c1", 0, &origin(11)).await;
    assert_eq!(early.unwrap(), None, "nobody knows its id yet");
    assert_eq!(
        complete(&fixture, &scope, "c1", 12).await,
        Completed::Issued
    );
    issue(&fixture, &scope, "c2", 20).await;
    assert_eq!(live(&fixture, &scope).await, ["c1", "c2"]);
    let first = store.list_credentials(&scope).await.unwrap().remove(0);
    assert_eq!(first.access_key, "tid_c1");
    assert_eq!((first.created_at, first.last_used_at), (10, None));

    for at in [30, 31] {
        let revoked = store.revoke_credential(&scope, "c1", 90, &origin(at)).await;
        assert_eq!(revoked.unwrap(), Some(Revocation::KeyRemains(key("c1"))));
    }
    assert_eq!(
        leaving(&fixture, &scope).await,
        [("c1".to_owned(), Leaving::Pending)]
    );
    let failed = KeyRemoval::Failed { due_at: 90 };
    store
        .record_key_removal("c1", failed, &origin(35))
        .await
        .unwrap();
    assert_eq!(
        leaving(&fixture, &scope).await,
        [("c1".to_owned(), Leaving::Failed)]
    );
    let completed = KeyRemoval::Completed;
    store
        .record_key_removal("c1", completed, &origin(40))
        .await
        .unwrap();
    let again = store.revoke_credential(&scope, "c1", 90, &origin(50)).await;
    assert_eq!(again.unwrap(), Some(Revocation::Done));
    assert_eq!(live(&fixture, &scope).await, ["c2"]);
    assert_eq!(leaving(&fixture, &scope).await, []);
    assert_eq!(fixture.count("tenant_mount_credentials").await, 2);
    assert_eq!(
        events(&fixture).await,
        [
            "MountCredentialCreatedEvent c1 done",
            "MountCredentialCreatedEvent c2 done",
            "MountCredentialRevokedEvent c1 done",
            "credential.key_removal c1 failed",
            "credential.key_removal c1 completed",
        ]
    );
}

async fn a_foreign_credential_is_not_there(fixture: Fixture) {
    let own = tenant(&fixture, "t1").await;
    let foreign = tenant(&fixture, "t2").await;
    let store = &fixture.store;
    begin(&fixture, &own, "c1", 10).await;
    assert_eq!(
        complete(&fixture, &foreign, "c1", 11).await,
        Completed::Unwanted
    );
    store
        .fail_credential(&foreign, "c1", &origin(12))
        .await
        .unwrap();
    complete(&fixture, &own, "c1", 13).await;
    let refused = store
        .revoke_credential(&foreign, "c1", 0, &origin(20))
        .await;
    assert_eq!(refused.unwrap(), None);
    assert_eq!(live(&fixture, &foreign).await, [""; 0]);
    assert_eq!(live(&fixture, &own).await, ["c1"]);
    let nowhere = TenantScope::for_tests("t3", "t3");
    let refused = store
        .begin_credential(&nowhere, &credential("c3"), CAPS, &origin(30))
        .await;
    assert_eq!(refused.unwrap(), Begun::TenantGone);
    assert_eq!(fixture.count("tenant_mount_credentials").await, 1);
}

async fn caps_count_rows_and_not_replicas(fixture: Fixture) {
    let scope = tenant(&fixture, "t1").await;
    let other = tenant(&fixture, "t2").await;
    let store = &fixture.store;
    let caps = CredentialCaps {
        live: 3,
        recent: 10,
        recent_since: 0,
    };
    let attempts = (0..8).map(|n| {
        let (scope, new) = (scope.clone(), credential(&format!("c{n}")));
        async move {
            store
                .begin_credential(&scope, &new, caps, &origin(10))
                .await
                .unwrap()
        }
    });
    let begun = futures::future::join_all(attempts).await;
    let recorded = begun.iter().filter(|begun| **begun == Begun::Recorded);
    assert_eq!(recorded.count(), 3);
    assert_eq!(fixture.count("tenant_mount_credentials").await, 3);
    begin(&fixture, &other, "other", 10).await;

    let caps = CredentialCaps {
        live: 100,
        recent: 3,
        recent_since: 9,
    };
    let new = credential("late");
    let refused = store
        .begin_credential(&scope, &new, caps, &origin(20))
        .await;
    assert_eq!(refused.unwrap(), Begun::TooManyRecent { earliest: 10 });
    let caps = CredentialCaps {
        recent_since: 10,
        ..caps
    };
    let begun = store
        .begin_credential(&scope, &new, caps, &origin(20))
        .await;
    assert_eq!(begun.unwrap(), Begun::Recorded);
}

async fn a_credential_revoked_meanwhile_is_unwanted(fixture: Fixture) {
    let scope = tenant(&fixture, "t1").await;
    let store = &fixture.store;
    begin(&fixture, &scope, "c1", 10).await;
    begin(&fixture, &scope, "c2", 10).await;
    let orphans = store.revoke_orphans(11, &origin(20)).await.unwrap();
    assert_eq!(orphans.len(), 2);
    assert_eq!(
        complete(&fixture, &scope, "c1", 21).await,
        Completed::Unwanted
    );
    store
        .fail_credential(&scope, "c2", &origin(22))
        .await
        .unwrap();
    assert_eq!(live(&fixture, &scope).await, [""; 0]);
    assert_eq!(store.unissued_since(0).await.unwrap(), [10, 10]);
    assert!(store.has_credential_named("bm-c1").await.unwrap());
    assert!(!store.has_credential_named("bm-c3").await.unwrap());
}

async fn unfinished_and_expired_credentials_are_orphans(fixture: Fixture) {
    let scope = tenant(&fixture, "t1").await;
    let store = &fixture.store;
    begin(&fixture, &scope, "dead", 10).await;
    begin(&fixture, &scope, "young", 15).await;
    issue(&fixture, &scope, "kept", 10).await;
    let expiring = NewCredential {
        kind: CredentialKind::Mount,
        expires_at: Some(100),
        ..credential("expiring")
    };
    store
        .begin_credential(&scope, &expiring, CAPS, &origin(16))
        .await
        .unwrap();
    complete(&fixture, &scope, "expiring", 17).await;

    let orphans = store.revoke_orphans(12, &origin(99)).await.unwrap();
    assert_eq!(orphans, ["dead"]);
    let orphans = store.revoke_orphans(12, &origin(100)).await.unwrap();
    assert_eq!(orphans, ["expiring"]);
    assert_eq!(live(&fixture, &scope).await, ["kept"]);
    assert_eq!(
        complete(&fixture, &scope, "young", 101).await,
        Completed::Issued
    );
    let events = events(&fixture).await;
    assert!(events.contains(&"MountCredentialOrphanedEvent dead done unfinished".to_owned()));
    assert!(events.contains(&"MountCredentialOrphanedEvent expiring done expired".to_owned()));
}

async fn removals_are_claimed_once_and_again_when_due(fixture: Fixture) {
    let scope = tenant(&fixture, "t1").await;
    let store = &fixture.store;
    for id in ["c1", "c2"] {
        issue(&fixture, &scope, id, 10).await;
    }
    store
        .revoke_credential(&scope, "c1", 50, &origin(20))
        .await
        .unwrap();
    let claim = async |now| store.claim_removals(now, now + 100, 10).await.unwrap();
    assert_eq!(claim(49).await, [], "its revoker is at it");
    let claimed = claim(50).await;
    assert_eq!(claimed.len(), 1);
    assert_eq!((&claimed[0].key, claimed[0].attempt), (&key("c1"), 1));
    assert_eq!(claim(51).await, [], "claimed");
    assert_eq!(claim(150).await[0].attempt, 2, "its claimer died");

    let failed = KeyRemoval::Failed { due_at: 300 };
    for at in [160, 161] {
        store
            .record_key_removal("c1", failed, &origin(at))
            .await
            .unwrap();
    }
    let status = fixture
        .texts("select tigris_deletion_status from tenant_mount_credentials order by id")
        .await;
    assert_eq!(status, ["failed", "pending"]);
    assert_eq!(claim(299).await, []);
    assert_eq!(claim(300).await[0].attempt, 3);
    store
        .record_key_removal("c1", KeyRemoval::Completed, &origin(310))
        .await
        .unwrap();
    assert_eq!(claim(9999).await, []);
    assert!(!store.has_credential_named("bm-c1").await.unwrap());
    assert_eq!(store.known_access_keys().await.unwrap(), ["tid_c2"]);
    let removals: Vec<String> = events(&fixture).await;
    assert_eq!(
        removals[3..],
        [
            "credential.key_removal c1 failed",
            "credential.key_removal c1 completed"
        ]
    );
}

async fn unused_credentials_are_revoked_by_their_last_use(fixture: Fixture) {
    let scope = tenant(&fixture, "t1").await;
    let store = &fixture.store;
    for id in ["c1", "c2"] {
        issue(&fixture, &scope, id, 10).await;
    }
    let due = store.keys_to_check(1000, 10).await.unwrap();
    assert_eq!(
        due,
        [("c1".to_owned(), key("c1")), ("c2".to_owned(), key("c2"))]
    );
    store.record_use("c1", Some(500), 1000).await.unwrap();
    store.record_use("c2", None, 1001).await.unwrap();
    store.record_use("c1", Some(400), 1002).await.unwrap();
    store.record_use("c1", None, 1003).await.unwrap();
    assert_eq!(store.keys_to_check(1000, 10).await.unwrap(), []);
    assert_eq!(store.keys_to_check(2000, 1).await.unwrap()[0].0, "c2");
    let listed = store.list_credentials(&scope).await.unwrap();
    let uses: Vec<_> = listed.iter().map(|found| found.last_used_at).collect();
    assert_eq!(uses, [Some(500), None]);

    assert!(!store.revoke_unused("c1", 500, &origin(2000)).await.unwrap());
    assert!(!store.revoke_unused("c2", 11, &origin(2000)).await.unwrap());
    assert!(store.revoke_unused("c2", 12, &origin(2000)).await.unwrap());
    assert!(!store.revoke_unused("c2", 12, &origin(2001)).await.unwrap());
    assert_eq!(live(&fixture, &scope).await, ["c1"]);
    assert_eq!(
        events(&fixture).await.last().unwrap(),
        "MountCredentialOrphanedEvent c2 done unused"
    );
}

async fn access_follows_the_subscription(fixture: Fixture) {
    let scope = tenant(&fixture, "t1").await;
    let store = &fixture.store;
    issue(&fixture, &scope, "c1", 10).await;
    begin(&fixture, &scope, "unissued", 10).await;
    let change = |wanted| AccessChange {
        id: "c1".to_owned(),
        key: key("c1"),
        bucket: "t1".to_owned(),
        expires_at: None,
        wanted,
    };
    let changes = async |now| store.access_changes(now, 10).await.unwrap();
    assert_eq!(changes(20).await, [change(Access::ReadOnly)]);
    assert_eq!(store.bucket_subscription("t1").await.unwrap(), None);
    let subscription = Subscription {
        status: "active".to_owned(),
        plan: None,
        current_period_end: Some(100),
    };
    store
        .put_subscription("t1", &subscription, &origin(20))
        .await
        .unwrap();
    let found = store.bucket_subscription("t1").await.unwrap();
    assert_eq!(found, Some(subscription));
    assert_eq!(store.bucket_subscription("t2").await.unwrap(), None);
    assert_eq!(changes(100).await, []);
    assert_eq!(changes(101).await, [change(Access::ReadOnly)]);
    let record = async |access, begun_at| {
        let origin = origin(begun_at + 1);
        let recorded = store.record_access("c1", access, begun_at, &origin);
        recorded.await.unwrap();
    };
    for begun_at in [102, 103] {
        assert!(store.begin_access_change("c1", begun_at).await.unwrap());
        record(Access::ReadOnly, begun_at).await;
    }
    assert_eq!(changes(104).await, []);
    assert_eq!(changes(100).await, [change(Access::ReadWrite)]);

    // Begun, and nobody knows how it ended.
    assert!(store.begin_access_change("c1", 110).await.unwrap());
    assert_eq!(changes(104).await, [change(Access::ReadOnly)]);
    // Begun by two, who want the same.
    assert!(store.begin_access_change("c1", 111).await.unwrap());
    record(Access::ReadOnly, 111).await;
    record(Access::ReadOnly, 110).await;
    assert_eq!(changes(104).await, []);
    // Begun by two, who want different things: the first one comes last.
    for begun_at in [112, 113] {
        assert!(store.begin_access_change("c1", begun_at).await.unwrap());
    }
    record(Access::ReadOnly, 113).await;
    record(Access::ReadWrite, 112).await;
    assert_eq!(changes(104).await, [change(Access::ReadOnly)]);
    assert!(store.begin_access_change("c1", 114).await.unwrap());
    record(Access::ReadOnly, 114).await;
    assert_eq!(changes(104).await, []);
    assert_eq!(
        events(&fixture).await[1..],
        ["credential.access c1 read_only"]
    );
    store
        .revoke_credential(&scope, "c1", 200, &origin(120))
        .await
        .unwrap();
    assert!(!store.begin_access_change("c1", 121).await.unwrap());
}

async fn a_deployment_keeps_the_id_it_got_first(fixture: Fixture) {
    let store = &fixture.store;
    assert_eq!(store.deployment_id("aa").await.unwrap(), "aa");
    assert_eq!(store.deployment_id("bb").await.unwrap(), "aa");
    assert_eq!(fixture.count("deployment").await, 1);
}
