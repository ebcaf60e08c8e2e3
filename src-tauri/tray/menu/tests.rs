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
fn a_safety_stop_is_named_and_leads_to_its_folder() {
    let mut view = signed_in();
    view.pairs[0].halt = Some(HaltView {
        code: "TooManyDeletes".to_owned(),
        message: "140 of 900 notes would be deleted".to_owned(),
        hint: "Look at them first.".to_owned(),
        can_confirm: true,
        evidence: Vec::new(),
        evidence_count: 140,
        actions: Vec::new(),
    });
    let shown = text(&view);
    assert!(
        shown.contains("  > Stopped: 140 of 900 notes would be deleted…\n"),
        "{shown}"
    );
    assert!(shown.contains("Notes · stopped\n"), "{shown}");

    let work = PairView::new("pair_2", "/home/ana/Work", "b", ProfileName::Safe);
    view.pairs.push(work);
    assert!(
        text(&view).contains("  > Stopped: 140 of 900"),
        "{}",
        text(&view)
    );
    view.pairs[1].halt = view.pairs[0].halt.clone();
    let shown = text(&view);
    assert!(shown.contains("  > 2 folders stopped…\n"), "{shown}");
    assert!(!shown.contains("Stopped: "), "{shown}");
}

#[test]
fn drives_can_be_opened_and_taken_away() {
    let drive = |id: &str, state| MountView {
        id: id.to_owned(),
        folder: format!("/home/ana/{id}"),
        profile: MountProfileName::Balanced,
        state,
        waiting: 0,
        waiting_bytes: 0,
        message: None,
        hint: None,
    };
    let view = View {
        mounts: vec![
            drive("Archive", MountState::Mounted),
            drive("Old", MountState::Unmounted),
            drive("New", MountState::Starting),
        ],
        ..signed_in()
    };
    let shown = text(&view);
    let start = shown.find("  > Mounts >").unwrap();
    let end = shown[start..].find("\n---").unwrap();
    insta::assert_snapshot!(shown[start..start + end], @r"
    > Mounts >
          Archive
        > Open
        > Unmount
      ---
          Old · not mounted
        > Mount
      ---
          New · starting
        - Open
        > Unmount
    ");
}

#[test]
fn a_drive_that_failed_is_named_and_leads_to_the_drives() {
    let drive = |id: &str, state| MountView {
        id: id.to_owned(),
        folder: format!("/home/ana/{id}"),
        profile: MountProfileName::Balanced,
        state,
        waiting: 2,
        waiting_bytes: 9,
        message: None,
        hint: None,
    };
    let mut view = View {
        pairs: Vec::new(),
        notes_folder: None,
        headline: "The drive Archive is not available".to_owned(),
        status: Status::Attention,
        mounts: vec![drive("Archive", MountState::Failed)],
        ..signed_in()
    };
    // Drives follow no switch.
    insta::assert_snapshot!(text(&view), @r"
        The drive Archive is not available
      > Open window…
    ---
      > Archive is not available…
    ---
      > Mounts >
            Archive · failed · 2 waiting
          > Mount
    ---
      > ana@example.org · Plus
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
    view.mounts.push(drive("Old", MountState::Failed));
    let shown = text(&view);
    assert!(
        shown.contains("  > 2 drives are not available…\n"),
        "{shown}"
    );
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
fn a_folder_stays_in_reach_while_nobody_is_signed_in() {
    let view = View {
        status: Status::SignedOut,
        headline: "Sign in again".to_owned(),
        notes_folder: Some("/home/ana/Notes".to_owned()),
        ..View::starting("laptop")
    };
    let shown = text(&view);
    let beginning = "    Sign in again\n  > Sign in…\n  > Open notes folder\n---\n";
    assert!(shown.starts_with(beginning), "{shown}");
}

#[test]
fn folders_of_one_name_are_told_apart_and_many_are_counted() {
    let folders = |paths: &[&str]| {
        let pair = |(number, path): (usize, &&str)| {
            PairView::new(&format!("pair_{number}"), path, "b", ProfileName::Safe)
        };
        let view = View {
            pairs: paths.iter().enumerate().map(pair).collect(),
            ..signed_in()
        };
        let Menu(items) = menu(&view, around(StartAtLogin::Off));
        let below = items.into_iter().find_map(|item| match item {
            Item::Submenu {
                branch: Branch::Folders,
                items,
                ..
            } => Some(items),
            Item::Submenu { .. }
            | Item::Fact(_)
            | Item::Command { .. }
            | Item::Toggle { .. }
            | Item::Choice { .. }
            | Item::Separator => None,
        });
        let lines = lines(&below.unwrap(), "");
        let heads = lines.into_iter().filter(|line| {
            let is_head = line.starts_with("    ");
            is_head || line.contains("more")
        });
        heads.map(|line| line.trim().to_owned()).collect::<Vec<_>>()
    };
    let ana = "/home/ana/Notes";
    assert_eq!(
        folders(&[ana, "/home/ana/Work/Notes", "/srv/a_b & c"]),
        ["Notes in ana", "Notes in Work", "a_b & c"]
    );
    assert_eq!(folders(&[ana, "/b", "/c", "/d"]), ["Notes", "b", "c", "d"]);
    assert_eq!(
        folders(&[ana, "/b", "/c", "/d", "/e"]),
        ["Notes", "b", "c", "> 2 more folders…"]
    );
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
fn offers_sign_in_and_little_else_when_signed_out() {
    let view = View {
        status: Status::SignedOut,
        headline: "Sign in".to_owned(),
        ..View::starting("laptop")
    };
    insta::assert_snapshot!(text(&view), @r"
        Sign in
      > Sign in…
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
fn lets_a_sign_in_be_finished_or_cancelled() {
    let view = View {
        status: Status::SignedOut,
        headline: "Waiting for the browser".to_owned(),
        account: AccountView::AwaitingBrowser {
            server_url: "https://example.org".to_owned(),
            user_code: "ABCD-EFGH".to_owned(),
            verification_url: "https://example.org/device".to_owned(),
            verification_url_complete: None,
            expires_at_ms: NOW,
        },
        ..View::starting("laptop")
    };
    let shown = text(&view);
    let end = shown.find("---").unwrap();
    insta::assert_snapshot!(shown[..end].trim_end(), @r"
      Waiting for the browser
      Code: ABCD-EFGH
    > Open sign-in page
    > Copy link
    > Show sign-in…
    > Cancel sign-in
    ");
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
fn a_locked_file_of_secrets_has_a_way_to_its_passphrase() {
    let view = View {
        status: Status::Error,
        headline: "Sync waits for your passphrase".to_owned(),
        secret_store: SecretStoreView::FileLocked,
        open_conflict_count: 1,
        ..signed_in()
    };
    let shown = text(&view);
    let items = "---\n  > Enter passphrase…\n  > 1 conflict to review…\n";
    assert!(shown.contains(items), "{shown}");
}

#[test]
fn the_account_line_tells_what_the_subscription_is() {
    let line = |current, status: &str, period_end_ms| {
        let mut view = signed_in();
        let subscription = view.subscription.as_mut().unwrap();
        subscription.current = current;
        subscription.status = status.to_owned();
        subscription.period_end_ms = period_end_ms;
        words::account_line(&view, around(StartAtLogin::Off)).unwrap()
    };
    let day = 86_400_000;
    let ana = "ana@example.org ·";
    assert_eq!(
        line(true, "active", Some(NOW + 7 * day)),
        format!("{ana} Plus, renews 3 May")
    );
    assert_eq!(
        line(true, "canceled", Some(NOW + 7 * day)),
        format!("{ana} Plus, until 3 May")
    );
    assert_eq!(
        line(true, "trialing", Some(NOW + 7 * day)),
        format!("{ana} Plus, until 3 May")
    );
    assert_eq!(
        line(false, "active", Some(NOW - day)),
        format!("{ana} read-only since 25 Apr")
    );
    assert_eq!(
        line(false, "none", None),
        format!("{ana} no active subscription")
    );
    assert_eq!(
        line(true, "active", Some(NOW + 800 * day)),
        format!("{ana} Plus, renews 4 Jul 1972")
    );
}

#[test]
fn what_the_notes_take_up_is_coarse_and_only_there_where_it_is_known() {
    let line = |each: &[u64]| {
        let pair = |bytes| PairView {
            bytes,
            ..PairView::new("pair_1", "/home/ana/Notes", "b", ProfileName::Balanced)
        };
        let pairs = each.iter().copied().map(pair).collect();
        words::storage_line(&View {
            pairs,
            ..signed_in()
        })
    };
    let said = |size: &str| Some(format!("{size} of notes in the cloud"));
    assert_eq!(line(&[]), None);
    assert_eq!(line(&[0]), None);
    assert_eq!(line(&[13]), said("13 B"));
    assert_eq!(line(&[1_000, 23]), said("1023 B"));
    assert_eq!(line(&[1_024]), said("1 KB"));
    assert_eq!(line(&[1_536]), said("1.5 KB"));
    assert_eq!(line(&[10_752]), said("11 KB"));
    assert_eq!(line(&[36_000_000]), said("34 MB"));
    assert_eq!(line(&[36_000_000, 36_000_100]), said("69 MB"));
    assert_eq!(line(&[u64::MAX / 20]), said("838861 TB"));
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
