use super::{Fixture, on_both, origin};
use crate::principal::TenantScope;
use crate::store::{KeyRemoval, NewCredential, Revocation};

on_both!(
    a_credential_is_listed_until_it_is_revoked,
    a_foreign_credential_is_not_there,
    a_failed_removal_is_kept_for_another_try,
);

async fn tenant(fixture: &Fixture, id: &str) -> TenantScope {
    let store = &fixture.store;
    let profile = store
        .ensure_profile(id, "person@example.org", &origin(1))
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
        access_key: format!("tid_{id}"),
        policy_arn: "policy".to_owned(),
    }
}

async fn a_credential_is_listed_until_it_is_revoked(fixture: Fixture) {
    let scope = tenant(&fixture, "t1").await;
    let store = &fixture.store;
    for (id, at) in [("c1", 10), ("c2", 20)] {
        store
            .add_credential(&scope, &credential(id), &origin(at))
            .await
            .unwrap();
    }
    let listed = store.list_credentials(&scope).await.unwrap();
    let ids: Vec<&str> = listed.iter().map(|found| found.id.as_str()).collect();
    assert_eq!(ids, ["c1", "c2"]);
    assert_eq!(listed[0].access_key, "tid_c1");
    assert_eq!((listed[0].created_at, listed[0].last_used_at), (10, None));

    let revoked = store.revoke_credential(&scope, "c1", &origin(30)).await;
    let remains = Revocation::KeyRemains {
        access_key: "tid_c1".to_owned(),
    };
    assert_eq!(revoked.unwrap(), Some(remains));
    store
        .record_key_removal(&scope, "c1", KeyRemoval::Completed, &origin(40))
        .await
        .unwrap();
    let again = store.revoke_credential(&scope, "c1", &origin(50)).await;
    assert_eq!(again.unwrap(), Some(Revocation::Done));
    let listed = store.list_credentials(&scope).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].id, "c2");
    assert_eq!(fixture.count("tenant_mount_credentials").await, 2);
}

async fn a_foreign_credential_is_not_there(fixture: Fixture) {
    let own = tenant(&fixture, "t1").await;
    let foreign = tenant(&fixture, "t2").await;
    let store = &fixture.store;
    store
        .add_credential(&own, &credential("c1"), &origin(10))
        .await
        .unwrap();
    let refused = store.revoke_credential(&foreign, "c1", &origin(20)).await;
    assert_eq!(refused.unwrap(), None);
    store
        .record_key_removal(&foreign, "c1", KeyRemoval::Completed, &origin(30))
        .await
        .unwrap();
    assert_eq!(store.list_credentials(&foreign).await.unwrap(), []);
    assert_eq!(store.list_credentials(&own).await.unwrap().len(), 1);
    let status = fixture
        .texts("select tigris_deletion_status from tenant_mount_credentials")
        .await;
    assert_eq!(status, ["pending"]);
}

async fn a_failed_removal_is_kept_for_another_try(fixture: Fixture) {
    let scope = tenant(&fixture, "t1").await;
    let store = &fixture.store;
    store
        .add_credential(&scope, &credential("c1"), &origin(10))
        .await
        .unwrap();
    let remains = Revocation::KeyRemains {
        access_key: "tid_c1".to_owned(),
    };
    for at in [20, 30] {
        let revoked = store.revoke_credential(&scope, "c1", &origin(at)).await;
        assert_eq!(revoked.unwrap(), Some(remains.clone()));
        store
            .record_key_removal(&scope, "c1", KeyRemoval::Failed, &origin(at))
            .await
            .unwrap();
    }
    let revoked_at = fixture
        .texts("select cast(revoked_at as text) from tenant_mount_credentials")
        .await;
    assert_eq!(revoked_at, ["20"]);
}
