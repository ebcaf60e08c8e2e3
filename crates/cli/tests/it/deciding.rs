//! `bm-cloud conflicts`: compare, decide, take back.

use crate::device::Device;
use crate::syncing::{Stage, stage};

const BASE: &str = "one\ntwo\nthree\n";
const MINE: &str = "one\ntwo\nthree, desktop\n";
const THEIRS: &str = "one, laptop\ntwo\nthree\n";

/// Both devices edit `a.md`; the desktop finds the conflict, whose id this gives.
async fn disagree(laptop: &Device, desktop: &Device) -> String {
    laptop.write("a.md", BASE);
    laptop.ok(&["bisync"]).await;
    desktop.ok(&["bisync"]).await;
    laptop.write("a.md", THEIRS);
    desktop.write("a.md", MINE);
    laptop.ok(&["bisync"]).await;
    desktop.ok(&["bisync"]).await;
    let all = desktop.json(&["conflicts", "list"]).await;
    assert_eq!(all["openCount"], 1, "{all:#}");
    all["conflicts"][0]["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_conflict_is_compared_decided_and_taken_back() {
    let Stage {
        laptop, desktop, ..
    } = &stage("safe").await;
    let id = disagree(laptop, desktop).await;
    let before = desktop.all();

    let shown = desktop.ok(&["conflicts", "show", &id[..8]]).await.out;
    for line in [
        "  mine    desktop · ",
        "-one\n+one, laptop\n two\n-three, desktop\n+three\n",
    ] {
        assert!(shown.contains(line), "{shown}");
    }
    assert!(shown.contains("--merge` joins both"), "{shown}");
    let side = desktop
        .ok(&["conflicts", "show", &id, "--diff", "side"])
        .await;
    assert!(side.out.contains(" | one, laptop\n"), "{side:#?}");

    let said = desktop.ok(&["conflicts", "resolve", &id, "--merge"]).await;
    assert!(said.err.contains("Resolved: 1"), "{said:#?}");
    laptop.ok(&["bisync"]).await;
    let merged = "one, laptop\ntwo\nthree, desktop\n";
    assert_eq!(laptop.read("a.md").as_deref(), Some(merged));
    assert_eq!(laptop.all(), desktop.all());
    assert_eq!(desktop.all().len(), 2);

    desktop.ok(&["conflicts", "undo", &id]).await;
    assert_eq!(desktop.all(), before);
    let resolved = desktop
        .json(&["conflicts", "resolve", "--all", "--keep", "mine"])
        .await;
    assert_eq!(resolved["resolved"], 1, "{resolved:#}");
    laptop.ok(&["bisync"]).await;
    assert_eq!(laptop.read("a.md").as_deref(), Some(MINE));
    assert_eq!(laptop.all(), desktop.all());
    let undo = resolved["undo"].as_str().unwrap();
    desktop.ok(&["conflicts", "undo", undo]).await;
    assert_eq!(desktop.all(), before);

    std::fs::write(desktop.home().join("mine.txt"), "written by hand\n").unwrap();
    desktop
        .ok(&["conflicts", "resolve", &id, "--merged", "mine.txt"])
        .await;
    assert_eq!(desktop.read("a.md").as_deref(), Some("written by hand\n"));
    let listed = desktop.ok(&["conflicts"]).await;
    assert!(
        listed.out.starts_with("a.md  resolved: it holds"),
        "{listed:#?}"
    );
    let again = desktop
        .run(&["conflicts", "resolve", &id, "--keep", "mine"])
        .await;
    assert_eq!(again.code, Some(1), "{again:#?}");
    let none = desktop
        .ok(&["conflicts", "resolve", "--all", "--keep", "mine"])
        .await;
    assert_eq!(none.err, "No conflict is open.\n");
    let both = desktop.run(&["conflicts", "resolve", &id]).await;
    assert_eq!(
        both.code,
        Some(2),
        "a decision names what it keeps: {both:#?}"
    );
}

/// The versions that `show` names, as `--seen` takes them.
async fn seen(device: &Device, id: &str) -> String {
    let said = device.ok(&["conflicts", "show", id]).await;
    let words = said
        .err
        .split_once("--seen ")
        .map(|(_, words)| words.trim());
    words.unwrap_or_else(|| panic!("{said:#?}")).to_owned()
}

#[tokio::test]
async fn a_version_that_changed_since_it_was_seen_is_not_decided_about() {
    let Stage {
        laptop, desktop, ..
    } = &stage("safe").await;
    let id = disagree(laptop, desktop).await;
    let copy = desktop
        .all()
        .into_keys()
        .find(|path| path.contains("(conflict"))
        .unwrap();
    let first = seen(desktop, &id).await;
    desktop.write(&copy, "written on\n");
    let before = desktop.all();

    // Neither what the list told nor what was shown is what would go.
    let resolve = ["conflicts", "resolve", &id, "--keep", "theirs"];
    std::fs::write(desktop.home().join("mine.txt"), "written by hand\n").unwrap();
    let given = ["conflicts", "resolve", &id, "--merged", "mine.txt"];
    let all = ["conflicts", "resolve", "--all", "--keep", "mine"];
    let shown = [&resolve[..], &["--seen", &first]].concat();
    for words in [&resolve[..], &given, &all, &shown] {
        let said = desktop.run(words).await;
        assert_eq!(said.code, Some(1), "{words:?}: {said:#?}");
        let look = format!("bm-cloud conflicts show {id}");
        for told in ["a.md: a version changed meanwhile", look.as_str()] {
            assert!(said.err.contains(told), "{words:?}: {said:#?}");
        }
        assert_eq!(desktop.all(), before, "{words:?}");
    }
    let said = desktop.run(&[&resolve[..], &["--json"]].concat()).await;
    let told = said.last_json();
    assert_eq!(told["stale"], serde_json::json!(["a.md"]), "{told:#}");
    assert_eq!((&told["ok"], &told["resolved"]), (&false.into(), &0.into()));

    let now = seen(desktop, &id).await;
    assert_ne!(now, first);
    let two = ["conflicts", "resolve", &id, &id, "--keep", "theirs"];
    let said = desktop.run(&[&two[..], &["--seen", &now]].concat()).await;
    assert_eq!(said.code, Some(2), "{said:#?}");
    desktop
        .ok(&[&resolve[..], &["--seen", &now]].concat())
        .await;
    assert_eq!(desktop.read("a.md").as_deref(), Some(THEIRS));
    assert_eq!(desktop.read(&copy), None);
}
