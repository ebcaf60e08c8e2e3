use super::{Fixture, on_both, origin};
use crate::provisioning::{DELETION, PROVISIONING};
use crate::store::tenants::{Changed, Queued, TenantRecord, TenantState};
use crate::store::workflows::{Claim, Progress};
use crate::store::{Begun, CredentialCaps, CredentialKind, Instance, NewCredential};

on_both!(
    a_new_tenant_is_queued_in_the_change_that_makes_it,
    provisioning_is_queued_once_and_tried_at_once,
    a_deleted_tenant_is_out_of_reach_and_makes_room_for_another,
    a_deletion_that_was_given_up_begins_again_when_asked_for,
    deletion_takes_the_place_of_provisioning_and_waits_for_its_worker,
    a_stale_claim_changes_no_tenant,
    what_is_forgotten_leaves_only_its_trail,
    an_instances_keys_are_its_own_and_the_newest_stays,
    a_provisioned_instance_may_move_and_sleep,
    tenants_are_listed_in_pages,
    an_owner_keeps_the_address_that_is_known,
);

const BOTH: &[&str] = &[PROVISIONING, DELETION];

async fn tenant(fixture: &Fixture, subject: &str, id: &str, at: i64) {
    let store = &fixture.store;
    let email = format!("{subject}@example.org");
    let origin = origin(at);
    let profile = store
        .ensure_profile(subject, Some(&email), &origin)
        .await
        .unwrap();
    let claimed = store.claim_tenant(&profile, id, id, &origin);
    assert_eq!(claimed.await.unwrap().id, id);
}

async fn find(fixture: &Fixture, id: &str) -> TenantRecord {
    fixture.store.find_tenant(id).await.unwrap().unwrap()
}

async fn claim(fixture: &Fixture, now: i64) -> Claim {
    let claimed = fixture.store.claim_workflow(BOTH, now, now + 100).await;
    claimed.unwrap().unwrap()
}

async fn work(fixture: &Fixture) -> Vec<String> {
    let query = "select kind || ' ' || status || ' ' || next_run_at from workflow order by id";
    fixture.texts(query).await
}

fn instance(state: &str) -> Instance {
    Instance {
        address: "http://127.0.0.1:1".to_owned(),
        key_id: "k1".to_owned(),
        state: state.to_owned(),
    }
}

async fn a_new_tenant_is_queued_in_the_change_that_makes_it(fixture: Fixture) {
    tenant(&fixture, "ana", "t1", 10).await;
    tenant(&fixture, "ana", "t1", 20).await;
    assert_eq!(work(&fixture).await, ["provision queued 10"]);
    let found = find(&fixture, "t1").await;
    assert_eq!(found.state(), TenantState::Provisioning);
    assert_eq!(found.workos_user_id, "ana");
    assert_eq!(found.work.as_ref().unwrap().step, "bucket");
    let own = fixture.texts("select id from user_profile").await;
    let own = fixture.store.find_own_tenant(&own[0]).await.unwrap();
    assert_eq!(own, Some(found));

    let held = claim(&fixture, 30).await;
    let ready = fixture.store.mark_ready(&held, &origin(40)).await;
    assert_eq!(ready.unwrap(), Changed::Done);
    let found = find(&fixture, "t1").await;
    assert_eq!(
        (found.state(), found.ready_at),
        (TenantState::Ready, Some(40))
    );
    fixture.store.mark_ready(&held, &origin(50)).await.unwrap();
    assert_eq!(find(&fixture, "t1").await.ready_at, Some(40));
}

async fn provisioning_is_queued_once_and_tried_at_once(fixture: Fixture) {
    tenant(&fixture, "ana", "t1", 10).await;
    let store = &fixture.store;
    let held = claim(&fixture, 10).await;
    let later = Progress::Retry {
        at: 9_000,
        error: "out of order".to_owned(),
    };
    store.record_progress(&held, &later, 20, 0).await.unwrap();
    let queued = store.queue_provisioning("t1", &origin(30)).await.unwrap();
    assert_eq!(queued, Queued::UnderWay);
    assert_eq!(work(&fixture).await, ["provision queued 30"]);

    let held = claim(&fixture, 30).await;
    let failed = Progress::GiveUp {
        error: "broken".to_owned(),
    };
    store.record_progress(&held, &failed, 40, 0).await.unwrap();
    assert_eq!(find(&fixture, "t1").await.state(), TenantState::Failed);
    let queued = store.queue_provisioning("t1", &origin(50)).await.unwrap();
    assert_eq!(queued, Queued::Added);
    assert_eq!(
        find(&fixture, "t1").await.state(),
        TenantState::Provisioning
    );
    assert_eq!(
        work(&fixture).await,
        ["provision failed 40", "provision queued 50"]
    );
    let nobody = store.queue_provisioning("t9", &origin(50)).await.unwrap();
    assert_eq!(nobody, Queued::NoSuchTenant);
}

async fn a_deleted_tenant_is_out_of_reach_and_makes_room_for_another(fixture: Fixture) {
    tenant(&fixture, "ana", "t1", 10).await;
    let store = &fixture.store;
    let delete = async |at| store.queue_deletion("t1", 900, &origin(at)).await.unwrap();
    assert_eq!(delete(20).await, Queued::Added);
    assert_eq!(delete(30).await, Queued::Deleting);
    let none = store.queue_deletion("t9", 900, &origin(30)).await.unwrap();
    assert_eq!(none, Queued::NoSuchTenant);
    assert_eq!(store.standing("ana").await.unwrap().tenant, None);
    let gone = find(&fixture, "t1").await;
    assert_eq!(gone.state(), TenantState::Deleting);
    assert_eq!((gone.deleted_at, gone.purge_at), (Some(20), Some(900)));
    assert_eq!(gone.workos_user_id, "ana");
    let again = store.queue_provisioning("t1", &origin(30)).await.unwrap();
    assert_eq!(again, Queued::Deleting);

    tenant(&fixture, "ana", "t2", 40).await;
    let standing = store.standing("ana").await.unwrap();
    assert_eq!(standing.tenant.unwrap().id, "t2");
    assert_eq!(find(&fixture, "t1").await, gone);
    assert_eq!(
        work(&fixture).await,
        [
            "provision called_off 10",
            "delete queued 20",
            "provision queued 40"
        ]
    );
}

async fn a_deletion_that_was_given_up_begins_again_when_asked_for(fixture: Fixture) {
    tenant(&fixture, "ana", "t1", 10).await;
    let store = &fixture.store;
    let delete = async |at| store.queue_deletion("t1", 900, &origin(at)).await.unwrap();
    assert_eq!(delete(20).await, Queued::Added);
    let held = claim(&fixture, 20).await;
    let given_up = Progress::GiveUp {
        error: "refused".to_owned(),
    };
    store
        .record_progress(&held, &given_up, 30, 0)
        .await
        .unwrap();
    let later = store.queue_deletion("t1", 7_000, &origin(40)).await;
    assert_eq!(later.unwrap(), Queued::Added);
    assert_eq!(delete(50).await, Queued::Deleting);
    assert_eq!(
        work(&fixture).await,
        [
            "provision called_off 10",
            "delete failed 30",
            "delete queued 40"
        ]
    );
    let again = claim(&fixture, 60).await;
    let input: serde_json::Value = serde_json::from_str(&again.input).unwrap();
    assert_eq!(
        (again.step.as_str(), input),
        (
            "keys",
            serde_json::json!({ "settled_at": 40, "purge_at": 900 })
        )
    );
}

async fn deletion_takes_the_place_of_provisioning_and_waits_for_its_worker(fixture: Fixture) {
    tenant(&fixture, "ana", "t1", 10).await;
    let stale = claim(&fixture, 15).await;
    let store = &fixture.store;
    store.queue_deletion("t1", 900, &origin(20)).await.unwrap();
    let held = claim(&fixture, 20).await;
    assert_eq!(held.kind, DELETION);
    let input: serde_json::Value = serde_json::from_str(&held.input).unwrap();
    assert_eq!(
        input,
        serde_json::json!({ "settled_at": 115, "purge_at": 900 })
    );
    let late = store.bucket_made(&stale, &origin(30)).await.unwrap();
    assert_eq!(late, Changed::Fenced);
    assert_eq!(find(&fixture, "t1").await.bucket_name, None);
}

async fn a_stale_claim_changes_no_tenant(fixture: Fixture) {
    tenant(&fixture, "ana", "t1", 10).await;
    let stale = claim(&fixture, 10).await;
    let held = claim(&fixture, 110).await;
    let store = &fixture.store;
    let at = origin(120);
    let before = find(&fixture, "t1").await;
    assert_eq!(
        store.bucket_made(&stale, &at).await.unwrap(),
        Changed::Fenced
    );
    assert_eq!(
        store.mark_ready(&stale, &at).await.unwrap(),
        Changed::Fenced
    );
    let put = store.put_instance(&stale, &instance("ready"), &at).await;
    assert_eq!(put.unwrap(), Changed::Fenced);
    assert_eq!(
        store.drop_instance(&stale, &at).await.unwrap(),
        Changed::Fenced
    );
    assert_eq!(store.close_keys(&stale, &at).await.unwrap(), None);
    assert_eq!(
        store.forget_tenant(&stale, &at).await.unwrap(),
        Changed::Fenced
    );
    assert_eq!(find(&fixture, "t1").await, before);

    assert_eq!(store.bucket_made(&held, &at).await.unwrap(), Changed::Done);
    store
        .put_instance(&held, &instance("starting"), &at)
        .await
        .unwrap();
    let found = find(&fixture, "t1").await;
    assert_eq!(found.bucket_name.as_deref(), Some("t1"));
    assert_eq!(found.instance, Some(instance("starting")));
}

async fn what_is_forgotten_leaves_only_its_trail(fixture: Fixture) {
    let store = &fixture.store;
    for (subject, id) in [("ana", "t1"), ("ben", "t2")] {
        tenant(&fixture, subject, id, 10).await;
        let held = claim(&fixture, 10).await;
        store.bucket_made(&held, &origin(10)).await.unwrap();
        store
            .put_instance(&held, &instance("ready"), &origin(10))
            .await
            .unwrap();
        let scope = crate::principal::TenantScope::for_tests(id, id);
        fixture
            .give_key(
                &scope,
                &format!("c-{id}"),
                &format!("tid_{id}"),
                &origin(10),
            )
            .await;
    }
    store.queue_deletion("t1", 20, &origin(20)).await.unwrap();
    let held = claim(&fixture, 20).await;
    let keys = store.close_keys(&held, &origin(21)).await.unwrap().unwrap();
    let ids: Vec<&str> = keys.iter().map(|key| key.id.as_str()).collect();
    assert_eq!(ids, ["c-t1"]);
    let soon = store.claim_removals(30, 40, 9).await.unwrap();
    assert_eq!(soon, []);
    let later = store.claim_removals(600_021, 600_022, 9).await.unwrap();
    assert_eq!(later.len(), 1);
    store.key_removed(&held, "c-t1", &origin(22)).await.unwrap();
    let none = store.close_keys(&held, &origin(23)).await.unwrap();
    assert_eq!(none, Some(Vec::new()));
    store.forget_tenant(&held, &origin(24)).await.unwrap();

    assert_eq!(store.find_tenant("t1").await.unwrap(), None);
    assert_eq!(fixture.texts("select id from tenant").await, ["t2"]);
    let left = fixture
        .texts("select id from tenant_mount_credentials")
        .await;
    assert_eq!(left, ["c-t2"]);
    assert_eq!(fixture.count("tenant_instance").await, 1);
    assert_eq!(fixture.count("user_profile").await, 2);
    assert_eq!(find(&fixture, "t2").await.instance, Some(instance("ready")));
    let trail = fixture.audit().await;
    for expected in [
        "tenant.create t1 done",
        "tenant.delete t1 queued",
        "credential.revoke c-t1 done",
        "credential.key_removal c-t1 completed",
        "tenant.forget t1 done",
    ] {
        assert!(
            trail.iter().any(|line| line == expected),
            "{expected}: {trail:?}"
        );
    }
}

async fn tenants_are_listed_in_pages(fixture: Fixture) {
    for id in ["t1", "t2", "t3"] {
        tenant(&fixture, id, id, 10).await;
    }
    let page = async |after, limit| -> Vec<String> {
        let listed = fixture.store.list_tenants(after, limit).await.unwrap();
        listed.into_iter().map(|tenant| tenant.id).collect()
    };
    assert_eq!(page("", 2).await, ["t1", "t2"]);
    assert_eq!(page("t2", 2).await, ["t3"]);
    assert_eq!(page("t3", 2).await, Vec::<String>::new());
}

async fn an_owner_keeps_the_address_that_is_known(fixture: Fixture) {
    let store = &fixture.store;
    let email = Some("ana@example.org");
    let made = store
        .ensure_profile("ana", email, &origin(10))
        .await
        .unwrap();
    let again = store
        .ensure_profile("ana", None, &origin(20))
        .await
        .unwrap();
    assert_eq!(made, again);
    assert_eq!(again.email.as_deref(), email);
    assert_eq!(fixture.count("user_profile").await, 1);
    assert_eq!(fixture.audit().await.len(), 1);
}

async fn an_instances_keys_are_its_own_and_the_newest_stays(fixture: Fixture) {
    let store = &fixture.store;
    tenant(&fixture, "ana", "t1", 10).await;
    let held = claim(&fixture, 10).await;
    let scope = crate::principal::TenantScope::for_tests("t1", "t1");
    let none_left = CredentialCaps {
        live: 1,
        recent: 1,
        recent_since: 0,
    };
    fixture
        .give_key(&scope, "mount", "tid_mount", &origin(11))
        .await;
    for (id, at) in [("i1", 12), ("i2", 13), ("i3", 14), ("i4", 15)] {
        let new = NewCredential {
            id: id.to_owned(),
            name: format!("bm-{id}"),
            description: "Tenant instance".to_owned(),
            kind: CredentialKind::Instance,
            expires_at: None,
        };
        let caps = CredentialCaps {
            live: i64::MAX,
            recent: i64::MAX,
            recent_since: 0,
        };
        store
            .begin_credential(&scope, &new, caps, &origin(at))
            .await
            .unwrap();
        // The last one was never made.
        if id != "i4" {
            store
                .complete_credential(&scope, id, &format!("tid_{id}"), "arn", &origin(at))
                .await
                .unwrap();
        }
    }
    let listed = store.list_credentials(&scope).await.unwrap();
    assert_eq!(listed.len(), 1, "an instance's key is listed");
    let revoked = store.revoke_credential(&scope, "i3", 0, &origin(16)).await;
    assert_eq!(revoked.unwrap(), None, "a person revoked it");
    let unused = store.revoke_unused("i3", i64::MAX, &origin(16)).await;
    assert!(!unused.unwrap(), "it was taken for unused");

    let stale = Claim {
        fence: held.fence - 1,
        ..held.clone()
    };
    let retired = store.retire_instance_keys(&stale, &origin(20)).await;
    assert_eq!(retired.unwrap(), Changed::Fenced);
    let retired = store.retire_instance_keys(&held, &origin(20)).await;
    assert_eq!(retired.unwrap(), Changed::Done);
    let live = "select id from tenant_mount_credentials where revoked_at is null order by id";
    assert_eq!(fixture.texts(live).await, ["i3", "i4", "mount"]);
    let due = store.claim_removals(21, 30, 10).await.unwrap();
    assert_eq!(due.len(), 2);

    let new = NewCredential {
        id: "mount2".to_owned(),
        name: "bm-mount2".to_owned(),
        description: "laptop".to_owned(),
        kind: CredentialKind::Mount,
        expires_at: None,
    };
    let begun = store
        .begin_credential(&scope, &new, none_left, &origin(22))
        .await;
    assert_eq!(begun.unwrap(), Begun::TooManyLive);
    let two = CredentialCaps {
        live: 2,
        recent: 2,
        recent_since: 0,
    };
    let begun = store.begin_credential(&scope, &new, two, &origin(22)).await;
    assert_eq!(begun.unwrap(), Begun::Recorded, "an instance's keys count");

    let closed = store.close_keys(&held, &origin(30)).await.unwrap().unwrap();
    assert_eq!(closed.len(), 6, "a deletion forgets some");
}

async fn a_provisioned_instance_may_move_and_sleep(fixture: Fixture) {
    let store = &fixture.store;
    tenant(&fixture, "ana", "t1", 10).await;
    let held = claim(&fixture, 10).await;
    let noted = store.note_instance("t1", Some("http://127.0.0.1:2"), "ready", 11);
    noted.await.unwrap();
    assert_eq!(find(&fixture, "t1").await.instance, None);
    store
        .put_instance(&held, &instance("starting"), &origin(12))
        .await
        .unwrap();
    let noted = store.note_instance("t1", Some("http://127.0.0.1:2"), "ready", 13);
    noted.await.unwrap();
    let found = find(&fixture, "t1").await.instance;
    assert_eq!(found, Some(instance("starting")), "it is the workflow's");

    store
        .put_instance(&held, &instance("ready"), &origin(14))
        .await
        .unwrap();
    store
        .note_instance("t1", None, "stopped", 15)
        .await
        .unwrap();
    let found = find(&fixture, "t1").await.instance;
    assert_eq!(found, Some(instance("stopped")));
    let noted = store.note_instance("t1", Some("http://127.0.0.1:2"), "ready", 16);
    noted.await.unwrap();
    let moved = find(&fixture, "t1").await.instance.unwrap();
    assert_eq!(
        (moved.address.as_str(), moved.state.as_str()),
        ("http://127.0.0.1:2", "ready")
    );
    store.record_secrets(&held, 7, &origin(17)).await.unwrap();
    assert_eq!(find(&fixture, "t1").await.secrets_version, Some(7));
}
