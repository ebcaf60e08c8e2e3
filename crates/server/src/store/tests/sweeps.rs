use super::{Fixture, on_both, origin};
use crate::principal::TenantScope;
use crate::store::{BucketSnapshot, Sweep, SweepReport};

on_both!(
    a_bucket_is_swept_a_day_after_it_was_made_and_then_when_it_is_due,
    a_sweep_goes_on_where_the_one_before_it_stopped,
    a_sweep_knows_the_snapshots,
    a_deleted_tenants_bucket_is_left_alone,
);

async fn tenant(fixture: &Fixture, id: &str, at: i64) {
    let store = &fixture.store;
    let origin = origin(at);
    let profile = store
        .ensure_profile(id, Some("a@b.c"), &origin)
        .await
        .unwrap();
    let tenant = store.claim_tenant(&profile, id, id, &origin).await.unwrap();
    store.record_bucket(&tenant, &origin).await.unwrap();
}

fn sweep(id: &str, after: Option<&str>, due_at: i64, snapshots: &[i64]) -> Sweep {
    Sweep {
        tenant_id: id.to_owned(),
        bucket: id.to_owned(),
        after: after.map(str::to_owned),
        due_at,
        snapshots: snapshots.to_vec(),
    }
}

/// What is due for a sweep of ten units, a hundred after a tenant was made.
async fn claim(fixture: &Fixture, now: i64) -> Option<Sweep> {
    let claimed = fixture.store.claim_sweep(now, now - 100, now + 10);
    claimed.await.unwrap()
}

async fn report(fixture: &Fixture, id: &str, after: Option<&str>, removed: u64, due_at: i64) {
    let report = SweepReport {
        tenant_id: id.to_owned(),
        removed,
        after: after.map(str::to_owned),
        due_at,
    };
    let origin = origin(due_at);
    let recorded = fixture.store.record_sweep(&report, &origin);
    recorded.await.unwrap();
}

async fn a_bucket_is_swept_a_day_after_it_was_made_and_then_when_it_is_due(fixture: Fixture) {
    tenant(&fixture, "t1", 10).await;
    tenant(&fixture, "t2", 20).await;
    assert_eq!(claim(&fixture, 110).await, None);
    assert_eq!(claim(&fixture, 130).await, Some(sweep("t1", None, 10, &[])));
    assert_eq!(claim(&fixture, 131).await, Some(sweep("t2", None, 20, &[])));
    // Their leases hold, then they are due again, the longest due first.
    assert_eq!(claim(&fixture, 139).await, None);
    assert_eq!(
        claim(&fixture, 145).await,
        Some(sweep("t1", None, 140, &[]))
    );
    report(&fixture, "t1", None, 0, 500).await;
    report(&fixture, "t2", None, 7, 400).await;
    assert_eq!(claim(&fixture, 399).await, None);
    assert_eq!(
        claim(&fixture, 600).await,
        Some(sweep("t2", None, 400, &[]))
    );
    assert_eq!(
        claim(&fixture, 600).await,
        Some(sweep("t1", None, 500, &[]))
    );
    let audit = fixture.audit().await;
    let removed: Vec<&String> = audit
        .iter()
        .filter(|row| row.contains("versions"))
        .collect();
    assert_eq!(removed, ["versions.remove t2/7 done"]);
}

async fn a_sweep_goes_on_where_the_one_before_it_stopped(fixture: Fixture) {
    tenant(&fixture, "t1", 10).await;
    claim(&fixture, 200).await.unwrap();
    report(&fixture, "t1", Some("main/a.md"), 0, 205).await;
    let again = claim(&fixture, 205).await;
    assert_eq!(again, Some(sweep("t1", Some("main/a.md"), 205, &[])));
    let store = &fixture.store;
    let whole = store.find_sweep("t1").await.unwrap();
    assert_eq!(whole, Some(sweep("t1", None, 215, &[])));
    assert!(store.hasten_sweep("t1", &origin(206)).await.unwrap());
    assert!(!store.hasten_sweep("t2", &origin(206)).await.unwrap());
    assert_eq!(
        claim(&fixture, 206).await,
        Some(sweep("t1", None, 206, &[]))
    );
    assert_eq!(store.find_sweep("t2").await.unwrap(), None);
}

async fn a_sweep_knows_the_snapshots(fixture: Fixture) {
    tenant(&fixture, "t1", 10).await;
    tenant(&fixture, "t2", 10).await;
    for (id, taken_at) in [("s2", 40), ("s1", 30)] {
        let snapshot = BucketSnapshot {
            id: id.to_owned(),
            name: id.to_owned(),
            description: None,
            taken_at,
            created_by: None,
        };
        let scope = TenantScope::for_tests("t1", "t1");
        let origin = origin(1);
        let added = fixture.store.add_snapshot(&scope, &snapshot, 9, &origin);
        added.await.unwrap();
    }
    let sweeps = [claim(&fixture, 200).await, claim(&fixture, 200).await];
    let expected = [sweep("t1", None, 10, &[30, 40]), sweep("t2", None, 10, &[])];
    assert_eq!(sweeps, expected.map(Some));
    let found = fixture.store.find_sweep("t1").await.unwrap();
    assert_eq!(found, Some(sweep("t1", None, 210, &[30, 40])));
}

async fn a_deleted_tenants_bucket_is_left_alone(fixture: Fixture) {
    let store = &fixture.store;
    let profile = store
        .ensure_profile("p", Some("a@b.c"), &origin(1))
        .await
        .unwrap();
    let claimed = store.claim_tenant(&profile, "t0", "t0", &origin(1)).await;
    claimed.unwrap();
    // Its bucket is not there yet.
    assert_eq!(claim(&fixture, 200).await, None);
    tenant(&fixture, "t1", 10).await;
    store.queue_deletion("t1", 900, &origin(20)).await.unwrap();
    assert_eq!(claim(&fixture, 200).await, None);
    assert_eq!(store.find_sweep("t1").await.unwrap(), None);
    assert!(!store.hasten_sweep("t1", &origin(21)).await.unwrap());
    report(&fixture, "t1", None, 0, 30).await;
    assert_eq!(claim(&fixture, 200).await, None);
}
