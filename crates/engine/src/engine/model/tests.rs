use super::*;
use crate::view::ProfileName;

const NOW: i64 = 1_000_000;

fn pair() -> PairModel {
    let settings = PairSettings {
        id: "pair_1".into(),
        folder: "/home/ana/Notes".into(),
        profile: ProfileName::Balanced,
        account: "a".into(),
        bucket: "b".into(),
        filters: Vec::new(),
    };
    PairModel {
        checked_at_ms: Some(NOW - 5),
        passed: true,
        ..PairModel::new(settings, Extent::default(), Standing::default())
    }
}

fn idle() -> Model {
    Model {
        account: AccountView::SignedIn {
            server_url: "https://example.org".into(),
            user_id: "u".into(),
            email: None,
            cloud_mode: true,
            keep: crate::SignInKeep::Now,
        },
        pairs: vec![pair()],
        starting: false,
        ..Model::empty("laptop")
    }
}

type Change = fn(&mut Model);

/// Ways to bring a model into each status, in the order of precedence.
fn ways() -> Vec<(Status, Change)> {
    vec![
        (Status::SignedOut, |model| {
            model.account = AccountView::SignedOut { reason: None }
        }),
        (Status::Expired, |model| {
            model.subscription = Some(SubscriptionView {
                current: false,
                status: "canceled".into(),
                plan: None,
                period_end_ms: None,
                subscribe_url: "https://example.org".into(),
                manage_url: None,
            });
        }),
        (Status::Error, |model| {
            model.rclone = RcloneView::Missing {
                message: "m".into(),
                hint: "h".into(),
            };
        }),
        (Status::Error, |model| {
            model.secret_store = SecretStoreView::FileLocked
        }),
        (Status::Error, |model| {
            model.secret_store = SecretStoreView::KeyringLocked
        }),
        (Status::Attention, |model| model.open_conflicts = 2),
        (Status::Paused, |model| {
            model.settings.sync = SyncSwitch::Off
        }),
        (Status::Offline, |model| model.pairs[0].offline = true),
        (Status::Syncing, |model| {
            model.pairs[0].running = Some(ProgressView::new(1, "bisync", 2, 40));
        }),
        (Status::Starting, |model| model.starting = true),
    ]
}

#[test]
fn the_first_of_two_statuses_wins() {
    for (first, (stronger, make_stronger)) in ways().into_iter().enumerate() {
        for (weaker, make_weaker) in ways().into_iter().skip(first) {
            let mut model = idle();
            make_weaker(&mut model);
            make_stronger(&mut model);
            assert_eq!(
                render(&model, NOW).status,
                stronger,
                "{stronger:?} over {weaker:?}"
            );
        }
    }
    assert_eq!(render(&idle(), NOW).status, Status::Idle);
}

#[test]
fn says_in_words_what_is_so() {
    let headline = |change: fn(&mut Model)| {
        let mut model = idle();
        change(&mut model);
        render(&model, NOW).headline
    };
    assert_eq!(headline(|_| ()), "Up to date");
    assert_eq!(headline(ways()[8].1), "Syncing 3 of 40");
    assert_eq!(headline(ways()[3].1), "Sync waits for your passphrase");
    assert_eq!(headline(ways()[4].1), "Sync waits: the keyring is locked");
    assert_eq!(
        headline(|model| {
            model.rclone = RcloneView::Missing {
                message: "No rclone was found.".into(),
                hint: String::new(),
            };
        }),
        "Sync cannot run: no rclone was found"
    );
    assert_eq!(
        headline(|model| model.open_conflicts = 1),
        "1 conflict to review"
    );
    assert_eq!(
        headline(|model| {
            model.pairs[0].offline = true;
            model.pairs[0].waiting = 4;
        }),
        "Connection lost · 4 changes waiting"
    );
    assert_eq!(
        headline(|model| model.pairs.clear()),
        "No folder is set up yet"
    );
}

#[test]
fn a_pause_ends_by_itself() {
    let mut model = idle();
    model.settings.sync = SyncSwitch::PausedUntil { until_ms: NOW + 1 };
    assert_eq!(render(&model, NOW).status, Status::Paused);
    assert!(!model.carries(NOW));
    let later = render(&model, NOW + 1);
    assert_eq!((later.status, later.sync), (Status::Idle, SyncSwitch::On));
    assert!(model.carries(NOW + 1));
}

#[test]
fn a_verify_pass_alone_does_not_look_busy() {
    let mut model = idle();
    model.pairs[0].running = Some(ProgressView::new(1, "verify", 0, 0));
    assert_eq!(render(&model, NOW).status, Status::Idle);
}

#[test]
fn problems_are_cut_and_counted() {
    let mut model = idle();
    let problem = PathProblem::new("a.md", crate::vault::ProblemCode::NameTwins);
    model.pairs[0].problems = vec![problem; PROBLEMS + 1];
    let view = render(&model, NOW);
    assert_eq!((view.problems.len(), view.problem_count), (PROBLEMS, 101));
}

#[test]
fn a_remark_is_listed_last_and_calls_nobody() {
    let mut model = idle();
    let code = crate::vault::ProblemCode::NameNotEverywhere;
    model.pairs[0].remarks = vec![PathProblem::new("a:b.md", code)];
    let view = render(&model, NOW);
    assert_eq!((view.status, view.problem_count), (Status::Idle, 0));
    assert_eq!(view.problems[0].path, "a:b.md");
    assert!(view.problems[0].is_remark());
    assert_eq!(crate::notice::facts(&model, &problems(&model)), []);

    let twins = PathProblem::new("n.md", crate::vault::ProblemCode::NameTwins);
    model.pairs[0].problems = vec![twins];
    let view = render(&model, NOW);
    let listed: Vec<_> = view.problems.iter().map(|it| it.path.as_str()).collect();
    assert_eq!((listed, view.problem_count), (vec!["n.md", "a:b.md"], 1));
}

#[test]
fn a_pass_that_is_too_long_ago_is_no_silent_success() {
    const LIMIT: i64 = 900_000;
    let model = Model {
        late_after_ms: Some(LIMIT),
        ..idle()
    };
    let checked_at_ms = NOW - 5;
    let at = |now_ms| render(&model, now_ms);
    assert_eq!(at(checked_at_ms + LIMIT).status, Status::Idle);
    let late = at(checked_at_ms + LIMIT + 60_000);
    assert_eq!(late.status, Status::Attention);
    assert_eq!(late.headline, "Not checked for 16 minutes");

    let mut offline = model.clone();
    offline.pairs[0].offline = true;
    let mut paused = model.clone();
    paused.settings.sync = SyncSwitch::Off;
    for (other, status) in [(offline, Status::Offline), (paused, Status::Paused)] {
        assert_eq!(render(&other, checked_at_ms + 2 * LIMIT).status, status);
    }
}

#[test]
fn missing_file_events_are_a_problem_with_their_reason() {
    let model = Model {
        unwatched: Some("too many folders".to_owned()),
        ..idle()
    };
    let view = render(&model, NOW);
    assert_eq!(view.status, Status::Idle);
    assert_eq!(view.problem_count, 1);
    assert_eq!(view.problems[0].path, "/home/ana/Notes");
    assert!(view.problems[0].message.contains("too many folders"));
}
