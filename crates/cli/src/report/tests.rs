use engine::view::PreviewChange;

use super::*;

fn pair(result: RunResult) -> PairView {
    let run = RunView {
        number: 1,
        ended_at_ms: 0,
        duration_ms: 340,
        result,
        uploaded: 2,
        downloaded: 1,
        removed_here: 0,
        removed_in_cloud: 0,
        conflicts: 0,
        requests: 9,
    };
    PairView {
        files: 12,
        last_run: Some(run),
        ..PairView::new(
            "pair_1",
            "/home/ana/Notes",
            "basic-memory-1",
            ProfileName::Safe,
        )
    }
}

fn report(pair: PairView, subscription: Option<SubscriptionView>) -> Report {
    let view = View {
        pairs: vec![pair],
        subscription,
        ..View::starting("laptop")
    };
    Report::new(&view, &["pair_1".to_owned()])
}

fn subscription(current: bool) -> SubscriptionView {
    SubscriptionView {
        current,
        status: "active".into(),
        plan: None,
        period_end_ms: Some(1_759_442_400_000),
        subscribe_url: "https://x/subscribe".into(),
        manage_url: None,
    }
}

#[test]
fn a_run_that_went_well_is_ok() {
    let report = report(pair(RunResult::Synced), Some(subscription(true)));
    insta::assert_json_snapshot!(report, @r#"
    {
      "ok": true,
      "exitCode": 0,
      "folders": [
        {
          "id": "pair_1",
          "folder": "/home/ana/Notes",
          "bucket": "basic-memory-1",
          "profile": "safe",
          "files": 12,
          "waiting": 0,
          "run": {
            "number": 1,
            "endedAtMs": 0,
            "durationMs": 340,
            "result": {
              "type": "synced"
            },
            "uploaded": 2,
            "downloaded": 1,
            "removedHere": 0,
            "removedInCloud": 0,
            "conflicts": 0,
            "requests": 9
          },
          "halt": null,
          "preview": null
        }
      ],
      "problems": []
    }
    "#);
}

#[test]
fn a_halt_tells_its_way_out() {
    let halt = HaltView {
        code: "TooManyDeletes".into(),
        message: "9 of 10 notes would be removed".into(),
        hint: "Look at the list.".into(),
        can_confirm: true,
        evidence: vec!["a.md".into()],
        evidence_count: 1,
        actions: vec![engine::view::HaltAction::Confirm],
    };
    let result = RunResult::Halted {
        code: "TooManyDeletes".into(),
    };
    let report = report(
        PairView {
            halt: Some(halt),
            ..pair(result)
        },
        None,
    );
    assert_eq!((report.ok, report.exit_code), (false, 5));
    assert_eq!(report.confirmable(), ["pair_1"]);
    let failure = report.failure.unwrap();
    let expected = [
        "9 of 10 notes would be removed",
        "hint: Look at the list. The whole list: `bm-cloud bisync --dry-run`.",
    ];
    assert_eq!(failure.lines(), expected);
}

#[test]
fn a_lapsed_subscription_shows_though_downloads_came() {
    let report = report(pair(RunResult::Synced), Some(subscription(false)));
    assert_eq!(report.exit_code, 3);
    let words = read_only(report.subscription.as_ref(), 2, UtcOffset::UTC);
    assert_eq!(
        words,
        "Read-only since 2 Oct 2025: 2 changes wait here. Downloads go on."
    );
    assert_eq!(
        report.failure.unwrap().subscribe_url.as_deref(),
        Some("https://x/subscribe")
    );
}

#[test]
fn a_preview_is_grouped_by_action() {
    let change = |path: &str, action| PreviewChange {
        path: path.into(),
        action,
    };
    let preview = PreviewView {
        number: 1,
        changes: vec![
            change("b.md", ChangeAction::Upload),
            change("c.md", ChangeAction::RemoveHere),
            change("a.md", ChangeAction::Upload),
        ],
        change_count: 4,
        identical: 30,
    };
    let expected = [
        "Would be uploaded (2):",
        "  b.md",
        "  a.md",
        "Would be removed here (kept in history) (1):",
        "  c.md",
        "and 1 more",
        "30 notes already equal; nothing was changed",
    ];
    assert_eq!(preview_lines(&preview), expected);
}
