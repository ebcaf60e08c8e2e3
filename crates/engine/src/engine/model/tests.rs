use super::*;
use crate::mounts::MountSettings;
use crate::view::{ConflictKind, ConflictState, ProfileName};

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

fn halt(code: &str, message: &str) -> HaltView {
    HaltView {
        code: code.to_owned(),
        message: message.to_owned(),
        hint: "Look at the list.".to_owned(),
        can_confirm: true,
        evidence: Vec::new(),
        evidence_count: 0,
        actions: vec![crate::view::HaltAction::Confirm],
    }
}

fn failed(code: &str, message: &str, transient: bool) -> RunView {
    let result = RunResult::Failed {
        code: code.to_owned(),
        message: message.to_owned(),
        hint: Some("Ask whoever runs the server.".to_owned()),
        transient,
    };
    crate::cycle::Tally::default().view(1, NOW, 1, result, 0)
}

fn drive(state: MountState) -> MountModel {
    MountModel {
        settings: MountSettings {
            id: "mount_1".into(),
            folder: "/home/ana/Archive".into(),
            account: "a".into(),
            profile: crate::view::MountProfileName::Balanced,
            wanted: crate::mounts::Wanted::Mounted,
        },
        told: crate::mounts::Told {
            state,
            ..crate::mounts::Told::unmounted((0, 0))
        },
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
            model.pairs[0].last_run = Some(failed("unsafe_store", "no conditions", false));
        }),
        (Status::Error, |model| {
            model.secret_store = SecretStoreView::FileLocked
        }),
        (Status::Error, |model| {
            model.secret_store = SecretStoreView::KeyringLocked
        }),
        (Status::Attention, |model| model.open_conflicts = 2),
        (Status::Attention, |model| {
            model.pairs[0].halt = Some(halt("TooManyDeletes", "140 notes would be removed"));
        }),
        (Status::Attention, |model| {
            model.mounts = vec![drive(MountState::Failed)]
        }),
        (Status::Attention, |model| {
            model.notice = Some("The sync state was damaged".into());
        }),
        (Status::Paused, |model| {
            model.settings.sync = SyncSwitch::Off
        }),
        (Status::Paused, |model| {
            let until_ms = NOW + 1;
            model.settings.sync = SyncSwitch::PausedUntil { until_ms };
        }),
        (Status::Paused, |model| model.power = Power::Battery),
        (Status::Paused, |model| model.cost = Cost::Metered),
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
    assert_eq!(
        headline(|model| {
            model.pairs[0].running = Some(ProgressView::new(1, "bisync", 2, 40));
        }),
        "Syncing 3 of 40"
    );
    assert_eq!(
        headline(|model| model.secret_store = SecretStoreView::FileLocked),
        "Sync waits for your passphrase"
    );
    assert_eq!(
        headline(|model| model.secret_store = SecretStoreView::KeyringLocked),
        "Sync waits: the keyring is locked"
    );
    assert_eq!(
        headline(|model| model.mounts = vec![drive(MountState::Failed)]),
        "The drive Archive is not available"
    );
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
    assert_eq!(crate::notice::facts(&model, &problems(&model), NOW), []);

    let twins = PathProblem::new("n.md", crate::vault::ProblemCode::NameTwins);
    model.pairs[0].problems = vec![twins];
    let view = render(&model, NOW);
    let listed: Vec<_> = view.problems.iter().map(|it| it.path.as_str()).collect();
    assert_eq!((listed, view.problem_count), (vec!["n.md", "a:b.md"], 1));
}

#[test]
fn a_pass_that_is_too_long_ago_is_no_silent_success() {
    const LIMIT: i64 = 900_000;
    let checked_at_ms = NOW - 5;
    let model = Model {
        late_after_ms: Some(LIMIT),
        free_since_ms: Some(checked_at_ms - 1),
        ..idle()
    };
    let at = |now_ms| render(&model, now_ms);
    assert_eq!(at(checked_at_ms + LIMIT).status, Status::Idle);
    let late = at(checked_at_ms + LIMIT + 60_000);
    assert_eq!(late.status, Status::Attention);
    assert_eq!(late.headline, "Not checked for 16 minutes");
    let late = at(checked_at_ms + 5 * 3_600_000);
    assert_eq!(late.headline, "Not checked for 5 hours");
    let late = at(checked_at_ms + 4 * 86_400_000);
    assert_eq!(late.headline, "Not checked for 4 days");

    let mut offline = model.clone();
    offline.pairs[0].offline = true;
    let mut paused = model.clone();
    paused.settings.sync = SyncSwitch::Off;
    for (other, status) in [(offline, Status::Offline), (paused, Status::Paused)] {
        assert_eq!(render(&other, checked_at_ms + 2 * LIMIT).status, status);
    }
    let mut never = model.clone();
    never.pairs[0].checked_at_ms = None;
    never.pairs[0].passed = false;
    assert_eq!(render(&never, checked_at_ms).status, Status::Starting);
    let late = render(&never, checked_at_ms + LIMIT + 1);
    assert_eq!(late.status, Status::Attention);
}

#[test]
fn a_night_in_which_nothing_could_pass_alarms_nobody() {
    const LIMIT: i64 = 900_000;
    const NIGHT: i64 = 9 * 3_600_000;
    let status = |model: &mut Model, now_ms| {
        model.look_whether_free(now_ms);
        render(model, now_ms).status
    };
    let stops: [(Change, Change); 4] = [
        (|_| (), |_| ()),
        (
            |model| model.settings.sync = SyncSwitch::Off,
            |model| model.settings.sync = SyncSwitch::On,
        ),
        (
            |model| model.pairs[0].offline = true,
            |model| model.pairs[0].offline = false,
        ),
        (
            |model| model.power = Power::Battery,
            |model| model.power = Power::Mains,
        ),
    ];
    for (stop, go_on) in stops {
        let mut model = Model {
            late_after_ms: Some(LIMIT),
            ..idle()
        };
        stop(&mut model);
        assert_ne!(status(&mut model, NOW), Status::Attention);
        if model.free_since_ms.is_some() {
            // As after a sleep.
            model.free_since_ms = None;
        }
        go_on(&mut model);
        assert_eq!(status(&mut model, NOW + NIGHT), Status::Idle);
        assert_eq!(status(&mut model, NOW + NIGHT + LIMIT), Status::Idle);
        let late = NOW + NIGHT + LIMIT + 1;
        assert_eq!(status(&mut model, late), Status::Attention);
    }
}

#[test]
fn what_is_set_up_here_stays_in_reach_while_nobody_is_signed_in() {
    let mut model = idle();
    model.settings.pairs = vec![model.pairs[0].settings.clone()];
    let folder = Some("/home/ana/Notes".to_owned());
    assert_eq!(render(&model, NOW).notes_folder, folder);
    model.pairs.clear();
    // Another account is signed in.
    assert_eq!(render(&model, NOW).notes_folder, None);
    model.account = AccountView::SignedOut { reason: None };
    let view = render(&model, NOW);
    assert_eq!(view.headline, "Sign in again");
    assert_eq!(view.notes_folder, folder);

    model.settings.pairs.clear();
    let view = render(&model, NOW);
    assert_eq!((&*view.headline, view.notes_folder), ("Sign in", None));
}

fn told_of(model: &Model) -> Vec<(String, String)> {
    let facts = crate::notice::facts(model, &problems(model), NOW).into_iter();
    facts.map(|fact| (fact.title, fact.body)).collect()
}

fn said(title: &str, body: &str) -> Vec<(String, String)> {
    vec![(title.to_owned(), body.to_owned())]
}

#[test]
fn a_notice_says_which_folder_has_stopped_and_what_to_do() {
    let mut model = idle();
    model.pairs[0].halt = Some(halt("TooManyDeletes", "140 notes would be removed"));
    let alone = said("140 notes would be removed", "Look at the list.");
    assert_eq!(told_of(&model), alone);
    let mut work = pair();
    work.settings.folder = "/home/ana/Work".into();
    model.pairs.push(work);
    let named = said("140 notes would be removed", "Notes: Look at the list.");
    assert_eq!(told_of(&model), named);
    model.pairs[1].halt = Some(halt("RootEmptied", "The notes folder is empty"));
    let both = said(
        "2 folders have stopped",
        "Notes: 140 notes would be removed.\nWork: The notes folder is empty.",
    );
    assert_eq!(told_of(&model), both);
}

#[test]
fn a_failure_is_told_with_its_way_out_and_by_its_code() {
    let mut model = idle();
    model.pairs[0].last_run = Some(failed("unsafe_store", "this cloud protects nothing", false));
    let told = said(
        "Sync cannot run",
        "This cloud protects nothing. Ask whoever runs the server.",
    );
    assert_eq!(told_of(&model), told);
    let subjects = |model: &Model| crate::notice::facts(model, &[], NOW)[0].subjects.clone();
    let before = subjects(&model);
    model.pairs[0].last_run = Some(failed("unsafe_store", "so says request 17", false));
    assert_eq!(subjects(&model), before);
}

#[test]
fn tries_that_never_come_to_an_end_are_told() {
    let mut model = Model {
        late_after_ms: Some(900_000),
        free_since_ms: Some(NOW - 1_000_000),
        ..idle()
    };
    model.pairs[0].checked_at_ms = Some(NOW - 1_000_000);
    model.pairs[0].last_run = Some(failed("lost_race", "another device was faster", true));
    let told = said(
        "Sync is stuck",
        "Not checked for 16 minutes. Another device was faster. Ask whoever runs the server.",
    );
    assert_eq!(told_of(&model), told);
}

#[test]
fn a_conflict_that_no_list_has_room_for_is_no_new_one() {
    let mut model = idle();
    model.open_conflict_ids = (0..500).map(|number| format!("c{number:03}")).collect();
    model.conflicts = vec![ConflictView {
        id: "c007".to_owned(),
        pair: "pair_1".to_owned(),
        path: "garden/Peas.md".to_owned(),
        copy_path: None,
        device: "laptop".to_owned(),
        at_ms: NOW,
        state: ConflictState::Open,
        kind: ConflictKind::BothEdited,
        mine_at_ms: None,
        theirs_at_ms: None,
        theirs_device: None,
        mine_size: None,
        theirs_size: None,
        merged: false,
        mine_md5: None,
        theirs_md5: None,
        undo: None,
    }];
    let facts = crate::notice::facts(&model, &[], NOW);
    assert_eq!(facts[0].title, "500 conflicts to review");
    assert_eq!(facts[0].subjects, model.open_conflict_ids);
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
