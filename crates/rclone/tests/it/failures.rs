use std::fs;

use rclone::{CycleError, Side};

use crate::bench::{Bench, binary};
use crate::proxy::{Fault, Proxy};

#[tokio::test]
async fn too_many_deletes_stop_the_run() {
    let mut bench = Bench::new().await;
    bench.run.max_delete_percent = 10;
    for number in 0..7 {
        bench.both(&format!("{number}.md"), "x\n");
    }
    bench.list_what_is_equal();
    bench.gone_here("0.md");
    bench.gone_here("1.md");
    let before = bench.tree_there();
    let expected = CycleError::TooManyDeletes {
        percent: 10,
        deletes: 2,
        total: 8,
    };
    assert_eq!(bench.cycle().await, Err(expected));
    assert_eq!(bench.tree_there(), before);
}

#[tokio::test]
async fn nothing_happens_without_the_check_file() {
    let bench = Bench::new().await;
    bench.both("a.md", "a\n");
    bench.list_what_is_equal();
    bench.gone_there(crate::bench::SENTINEL);
    bench.here("a.md", "b\n");
    assert_eq!(bench.cycle().await, Err(CycleError::AccessCheckFailed));
    assert_eq!(bench.tree_there()["a.md"], "a\n");
}

#[tokio::test]
async fn an_emptied_side_empties_not_the_other() {
    let bench = Bench::new().await;
    bench.both("a.md", "a\n");
    bench.list_what_is_equal();
    bench.gone_there("a.md");
    bench.gone_there(crate::bench::SENTINEL);
    assert_eq!(
        bench.cycle().await,
        Err(CycleError::RootEmptied { side: Side::Remote })
    );
    bench.there("a.md", "a\n");
    bench.gone_here("a.md");
    bench.gone_here(crate::bench::SENTINEL);
    assert_eq!(
        bench.cycle().await,
        Err(CycleError::RootEmptied { side: Side::Local })
    );
    fs::remove_dir(&bench.run.mirror).unwrap();
    assert_eq!(bench.cycle().await, Err(CycleError::RootMissing));
    assert_eq!(bench.tree_there()["a.md"], "a\n");
}

#[tokio::test]
async fn lost_listings_and_changed_filters_are_told_apart() {
    let mut bench = Bench::new().await;
    bench.filter("- *.tmp\n");
    fs::write(bench.run.workdir.join("filters"), "- *.bak\n").unwrap();
    assert_eq!(bench.cycle().await, Err(CycleError::FiltersChanged));
    bench.filter("- *.bak\n");
    fs::remove_file(bench.listing("path2")).unwrap();
    assert_eq!(bench.cycle().await, Err(CycleError::ListingsLost));
}

#[tokio::test]
async fn a_locked_workdir_is_left_alone() {
    let bench = Bench::new().await;
    let lock = bench
        .listing("x")
        .to_str()
        .unwrap()
        .replace(".x.lst", ".lck");
    let text = r#"{"Session":"x","PID":"1","TimeRenewed":"2026-01-01T00:00:00Z","TimeExpires":"2099-01-01T00:00:00Z"}"#;
    fs::write(&lock, text).unwrap();
    assert_eq!(bench.cycle().await, Err(CycleError::WorkdirLocked));
}

#[tokio::test]
async fn an_upload_that_lost_the_race_names_its_key() {
    let mut bench = Bench::new().await;
    bench.here("d/mine.md", "mine\n");
    let fault = Fault::Answer {
        method: "PUT",
        status: 412,
        code: "PreconditionFailed",
    };
    let proxy = Proxy::start(&bench.run.endpoint, fault).await;
    bench.run.endpoint.clone_from(&proxy.endpoint);
    let lost = CycleError::LostRace {
        keys: vec!["d/mine.md".to_owned()],
    };
    assert_eq!(bench.cycle().await, Err(lost));
    assert_eq!(proxy.hits(), 1);
}

#[tokio::test]
async fn a_refusing_endpoint_and_a_dead_one_are_told_apart() {
    let mut bench = Bench::new().await;
    bench.here("a.md", "a\n");
    let fault = Fault::Answer {
        method: "*",
        status: 403,
        code: "AccessDenied",
    };
    let proxy = Proxy::start(&bench.run.endpoint, fault).await;
    bench.run.endpoint.clone_from(&proxy.endpoint);
    assert_eq!(bench.cycle().await, Err(CycleError::GuardRefused));
    drop(proxy);
    assert_eq!(bench.cycle().await, Err(CycleError::Unreachable));
}

#[tokio::test]
async fn a_binary_that_vanished_is_not_started() {
    let bench = Bench::new().await;
    let mut binary = binary();
    binary.path = bench.scratch.path().join("nothing");
    let (progress, _) = tokio::sync::watch::channel(rclone::Progress::default());
    let run = rclone::bisync(&binary, &bench.run, progress, Default::default()).await;
    assert!(matches!(run, Err(CycleError::NotStarted { .. })), "{run:?}");
}
