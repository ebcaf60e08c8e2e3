//! The driver with real processes of `bm-tenant`.

#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use futures::future::join_all;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use secrecy::ExposeSecret;
use tempfile::TempDir;
use testkit::{scratch, wait_for, wait_until};

use super::*;
use crate::instances::{Condition, READY};
use crate::provisioning::InstanceKeys;
use crate::proxy::SigningKeys;

const SOON: Duration = Duration::from_secs(20);
const ANA: &str = "434252dd-d83b-4b20-bf70-8a950ff875c4";
const BOB: &str = "0b1f1f6e-5a38-4a53-9f0e-2c6f4f3f7a11";

/// A driver's folder; whatever still runs from it at the end is ended.
struct Place {
    folder: TempDir,
    settings: LocalSettings,
}

impl Place {
    fn new() -> Self {
        let folder = scratch();
        let path = std::env::var_os("PATH").unwrap();
        let settings = LocalSettings {
            program: testkit::bin("bm-tenant"),
            folder: folder.path().join("instances"),
            run: LocalRun {
                idle: None,
                start: SOON,
                drain: Duration::from_secs(3),
                ..LocalRun::new(path)
            },
        };
        Self { folder, settings }
    }

    fn with(mut self, change: impl FnOnce(&mut LocalSettings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// Writes a program to be run as an instance.
    fn script(self, text: &str) -> Self {
        let program = self.folder.path().join("program");
        fs::write(&program, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
        self.with(|settings| settings.program = program)
    }

    fn open(&self) -> Arc<LocalInstances> {
        Arc::new(LocalInstances::open(self.settings.clone()).unwrap())
    }

    fn of(&self, tenant: &str) -> TenantFolder {
        TenantFolder::of(&self.settings.folder, tenant).unwrap()
    }

    fn pid(&self, tenant: &str) -> Option<Pid> {
        Pid::from_raw(self.of(tenant).process()?.pid.cast_signed())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for tenant in [ANA, BOB] {
            process::end_strays(&self.of(tenant).state());
        }
    }
}

/// A driver that looks after its instances, until it is stopped as with its server.
struct AtWork {
    driver: Arc<LocalInstances>,
    cancel: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl AtWork {
    fn begin(driver: &Arc<LocalInstances>) -> Self {
        let cancel = CancellationToken::new();
        let (running, until) = (Arc::clone(driver), cancel.clone());
        Self {
            driver: Arc::clone(driver),
            cancel,
            task: tokio::spawn(async move { running.run(until).await }),
        }
    }

    async fn end(self) {
        self.cancel.cancel();
        self.task.await.unwrap();
        assert_eq!(self.driver.all_awake(), Vec::<String>::new());
    }
}

fn keys() -> SigningKeys {
    SigningKeys::single("k1", [9; 32])
}

fn secrets(tenant: &str) -> BTreeMap<&'static str, SecretString> {
    BTreeMap::from([
        ("BM_TENANT_KEYS", keys().key_file(tenant)),
        (
            "BM_TENANT_S3_ACCESS_KEY_ID",
            format!("key-of-{tenant}").into(),
        ),
        (
            "BM_TENANT_S3_SECRET_ACCESS_KEY",
            format!("secret-of-{tenant}").into(),
        ),
    ])
}

fn spec(tenant: &str) -> InstanceSpec {
    InstanceSpec {
        tenant_id: tenant.to_owned(),
        bucket: format!("bucket-{}", &tenant[..8]),
        s3_endpoint: "http://127.0.0.1:1".to_owned(),
        s3_region: "auto".to_owned(),
        key_id: "k1".to_owned(),
        secrets_version: None,
        idempotency_key: String::new(),
    }
}

async fn provision(driver: &LocalInstances, tenant: &str) -> Address {
    driver.ensure_app(tenant).await.unwrap();
    driver
        .ensure_secrets(tenant, &secrets(tenant))
        .await
        .unwrap();
    driver
        .ensure_instance(&spec(tenant))
        .await
        .unwrap()
        .unwrap()
}

fn known() -> Instance {
    Instance {
        address: "http://127.0.0.1:1".to_owned(),
        key_id: "k1".to_owned(),
        state: READY.to_owned(),
    }
}

async fn awake(driver: &LocalInstances, tenant: &str) -> Address {
    wait_for(SOON, async || {
        driver
            .wake(tenant, &known())
            .await
            .ok()
            .map(|awake| awake.address)
    })
    .await
}

fn runs(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    test_kill_process(pid).is_ok() && !stat.is_ok_and(|stat| stat.contains(") Z "))
}

#[tokio::test]
async fn an_instance_is_started_once_for_all_who_need_it_and_sleeps_when_nobody_does() {
    let place = Place::new().with(|settings| settings.run.idle = Some(Duration::from_secs(2)));
    let driver = place.open();
    let work = AtWork::begin(&driver);
    let mut happenings = driver.happenings().unwrap();
    provision(&driver, ANA).await;
    wait_until(SOON, async || {
        driver.wait_ready(ANA).await.unwrap() == Readiness::Ready
    })
    .await;
    let first = place.pid(ANA).unwrap();
    wait_until(SOON, async || !runs(first)).await;
    wait_until(SOON, async || place.pid(ANA).is_none()).await;
    assert_eq!(driver.awake(ANA, &known()).await.unwrap(), None);

    let known = known();
    let woken = join_all((0..30).map(|_| driver.wake(ANA, &known))).await;
    let addresses: Vec<Address> = woken
        .iter()
        .map(|woken| woken.as_ref().unwrap().address.clone())
        .collect();
    assert!(addresses.iter().all(|address| *address == addresses[0]));
    let second = place.pid(ANA).unwrap();
    assert_ne!(first, second);
    // In use for longer than it may be idle.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(runs(second), "it slept while it was in use");
    drop(woken);
    wait_until(SOON, async || !runs(second)).await;
    let mut told = Vec::new();
    while let Ok(happening) = happenings.try_recv() {
        told.push(matches!(happening.now, Condition::Running(_)));
    }
    assert_eq!(told.get(..3).unwrap(), [true, false, true]);
    work.end().await;
}

#[tokio::test]
async fn an_instance_that_is_killed_is_back_at_another_address() {
    let place = Place::new();
    let driver = place.open();
    let work = AtWork::begin(&driver);
    provision(&driver, ANA).await;
    let before = awake(&driver, ANA).await;
    let first = place.pid(ANA).unwrap();
    kill_process(first, Signal::KILL).unwrap();
    wait_until(SOON, async || {
        place.pid(ANA).is_some_and(|pid| pid != first)
    })
    .await;
    let after = awake(&driver, ANA).await;
    assert_ne!(before, after);
    let second = place.pid(ANA).unwrap();
    work.end().await;
    assert!(!runs(second), "an instance outlived its server");
}

#[tokio::test]
async fn a_server_that_was_killed_finds_its_instances_again() {
    let place = Place::new();
    let driver = place.open();
    provision(&driver, ANA).await;
    let before = awake(&driver, ANA).await;
    let first = place.pid(ANA).unwrap();
    // Nothing is told to anybody, as when a server is killed.
    drop(driver);
    assert!(runs(first));

    let driver = place.open();
    let work = AtWork::begin(&driver);
    assert_eq!(awake(&driver, ANA).await, before);
    assert_eq!(place.pid(ANA), Some(first));
    work.end().await;
    assert!(!runs(first));
}

#[tokio::test]
async fn what_was_started_with_something_else_is_started_anew() {
    let place = Place::new();
    let driver = place.open();
    provision(&driver, ANA).await;
    awake(&driver, ANA).await;
    let first = place.pid(ANA).unwrap();
    let again = driver.ensure_instance(&spec(ANA)).await.unwrap();
    assert!(again.is_some());
    assert_eq!(place.pid(ANA), Some(first), "nothing changed");

    let mut other = secrets(ANA);
    other.insert("BM_TENANT_S3_ACCESS_KEY_ID", "another".to_owned().into());
    driver.ensure_secrets(ANA, &other).await.unwrap();
    driver.ensure_instance(&spec(ANA)).await.unwrap();
    let second = place.pid(ANA).unwrap();
    assert!(first != second && !runs(first));

    // The record is lost with the server.
    drop(driver);
    place.of(ANA).forget_process().unwrap();
    let driver = place.open();
    let work = AtWork::begin(&driver);
    awake(&driver, ANA).await;
    assert!(!runs(second), "a stray is left");
    work.end().await;
}

#[tokio::test]
async fn an_instance_sees_what_is_its_own_and_no_secret_is_on_a_command_line() {
    let place = Place::new();
    let driver = place.open();
    let work = AtWork::begin(&driver);
    for (tenant, other) in [(ANA, BOB), (BOB, ANA)] {
        provision(&driver, tenant).await;
        awake(&driver, tenant).await;
        let proc = PathBuf::from(format!(
            "/proc/{}",
            place.pid(tenant).unwrap().as_raw_nonzero()
        ));
        let read = |name: &str| {
            let bytes = fs::read(proc.join(name)).unwrap();
            String::from_utf8_lossy(&bytes).replace('\0', "\n")
        };
        let (environment, line) = (read("environ"), read("cmdline"));
        assert!(environment.contains(&format!("secret-of-{tenant}")));
        assert!(!environment.contains(other) && !environment.contains("CARGO"));
        let key = secrets(tenant)["BM_TENANT_KEYS"].expose_secret().to_owned();
        for secret in ["secret-of", key.split(' ').nth(1).unwrap().trim()] {
            assert!(!line.contains(secret), "{line}");
        }
        for file in ["secrets.json", "keys", "spec.json", "log", "announcement"] {
            let file = place.settings.folder.join(tenant).join(file);
            let mode = fs::metadata(&file).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{}", file.display());
        }
        let limits = read("limits");
        let bound = |name: &str| {
            limits
                .lines()
                .find(|line| line.starts_with(name))
                .unwrap()
                .to_owned()
        };
        assert!(bound("Max core file size").contains(" 0 "));
        assert!(bound("Max open files").contains("4096"));
    }
    work.end().await;
}

#[tokio::test]
async fn one_that_is_removed_leaves_neither_process_nor_folder() {
    let place = Place::new();
    let driver = place.open();
    provision(&driver, ANA).await;
    awake(&driver, ANA).await;
    let pid = place.pid(ANA).unwrap();
    driver.set_state(ANA, WantedState::Stopped).await.unwrap();
    assert!(!runs(pid));
    driver.set_state(ANA, WantedState::Running).await.unwrap();
    let pid = place.pid(ANA).unwrap();
    driver.destroy(ANA).await.unwrap();
    driver.destroy(ANA).await.unwrap();
    assert!(!runs(pid) && !place.of(ANA).exists());
    assert_eq!(driver.list().await.unwrap(), []);
    let gone = driver.wake(ANA, &known()).await.unwrap_err();
    assert!(matches!(gone, InstanceError::Asleep));
    assert!(driver.ensure_app("../elsewhere").await.is_err());
}

#[tokio::test]
async fn one_that_ends_at_once_is_tried_again_later_and_nobody_waits_for_it() {
    let place = Place::new().script("echo 'no room' >&2; exit 3");
    let driver = place.open();
    driver.ensure_app(ANA).await.unwrap();
    driver.ensure_secrets(ANA, &secrets(ANA)).await.unwrap();
    let refused = driver.ensure_instance(&spec(ANA)).await.unwrap_err();
    assert!(refused.is_transient(), "{refused}");
    let begun = Instant::now();
    let refused = driver.wake(ANA, &known()).await.unwrap_err();
    assert!(matches!(refused, InstanceError::Asleep), "{refused}");
    assert!(begun.elapsed() < Duration::from_secs(5));
    let log = fs::read_to_string(place.of(ANA).log()).unwrap();
    assert!(log.contains("no room"), "{log}");
}

#[tokio::test]
async fn one_that_says_nothing_and_does_not_listen_to_signals_is_ended_with_its_children() {
    let place = Place::new()
        .script("trap '' TERM; sleep 600 & echo $! > child; wait; wait")
        .with(|settings| {
            settings.run.start = Duration::from_secs(4);
            settings.run.drain = Duration::from_millis(300);
            settings.run.hold = Duration::from_millis(200);
        });
    let driver = place.open();
    driver.ensure_app(ANA).await.unwrap();
    driver.ensure_secrets(ANA, &secrets(ANA)).await.unwrap();
    place.of(ANA).keep_spec(&spec(ANA)).unwrap();
    let begun = Instant::now();
    let early = driver.wake(ANA, &known()).await.unwrap_err();
    assert!(matches!(early, InstanceError::Asleep));
    assert!(
        begun.elapsed() < Duration::from_secs(4),
        "it was held too long"
    );
    let pid = wait_for(SOON, async || place.pid(ANA)).await;
    let child = wait_for(SOON, async || {
        read_pid(&place.of(ANA).state().join("child"))
    })
    .await;
    wait_until(SOON, async || !runs(pid) && !runs(child)).await;
}

fn read_pid(file: &Path) -> Option<Pid> {
    Pid::from_raw(fs::read_to_string(file).ok()?.trim().parse().ok()?)
}

#[test]
fn a_long_log_becomes_the_old_one_while_it_is_written_to() {
    use std::io::Write;
    let place = Place::new();
    let folder = place.of(ANA);
    folder.make().unwrap();
    let mut log = folder.log_file().unwrap();
    writeln!(log, "first").unwrap();
    folder.rotate(100).unwrap();
    assert_eq!(fs::read_to_string(folder.log()).unwrap(), "first\n");
    folder.rotate(3).unwrap();
    writeln!(log, "second").unwrap();
    assert_eq!(fs::read_to_string(folder.log()).unwrap(), "second\n");
    let old = place.settings.folder.join(ANA).join("log.1");
    assert_eq!(fs::read_to_string(old).unwrap(), "first\n");
}
