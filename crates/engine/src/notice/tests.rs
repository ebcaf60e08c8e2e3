use super::*;

const NOON: u32 = 12 * 60;

fn fact(cause: NoticeCause, subjects: &[&str]) -> Fact {
    Fact {
        cause,
        level: NoticeLevel::Warning,
        hope: Hope::NeedsPerson,
        subjects: subjects.iter().map(|&subject| subject.to_owned()).collect(),
        title: format!("{} of them", subjects.len()),
        body: String::new(),
        actions: vec![NoticeAction::OpenConflicts],
    }
}

fn conflicts(subjects: &[&str]) -> Fact {
    fact(NoticeCause::ConflictNew, subjects)
}

const EVERYTHING: Policy = Policy {
    notifications: Notifications::All,
    quiet_hours: None,
    snoozed_until_ms: None,
};

/// Steps through the moments and gives each id and title, as they were shown.
fn shown(policy: Policy, moments: &[(i64, u32, Vec<Fact>)]) -> Vec<Vec<(String, String)>> {
    let mut told = Told::default();
    let mut all = Vec::new();
    for (now_ms, minute, facts) in moments {
        let at = Moment {
            now_ms: *now_ms,
            minute: *minute,
        };
        told = step(told, facts.clone(), policy, at);
        let notices = told.notices().into_iter();
        all.push(notices.map(|notice| (notice.id, notice.title)).collect());
    }
    all
}

fn told(id: &str, title: &str) -> Vec<(String, String)> {
    vec![(id.to_owned(), title.to_owned())]
}

#[test]
fn many_conflicts_at_once_are_one_notice_with_a_count() {
    let moments = [
        (1_000, NOON, vec![conflicts(&["a"])]),
        (2_000, NOON, vec![conflicts(&["a", "b", "c"])]),
        (4_000, NOON, vec![conflicts(&["a", "b", "c"])]),
        (5_000, NOON, vec![conflicts(&["a", "b", "c"])]),
        (6_000, NOON, vec![conflicts(&["b"])]),
        (7_000, NOON, vec![]),
    ];
    let expected = [
        vec![],
        vec![],
        told("conflict.new@4000", "3 of them"),
        told("conflict.new@4000", "3 of them"),
        told("conflict.new@4000", "1 of them"),
        vec![],
    ];
    assert_eq!(shown(EVERYTHING, &moments), expected);
}

#[test]
fn one_cause_is_told_again_only_for_something_new_and_after_ten_minutes() {
    let one = || vec![conflicts(&["a"])];
    let two = || vec![conflicts(&["a", "b"])];
    let moments = [
        (0, NOON, one()),
        (3_000, NOON, one()),
        (600_000, NOON, two()),
        (602_999, NOON, two()),
        (603_000, NOON, two()),
        (9_000_000, NOON, two()),
    ];
    let expected = [
        vec![],
        told("conflict.new@3000", "1 of them"),
        told("conflict.new@3000", "2 of them"),
        told("conflict.new@3000", "2 of them"),
        told("conflict.new@603000", "2 of them"),
        told("conflict.new@603000", "2 of them"),
    ];
    assert_eq!(shown(EVERYTHING, &moments), expected);
}

#[test]
fn what_comes_and_goes_is_told_once_in_ten_minutes() {
    let there = || vec![conflicts(&["a"])];
    let moments = [
        (0, NOON, there()),
        (3_000, NOON, there()),
        (4_000, NOON, vec![]),
        (5_000, NOON, there()),
        (9_000, NOON, there()),
        (604_000, NOON, there()),
    ];
    let last: Vec<usize> = shown(EVERYTHING, &moments).iter().map(Vec::len).collect();
    assert_eq!(last, [0, 1, 0, 0, 0, 1]);
}

#[test]
fn two_that_take_turns_are_told_once_each() {
    const TURN: i64 = 5 * 60_000;
    let moments: Vec<_> = (0..60)
        .flat_map(|turn| [turn * TURN, turn * TURN + 10_000])
        .map(|now_ms| {
            let subject = if now_ms / TURN % 2 == 0 { "a" } else { "b" };
            (now_ms, NOON, vec![conflicts(&[subject])])
        })
        .collect();
    let shown = shown(EVERYTHING, &moments);
    let mut ids: Vec<String> = shown.into_iter().flatten().map(|(id, _)| id).collect();
    ids.dedup();
    assert_eq!(ids, ["conflict.new@10000", "conflict.new@910000"]);
}

#[test]
fn what_comes_back_after_a_while_is_told_again() {
    let both = || vec![conflicts(&["a", "b"])];
    let moments = [
        (0, NOON, both()),
        (3_000, NOON, both()),
        (4_000, NOON, vec![conflicts(&["b"])]),
        (604_000, NOON, vec![conflicts(&["b"])]),
        (605_000, NOON, both()),
        (608_000, NOON, both()),
    ];
    let last = shown(EVERYTHING, &moments).pop().unwrap();
    assert_eq!(last, told("conflict.new@608000", "2 of them"));
}

#[test]
fn what_heals_in_a_minute_is_silent() {
    let healing = || {
        let fact = fact(NoticeCause::RcloneCrashed, &["rclone"]);
        vec![Fact {
            hope: Hope::MayHeal,
            ..fact
        }]
    };
    let moments = [
        (0, NOON, healing()),
        (59_999, NOON, healing()),
        (60_000, NOON, vec![]),
        (61_000, NOON, healing()),
        (121_000, NOON, healing()),
    ];
    let counts: Vec<usize> = shown(EVERYTHING, &moments).iter().map(Vec::len).collect();
    assert_eq!(counts, [0, 0, 0, 0, 1]);
}

#[test]
fn quiet_hours_put_off_what_is_new_and_leave_what_stands() {
    let night = Policy {
        quiet_hours: Some(QuietHours {
            from_minute: 22 * 60,
            to_minute: 7 * 60,
        }),
        ..EVERYTHING
    };
    let one = || vec![conflicts(&["a"])];
    let moments = [
        (0, 22 * 60, one()),
        (3_600_000, 23 * 60, one()),
        (7_200_000, 0, one()),
        (32_399_000, 7 * 60 - 1, one()),
        (32_400_000, 7 * 60, one()),
        (90_000_000, 23 * 60, one()),
    ];
    let counts: Vec<usize> = shown(night, &moments).iter().map(Vec::len).collect();
    assert_eq!(counts, [0, 0, 0, 0, 1, 1]);
}

#[test]
fn what_stands_in_quiet_hours_says_what_is_so_and_is_told_anew_after_them() {
    let night = Policy {
        quiet_hours: Some(QuietHours {
            from_minute: 22 * 60,
            to_minute: 7 * 60,
        }),
        ..EVERYTHING
    };
    let evening = 22 * 60 - 1;
    let moments = [
        (0, evening, vec![conflicts(&["a", "b", "c"])]),
        (3_000, evening, vec![conflicts(&["a", "b", "c"])]),
        // Two were decided elsewhere, and one came.
        (60_000, 22 * 60, vec![conflicts(&["c", "d"])]),
        (32_399_000, 7 * 60 - 1, vec![conflicts(&["c", "d"])]),
        (32_400_000, 7 * 60, vec![conflicts(&["c", "d"])]),
    ];
    let expected = [
        vec![],
        told("conflict.new@3000", "3 of them"),
        told("conflict.new@3000", "2 of them"),
        told("conflict.new@3000", "2 of them"),
        told("conflict.new@32400000", "2 of them"),
    ];
    assert_eq!(shown(night, &moments), expected);
}

#[test]
fn a_person_who_wants_to_be_left_alone_is_told_afterwards_what_still_holds() {
    let snoozed = Policy {
        snoozed_until_ms: Some(1_800_000),
        ..EVERYTHING
    };
    let over = fact(NoticeCause::Halt, &["gone by then"]);
    let moments = [
        (0, NOON, vec![conflicts(&["a"]), over]),
        (1_799_999, NOON, vec![conflicts(&["a"])]),
        (1_800_000, NOON, vec![conflicts(&["a"])]),
    ];
    let counts: Vec<usize> = shown(snoozed, &moments).iter().map(Vec::len).collect();
    assert_eq!(counts, [0, 0, 1]);
}

#[test]
fn a_person_is_told_what_they_asked_for() {
    let level = |level| Fact {
        level,
        ..conflicts(&["a"])
    };
    for (notifications, level_of_fact, expected) in [
        (Notifications::All, NoticeLevel::Info, 1),
        (Notifications::Important, NoticeLevel::Info, 0),
        (Notifications::Important, NoticeLevel::Warning, 1),
        (Notifications::Important, NoticeLevel::Error, 1),
        (Notifications::None, NoticeLevel::Error, 0),
    ] {
        let policy = Policy {
            notifications,
            quiet_hours: None,
            snoozed_until_ms: None,
        };
        let facts = || vec![level(level_of_fact)];
        let moments = [(0, NOON, facts()), (3_000, NOON, facts())];
        let last = shown(policy, &moments).pop().unwrap();
        assert_eq!(last.len(), expected, "{notifications:?} {level_of_fact:?}");
    }
}

#[test]
fn a_clock_that_is_set_back_keeps_nothing_from_being_told() {
    let moments = [
        (90_000_000, NOON, vec![conflicts(&["a"])]),
        (90_003_000, NOON, vec![conflicts(&["a"])]),
        (1_000, NOON, vec![conflicts(&["a", "b"])]),
        (4_000, NOON, vec![conflicts(&["a", "b"])]),
    ];
    let last = shown(EVERYTHING, &moments).pop().unwrap();
    assert_eq!(last, told("conflict.new@4000", "2 of them"));
}

#[test]
fn causes_do_not_wait_for_each_other() {
    let both = || vec![conflicts(&["a"]), fact(NoticeCause::Halt, &["h"])];
    let moments = [(0, NOON, both()), (3_000, NOON, both())];
    let last = shown(EVERYTHING, &moments).pop().unwrap();
    let ids: Vec<&str> = last.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["halt@3000", "conflict.new@3000"]);
}

#[test]
fn the_name_of_a_cause_is_what_is_on_the_wire() {
    for cause in [
        NoticeCause::AuthExpired,
        NoticeCause::SubscriptionLapsed,
        NoticeCause::RcloneCrashed,
        NoticeCause::Halt,
        NoticeCause::ConflictNew,
        NoticeCause::MountFailed,
        NoticeCause::ProblemNew,
    ] {
        assert_eq!(serde_json::to_value(cause).unwrap(), cause.name());
    }
}
