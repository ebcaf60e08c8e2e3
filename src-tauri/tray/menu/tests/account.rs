use super::*;

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
