//! `bm-cloud history`, `restore`, `undo` and `confirm`.

use std::fs;

use crate::syncing::{Stage, stage};

#[tokio::test]
async fn earlier_versions_are_listed_looked_at_and_put_back() {
    let Stage {
        laptop, desktop, ..
    } = &stage("safe").await;
    desktop.write("a.md", "second\n");
    fs::remove_file(desktop.notes().join("Deep/er/b.md")).unwrap();
    desktop.ok(&["bisync"]).await;
    laptop.ok(&["bisync"]).await;

    let said = laptop.ok(&["history"]).await;
    assert!(
        said.out.contains("a.md  replaced by a newer version\n"),
        "{said:#?}"
    );
    assert!(
        said.out.contains("Deep/er/b.md  removed elsewhere\n"),
        "{said:#?}"
    );
    let listed = laptop.json(&["history", "a.md"]).await;
    let reasons: Vec<&str> = listed["versions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|version| version["reason"].as_str().unwrap())
        .collect();
    assert_eq!(reasons.iter().filter(|it| **it == "inCloud").count(), 2);
    assert_eq!(reasons.iter().filter(|it| **it == "replaced").count(), 1);

    let said = laptop.ok(&["restore", "a.md", "--print"]).await;
    assert_eq!(said.out, "a\n");
    assert_eq!(laptop.read("a.md").as_deref(), Some("second\n"));
    let whole = laptop.notes().join("a.md");
    let restored = laptop.json(&["restore", whole.to_str().unwrap()]).await;
    assert_eq!(restored["path"], "a.md");
    desktop.ok(&["bisync"]).await;
    assert_eq!(desktop.read("a.md").as_deref(), Some("a\n"));
    let undo = restored["undo"].as_str().unwrap();
    laptop.ok(&["restore", undo]).await;
    assert_eq!(laptop.read("a.md").as_deref(), Some("second\n"));

    let said = laptop.ok(&["undo"]).await;
    assert!(said.err.contains("is back"), "{said:#?}");
    assert_eq!(laptop.read("Deep/er/b.md").as_deref(), Some("b\n"));
    desktop.ok(&["bisync"]).await;
    assert_eq!(laptop.all(), desktop.all());
    for (words, code) in [
        (["restore", "none.md"], "not_found"),
        (["restore", "h999"], "not_found"),
        (["restore", "a.md@1980-01-01 00:00:00x"], "not_found"),
    ] {
        let said = laptop.run(&[words[0], words[1], "--json"]).await;
        assert_eq!(
            (said.code, said.last_json()["code"].as_str()),
            (Some(1), Some(code))
        );
    }
}

#[tokio::test]
async fn a_stop_shows_its_evidence_and_its_ways_out_work() {
    let Stage { laptop, .. } = &stage("safe").await;
    for number in 0..10 {
        laptop.write(&format!("n{number}.md"), "text\n");
    }
    laptop.ok(&["bisync"]).await;
    let before = laptop.all();
    let delete = || {
        for number in 0..6 {
            fs::remove_file(laptop.notes().join(format!("n{number}.md"))).unwrap();
        }
    };
    let said = laptop.run(&["confirm", "--json"]).await;
    assert_eq!(said.last_json()["code"], "nothing_to_confirm");

    delete();
    assert_eq!(laptop.run(&["bisync"]).await.code, Some(5));
    let said = laptop.run(&["status"]).await;
    assert_eq!(said.code, Some(5), "{said:#?}");
    for line in [
        "    n0.md\n",
        "  To bring the notes back: bm-cloud confirm --restore\n",
        "  To go on all the same: bm-cloud confirm ",
    ] {
        assert!(said.out.contains(line), "{said:#?}");
    }
    let held = laptop.json(&["explain", "n0.md"]).await;
    assert_eq!(held["state"], "waiting", "{held:#}");
    assert!(
        held["reason"].as_str().unwrap().contains("safety stop"),
        "{held:#}"
    );
    laptop.ok(&["confirm", "--restore"]).await;
    assert_eq!(laptop.all(), before);

    laptop.write(".git/config", "c\n");
    for (path, state, reason) in [
        ("n0.md", "in sync", "last known equal"),
        (".git/config", "left out", "`- .git/**`"),
        ("none.md", "not known", "no such file"),
    ] {
        let said = laptop.ok(&["explain", path]).await;
        assert!(
            said.out.starts_with(&format!("{path}: {state}\n")),
            "{said:#?}"
        );
        assert!(said.out.contains(reason), "{said:#?}");
    }

    delete();
    assert_eq!(laptop.run(&["bisync"]).await.code, Some(5));
    let report = laptop.json(&["confirm"]).await;
    assert_eq!(
        report["folders"][0]["run"]["removedInCloud"], 6,
        "{report:#}"
    );
    laptop.ok(&["status"]).await;
}
