use std::fs;

use rclone::listing::parse;

use crate::bench::{Bench, entry, expected};

#[tokio::test]
async fn files_that_are_equal_but_not_listed_are_adopted_without_a_transfer() {
    let bench = Bench::new().await;
    bench.both("known.md", "k\n");
    bench.list_what_is_equal();
    bench.both("twin.md", "t\n");
    bench.both("d/twin ü.md", "u\n");
    let finished = bench.cycle().await.unwrap();
    assert_eq!(
        (finished.copied, finished.conflicts, finished.deleted),
        (vec![], vec![], vec![])
    );
    let mut listed = parse(&fs::read_to_string(bench.listing("path2")).unwrap()).unwrap();
    listed.retain(|entry| entry.path.contains("twin"));
    assert_eq!(
        listed,
        [entry("d/twin ü.md", "u\n"), entry("twin.md", "t\n")]
    );
}

#[tokio::test]
async fn files_that_differ_and_are_not_listed_become_conflicts() {
    let bench = Bench::new().await;
    bench.here("note.md", "mine\n");
    bench.there("note.md", "theirs\n");
    let finished = bench.cycle().await.unwrap();
    assert_eq!(finished.conflicts.len(), 1);
    let whole = expected(&[("note.md", "theirs\n"), ("note.MARK1.md", "mine\n")]);
    assert_eq!(
        (bench.tree_here(), bench.tree_there()),
        (whole.clone(), whole)
    );
}

#[tokio::test]
async fn an_edit_survives_a_delete_on_the_other_side() {
    let bench = Bench::new().await;
    bench.both("a.md", "old\n");
    bench.both("b.md", "old\n");
    bench.list_what_is_equal();
    bench.here("a.md", "edited here\n");
    bench.gone_there("a.md");
    bench.gone_here("b.md");
    bench.there("b.md", "edited there\n");
    let finished = bench.cycle().await.unwrap();
    assert_eq!(finished.deleted, []);
    let whole = expected(&[("a.md", "edited here\n"), ("b.md", "edited there\n")]);
    assert_eq!(
        (bench.tree_here(), bench.tree_there()),
        (whole.clone(), whole)
    );
}

#[tokio::test]
async fn what_we_render_is_what_rclone_writes() {
    let bench = Bench::new().await;
    for name in [
        "a - b.md",
        "d/ü.md",
        "q \"x\" \\ y.md",
        "z\u{200b}\u{a0}.md",
        "漢😀.md",
    ] {
        bench.both(name, name);
    }
    bench.list_what_is_equal();
    let ours = fs::read_to_string(bench.listing("path1")).unwrap();
    let finished = bench.cycle().await.unwrap();
    assert_eq!(
        (finished.copied, finished.conflicts, finished.deleted),
        (vec![], vec![], vec![])
    );
    for path in ["path1", "path2"] {
        let theirs = fs::read_to_string(bench.listing(path)).unwrap();
        assert_ne!(
            theirs.lines().next(),
            ours.lines().next(),
            "the listing was not renewed"
        );
        assert_eq!(parse(&theirs).unwrap(), parse(&ours).unwrap());
    }
}
