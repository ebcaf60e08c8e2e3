use engine::view::{PairView, ProfileName, SubscriptionView};

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
            ..PairView::new("pair_1", "/home/ana/Notes", "b", ProfileName::Balanced)
        }],
        ..View::starting("laptop")
    }
}

/// The menu as a person reads it.
fn text(view: &View) -> String {
    text_with(view, StartAtLogin::Off)
}

fn text_with(view: &View, login: StartAtLogin) -> String {
    let around = Surroundings {
        now_ms: NOW,
        quit: "Quit and stop syncing",
        login,
    };
    let lines = menu(view, around).0.into_iter().map(|item| match item {
        Item::Fact(text) => format!("    {text}"),
        Item::Command {
            label,
            enabled: true,
            ..
        } => format!("  > {label}"),
        Item::Command {
            label,
            enabled: false,
            ..
        } => format!("  - {label}"),
        Item::Toggle { label, checked, .. } => {
            format!("[{}] {label}", if checked { 'x' } else { ' ' })
        }
        Item::Separator => "---".to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn shows_everything_when_all_is_well() {
    insta::assert_snapshot!(text(&signed_in()), @r"
        Up to date · checked just now
      > Open notes folder
      > Open window…
    ---
    [x] Sync
      > Sync now
    ---
        ana@example.org · Plus
    ---
    [ ] Start at login
      > Quit and stop syncing
    ");
}

#[test]
fn names_what_waits_for_a_person() {
    let view = View {
        open_conflict_count: 2,
        problem_count: 1,
        ..signed_in()
    };
    insta::assert_snapshot!(text(&view), @r"
        Up to date · checked just now
      > Open notes folder
      > Open window…
    ---
    [x] Sync
      > Sync now
    ---
      > 2 conflicts to review…
      > 1 problem to look at…
    ---
        ana@example.org · Plus
    ---
    [ ] Start at login
      > Quit and stop syncing
    ");
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
    [ ] Start at login
      > Quit and stop syncing
    ");
}

#[test]
fn lets_a_sign_in_be_cancelled() {
    let view = View {
        status: Status::SignedOut,
        headline: "Enter ABCD-EFGH in the browser".to_owned(),
        account: AccountView::SigningIn {
            server_url: "https://example.org".to_owned(),
        },
        ..View::starting("laptop")
    };
    insta::assert_snapshot!(text(&view), @r"
        Enter ABCD-EFGH in the browser
      > Show sign-in…
      > Cancel sign-in
    ---
    [ ] Start at login
      > Quit and stop syncing
    ");
}

#[test]
fn a_paused_folder_shows_the_toggle_off_and_no_age() {
    let view = View {
        status: Status::Paused,
        headline: "Sync is off".to_owned(),
        sync: SyncSwitch::Off,
        ..signed_in()
    };
    let shown = text(&view);
    assert!(shown.starts_with("    Sync is off\n"), "{shown}");
    assert!(shown.contains("[ ] Sync\n"), "{shown}");
}

#[test]
fn the_age_is_coarse_so_that_the_menu_stays() {
    let aged = |ms: i64| View {
        checked_at_ms: Some(NOW - ms),
        ..signed_in()
    };
    let line = |ms: i64| status_line(&aged(ms), NOW);
    assert_eq!(line(1), line(59_999));
    assert_eq!(line(60_000), "Up to date · checked 1 min ago");
    assert_eq!(line(3 * 3_600_000), "Up to date · checked 3 h ago");
    assert_eq!(line(72 * 3_600_000), "Up to date · checked 3 days ago");
}

#[test]
fn start_at_login_is_a_toggle_where_the_desktop_knows() {
    let end = |login| {
        let shown = text_with(&signed_in(), login);
        let lines: Vec<&str> = shown.lines().rev().take(3).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    };
    assert_eq!(
        end(StartAtLogin::On),
        "---\n[x] Start at login\n  > Quit and stop syncing"
    );
    assert_eq!(
        end(StartAtLogin::Unknown),
        "    ana@example.org · Plus\n---\n  > Quit and stop syncing"
    );
}
