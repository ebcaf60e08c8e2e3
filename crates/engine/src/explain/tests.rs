use ExplainState as State;

use super::*;
use crate::vault::{ProblemCode, Signature};

fn facts(here: Here) -> Facts {
    Facts {
        here,
        is_known: true,
        hidden: None,
        problem: None,
        remark: None,
        conflict: None,
        standing: Standing::GoesOn,
    }
}

#[test]
fn every_kind_of_thing_has_its_state() {
    for (here, is_known, state) in [
        (Here::Same, true, State::Synced),
        (Here::Different, true, State::Waiting),
        (Here::Different, false, State::Waiting),
        (Here::Nothing, true, State::Waiting),
        (Here::Nothing, false, State::Unknown),
        (Here::Folder, false, State::Unknown),
        (Here::Link, false, State::CannotSync),
        (Here::Special, false, State::CannotSync),
        (Here::Unreadable, true, State::CannotSync),
    ] {
        let told = decide(&Facts {
            is_known,
            ..facts(here)
        });
        assert_eq!(told.state, state, "{here:?}, {is_known}");
        assert!(!told.reason.is_empty());
    }
}

#[test]
fn what_holds_the_folder_is_told_of_changes_and_not_of_what_is_equal() {
    let url = "https://example.org/subscribe";
    let text = str::to_owned;
    for (standing, state, action) in [
        (Standing::GoesOn, State::Waiting, Some("bm-cloud bisync")),
        (
            Standing::ReadOnly {
                subscribe_url: text(url),
            },
            State::ReadOnly,
            Some("Subscribe at: https://example.org/subscribe"),
        ),
        (
            Standing::Halted {
                message: text("m"),
                hint: text("h"),
            },
            State::Waiting,
            Some("h"),
        ),
        (Standing::Off, State::Paused, Some("bm-cloud resume")),
        (
            Standing::PausedUntil,
            State::Paused,
            Some("bm-cloud resume"),
        ),
        (
            Standing::OnBattery,
            State::Paused,
            Some("bm-cloud settings --on-battery run"),
        ),
        (
            Standing::OnMetered,
            State::Paused,
            Some("bm-cloud settings --on-metered run"),
        ),
        (
            Standing::Offline,
            State::Waiting,
            Some("It goes by itself once there is a connection."),
        ),
        (
            Standing::Failed {
                message: text("m"),
                hint: None,
            },
            State::Waiting,
            None,
        ),
    ] {
        let told = |here| {
            decide(&Facts {
                standing: standing.clone(),
                ..facts(here)
            })
        };
        let changed = told(Here::Different);
        assert_eq!(
            (changed.state, changed.action.as_deref()),
            (state, action),
            "{standing:?}"
        );
        assert_eq!(told(Here::Same).state, State::Synced, "{standing:?}");
    }
}

#[test]
fn what_is_wrong_with_the_path_comes_first() {
    let all = Facts {
        hidden: Some(Hidden::Line("*.log".into())),
        problem: Some("the name is too long".into()),
        conflict: Some("c1".into()),
        standing: Standing::Off,
        ..facts(Here::Different)
    };
    let told = decide(&all);
    assert_eq!(told.state, State::Hidden);
    assert_eq!(told.reason, "The filter `*.log` leaves it out");
    let shown = Facts {
        hidden: None,
        ..all
    };
    assert_eq!(decide(&shown).state, State::CannotSync);
    let mended = Facts {
        problem: None,
        ..shown
    };
    let told = decide(&mended);
    assert_eq!(told.state, State::Conflict);
    assert_eq!(told.action.as_deref(), Some("bm-cloud conflicts show c1"));
    let decided = Facts {
        conflict: None,
        ..mended
    };
    assert_eq!(decide(&decided).state, State::Paused);
}

#[test]
fn a_name_that_not_every_system_holds_is_told_of_with_whatever_else_there_is() {
    let of = |here, is_known| {
        decide(&Facts {
            is_known,
            remark: Some("Windows cannot hold it".to_owned()),
            ..facts(here)
        })
    };
    let synced = of(Here::Same, true);
    assert_eq!(synced.state, State::Synced);
    assert!(synced.reason.ends_with("equal. Windows cannot hold it"));
    let new = of(Here::Different, false);
    assert_eq!(new.state, State::Waiting);
    assert!(new.reason.ends_with("sync. Windows cannot hold it"));
    let deleted = of(Here::Nothing, true);
    assert!(!deleted.reason.contains("Windows"), "{}", deleted.reason);
}

fn question(path: &str, lines: &[&str]) -> Question {
    Question {
        pair: "p".into(),
        vault: "/notes".into(),
        path: path.into(),
        lines: lines.iter().map(|line| (*line).to_owned()).collect(),
        filters: Filters::of_lines(lines.iter().copied()),
        problems: vec![PathProblem::new("Deep", ProblemCode::Unreadable)],
        standing: Standing::GoesOn,
    }
}

#[test]
fn names_the_line_that_leaves_a_path_out() {
    let lines = ["# comment", "- build/**", "*.log", "!keep.log"];
    for (path, expected) in [
        ("a.md", None),
        ("keep.log", None),
        ("trace.log", Some(Hidden::Line("*.log".into()))),
        ("build/x.md", Some(Hidden::Line("- build/**".into()))),
        (".basic-memory-x", Some(Hidden::Own)),
        ("a.md.rclone-part", Some(Hidden::Own)),
    ] {
        assert_eq!(hidden(&question(path, &lines)), expected, "{path}");
    }
}

#[test]
fn a_problem_of_a_folder_is_one_of_what_is_in_it() {
    for (path, found) in [("Deep/a.md", true), ("Deep", true), ("Deeper.md", false)] {
        assert_eq!(problem(&question(path, &[])).is_some(), found, "{path}");
    }
    let broken = problem(&question("a.md", &["- ["])).unwrap();
    assert!(broken.contains("line 1"), "{broken}");
}

#[cfg(unix)]
#[test]
fn sees_what_has_the_name() {
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path();
    std::fs::create_dir(root.join("folder")).unwrap();
    drop(std::fs::File::create_new(root.join("folder/a.md")).unwrap());
    std::os::unix::fs::symlink(root.join("folder"), root.join("linked")).unwrap();
    for (path, expected) in [
        ("folder/a.md", Here::Different),
        ("folder", Here::Folder),
        ("linked", Here::Link),
        ("linked/a.md", Here::Link),
        ("none.md", Here::Nothing),
        ("none/none.md", Here::Nothing),
    ] {
        assert_eq!(here(root, path, None), expected, "{path}");
    }
    let node = known("d41d8cd98f00b204e9800998ecf8427e");
    assert_eq!(here(root, "folder/a.md", Some(&node)), Here::Same);
}

fn known(md5: &str) -> Node {
    Node {
        md5: md5.to_owned(),
        etag: String::new(),
        size: 0,
        signature: Signature {
            ino: 0,
            dev: 0,
            size: 0,
            mtime_ns: 0,
            ctime_ns: 0,
        },
    }
}
