//! Tenants made and removed, with everything that can go wrong in between.

mod mortal;
mod outside;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Parts, Provisioner, ProvisioningSettings, engine, millis};
use crate::buckets::Buckets;
use crate::clock::Clock;
use crate::store::Store;
use crate::store::tenants::TenantState;
use crate::store::tests::{Fixture, on_both, origin};
use crate::workflow::Engine;
use mortal::MortalStore;
use outside::{Fuse, Outside, Trouble};

on_both!(
    a_life_ends_the_same_wherever_the_server_dies,
    a_life_ends_the_same_whichever_call_fails,
    what_a_stalled_worker_makes_after_a_deletion_goes_too,
    a_person_has_a_new_tenant_while_the_old_bucket_is_kept,
    keys_are_removed_even_if_the_store_is_out_of_order_for_a_day,
    a_key_that_stays_keeps_the_bucket_and_no_instance,
    a_deletion_outlives_a_provider_that_lets_nobody_in,
);

/// A provisioner with buckets only, at work until the test's runtime ends.
pub(crate) fn running(
    store: Arc<dyn Store>,
    buckets: Arc<dyn Buckets>,
    clock: &Clock,
) -> Arc<Provisioner> {
    let parts = Parts::buckets_only(store.clone(), buckets, Arc::clone(clock));
    let settings = ProvisioningSettings::default();
    let provisioner = Arc::new(Provisioner::new(store, &parts, settings));
    let worker = Arc::clone(&provisioner);
    tokio::spawn(async move { worker.run(CancellationToken::new()).await });
    provisioner
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const KEPT: Duration = DAY;

/// A server over a database, the world outside it, and a fuse between them.
struct Life<'a> {
    fixture: &'a Fixture,
    outside: Arc<Outside>,
    fuse: Arc<Fuse>,
    now: Arc<AtomicI64>,
    tenant: String,
    owner: String,
}

impl<'a> Life<'a> {
    async fn begin(fixture: &'a Fixture, name: &str, fuse: Fuse) -> Self {
        let fuse = Arc::new(fuse);
        let life = Self {
            fixture,
            outside: Arc::new(Outside::new(fuse.clone())),
            fuse,
            now: Arc::new(AtomicI64::new(1_000)),
            tenant: format!("tenant-{name}"),
            owner: format!("owner-{name}"),
        };
        life.claim(&life.tenant).await;
        life
    }

    async fn claim(&self, tenant: &str) {
        let store = &self.fixture.store;
        let origin = self.origin();
        let profile = store
            .ensure_profile(&self.owner, None, &origin)
            .await
            .unwrap();
        let claimed = store.claim_tenant(&profile, tenant, tenant, &origin);
        assert_eq!(claimed.await.unwrap().id, tenant);
    }

    fn origin(&self) -> crate::store::Origin {
        origin(self.now.load(Ordering::SeqCst))
    }

    fn forward(&self, by: Duration) {
        self.now.fetch_add(millis(by), Ordering::SeqCst);
    }

    /// One process's worth of server.
    fn server(&self) -> Engine {
        let now = self.now.clone();
        let parts = Parts {
            store: Arc::new(MortalStore {
                store: self.fixture.store.clone(),
                fuse: self.fuse.clone(),
            }),
            buckets: self.outside.clone(),
            instances: self.outside.clone(),
            instance_keys: Some(self.outside.clone()),
            bucket_keys: Some(self.outside.clone()),
            instance_s3_endpoint: None,
            reports: Some(self.outside.clone()),
            clock: Arc::new(move || now.load(Ordering::SeqCst)),
        };
        engine(&parts, &ProvisioningSettings::default())
    }

    /// Lets servers work, each until it dies, until nothing is left to do before `until`.
    async fn work_until(&self, until: i64) {
        let mut server = self.server();
        loop {
            tokio::select! {
                ran = server.run_one() => {
                    if ran.unwrap() {
                        continue;
                    }
                }
                () = self.fuse.blown() => {
                    server = self.server();
                }
            }
            let store = &self.fixture.store;
            let next = store
                .next_workflow_at(&["provision", "delete"])
                .await
                .unwrap();
            match next {
                Some(next) if next <= until => {
                    self.now.fetch_max(next, Ordering::SeqCst);
                }
                Some(_) | None => return,
            }
        }
    }

    async fn state(&self) -> Option<TenantState> {
        let found = self.fixture.store.find_tenant(&self.tenant).await.unwrap();
        found.map(|tenant| tenant.state())
    }

    async fn give_key(&self, id: &str) {
        let scope = crate::principal::TenantScope::for_tests(&self.tenant, &self.tenant);
        let access_key = self.outside.give_key(&self.tenant, id);
        let id = format!("{}-{id}", self.tenant);
        self.fixture
            .give_key(&scope, &id, &access_key, &self.origin())
            .await;
    }

    async fn delete(&self) {
        let origin = self.origin();
        let purge_at = origin.at + millis(KEPT);
        let store = &self.fixture.store;
        store
            .queue_deletion(&self.tenant, purge_at, &origin)
            .await
            .unwrap();
    }

    /// Provisions, hands out keys, deletes, and waits until nothing is left.
    async fn whole(&self) {
        let tenant = &self.tenant;
        self.work_until(i64::MAX).await;
        assert_eq!(self.state().await, Some(TenantState::Ready), "{tenant}");
        let made = [
            format!("app {tenant}"),
            format!("bucket {tenant}"),
            format!("instance {tenant}"),
        ];
        assert_eq!(self.outside.made(), made, "{tenant}");
        assert_eq!(self.outside.standing(), made, "{tenant}");
        let known = self
            .fixture
            .store
            .find_tenant(tenant)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(known.bucket_name.as_ref(), Some(tenant));
        let instance = known.instance.unwrap();
        assert_eq!(
            (instance.state.as_str(), instance.key_id.as_str()),
            ("ready", "k1")
        );

        self.give_key("one").await;
        self.give_key("two").await;
        let deleted_at = self.now.load(Ordering::SeqCst);
        self.delete().await;
        self.work_until(deleted_at + millis(KEPT) / 2).await;
        assert_eq!(self.state().await, Some(TenantState::Deleting), "{tenant}");
        assert_eq!(
            self.outside.standing(),
            [format!("bucket {tenant}")],
            "{tenant}"
        );

        self.work_until(i64::MAX).await;
        assert_eq!(self.state().await, None, "{tenant}");
        assert_eq!(self.outside.standing(), Vec::<String>::new(), "{tenant}");
        assert_eq!(
            self.outside.made(),
            made,
            "nothing of {tenant} was made twice"
        );
        for table in ["tenant_mount_credentials", "tenant_instance", "tenant"] {
            assert_eq!(self.fixture.count(table).await, 0, "{table} of {tenant}");
        }
        let events = self
            .fixture
            .texts("select distinct status from workflow order by status")
            .await;
        assert_eq!(events, ["done"]);
    }
}

async fn a_life_ends_the_same_wherever_the_server_dies(fixture: Fixture) {
    let mut deaths = 0;
    loop {
        let fuse = Fuse::burning(deaths, Trouble::Death);
        let life = Life::begin(&fixture, &format!("d{deaths}"), fuse).await;
        life.whole().await;
        if !life.fuse.has_blown() {
            break;
        }
        deaths += 1;
    }
    // Before each of the steps' effects, changes and records.
    assert!(deaths > 40, "{deaths} places to die");
}

async fn a_life_ends_the_same_whichever_call_fails(fixture: Fixture) {
    let mut failures = 0;
    loop {
        let fuse = Fuse::burning(failures, Trouble::Failure);
        let life = Life::begin(&fixture, &format!("f{failures}"), fuse).await;
        life.whole().await;
        if !life.fuse.has_blown() {
            break;
        }
        failures += 1;
    }
    // Before and behind each of the calls to the world outside.
    assert!(failures > 20, "{failures} places to fail");
}

async fn what_a_stalled_worker_makes_after_a_deletion_goes_too(fixture: Fixture) {
    let life = Life::begin(&fixture, "s", Fuse::sound()).await;
    let stall = life.outside.stall_at("instance");
    let stalled = life.server();
    let stalled = tokio::spawn(async move { stalled.run_one().await });
    stall.reached().await;

    life.delete().await;
    let deleted_at = life.now.load(Ordering::SeqCst);
    life.work_until(deleted_at + millis(KEPT) / 2).await;
    let bucket = format!("bucket {}", life.tenant);
    assert_eq!(life.outside.standing(), [bucket]);
    stall.release();
    assert!(stalled.await.unwrap().unwrap());
    let instance = format!("instance {}", life.tenant);
    assert!(life.outside.standing().contains(&instance));
    let known = fixture.store.find_tenant(&life.tenant).await.unwrap();
    assert_eq!(known.unwrap().instance, None, "a stale worker wrote");

    life.work_until(i64::MAX).await;
    assert_eq!(life.outside.standing(), Vec::<String>::new());
    assert_eq!(life.state().await, None);
}

async fn a_person_has_a_new_tenant_while_the_old_bucket_is_kept(fixture: Fixture) {
    let life = Life::begin(&fixture, "n", Fuse::sound()).await;
    life.work_until(i64::MAX).await;
    life.delete().await;
    let standing = fixture.store.standing(&life.owner).await.unwrap();
    assert_eq!(standing.tenant, None);
    let again = "tenant-again";
    life.claim(again).await;
    let soon = life.now.load(Ordering::SeqCst) + millis(KEPT) / 2;
    life.work_until(soon).await;
    let standing = fixture.store.standing(&life.owner).await.unwrap();
    let tenant = standing.tenant.unwrap();
    assert_eq!(
        (tenant.id.as_str(), tenant.bucket_name.as_deref()),
        (again, Some(again))
    );
    assert_eq!(life.state().await, Some(TenantState::Deleting));
    life.work_until(i64::MAX).await;
    assert_eq!(life.state().await, None);
    let left: Vec<String> = ["app", "bucket", "instance"]
        .iter()
        .map(|thing| format!("{thing} {again}"))
        .collect();
    assert_eq!(life.outside.standing(), left);
}

async fn keys_are_removed_even_if_the_store_is_out_of_order_for_a_day(fixture: Fixture) {
    let life = Life::begin(&fixture, "k", Fuse::sound()).await;
    life.work_until(i64::MAX).await;
    life.give_key("one").await;
    life.give_key("two").await;
    life.outside.keys_stuck(true);
    life.delete().await;
    let deleted_at = life.now.load(Ordering::SeqCst);
    life.work_until(deleted_at + millis(DAY)).await;
    let keys = |life: &Life<'_>| {
        let standing = life.outside.standing();
        standing
            .iter()
            .filter(|thing| thing.starts_with("key"))
            .count()
    };
    assert_eq!(keys(&life), 2);
    life.outside.keys_stuck(false);
    life.forward(Duration::from_secs(15 * 60));
    let soon = life.now.load(Ordering::SeqCst) + 1;
    life.work_until(soon).await;
    assert_eq!(keys(&life), 0);
}

async fn a_key_that_stays_keeps_the_bucket_and_no_instance(fixture: Fixture) {
    let life = Life::begin(&fixture, "b", Fuse::sound()).await;
    life.work_until(i64::MAX).await;
    life.give_key("one").await;
    life.outside.keys_stuck(true);
    life.delete().await;
    let deleted_at = life.now.load(Ordering::SeqCst);
    let left = ["bucket", "key"].map(|thing| match thing {
        "key" => format!("key {}-one", life.tenant),
        thing => format!("{thing} {}", life.tenant),
    });
    for until in [millis(Duration::from_secs(15 * 60)), 2 * millis(KEPT)] {
        life.work_until(deleted_at + until).await;
        assert_eq!(life.outside.standing(), left);
    }
    life.outside.keys_stuck(false);
    life.work_until(i64::MAX).await;
    assert_eq!(life.outside.standing(), Vec::<String>::new());
    assert_eq!(life.state().await, None);
}

async fn a_deletion_outlives_a_provider_that_lets_nobody_in(fixture: Fixture) {
    let life = Life::begin(&fixture, "l", Fuse::sound()).await;
    life.work_until(i64::MAX).await;
    let made = life.outside.standing();
    life.outside.locked_out(true);
    life.delete().await;
    let deleted_at = life.now.load(Ordering::SeqCst);
    life.work_until(deleted_at + millis(KEPT) / 2).await;
    assert_eq!(life.outside.standing(), made);
    life.outside.locked_out(false);
    life.work_until(i64::MAX).await;
    assert_eq!(life.outside.standing(), Vec::<String>::new());
    assert_eq!(life.state().await, None);
}
