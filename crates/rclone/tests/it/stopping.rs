use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rclone::{Bisync, CycleError, RcClient};
use testkit::wait_for;
use tokio_util::sync::CancellationToken;

use crate::bench::{Bench, SOON};
use crate::proxy::{Fault, Proxy};

/// A run whose uploads are never answered.
pub(crate) async fn held() -> (Bench, Proxy) {
    let mut bench = Bench::new().await;
    bench.here("mine.md", "mine\n");
    let proxy = Proxy::start(&bench.run.endpoint, Fault::Hold { method: "PUT" }).await;
    bench.run.endpoint.clone_from(&proxy.endpoint);
    (bench, proxy)
}

/// Waits until an upload is under way and gives the child's id, as the child itself tells it.
pub(crate) async fn child_of(run: &Bisync, proxy: &Proxy) -> u32 {
    wait_for(SOON, async || {
        let cell = std::fs::read_dir(&run.run_dir).ok()?.next()?.ok()?.path();
        let pid = RcClient::new(cell.join("s")).pid().await.ok()?;
        (proxy.hits() > 0).then_some(pid)
    })
    .await
}

fn process(pid: u32) -> PathBuf {
    Path::new("/proc").join(pid.to_string())
}

#[tokio::test]
async fn a_run_that_is_cancelled_ends_within_the_deadline() {
    let (bench, proxy) = held().await;
    let cancel = CancellationToken::new();
    let stopper = async {
        let pid = child_of(&bench.run, &proxy).await;
        cancel.cancel();
        (pid, Instant::now())
    };
    let (result, (pid, asked)) = tokio::join!(bench.cycle_until(cancel.clone()), stopper);
    assert_eq!(result, Err(CycleError::Stopped));
    // A run that nobody stops waits a minute for the answer.
    assert!(
        asked.elapsed() < Duration::from_secs(20),
        "{:?}",
        asked.elapsed()
    );
    assert!(!process(pid).exists(), "the child was not reaped");
    assert!(!bench.tree_there().contains_key("mine.md"));
}

#[tokio::test]
async fn a_run_cancelled_before_it_began_is_stopped() {
    let bench = Bench::new().await;
    let cancel = CancellationToken::new();
    cancel.cancel();
    assert_eq!(bench.cycle_until(cancel).await, Err(CycleError::Stopped));
}

#[tokio::test]
async fn a_run_whose_child_is_killed_says_by_which_signal() {
    let (bench, proxy) = held().await;
    let killer = async {
        let pid = child_of(&bench.run, &proxy).await;
        let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    };
    let (result, ()) = tokio::join!(bench.cycle(), killer);
    assert_eq!(result, Err(CycleError::Died { signal: 9 }));
}

#[tokio::test]
async fn a_run_that_quit_early_is_no_success_though_it_exits_with_0() {
    let (bench, proxy) = held().await;
    let quitter = async {
        child_of(&bench.run, &proxy).await;
        let cell = std::fs::read_dir(&bench.run.run_dir)
            .unwrap()
            .next()
            .unwrap()
            .unwrap();
        RcClient::new(cell.path().join("s")).quit().await.unwrap();
    };
    let (result, ()) = tokio::join!(bench.cycle(), quitter);
    assert!(
        matches!(result, Err(CycleError::Unknown { exit: None, .. })),
        "{result:?}"
    );
}

#[tokio::test]
async fn dropping_a_run_kills_its_child() {
    let (bench, proxy) = held().await;
    let pid = tokio::select! {
        ended = bench.cycle() => panic!("{ended:?}"),
        pid = child_of(&bench.run, &proxy) => pid,
    };
    wait_for(SOON, async || (!process(pid).exists()).then_some(())).await;
}

#[tokio::test]
async fn a_child_dies_with_its_parent() {
    const ROLE: &str = "PARENT_TO_BE_KILLED";
    if std::env::var_os(ROLE).is_some() {
        let (bench, proxy) = held().await;
        let tell = async { println!("\nchild={}", child_of(&bench.run, &proxy).await) };
        let (ended, ()) = tokio::join!(bench.cycle(), tell);
        panic!("{ended:?}");
    }
    let scratch = testkit::scratch();
    let mut parent = testkit::program(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "stopping::a_child_dies_with_its_parent",
            "--nocapture",
        ])
        .env(ROLE, "1")
        .env("TMPDIR", scratch.path())
        .spawn();
    let line = parent.line(SOON, |line| line.starts_with("child=")).await;
    let child = process(line.trim_start_matches("child=").parse().unwrap());
    assert!(child.exists());
    parent.kill();
    wait_for(SOON, async || (!child.exists()).then_some(())).await;
}
