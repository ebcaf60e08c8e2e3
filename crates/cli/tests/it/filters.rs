//! `bm-cloud filters` and `bm-cloud check`.

use crate::device::count;
use crate::syncing::{Stage, stage};

#[tokio::test]
async fn filters_are_shown_tried_and_set_without_a_loss() {
    let Stage {
        laptop, desktop, ..
    } = &stage("balanced").await;
    laptop.write("trace.log", "trace\n");
    laptop.ok(&["bisync"]).await;
    let said = laptop.ok(&["filters", "show"]).await;
    assert!(said.out.contains("- node_modules/**\n"), "{said:#?}");

    let said = laptop.ok(&["filters", "check", "*.log", "!keep.log"]).await;
    let expected = "\
Would stop syncing, and stay on both sides (1):
  trace.log
In sync: 2 files; left out: 1
";
    assert_eq!(said.out, expected, "{said:#?}");
    let said = laptop.run(&["filters", "set", "ok", "-bad"]).await;
    assert_eq!(said.code, Some(1), "{said:#?}");
    assert!(said.err.contains("Line 2 cannot be used"), "{said:#?}");

    let said = laptop.ok(&["filters", "set", "*.log"]).await;
    assert!(said.err.contains("in use from now on"), "{said:#?}");
    laptop.write("trace.log", "another\n");
    let said = laptop.ok(&["bisync", "--json"]).await;
    assert_eq!(said.count("uploaded"), 0, "{said:#?}");
    desktop.ok(&["bisync"]).await;
    assert_eq!(desktop.read("trace.log").as_deref(), Some("trace\n"));

    let lines = laptop.home().join("lines.txt");
    std::fs::write(&lines, "# all of it\n").unwrap();
    let said = laptop
        .ok(&[
            "filters",
            "set",
            "--file",
            lines.to_str().unwrap(),
            "--json",
        ])
        .await;
    assert_eq!(said.count("conflicts"), 1, "{said:#?}");
    let texts: Vec<String> = laptop.all().into_values().collect();
    for text in ["trace\n", "another\n"] {
        assert!(texts.iter().any(|it| it == text), "{text} is lost");
    }
}

#[tokio::test]
async fn an_editor_changes_the_lines_and_may_give_up() {
    let Stage { laptop, .. } = &mut stage("safe").await;
    for nothing in [None, Some(""), Some(" ")] {
        if let Some(nothing) = nothing {
            laptop.set("VISUAL", "");
            laptop.set("EDITOR", nothing);
        }
        let said = laptop.run(&["filters", "edit"]).await;
        assert_eq!(said.code, Some(1), "{said:#?}");
        assert!(said.err.contains("hint: Set EDITOR"), "{said:#?}");
    }
    for (name, script) in [
        ("good", "#!/bin/sh\necho '*.tmp' >> \"$1\"\n"),
        ("bad", "#!/bin/sh\necho '- [' > \"$1\"\n"),
    ] {
        let editor = laptop.home().join(name);
        std::fs::write(&editor, script).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&editor, mode).unwrap();
        laptop.set("EDITOR", editor);
        let said = laptop.run(&["filters", "edit"]).await;
        let expected = if name == "good" { 0 } else { 1 };
        assert_eq!(said.code, Some(expected), "{said:#?}");
    }
    let said = laptop.ok(&["filters", "show"]).await;
    assert!(said.out.ends_with("- desktop.ini\n*.tmp\n"), "{said:#?}");
}

#[tokio::test]
async fn a_check_fails_on_a_difference_and_gives_equal_devices_one_receipt() {
    let Stage {
        laptop, desktop, ..
    } = &stage("safe").await;
    let (one, other) = (
        laptop.json(&["check"]).await,
        desktop.json(&["check"]).await,
    );
    let receipt = |report: &serde_json::Value| report["folders"][0]["check"]["receipt"].clone();
    assert_eq!(receipt(&one), receipt(&other));
    assert_eq!(one["folders"][0]["check"]["equal"], 2);

    laptop.write("new.md", "new\n");
    let said = laptop.run(&["check"]).await;
    assert_eq!(said.code, Some(1), "{said:#?}");
    assert!(said.out.starts_with("only here  new.md\n"), "{said:#?}");
    assert!(said.err.contains("not equal: 1 difference"), "{said:#?}");
    assert_eq!(count(&laptop.json(&["bisync"]).await, "uploaded"), 1);
    laptop.ok(&["check"]).await;
}
