use std::fs;

use rclone::{Copied, CycleError, Deleted, DryRun, PlannedAction, Progress, Renamed, Side};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::bench::{Bench, binary, expected};

#[tokio::test]
async fn carries_what_changed_on_either_side_and_moves_nothing_else() {
    let bench = Bench::new().await;
    for name in [
        "same.md",
        "edited here.md",
        "edited there.md",
        "gone here.md",
        "gone there.md",
    ] {
        bench.both(name, "old\n");
    }
    bench.list_what_is_equal();
    bench.here("edited here.md", "newer\n");
    bench.there("edited there.md", "newest\n");
    bench.gone_here("gone here.md");
    bench.gone_there("gone there.md");
    bench.here("a/ü \"x\".md", "here\n");
    bench.there("b/c/漢 - d.md", "there\n");

    let mut finished = bench.cycle().await.unwrap();

    let whole = expected(&[
        ("same.md", "old\n"),
        ("edited here.md", "newer\n"),
        ("edited there.md", "newest\n"),
        ("a/ü \"x\".md", "here\n"),
        ("b/c/漢 - d.md", "there\n"),
    ]);
    assert_eq!(
        (bench.tree_here(), bench.tree_there()),
        (whole.clone(), whole)
    );
    let copied = |from, path: &str, bytes| Copied {
        from,
        path: path.to_owned(),
        bytes,
    };
    finished.copied.sort_by(|a, b| a.path.cmp(&b.path));
    assert_eq!(
        finished.copied,
        [
            copied(Side::Local, "a/ü \"x\".md", 5),
            copied(Side::Remote, "b/c/漢 - d.md", 6),
            copied(Side::Local, "edited here.md", 6),
            copied(Side::Remote, "edited there.md", 7),
        ]
    );
    let deleted = |on, path: &str| Deleted {
        on,
        path: path.to_owned(),
    };
    finished.deleted.sort_by(|a, b| a.path.cmp(&b.path));
    assert_eq!(
        finished.deleted,
        [
            deleted(Side::Remote, "gone here.md"),
            deleted(Side::Local, "gone there.md")
        ]
    );
    assert_eq!((finished.conflicts, finished.stats.transfers), (vec![], 4));
    let again = bench.cycle().await.unwrap();
    assert_eq!(
        (again.copied, again.deleted, again.conflicts),
        (vec![], vec![], vec![])
    );
}

#[tokio::test]
async fn keeps_both_versions_of_a_conflict_and_the_buckets_keeps_the_name() {
    let bench = Bench::new().await;
    bench.both("d/note.md", "old\n");
    bench.list_what_is_equal();
    bench.here("d/note.md", "mine\n");
    bench.there("d/note.md", "theirs\n");

    let finished = bench.cycle().await.unwrap();

    let renamed = Renamed {
        from: "d/note.md".into(),
        to: "d/note.MARK1.md".into(),
    };
    assert_eq!(finished.conflicts, [renamed]);
    let whole = expected(&[("d/note.md", "theirs\n"), ("d/note.MARK1.md", "mine\n")]);
    assert_eq!(
        (bench.tree_here(), bench.tree_there()),
        (whole.clone(), whole)
    );
}

#[tokio::test]
async fn the_name_kept_in_a_conflict_is_listed_by_the_run_after() {
    let bench = Bench::new().await;
    bench.both("note.md", "old\n");
    bench.list_what_is_equal();
    bench.here("note.md", "mine\n");
    bench.there("note.md", "theirs\n");
    let listed = || {
        fs::read_to_string(bench.listing("path1"))
            .unwrap()
            .contains("\"note.md\"")
    };
    bench.cycle().await.unwrap();
    assert!(
        !listed(),
        "rclone lists winners now: the note on Finished::conflicts is outdated"
    );
    let again = bench.cycle().await.unwrap();
    assert_eq!((again.copied, again.conflicts), (vec![], vec![]));
    assert!(listed());
}

#[tokio::test]
async fn a_dry_run_tells_what_would_happen_and_changes_nothing() {
    let mut bench = Bench::new().await;
    for name in ["gone here.md", "gone there.md", "conflict.md", "keep.md"] {
        bench.both(name, "old\n");
    }
    bench.list_what_is_equal();
    bench.gone_here("gone here.md");
    bench.gone_there("gone there.md");
    bench.here("conflict.md", "mine\n");
    bench.there("conflict.md", "theirs\n");
    bench.here("up.md", "up\n");
    bench.there("down.md", "down\n");
    let before = (bench.tree_here(), bench.tree_there());
    let listing = fs::read_to_string(bench.listing("path1")).unwrap();
    bench.run.dry_run = DryRun::Yes;

    let finished = bench.cycle().await.unwrap();

    let mut planned: Vec<_> = finished
        .planned
        .iter()
        .map(|planned| (planned.action, planned.path.as_str()))
        .collect();
    planned.sort();
    assert_eq!(
        planned,
        [
            (PlannedAction::Upload, "up.md"),
            (PlannedAction::Download, "down.md"),
            (PlannedAction::DeleteLocal, "gone there.md"),
            (PlannedAction::DeleteRemote, "gone here.md"),
            (PlannedAction::Conflict, "conflict.md"),
        ]
    );
    assert_eq!((bench.tree_here(), bench.tree_there()), before);
    assert_eq!(fs::read_to_string(bench.listing("path1")).unwrap(), listing);
}

#[tokio::test]
async fn filtered_files_stay_where_they_are() {
    let mut bench = Bench::new().await;
    bench.filter("- *.tmp\n- .git/**\n");
    bench.here("x.tmp", "x");
    bench.here(".git/config", "x");
    bench.there("y.tmp", "y");
    bench.here("note.md", "n");
    let finished = bench.cycle().await.unwrap();
    assert_eq!(finished.copied.len(), 1);
    assert_eq!(
        bench.tree_there(),
        expected(&[("y.tmp", "y"), ("note.md", "n")])
    );
}

#[tokio::test]
async fn progress_ends_with_the_final_numbers() {
    let mut bench = Bench::new().await;
    bench.run.bandwidth = Some("400k".to_owned());
    bench.run.transfers = 1;
    for number in 0..6 {
        bench.here(&format!("{number}.bin"), &"x".repeat(50_000));
    }
    let (sender, mut progress) = watch::channel(Progress::default());
    let seen = tokio::spawn(async move {
        let mut middle = 0;
        while progress.changed().await.is_ok() {
            let now = progress.borrow_and_update().clone();
            middle += usize::from(now.bytes > 0 && now.bytes < now.total_bytes);
        }
        (middle, progress.borrow().clone())
    });
    rclone::bisync(&binary(), &bench.run, sender, CancellationToken::new())
        .await
        .unwrap();
    let (middle, last) = seen.await.unwrap();
    assert!(middle > 0, "no progress was told on the way");
    assert_eq!(
        (last.bytes, last.total_bytes, last.transfers),
        (300_000, 300_000, 6)
    );
}

#[tokio::test]
async fn the_folder_for_sockets_is_left_empty() {
    let bench = Bench::new().await;
    bench.cycle().await.unwrap();
    assert_eq!(fs::read_dir(&bench.run.run_dir).unwrap().count(), 0);
}

#[tokio::test]
async fn a_folder_too_deep_for_sockets_is_refused() {
    let mut bench = Bench::new().await;
    bench.run.run_dir = bench.scratch.path().join("r".repeat(100));
    fs::create_dir(&bench.run.run_dir).unwrap();
    assert_eq!(bench.cycle().await, Err(CycleError::SocketTaken));
}
