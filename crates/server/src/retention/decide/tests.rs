use proptest::prelude::*;

use super::*;
use crate::buckets::Past;

const DAY: i64 = 24 * 60 * 60 * 1000;
const NOW: i64 = 1000 * DAY;

fn rule(newest_kept: usize) -> VersionRule {
    VersionRule {
        newest_kept,
        ..VersionRule::default()
    }
}

/// An entry of this age in days; `-` marks a delete, `*` the latest.
fn entry(text: &str, index: usize) -> VersionEntry {
    let (text, is_latest) = match text.strip_suffix('*') {
        Some(text) => (text, true),
        None => (text, false),
    };
    let (text, kind) = match text.strip_prefix('-') {
        Some(text) => (text, VersionKind::DeleteMarker),
        None => (text, VersionKind::Content),
    };
    let age: i64 = text.parse().unwrap();
    VersionEntry {
        key: "note.md".to_owned(),
        version: format!("v{index}"),
        kind,
        size: 10,
        etag: format!("e{index}"),
        modified_ms: NOW - age * DAY,
        is_latest,
    }
}

fn key(texts: &str) -> Vec<VersionEntry> {
    let words = texts.split_whitespace().enumerate();
    words.map(|(index, text)| entry(text, index)).collect()
}

/// What goes, by its place.
fn gone(texts: &str, newest_kept: usize, snapshot_ages: &[i64]) -> String {
    let key = key(texts);
    let snapshots: Vec<i64> = snapshot_ages.iter().map(|age| NOW - age * DAY).collect();
    let terms = Terms {
        rule: rule(newest_kept),
        snapshots: &snapshots,
        now: NOW,
    };
    let names = |entries: &[&VersionEntry]| {
        let names: Vec<&str> = entries.iter().map(|entry| entry.version.as_str()).collect();
        names.join(" ")
    };
    match judge(&key, &terms) {
        Verdict::Nothing => String::new(),
        Verdict::These(entries) => names(&entries),
        Verdict::LoneMarker(marker) => format!("alone {}", marker.version),
    }
}

#[test]
fn a_version_goes_when_it_was_replaced_long_ago_however_old_it_is() {
    for (versions, newest_kept, expected) in [
        // Old, but replaced lately.
        ("10* 500", 0, ""),
        ("91* 500", 0, "v1"),
        ("10* 91 500", 0, "v2"),
        ("90* 500", 0, ""),
        // The latest stays, whatever its age.
        ("900*", 0, ""),
        // The newest of those replaced stay beside one that is there.
        ("100* 110 120 130 140", 2, "v3 v4"),
        ("100* 110 120", 3, ""),
        // What was deleted goes wholly, in two steps.
        ("-91* 100 110", 3, "v1 v2"),
        ("-89* 100 110", 3, "v2"),
        ("-91*", 3, "alone v0"),
        ("-90*", 3, ""),
        // Deleted and written again.
        ("100* -110 120", 0, "v1 v2"),
        ("100* -110 120 130", 1, "v1 v3"),
        // In any order.
        ("500 91*", 0, "v0"),
    ] {
        assert_eq!(gone(versions, newest_kept, &[]), expected, "{versions}");
    }
}

#[test]
fn what_a_snapshot_shows_stays() {
    for (versions, snapshots, expected) in [
        ("100* 200 300 400", &[250][..], "v1 v3"),
        ("100* 200 300 400", &[250, 399], "v1"),
        ("100* 200 300 400", &[50], "v1 v2 v3"),
        ("100* 200 300 400", &[500], "v1 v2 v3"),
        // At the moment itself is after it.
        ("100* 200 300", &[200], "v1"),
        // A delete is what it shows then, and hides what another one shows.
        ("-100* 200 -300 400", &[250, 350], "v1"),
        ("-100* 200 -300 400", &[350], "v1 v2"),
        ("-100*", &[50, 150], "alone v0"),
    ] {
        assert_eq!(gone(versions, 0, snapshots), expected, "{versions}");
    }
}

#[test]
fn where_the_order_is_not_certain_a_version_stays() {
    for (versions, newest_kept, snapshots, expected) in [
        // Both may have been there until ten days ago.
        ("10* 300 300", 0, &[][..], ""),
        ("91* 300 300", 0, &[], "v1 v2"),
        ("91* 300 300", 0, &[200], ""),
        ("91* 300 300 400", 1, &[], "v3"),
        // Without the latest, or with two of them, the listing makes no sense.
        ("91 300", 0, &[], ""),
        ("91* 300*", 0, &[], ""),
        ("-300", 0, &[], ""),
        // A clock that was put back.
        ("200* 100 300", 0, &[], "v1 v2"),
    ] {
        let found = gone(versions, newest_kept, snapshots);
        assert_eq!(found, expected, "{versions}");
    }
}

#[test]
fn where_all_is_kept_for_good_nothing_goes_but_scratch() {
    let judged = |key: &[VersionEntry]| {
        let terms = Terms {
            rule: VersionRule {
                kept_for: None,
                newest_kept: 0,
            },
            snapshots: &[NOW],
            now: NOW,
        };
        match judge(key, &terms) {
            Verdict::Nothing => 0,
            Verdict::These(entries) => entries.len(),
            Verdict::LoneMarker(_) => 1,
        }
    };
    assert_eq!(judged(&key("500* 600 700")), 0);
    assert_eq!(judged(&key("-500*")), 0);
    let scratch = |texts: &str, name: &str, size: u64| {
        let mut key = key(texts);
        for entry in &mut key {
            entry.key = name.to_owned();
            entry.size = size;
        }
        judged(&key)
    };
    let name = ".basic-memory-probe-0190";
    assert_eq!(scratch("-2* 2 3", name, 1), 3);
    assert_eq!(scratch("2*", name, 1), 1);
    assert_eq!(scratch("-2*", name, 0), 1);
    assert_eq!(scratch("-1* 2", name, 1), 0);
    assert_eq!(scratch("2*", name, 2), 0);
    assert_eq!(scratch("2*", "main/.basic-memory-probe-0190", 1), 0);
    assert_eq!(scratch("2*", ".basic-memory-sync", 1), 0);
}

/// A key's past, newest first, in which some were written in the same unit of time.
fn past() -> impl Strategy<Value = Vec<VersionEntry>> {
    prop::collection::vec((0..4_i64, any::<bool>(), 0..3_u8), 1..12).prop_map(|steps| {
        let mut age = 0;
        let mut entries = Vec::new();
        for (index, (older, deleted, content)) in steps.into_iter().enumerate() {
            age += older * 40;
            let kind = match deleted {
                true => VersionKind::DeleteMarker,
                false => VersionKind::Content,
            };
            entries.push(VersionEntry {
                key: "note.md".to_owned(),
                version: format!("v{index}"),
                kind,
                size: 1,
                etag: format!("e{content}"),
                modified_ms: NOW - age * DAY,
                is_latest: index == 0,
            });
        }
        entries
    })
}

fn shown(entries: &[VersionEntry], moment: i64) -> Option<String> {
    let mut past = Past::new(moment);
    past.add(entries.to_vec());
    past.into_list().pop().map(|old| old.version)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn snapshots_show_the_same_after_any_number_of_sweeps(
        entries in past(),
        ages in prop::collection::vec(0..500_i64, 0..4),
        newest_kept in 0..4_usize,
    ) {
        let snapshots: Vec<i64> = ages.iter().map(|age| NOW - age * DAY).collect();
        let terms = Terms { rule: rule(newest_kept), snapshots: &snapshots, now: NOW };
        let before: Vec<_> = snapshots.iter().map(|moment| shown(&entries, *moment)).collect();
        let current = entries.iter().find(|entry| entry.is_latest).cloned();
        let mut left = entries;
        for _ in 0..3 {
            let gone: Vec<String> = match judge(&left, &terms) {
                Verdict::Nothing => break,
                Verdict::These(these) => {
                    these.iter().map(|entry| entry.version.clone()).collect()
                }
                Verdict::LoneMarker(marker) => vec![marker.version.clone()],
            };
            left.retain(|entry| !gone.contains(&entry.version));
            let after: Vec<_> = snapshots.iter().map(|moment| shown(&left, *moment)).collect();
            prop_assert_eq!(&before, &after);
        }
        let visible = current.filter(|entry| entry.kind == VersionKind::Content);
        let still = left.iter().find(|entry| entry.is_latest).cloned();
        prop_assert_eq!(visible, still.filter(|entry| entry.kind == VersionKind::Content));
    }
}
