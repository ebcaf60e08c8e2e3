use engine::view::{ChangeAction, PairView, ProfileName};

use super::*;

fn activity(path: &str) -> ActivityView {
    ActivityView {
        at_ms: 1,
        path: path.into(),
        action: ChangeAction::Upload,
    }
}

fn run(number: u64, result: RunResult) -> RunView {
    RunView {
        number,
        ended_at_ms: 0,
        duration_ms: 5,
        result,
        uploaded: 1,
        downloaded: 0,
        removed_here: 0,
        removed_in_cloud: 0,
        conflicts: 0,
        requests: 0,
    }
}

fn view(last_run: Option<RunView>) -> View {
    let pair = PairView {
        last_run,
        ..PairView::new("pair_1", "/notes", "b", ProfileName::Safe)
    };
    View {
        pairs: vec![pair],
        ..View::starting("laptop")
    }
}

fn told(before: &View, now: &View) -> Vec<String> {
    events(before, now).iter().flat_map(lines).collect()
}

#[test]
fn new_changes_are_told_oldest_first() {
    let [a, b, c] = ["a.md", "b.md", "c.md"].map(activity);
    let before = View {
        activity: vec![a.clone()],
        ..view(None)
    };
    let now = View {
        activity: vec![c, b, a],
        ..view(None)
    };
    assert_eq!(told(&before, &now), ["uploaded  b.md", "uploaded  c.md"]);
    assert_eq!(told(&now, &now), Vec::<String>::new());
}

#[test]
fn a_full_list_that_moved_on_is_told_once() {
    let list = |numbers: std::ops::Range<u32>| -> Vec<ActivityView> {
        numbers
            .rev()
            .map(|number| activity(&format!("{number}.md")))
            .collect()
    };
    assert_eq!(fresh(&list(0..50), &list(2..52)), 2);
    assert_eq!(fresh(&list(0..50), &list(60..110)), 50);
    assert_eq!(fresh(&[], &list(0..3)), 3);
}

#[test]
fn a_failure_is_told_once_and_what_carries_always() {
    let failed = RunResult::Failed {
        code: "unreachable".into(),
        message: "the cloud cannot be reached".into(),
        hint: Some("Check the connection.".into()),
        transient: true,
    };
    let first = view(Some(run(1, failed.clone())));
    let expected = ["The cloud cannot be reached", "hint: Check the connection."];
    assert_eq!(told(&view(None), &first), expected);
    assert_eq!(
        told(&first, &view(Some(run(2, failed)))),
        Vec::<String>::new()
    );
    let synced = view(Some(run(3, RunResult::Synced)));
    assert_eq!(
        told(&first, &synced),
        ["1 uploaded · 0 downloaded · 0 conflicts · 5 ms"]
    );
    let verified = view(Some(run(4, RunResult::Verified)));
    assert_eq!(told(&synced, &verified), Vec::<String>::new());
}

#[test]
fn counting_is_no_news() {
    let syncing = |headline: &str| View {
        status: Status::Syncing,
        headline: headline.to_owned(),
        ..view(None)
    };
    assert_eq!(
        told(&view(None), &syncing("Syncing 1 of 9")),
        ["Syncing 1 of 9"]
    );
    let (one, two) = (syncing("Syncing 1 of 9"), syncing("Syncing 2 of 9"));
    assert_eq!(told(&one, &two), Vec::<String>::new());
}

#[test]
fn events_are_objects_of_one_line() {
    let event = Event::Change(activity("a.md"));
    let line = serde_json::to_string(&EventOut {
        seen_at_ms: 7,
        event: &event,
    })
    .unwrap();
    let expected = r#"{"seenAtMs":7,"event":"change","atMs":1,"path":"a.md","action":"upload"}"#;
    assert_eq!(line, expected);
}
