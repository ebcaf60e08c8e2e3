//! What holds whatever is interrupted: on both databases, judged by the object store's ledger.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use super::{CredentialSettings, Keys, key_name, millis, retry_pause, seconds_until};
use crate::buckets::Access;
use crate::buckets::ledger::{Fault, Ledger};
use crate::error::ApiError;
use crate::principal::TenantScope;
use crate::store::tests::{Fixture, on_both, origin};
use crate::store::{Origin, Subscription};

on_both!(
    whatever_an_interrupted_request_leaves_is_found_and_removed,
    a_removal_that_fails_is_tried_until_it_succeeds,
    a_key_that_is_not_on_record_is_removed_and_those_of_others_stay,
    keys_read_and_no_more_while_the_subscription_is_not_current,
    keys_that_cannot_be_changed_keep_no_others_waiting,
    a_change_whose_end_nobody_knows_is_made_again,
    unused_and_expired_keys_are_removed,
    the_eleventh_key_in_an_hour_is_refused_until_the_first_is_an_hour_old,
);

struct World {
    fixture: Fixture,
    ledger: Arc<Ledger>,
    keys: Keys,
    now: Arc<AtomicI64>,
    scope: TenantScope,
}

impl World {
    async fn new(fixture: Fixture, settings: CredentialSettings) -> Self {
        let ledger = Arc::new(Ledger::default());
        let now = Arc::new(AtomicI64::new(1_700_000_000_000));
        let clock = Arc::clone(&now);
        let keys = Keys::new(
            fixture.store.clone(),
            ledger.clone(),
            Arc::new(move || clock.load(Ordering::SeqCst)),
            settings,
        );
        let store = &fixture.store;
        let profile = store
            .ensure_profile("user_1", Some("a@b.c"), &origin(1))
            .await
            .unwrap();
        let tenant = store
            .claim_tenant(&profile, "tenant-1", "bucket-1", &origin(2))
            .await
            .unwrap();
        store.record_bucket(&tenant, &origin(3)).await.unwrap();
        let world = Self {
            fixture,
            ledger,
            keys,
            now,
            scope: TenantScope::for_tests("tenant-1", "bucket-1"),
        };
        world.subscribe("active").await;
        world
    }

    async fn subscribe(&self, status: &str) {
        let subscription = Subscription {
            status: status.to_owned(),
            plan: None,
            current_period_end: Some(i64::MAX),
        };
        let store = &self.fixture.store;
        store
            .put_subscription("user_1", &subscription, &self.origin())
            .await
            .unwrap();
    }

    fn origin(&self) -> Origin {
        origin(self.now.load(Ordering::SeqCst))
    }

    fn pass(&self, time: Duration) {
        self.now.fetch_add(millis(time), Ordering::SeqCst);
    }

    async fn issue(&self) -> Result<String, ApiError> {
        let key = self
            .keys
            .issue(&self.scope, "laptop", &self.origin())
            .await?;
        Ok(key.access_key)
    }

    async fn live(&self) -> Vec<(String, String)> {
        let listed = self.fixture.store.list_credentials(&self.scope).await;
        let pair = |found: crate::store::Credential| (found.id, found.access_key);
        listed.unwrap().into_iter().map(pair).collect()
    }

    /// Lets the job go round until all is settled.
    async fn settle(&self) {
        for _ in 0..4 {
            self.pass(Duration::from_secs(11 * 60));
            self.keys.tend().await.unwrap();
            let mut failed = 0;
            self.keys.search(&mut failed).await.unwrap();
        }
    }

    /// What the store has is what the live credentials say, and nothing waits.
    async fn is_settled(&self) {
        let held: Vec<String> = self
            .ledger
            .keys()
            .into_values()
            .map(|key| key.access_key)
            .collect();
        let mut on_record: Vec<String> = self.live().await.into_iter().map(|pair| pair.1).collect();
        on_record.sort();
        let mut sorted = held.clone();
        sorted.sort();
        assert_eq!(sorted, on_record);
        let waiting = "tenant_mount_credentials
            where (revoked_at is not null) <> (tigris_deletion_status = 'completed')";
        assert_eq!(self.fixture.count(waiting).await, 0);
    }
}

async fn whatever_an_interrupted_request_leaves_is_found_and_removed(fixture: Fixture) {
    let settings = CredentialSettings {
        live_at_most: 1000,
        hourly_at_most: 1000,
        ..CredentialSettings::default()
    };
    let world = World::new(fixture, settings).await;
    let kept = world.issue().await.unwrap();
    for fault in [Fault::Before, Fault::After] {
        world.ledger.script([Some(fault)]);
        let refused = world.issue().await.unwrap_err();
        assert_eq!(refused.code(), "credential_failed");
        // Dropping the future in the middle is what a crash or a closed connection does.
        let scope = world.scope.clone();
        let origin = world.origin();
        for polls in 1..200 {
            let mut issuing = Box::pin(world.keys.issue(&scope, "laptop", &origin));
            let mut left = polls;
            let cut = futures::future::poll_fn(|context| {
                left -= 1;
                match issuing.as_mut().poll(context) {
                    std::task::Poll::Ready(done) => std::task::Poll::Ready(Some(done)),
                    std::task::Poll::Pending if left == 0 => std::task::Poll::Ready(None),
                    std::task::Poll::Pending => std::task::Poll::Pending,
                }
            })
            .await;
            if cut.is_some() {
                break;
            }
        }
    }
    world.settle().await;
    world.is_settled().await;
    let live = world.live().await;
    assert!(live.iter().any(|pair| pair.1 == kept));
}

async fn a_removal_that_fails_is_tried_until_it_succeeds(fixture: Fixture) {
    let world = World::new(fixture, CredentialSettings::default()).await;
    world.issue().await.unwrap();
    let id = world.live().await[0].0.clone();
    world.ledger.break_with(Some(Fault::Before));
    for _ in 0..2 {
        let refused = world.keys.revoke(&world.scope, &id, &world.origin()).await;
        assert_eq!(refused.unwrap_err().code(), "credential_failed");
    }
    assert_eq!(world.live().await, []);
    assert_eq!(world.ledger.keys().len(), 1);
    world.settle().await;
    assert_eq!(world.ledger.keys().len(), 1);
    world.ledger.break_with(Some(Fault::After));
    world.pass(Duration::from_secs(60 * 60));
    world.keys.tend().await.unwrap();
    assert_eq!(world.ledger.keys().len(), 0);
    world.ledger.break_with(None);
    world.pass(Duration::from_secs(60 * 60));
    assert_eq!(world.keys.tend().await.unwrap().removed, 1);
    world.is_settled().await;
    let again = world.keys.revoke(&world.scope, &id, &world.origin()).await;
    assert!(again.is_ok());
    let foreign = TenantScope::for_tests("tenant-2", "bucket-2");
    let refused = world.keys.revoke(&foreign, &id, &world.origin()).await;
    assert_eq!(refused.unwrap_err().code(), "not_found");
}

async fn a_key_that_is_not_on_record_is_removed_and_those_of_others_stay(fixture: Fixture) {
    let world = World::new(fixture, CredentialSettings::default()).await;
    world.issue().await.unwrap();
    let own = world.ledger.keys().into_keys().next().unwrap();
    let lost = format!("{}-lost", &own[..own.len() - 5]);
    let of_others = ["bm-00000000-t-1", "somebody", "bm-"];
    world.ledger.plant(&lost);
    for name in of_others {
        world.ledger.plant(name);
    }
    let mut failed = 0;
    assert_eq!(world.keys.search(&mut failed).await.unwrap(), 1);
    let mut left: Vec<String> = world.ledger.keys().into_keys().collect();
    left.retain(|name| *name != own);
    let mut expected = of_others.map(str::to_owned).to_vec();
    expected.sort();
    assert_eq!((left, failed), (expected, 0));
    let audit = world.fixture.audit().await;
    let orphaned = format!("MountCredentialOrphanedEvent {lost} done");
    assert_eq!(audit.last(), Some(&orphaned));
}

async fn keys_read_and_no_more_while_the_subscription_is_not_current(fixture: Fixture) {
    let world = World::new(fixture, CredentialSettings::default()).await;
    for _ in 0..2 {
        world.issue().await.unwrap();
    }
    let access = || {
        let keys = world.ledger.keys();
        keys.into_values().map(|key| key.access).collect::<Vec<_>>()
    };
    assert_eq!(world.keys.tend().await.unwrap().changed, 0);
    world.subscribe("canceled").await;
    world.ledger.script([None, Some(Fault::Before)]);
    let round = world.keys.tend().await.unwrap();
    assert_eq!((round.changed, round.failed), (1, 1));
    assert_eq!(world.keys.tend().await.unwrap().changed, 1);
    assert_eq!(access(), [Access::ReadOnly; 2]);
    world.subscribe("active").await;
    assert_eq!(world.keys.tend().await.unwrap().changed, 2);
    assert_eq!(access(), [Access::ReadWrite; 2]);
    assert_eq!(world.keys.tend().await.unwrap().changed, 0);
}

/// More than one round takes, and in front of all others.
const HOPELESS: usize = 101;

async fn keys_that_cannot_be_changed_keep_no_others_waiting(fixture: Fixture) {
    let settings = CredentialSettings {
        live_at_most: 1000,
        hourly_at_most: 1000,
        ..CredentialSettings::default()
    };
    let world = World::new(fixture, settings).await;
    for _ in 0..HOPELESS {
        world.issue().await.unwrap();
    }
    world.ledger.refuse(world.ledger.keys().into_keys());
    let changeable = world.issue().await.unwrap();
    let access = || {
        let mut keys = world.ledger.keys().into_values();
        keys.find(|key| key.access_key == changeable)
            .unwrap()
            .access
    };
    world.subscribe("canceled").await;
    world.keys.tend().await.unwrap();
    let round = world.keys.tend().await.unwrap();
    assert_eq!((round.changed, access()), (1, Access::ReadOnly));

    // Nor does one whose use cannot be looked at.
    world.subscribe("active").await;
    let round_of_checks = Duration::from_secs(24 * 60 * 60);
    world.pass(round_of_checks);
    world
        .ledger
        .use_key(&changeable, world.now.load(Ordering::SeqCst));
    for _ in 0..2 {
        world.pass(Duration::from_secs(60));
        world.keys.tend().await.unwrap();
    }
    let listed = world.fixture.store.list_credentials(&world.scope).await;
    let used = |found: &crate::store::Credential| found.last_used_at.is_some();
    let seen: Vec<_> = listed.unwrap().into_iter().filter(used).collect();
    assert_eq!(seen.len(), 1);
    assert_eq!(
        (seen[0].access_key.as_str(), access()),
        (changeable.as_str(), Access::ReadWrite)
    );
}

async fn a_change_whose_end_nobody_knows_is_made_again(fixture: Fixture) {
    let world = World::new(fixture, CredentialSettings::default()).await;
    world.issue().await.unwrap();
    let access = || world.ledger.keys().into_values().next().unwrap().access;
    world.subscribe("canceled").await;
    world.ledger.script([None, Some(Fault::After)]);
    assert_eq!(world.keys.tend().await.unwrap().failed, 1);
    assert_eq!(access(), Access::ReadOnly);
    world.subscribe("active").await;
    assert_eq!(world.keys.tend().await.unwrap().changed, 1);
    assert_eq!(access(), Access::ReadWrite);
    assert_eq!(world.keys.tend().await.unwrap().changed, 0);
}

async fn unused_and_expired_keys_are_removed(fixture: Fixture) {
    let day = Duration::from_secs(24 * 60 * 60);
    let settings = CredentialSettings {
        life: Some(200 * day),
        unused_life: Some(90 * day),
        ..CredentialSettings::default()
    };
    let world = World::new(fixture, settings).await;
    let used = world.issue().await.unwrap();
    let unused = world.issue().await.unwrap();
    world.pass(60 * day);
    world
        .ledger
        .use_key(&used, world.now.load(Ordering::SeqCst));
    world.pass(40 * day);
    let round = world.keys.tend().await.unwrap();
    assert_eq!((round.orphaned, round.removed), (1, 1));
    let live = world.live().await;
    assert_eq!(live.len(), 1);
    assert_eq!(live[0].1, used);
    assert!(!live.iter().any(|pair| pair.1 == unused));
    world.is_settled().await;
    world.pass(100 * day);
    world
        .ledger
        .use_key(&used, world.now.load(Ordering::SeqCst));
    let round = world.keys.tend().await.unwrap();
    assert_eq!((round.orphaned, round.removed), (1, 1));
    assert_eq!(world.live().await, []);
    world.is_settled().await;
}

async fn the_eleventh_key_in_an_hour_is_refused_until_the_first_is_an_hour_old(fixture: Fixture) {
    let settings = CredentialSettings {
        live_at_most: 11,
        ..CredentialSettings::default()
    };
    let world = World::new(fixture, settings).await;
    for _ in 0..10 {
        world.issue().await.unwrap();
    }
    world.pass(Duration::from_secs(600));
    let refused = world.issue().await.unwrap_err();
    let ApiError::RateLimited { retry_after_s } = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(retry_after_s, 3000);
    assert_eq!(world.ledger.keys().len(), 10);
    world.pass(Duration::from_secs(retry_after_s));
    world.issue().await.unwrap();
    world.pass(Duration::from_secs(3600));
    let refused = world.issue().await.unwrap_err();
    assert_eq!(refused.code(), "conflict");
    world.is_settled().await;
}

#[test]
fn names_say_whose_a_key_is_and_fit_into_what_iam_allows() {
    let id = uuid::Uuid::parse_str("0190a7b2-0000-7000-8000-000000000001").unwrap();
    let name = key_name("bm-0123abcd-", "434252dd-d83b-4b20-bf70-8a950ff875c4", id);
    assert_eq!(
        name,
        "bm-0123abcd-434252dd-0190a7b2000070008000000000000001"
    );
    assert!(name.len() <= 64 - "-ro".len());
}

#[test]
fn retries_slow_down_to_once_an_hour() {
    let pauses: Vec<u64> = [1, 2, 3, 8, 99]
        .map(|attempt| retry_pause(attempt).as_secs())
        .to_vec();
    assert_eq!(pauses, [30, 60, 120, 3600, 3600]);
    assert_eq!(seconds_until(1500, 0), 2);
    assert_eq!(seconds_until(0, 10), 1);
}
