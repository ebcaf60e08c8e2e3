use super::*;
use crate::log;

macro_rules! recorded {
    ($name:literal) => {
        read(include_str!(concat!(
            "../../tests/fixtures/",
            $name,
            ".log"
        )))
    };
}

const WHOLE: Files = Files {
    lock: Presence::Absent,
    fresh_listings: Presence::Present,
};
const STALE: Files = Files {
    lock: Presence::Absent,
    fresh_listings: Presence::Absent,
};

fn read(text: &str) -> Transcript {
    let mut transcript = Transcript::default();
    for line in text.lines() {
        transcript.event(log::parse(line));
        transcript.line(line.to_owned());
    }
    transcript
}

fn exited(code: i32) -> Ended {
    Ended {
        exit: Exit::Code(code),
        stop: Stop::NotAsked,
    }
}

fn copied(from: Side, path: &str, bytes: u64) -> Copied {
    Copied {
        from,
        path: path.to_owned(),
        bytes,
    }
}

fn deleted(on: Side, path: &str) -> Deleted {
    Deleted {
        on,
        path: path.to_owned(),
    }
}

#[test]
fn a_run_with_every_sign_of_success_tells_what_it_did() {
    let finished = outcome(exited(0), recorded!("mixed"), WHOLE).unwrap();
    let stats = Progress {
        bytes: 21,
        total_bytes: 21,
        transfers: 6,
        total_transfers: 6,
        checks: 27,
        deletes: 2,
        ..Progress::default()
    };
    assert_eq!(
        finished,
        Finished {
            conflicts: vec![Renamed {
                from: "n3.md".into(),
                to: "n3.MARK1.md".into()
            }],
            copied: vec![
                copied(Side::Remote, "e/r.md", 5),
                copied(Side::Remote, "n3.md", 4),
                copied(Side::Local, "n3.MARK1.md", 2),
                copied(Side::Local, "d/neu ü.md", 4),
                copied(Side::Local, "n1.md", 4),
            ],
            deleted: vec![
                deleted(Side::Local, "n2.md"),
                deleted(Side::Remote, "n5.md")
            ],
            planned: Vec::new(),
            stats,
        }
    );
}

#[test]
fn a_run_that_had_nothing_to_do_is_a_success() {
    let finished = outcome(exited(0), recorded!("nothing_to_do"), WHOLE).unwrap();
    let stats = Progress {
        checks: finished.stats.checks,
        ..Progress::default()
    };
    assert_eq!(
        finished,
        Finished {
            stats,
            ..Finished::default()
        }
    );
}

#[test]
fn a_dry_run_tells_its_plan() {
    let finished = outcome(exited(0), recorded!("dry_run"), WHOLE).unwrap();
    let planned = |action, path: &str, bytes| Planned {
        action,
        path: path.to_owned(),
        bytes,
    };
    assert_eq!(
        finished.planned,
        [
            planned(PlannedAction::Conflict, "n8.md", 0),
            planned(PlannedAction::Download, "y.md", 2),
            planned(PlannedAction::Upload, "z.md", 2),
            planned(PlannedAction::Upload, "n7.md", 2),
            planned(PlannedAction::DeleteRemote, "n6.md", 3),
        ]
    );
    assert_eq!(
        (finished.copied, finished.deleted),
        (Vec::new(), Vec::new())
    );
}

#[test]
fn a_dry_run_is_not_believed_about_deletes_without_a_reason() {
    let line = r#"{"level":"notice","msg":"Skipped delete as --dry-run is set","skipped":"delete","size":3,"object":"n6.md","objectType":"*s3.Object"}"#;
    assert_eq!(read(line).planned, []);
}

#[test]
fn each_missing_sign_of_success_makes_a_failure() {
    let unknown = |exit, message: &str, transcript: &Transcript| {
        Err(CycleError::Unknown {
            exit,
            message: message.to_owned(),
            last_lines: transcript.last_lines.clone().into(),
        })
    };
    let run = || recorded!("nothing_to_do");
    let locked = Files {
        lock: Presence::Present,
        ..WHOLE
    };
    let expected = unknown(None, "a lock file was left behind", &run());
    assert_eq!(outcome(exited(0), run(), locked), expected);
    let expected = unknown(None, "the listings were not renewed", &run());
    assert_eq!(outcome(exited(0), run(), STALE), expected);
    let expected = unknown(None, "no output", &Transcript::default());
    assert_eq!(outcome(exited(0), Transcript::default(), WHOLE), expected);
    let failed = outcome(exited(9), run(), WHOLE);
    assert!(
        matches!(failed, Err(CycleError::Unknown { exit: Some(9), .. })),
        "{failed:?}"
    );
    let asked = Ended {
        stop: Stop::Asked,
        ..exited(0)
    };
    assert_eq!(outcome(asked, run(), WHOLE), Err(CycleError::Stopped));
}

#[test]
fn each_recorded_failure_has_its_cause() {
    let keys = |keys: &[&str]| keys.iter().map(|&key| key.to_owned()).collect::<Vec<_>>();
    let bad_option = "Error: unknown flag: --nonsense".to_owned();
    for (name, transcript, code, expected) in [
        (
            "too many deletes",
            recorded!("too_many_deletes"),
            1,
            CycleError::TooManyDeletes {
                percent: 25,
                deletes: 5,
                total: 10,
            },
        ),
        (
            "lock",
            recorded!("workdir_locked"),
            1,
            CycleError::WorkdirLocked,
        ),
        (
            "socket",
            recorded!("socket_taken"),
            1,
            CycleError::SocketTaken,
        ),
        (
            "option",
            recorded!("bad_option"),
            2,
            CycleError::BadOption {
                message: bad_option,
            },
        ),
        (
            "check file",
            recorded!("access_check_failed"),
            7,
            CycleError::AccessCheckFailed,
        ),
        (
            "listings",
            recorded!("listings_lost"),
            7,
            CycleError::ListingsLost,
        ),
        (
            "filters",
            recorded!("filters_changed"),
            7,
            CycleError::FiltersChanged,
        ),
        (
            "filters' hash",
            recorded!("filters_md5_missing"),
            7,
            CycleError::FiltersChanged,
        ),
        (
            "nothing here",
            recorded!("local_root_emptied"),
            7,
            CycleError::RootEmptied { side: Side::Local },
        ),
        (
            "nothing there",
            recorded!("remote_root_emptied"),
            7,
            CycleError::RootEmptied { side: Side::Remote },
        ),
        (
            "no folder",
            recorded!("root_missing"),
            7,
            CycleError::RootMissing,
        ),
        (
            "upload race",
            recorded!("precondition_failed"),
            7,
            CycleError::LostRace {
                keys: keys(&["n1.md", "z.md"]),
            },
        ),
        (
            "delete race",
            recorded!("delete_precondition_failed"),
            7,
            CycleError::LostRace {
                keys: keys(&["n4.md"]),
            },
        ),
        (
            "upload refused",
            recorded!("upload_forbidden"),
            7,
            CycleError::GuardRefused,
        ),
        (
            "all refused",
            recorded!("all_forbidden"),
            7,
            CycleError::GuardRefused,
        ),
        (
            "upload 503",
            recorded!("upload_unavailable"),
            7,
            CycleError::Unreachable,
        ),
        (
            "all 503",
            recorded!("unavailable"),
            7,
            CycleError::Unreachable,
        ),
        (
            "dead",
            recorded!("connection_refused"),
            7,
            CycleError::Unreachable,
        ),
        (
            "mangled",
            recorded!("corrupted"),
            7,
            CycleError::Corrupted {
                keys: vec!["n2.md".into(), "rr.md".into()],
            },
        ),
        (
            "all changed",
            recorded!("all_changed"),
            1,
            CycleError::AllChanged { side: Side::Local },
        ),
        (
            "signal from outside",
            recorded!("sigterm"),
            143,
            CycleError::Died { signal: 15 },
        ),
    ] {
        assert_eq!(
            outcome(exited(code), transcript, STALE),
            Err(expected),
            "{name}"
        );
    }
}

#[test]
fn an_unknown_failure_shows_what_rclone_said() {
    let failed = outcome(exited(7), recorded!("odd_names"), STALE).unwrap_err();
    let CycleError::Unknown {
        exit: Some(7),
        message,
        last_lines,
    } = failed
    else {
        panic!("{failed:?}")
    };
    assert_eq!(message, "Bisync critical error: object not found");
    assert!(!last_lines.is_empty() && last_lines.len() <= 50);
}

#[test]
fn a_run_that_was_stopped_or_killed_says_so() {
    let asked = Ended {
        exit: Exit::Code(143),
        stop: Stop::Asked,
    };
    assert_eq!(
        outcome(asked, recorded!("sigterm"), WHOLE),
        Err(CycleError::Stopped)
    );
    let killed = Ended {
        exit: Exit::Signal(9),
        stop: Stop::NotAsked,
    };
    let died = Err(CycleError::Died { signal: 9 });
    assert_eq!(outcome(killed, recorded!("nothing_to_do"), WHOLE), died);
}

#[test]
fn quoted_names_are_read() {
    let mut deltas = Vec::new();
    for line in include_str!("../../tests/fixtures/odd_names.log").lines() {
        if let log::LogEvent::Delta { path, .. } = log::parse(line) {
            deltas.push(path);
        }
    }
    let expected = [
        "a - b.md",
        "\"bad\\xff.md\"",
        "nl␊x.md",
        "tab␉here \"q\" \\ b.md",
        "u\u{200b}\u{85}.md",
    ];
    assert_eq!(deltas, expected);
}
