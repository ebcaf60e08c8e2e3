//! The driver against a stand-in for Fly that goes wrong wherever it can.

mod mock;

use std::future::Future;
use std::sync::Arc;

use super::*;
use crate::instances::Condition;
use mock::{App, Fault, Halt, MockFly, ORGANIZATION, TOKEN};

const TENANT: &str = "434252dd-d83b-4b20-bf70-8a950ff875c4";
const APP: &str = "bm-434252dd-d83b-4b20-bf70-8a950ff875c4";

const FAULTS: [Fault; 7] = [
    Fault::Throttled,
    Fault::Conflict,
    Fault::OnItsWay,
    Fault::FailedBefore,
    Fault::FailedAfter,
    Fault::Cut,
    Fault::WrongBody,
];

fn settings(url: &str) -> FlySettings {
    FlySettings {
        api_url: url.to_owned(),
        token: TOKEN.to_owned().into(),
        organization: ORGANIZATION.to_owned(),
        image: "registry.fly.io/acme-tenant:1".to_owned(),
        app_prefix: "bm".to_owned(),
        network: Some("default".to_owned()),
        regions: vec!["iad".to_owned(), "ord".to_owned()],
        cpus: 2,
        memory_mib: 2048,
    }
}

async fn fly() -> (MockFly, FlyInstances) {
    let mock = MockFly::default();
    let driver = FlyInstances::new(settings(&mock.serve().await)).unwrap();
    (mock, driver)
}

fn spec(version: Option<i64>) -> InstanceSpec {
    InstanceSpec {
        tenant_id: TENANT.to_owned(),
        bucket: "basic-memory-434252dd".to_owned(),
        s3_endpoint: "https://t3.storage.dev".to_owned(),
        s3_region: "auto".to_owned(),
        key_id: "k1".to_owned(),
        secrets_version: version,
        idempotency_key: "i1".to_owned(),
    }
}

fn secrets() -> BTreeMap<&'static str, SecretString> {
    BTreeMap::from([("BM_TENANT_KEYS", "k1 00".to_owned().into())])
}

fn known() -> Instance {
    Instance {
        address: format!("http://{APP}.flycast"),
        key_id: "k1".to_owned(),
        state: READY.to_owned(),
    }
}

/// What provisioning does, each verb again until it is done, as a workflow would.
async fn provision(driver: &FlyInstances) {
    until_done(async || driver.ensure_app(TENANT).await).await;
    let version = until_done(async || driver.ensure_secrets(TENANT, &secrets()).await).await;
    let spec = spec(version);
    until_done(async || driver.ensure_instance(&spec).await).await;
    until_done(async || match driver.wait_ready(TENANT).await? {
        Readiness::Ready => Ok(()),
        Readiness::Starting => Err(InstanceError::Asleep),
    })
    .await;
}

async fn until_done<T>(verb: impl AsyncFn() -> Result<T, InstanceError>) -> T {
    let mut left = 8;
    loop {
        match verb().await {
            Ok(done) => return done,
            Err(error) => {
                assert!(error.is_transient(), "{error}");
                left -= 1;
                assert!(left > 0, "{error}");
            }
        }
    }
}

fn app(mock: &MockFly) -> App {
    mock.look(|ledger| {
        assert_eq!(ledger.apps.keys().collect::<Vec<_>>(), [APP]);
        ledger.apps[APP].clone()
    })
}

/// Everything is there once, whatever happened on the way.
fn is_whole(mock: &MockFly) {
    let app = app(mock);
    assert_eq!(app.network, APP, "tenants do not share a network");
    let address = json!({ "type": "private_v6", "network": "default" });
    assert_eq!(app.addresses, [address]);
    assert_eq!(app.secrets["BM_TENANT_KEYS"], "k1 00");
    assert_eq!(app.machines.len(), 1, "{:?}", app.machines);
    let machine = app.machines.values().next().unwrap();
    assert_eq!(machine.state, "started");
    assert_eq!(machine.secrets_version, app.version);
    let config = &machine.config;
    assert_eq!(config["metadata"]["tenant_id"], TENANT);
    assert_eq!(config["services"][0]["autostop"], "suspend");
    assert_eq!(
        config["env"]["BM_TENANT_S3_BUCKET"],
        "basic-memory-434252dd"
    );
    assert!(
        !config.to_string().contains("k1 00"),
        "a secret is in the configuration"
    );
}

#[tokio::test]
async fn a_tenant_gets_an_app_with_one_machine_and_asking_again_changes_nothing() {
    let (mock, driver) = fly().await;
    assert_eq!(driver.list().await.unwrap(), []);
    provision(&driver).await;
    is_whole(&mock);
    let before = app(&mock);
    driver.ensure_app(TENANT).await.unwrap();
    let address = driver.ensure_instance(&spec(Some(1))).await.unwrap();
    assert_eq!(address, Some(Address(format!("http://{APP}.flycast"))));
    assert_eq!(app(&mock), before);
    let listed = ListedInstance {
        tenant_id: TENANT.to_owned(),
    };
    assert_eq!(driver.list().await.unwrap(), [listed]);
    driver.destroy(TENANT).await.unwrap();
    driver.destroy(TENANT).await.unwrap();
    assert!(mock.look(|ledger| ledger.apps.is_empty()));
}

#[tokio::test]
async fn whatever_goes_wrong_with_a_call_the_end_is_the_same() {
    let calls = [
        "get app",
        "make app",
        "list addresses",
        "make address",
        "set secrets",
        "list machines",
        "make machine",
        "get machine",
        "wait",
    ];
    let rounds = calls.into_iter().flat_map(|call| {
        FAULTS.map(async move |fault| {
            let (mock, driver) = fly().await;
            mock.fail(call, &[fault]);
            provision(&driver).await;
            is_whole(&mock);
        })
    });
    futures::future::join_all(rounds).await;
}

/// What is done to a machine that is there, each verb again until it is done.
async fn live(driver: &FlyInstances) {
    let version = until_done(async || driver.ensure_secrets(TENANT, &secrets()).await).await;
    let spec = spec(version);
    until_done(async || driver.ensure_instance(&spec).await).await;
    for rest in [WantedState::Suspended, WantedState::Stopped] {
        until_done(async || driver.set_state(TENANT, rest).await).await;
        until_done(async || driver.wake(TENANT, &known()).await).await;
    }
    until_done(async || driver.set_state(TENANT, WantedState::Stopped).await).await;
}

#[tokio::test]
async fn whatever_goes_wrong_with_a_machine_that_is_there_the_end_is_the_same() {
    let calls = [
        "lease",
        "update machine",
        "give lease back",
        "suspend",
        "cordon",
        "stop",
        "uncordon",
        "start",
    ];
    let rounds = calls.into_iter().flat_map(|call| {
        FAULTS.map(move |fault| async move {
            let (mock, driver) = fly().await;
            provision(&driver).await;
            // Whoever took a lease and did not hear of it waits until it ends.
            mock.look(|ledger| ledger.short_leases = true);
            mock.fail(call, &[fault]);
            live(&driver).await;
            let app = app(&mock);
            assert_eq!(app.machines.len(), 1, "{call} {fault:?}");
            let machine = &app.machines["m1"];
            let end = (
                machine.state.as_str(),
                machine.cordoned,
                machine.secrets_version,
            );
            assert_eq!(end, ("stopped", true, 2), "{call} {fault:?}");
        })
    });
    futures::future::join_all(rounds).await;
}

#[tokio::test]
async fn whatever_goes_wrong_with_a_removal_nothing_is_left() {
    let rounds = ["delete machine", "delete app"]
        .into_iter()
        .flat_map(|call| {
            FAULTS.map(move |fault| async move {
                let (mock, driver) = fly().await;
                provision(&driver).await;
                mock.fail(call, &[fault]);
                until_done(async || driver.destroy(TENANT).await).await;
                let left = mock.look(|ledger| ledger.apps.len());
                assert_eq!(left, 0, "{call} {fault:?}");
            })
        });
    futures::future::join_all(rounds).await;
}

/// Lets `work` go until its call of each number stops for good, and a new driver begin again.
async fn cut_off_at_each_call<F>(
    prepare: impl AsyncFn(&FlyInstances),
    work: impl Fn(Arc<FlyInstances>) -> F,
    judge: impl Fn(&MockFly),
) where
    F: Future<Output = ()>,
{
    for make in [Halt::Before as fn(usize) -> Halt, Halt::After] {
        let mut number = 0;
        loop {
            let mock = MockFly::default();
            let url = mock.serve().await;
            let driver = Arc::new(FlyInstances::new(settings(&url)).unwrap());
            prepare(&driver).await;
            mock.halt(make(number));
            let finished = tokio::select! {
                () = work(Arc::clone(&driver)) => true,
                () = mock.halted() => false,
            };
            drop(driver);
            mock.halt(Halt::Never);
            mock.look(mock::Ledger::end_leases);
            let next = Arc::new(FlyInstances::new(settings(&url)).unwrap());
            work(next).await;
            judge(&mock);
            if finished {
                assert!(number >= 4, "{number}");
                break;
            }
            number += 1;
        }
    }
}

#[tokio::test]
async fn killed_around_any_call_of_provisioning_a_replica_ends_with_one_machine() {
    cut_off_at_each_call(
        async |_| {},
        async |driver| provision(&driver).await,
        is_whole,
    )
    .await;
}

#[tokio::test]
async fn killed_around_any_call_of_an_update_a_replica_ends_with_the_new_secrets() {
    let again = async |driver: Arc<FlyInstances>| {
        let version = until_done(async || driver.ensure_secrets(TENANT, &secrets()).await).await;
        let spec = spec(version);
        until_done(async || driver.ensure_instance(&spec).await).await;
    };
    let prepare = async |driver: &FlyInstances| provision(driver).await;
    cut_off_at_each_call(prepare, again, is_whole).await;
}

#[tokio::test]
async fn killed_around_any_call_of_a_removal_a_replica_leaves_nothing() {
    let remove = async |driver: Arc<FlyInstances>| {
        until_done(async || driver.destroy(TENANT).await).await;
    };
    let prepare = async |driver: &FlyInstances| provision(driver).await;
    cut_off_at_each_call(prepare, remove, |mock| {
        assert!(mock.look(|ledger| ledger.apps.is_empty()));
    })
    .await;
}

#[tokio::test]
async fn new_secrets_reach_the_machine_under_a_lease() {
    let (mock, driver) = fly().await;
    provision(&driver).await;
    let version = driver.ensure_secrets(TENANT, &secrets()).await.unwrap();
    assert_eq!(version, Some(2));
    mock.fail("lease", &[Fault::Conflict]);
    let refused = driver.ensure_instance(&spec(version)).await.unwrap_err();
    assert!(refused.is_transient(), "{refused}");
    driver.ensure_instance(&spec(version)).await.unwrap();
    is_whole(&mock);
    assert_eq!(mock.calls_of("make machine"), 1);
    assert_eq!(mock.calls_of("give lease back"), 1);
    let now = app(&mock).machines["m1"].instance_id();
    let waited_for = mock.look(|ledger| ledger.waited_for.clone());
    assert_eq!(waited_for.last(), Some(&now), "the old one runs already");
}

#[tokio::test]
async fn where_there_is_no_room_the_next_region_is_taken() {
    let (mock, driver) = fly().await;
    mock.look(|ledger| ledger.full = vec!["iad"]);
    provision(&driver).await;
    is_whole(&mock);
    let app = app(&mock);
    assert_eq!(app.machines.values().next().unwrap().region, "ord");

    let (mock, driver) = fly().await;
    mock.look(|ledger| ledger.full = vec!["iad", "ord"]);
    driver.ensure_app(TENANT).await.unwrap();
    let version = driver.ensure_secrets(TENANT, &secrets()).await.unwrap();
    let refused = driver.ensure_instance(&spec(version)).await.unwrap_err();
    assert!(matches!(refused, InstanceError::NoCapacity), "{refused}");
    assert!(refused.is_transient());
}

#[tokio::test]
async fn an_app_of_somebody_else_is_left_alone() {
    let (mock, driver) = fly().await;
    let theirs = App {
        organization: "others".to_owned(),
        ..App::default()
    };
    mock.look(|ledger| ledger.apps.insert(APP.to_owned(), theirs.clone()));
    for refused in [
        driver.ensure_app(TENANT).await.unwrap_err(),
        driver.destroy(TENANT).await.unwrap_err(),
    ] {
        assert!(matches!(refused, InstanceError::NameTaken(_)), "{refused}");
        assert!(!refused.is_transient());
    }
    assert_eq!(app(&mock), theirs);
}

#[tokio::test]
async fn a_second_machine_of_a_tenant_is_removed() {
    let (mock, driver) = fly().await;
    provision(&driver).await;
    mock.look(|ledger| {
        let app = ledger.apps.get_mut(APP).unwrap();
        let mut double = app.machines["m1"].clone();
        double.name = "late".to_owned();
        app.machines.insert("m2".to_owned(), double);
    });
    driver.ensure_instance(&spec(Some(1))).await.unwrap();
    assert_eq!(app(&mock).machines.keys().collect::<Vec<_>>(), ["m1"]);
}

#[tokio::test]
async fn a_suspended_machine_is_started_once_for_all_who_need_it() {
    let (mock, driver) = fly().await;
    provision(&driver).await;
    let mut happenings = driver.happenings().unwrap();
    driver
        .set_state(TENANT, WantedState::Suspended)
        .await
        .unwrap();
    assert_eq!(app(&mock).machines["m1"].state, "suspended");
    assert_eq!(driver.awake(TENANT, &known()).await.unwrap(), None);
    assert_eq!(driver.all_awake(), Vec::<String>::new());

    let known = known();
    let woken = futures::future::join_all((0..20).map(|_| driver.wake(TENANT, &known))).await;
    for awake in woken {
        assert_eq!(awake.unwrap().address, Address(known.address.clone()));
    }
    assert_eq!(mock.calls_of("start"), 1);
    assert_eq!(driver.all_awake(), [TENANT]);
    assert_eq!(
        driver.awake(TENANT, &known).await.unwrap().unwrap().0,
        known.address
    );
    let happening = happenings.recv().await.unwrap();
    assert_eq!(happening.now, Condition::Running(Address(known.address)));

    driver
        .set_state(TENANT, WantedState::Stopped)
        .await
        .unwrap();
    let machine = &app(&mock).machines["m1"];
    assert_eq!(
        (machine.state.as_str(), machine.cordoned),
        ("stopped", true)
    );
}

#[tokio::test]
async fn a_machine_that_takes_long_is_not_awake_yet_and_one_never_made_never_is() {
    let (mock, driver) = fly().await;
    let nobody = driver.wake(TENANT, &known()).await.unwrap_err();
    assert!(matches!(nobody, InstanceError::Asleep));
    provision(&driver).await;
    driver
        .set_state(TENANT, WantedState::Stopped)
        .await
        .unwrap();
    mock.look(|ledger| ledger.slow = 1);
    let early = driver.wake(TENANT, &known()).await.unwrap_err();
    assert!(matches!(early, InstanceError::Asleep), "{early}");
    driver.wake(TENANT, &known()).await.unwrap();
}

/// Asleep, and found so by the next who looks.
async fn suspended() -> (MockFly, FlyInstances) {
    let (mock, driver) = fly().await;
    provision(&driver).await;
    let asleep = driver.set_state(TENANT, WantedState::Suspended);
    asleep.await.unwrap();
    (mock, driver)
}

#[tokio::test]
async fn a_request_is_held_while_its_machine_is_on_its_way_down() {
    for call in ["uncordon", "start"] {
        let (mock, mut driver) = suspended().await;
        driver.hold = Duration::from_secs(120);
        mock.fail(call, &[Fault::OnItsWay, Fault::Conflict]);
        driver.wake(TENANT, &known()).await.unwrap();
        assert_eq!(app(&mock).machines["m1"].state, "started", "{call}");
    }
}

#[tokio::test]
async fn whoever_was_held_long_enough_is_told_to_come_again() {
    let refusals = [
        Fault::OnItsWay,
        Fault::Conflict,
        Fault::Throttled,
        Fault::FailedBefore,
    ];
    let held = refusals.map(async |fault| {
        let (mock, mut driver) = suspended().await;
        driver.hold = Duration::from_secs(2);
        mock.fail("start", &[fault; 50]);
        let refused = driver.wake(TENANT, &known()).await.unwrap_err();
        assert!(matches!(refused, InstanceError::Asleep), "{refused}");
    });
    futures::future::join_all(held).await;
}

#[tokio::test]
async fn a_refusal_that_quotes_a_secret_is_not_quoted() {
    let (mock, driver) = fly().await;
    driver.ensure_app(TENANT).await.unwrap();
    mock.fail("set secrets", &[Fault::Quoted]);
    let refused = driver.ensure_secrets(TENANT, &secrets()).await.unwrap_err();
    assert!(!refused.is_transient());
    let said = format!("{refused} {refused:?}");
    assert!(said.contains("422") && !said.contains("k1 00"), "{said}");
}
