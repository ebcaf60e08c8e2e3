mod account;
mod places;

use engine::view::{
    HaltView, MountProfileName, MountState, MountView, PairView, ProblemView, ProfileName,
    SecretStoreView, Status, SubscriptionView,
};

use super::*;

const NOW: i64 = 10_000_000_000;

fn signed_in() -> View {
    View {
        status: Status::Idle,
        headline: "Up to date".to_owned(),
        checked_at_ms: Some(NOW - 12_000),
        account: AccountView::SignedIn {
            server_url: "https://cloud.example.org".to_owned(),
            user_id: "user_1".to_owned(),
            email: Some("ana@example.org".to_owned()),
            cloud_mode: true,
            keep: engine::SignInKeep::Now,
        },
        subscription: Some(SubscriptionView {
            current: true,
            status: "active".to_owned(),
            plan: Some("Plus".to_owned()),
            period_end_ms: None,
            subscribe_url: "https://example.org/subscribe".to_owned(),
            manage_url: None,
        }),
        pairs: vec![PairView {
            files: 3,
            bytes: 3_565_158,
            ..PairView::new("pair_1", "/home/ana/Notes", "b", ProfileName::Balanced)
        }],
        notes_folder: Some("/home/ana/Notes".to_owned()),
        ..View::starting("laptop")
    }
}

fn around(login: StartAtLogin) -> Surroundings<'static> {
    Surroundings {
        now_ms: NOW,
        offset_at: &|_| UtcOffset::UTC,
        quit: "Quit and stop syncing",
        login,
    }
}

/// The menu as a person reads it.
fn text(view: &View) -> String {
    text_with(view, StartAtLogin::Off)
}

fn text_with(view: &View, login: StartAtLogin) -> String {
    lines(&menu(view, around(login)).0, "").join("\n")
}

fn lines(items: &[Item], indent: &str) -> Vec<String> {
    let each = items.iter().map(|item| match item {
        Item::Fact(text) => vec![format!("{indent}    {text}")],
        Item::Command {
            label,
            enabled: true,
            ..
        } => vec![format!("{indent}  > {label}")],
        Item::Command {
            label,
            enabled: false,
            ..
        } => vec![format!("{indent}  - {label}")],
        Item::Toggle { label, checked, .. } => {
            vec![format!(
                "{indent}[{}] {label}",
                if *checked { 'x' } else { ' ' }
            )]
        }
        Item::Choice { label, chosen, .. } => {
            vec![format!(
                "{indent}({}) {label}",
                if *chosen { 'o' } else { ' ' }
            )]
        }
        Item::Submenu { label, items, .. } => {
            let mut all = vec![format!("{indent}  > {label} >")];
            all.extend(lines(items, &format!("{indent}    ")));
            all
        }
        Item::Separator => vec![format!("{indent}---")],
    });
    each.flatten().collect()
}

#[test]
fn shows_everything_when_all_is_well() {
    insta::assert_snapshot!(text(&signed_in()), @r"
        Up to date · checked 10 s ago
      > Open notes folder
      > Open window…
    ---
    [x] Sync
      > Pause >
          > 30 minutes
          > 1 hour
          > Until tomorrow
      > Sync now
    ---
      > Folders >
            Notes
          > Open
          > Sync now
        ( ) Safe: keep both versions
        (o) Balanced: newer version wins
        ( ) Fast: fewer checks
    ---
      > ana@example.org · Plus
        3.4 MB of notes in the cloud
    ---
      > Settings…
    [ ] Start at login
      > Help >
          > Documentation
          > Set up again…
          > Export diagnostics…
            Basic Memory 0.1.0
    ---
      > Quit and stop syncing
    ");
}

#[test]
fn names_what_waits_for_a_person() {
    let view = View {
        open_conflict_count: 2,
        problem_count: 1,
        problems: vec![ProblemView {
            pair: "pair_1".to_owned(),
            path: "big.md".to_owned(),
            code: "DiskFull".to_owned(),
            message: "No space left on the disk. Free some.".to_owned(),
        }],
        ..signed_in()
    };
    insta::assert_snapshot!(text(&view), @r"
        Up to date · checked 10 s ago
      > Open notes folder
      > Open window…
    ---
    [x] Sync
      > Pause >
          > 30 minutes
          > 1 hour
          > Until tomorrow
      > Sync now
    ---
      > 2 conflicts to review…
      > 1 problem: No space left on the disk…
    ---
      > Folders >
            Notes
          > Open
          > Sync now
        ( ) Safe: keep both versions
        (o) Balanced: newer version wins
        ( ) Fast: fewer checks
    ---
      > ana@example.org · Plus
        3.4 MB of notes in the cloud
    ---
      > Settings…
    [ ] Start at login
      > Help >
          > Documentation
          > Set up again…
          > Export diagnostics…
            Basic Memory 0.1.0
    ---
      > Quit and stop syncing
    ");
}

#[test]
fn a_set_up_that_is_under_way_has_nothing_to_switch_yet() {
    let view = View {
        status: Status::Starting,
        headline: "No folder is set up yet".to_owned(),
        pairs: Vec::new(),
        notes_folder: None,
        ..signed_in()
    };
    insta::assert_snapshot!(text(&view), @r"
        No folder is set up yet
      > Continue set-up…
    ---
      > ana@example.org · Plus
    ---
      > Settings…
    [ ] Start at login
      > Help >
          > Documentation
          > Export diagnostics…
            Basic Memory 0.1.0
    ---
      > Quit and stop syncing
    ");
}

#[test]
fn no_line_is_wider_than_a_menu_or_broken_in_two() {
    let long = "A folder of notes with a name that somebody typed without thinking of menus";
    let mut view = signed_in();
    view.headline = format!("Sync cannot run: {long}\nand {long}. Then more");
    view.status = Status::Error;
    view.pairs[0].folder = format!("/home/ana/{}\n{}", "Notes".repeat(30), long);
    let AccountView::SignedIn { email, .. } = &mut view.account else {
        panic!("somebody is signed in");
    };
    *email = Some(format!("{}@example.org", "ana".repeat(60)));
    for line in text(&view).lines() {
        assert!(line.chars().count() < 90, "{line}");
        assert!(!line.starts_with("and "), "{line}");
    }
    let first = text(&view).lines().next().unwrap().trim().to_owned();
    assert_eq!(
        first,
        "Sync cannot run: A folder of notes with a name that somebody typed…"
    );
}

#[test]
fn names_no_page_that_nobody_can_fill_while_no_engine_runs() {
    let stopped = View {
        status: Status::Error,
        headline: "Sync cannot run: the disk is full".to_owned(),
        ..View::starting("laptop")
    };
    for view in [View::starting("laptop"), stopped] {
        let shown = text(&view);
        let rest = shown.split_once('\n').unwrap().1;
        insta::allow_duplicates! {
            insta::assert_snapshot!(rest, @r"
              > Open window…
            ---
            [ ] Start at login
              > Help >
                  > Documentation
                    Basic Memory 0.1.0
            ---
              > Quit and stop syncing
            ");
        }
    }
}

#[test]
fn the_toggle_is_off_while_sync_is_and_there_is_nothing_to_pause() {
    let view = View {
        status: Status::Paused,
        headline: "Sync is off".to_owned(),
        sync: SyncSwitch::Off,
        ..signed_in()
    };
    let shown = text(&view);
    assert!(shown.starts_with("    Sync is off\n"), "{shown}");
    assert!(shown.contains("[ ] Sync\n  > Sync now\n"), "{shown}");
}

#[test]
fn a_pause_says_when_it_ends() {
    let paused = |until_ms: i64| {
        let view = View {
            status: Status::Paused,
            headline: "Paused".to_owned(),
            sync: SyncSwitch::PausedUntil { until_ms },
            ..signed_in()
        };
        let shown = text(&view);
        let line = shown.lines().next().unwrap().trim().to_owned();
        assert!(
            shown.contains(&format!("[ ] Sync\n  > {line} >\n")),
            "{shown}"
        );
        line
    };
    // NOW is 17:46:40 on 26 April 1970.
    assert_eq!(paused(NOW + 30 * 60_000), "Paused until 18:16");
    let tomorrow = Pause::UntilTomorrow.until_ms(NOW, &|_| UtcOffset::UTC);
    assert_eq!(paused(tomorrow), "Paused until tomorrow, 08:00");
    assert_eq!(paused(tomorrow + 86_400_000), "Paused until 28 Apr, 08:00");
}

#[test]
fn tomorrow_begins_at_eight_where_the_person_is() {
    let east = UtcOffset::from_hms(8, 0, 0).unwrap();
    let hours = |offset_at: &dyn Fn(i64) -> UtcOffset| {
        (Pause::UntilTomorrow.until_ms(NOW, offset_at) - NOW) as f64 / 3_600_000.0
    };
    assert!((hours(&|_| UtcOffset::UTC) - 14.222).abs() < 0.001);
    assert!((hours(&|_| east) - 30.222).abs() < 0.001);
    // Summer begins in the night between.
    let summer = |at_ms| {
        let hours = i8::from(at_ms > NOW + 8 * 3_600_000);
        UtcOffset::from_hms(hours, 0, 0).unwrap()
    };
    assert!((hours(&summer) - 13.222).abs() < 0.001);
}

#[test]
fn the_age_is_coarse_so_that_the_menu_stays() {
    let aged = |ms: i64| View {
        checked_at_ms: Some(NOW - ms),
        ..signed_in()
    };
    let line = |ms: i64| status_line(&aged(ms), around(StartAtLogin::Off));
    assert_eq!(line(1), line(9_999));
    assert_eq!(line(12_000), "Up to date · checked 10 s ago");
    assert_eq!(line(12_000), line(19_999));
    assert_eq!(line(60_000), "Up to date · checked 1 min ago");
    assert_eq!(line(3 * 3_600_000), "Up to date · checked 3 h ago");
    assert_eq!(line(72 * 3_600_000), "Up to date · checked 3 days ago");
}

#[test]
fn start_at_login_is_a_toggle_where_the_desktop_knows() {
    let shown = text_with(&signed_in(), StartAtLogin::On);
    assert!(shown.contains("[x] Start at login\n"), "{shown}");
    let shown = text_with(&signed_in(), StartAtLogin::Unknown);
    assert!(!shown.contains("Start at login"), "{shown}");
}

#[test]
fn every_action_of_a_menu_has_a_key_of_its_own() {
    let mut view = signed_in();
    view.open_conflict_count = 1;
    view.problem_count = 2;
    view.pairs[0].halt = Some(HaltView {
        code: "RootMissing".to_owned(),
        message: "The notes folder is not available".to_owned(),
        hint: String::new(),
        can_confirm: false,
        evidence: Vec::new(),
        evidence_count: 0,
        actions: Vec::new(),
    });
    view.pairs.extend((3..9).map(|number| {
        let (id, folder) = (format!("pair_{number}"), format!("/srv/{number}"));
        PairView::new(&id, &folder, "b", ProfileName::Safe)
    }));
    view.mounts.extend((0..9).map(|number| MountView {
        id: format!("mount_{number}"),
        folder: format!("/media/{number}"),
        profile: MountProfileName::Balanced,
        state: MountState::Failed,
        waiting: 0,
        waiting_bytes: 0,
        message: None,
        hint: None,
    }));
    view.pairs.push(PairView::new(
        "pair_2",
        "/home/ana/Work",
        "b",
        ProfileName::Safe,
    ));
    fn keys(items: &[Item]) -> Vec<String> {
        let each = items.iter().flat_map(|item| match item {
            Item::Command { action, .. }
            | Item::Toggle { action, .. }
            | Item::Choice { action, .. } => vec![action.key()],
            Item::Submenu { items, .. } => keys(items),
            Item::Fact(_) | Item::Separator => Vec::new(),
        });
        each.collect()
    }
    let mut all = keys(&menu(&view, around(StartAtLogin::Off)).0);
    let count = all.len();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), count);
}
