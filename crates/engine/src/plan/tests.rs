use super::*;
use crate::state::Node;

fn signature(mtime_ns: i64) -> Signature {
    Signature {
        ino: 1,
        dev: 1,
        size: 1,
        mtime_ns,
        ctime_ns: 0,
    }
}

fn object(key: &str, etag: &str) -> Object {
    Object {
        key: key.into(),
        size: 1,
        etag: etag.into(),
        last_modified_ms: 0,
        mtime_ms: None,
    }
}

fn baseline(paths: &[&str]) -> Baseline {
    let node = Node {
        md5: "m".into(),
        etag: "m".into(),
        size: 1,
        signature: signature(0),
    };
    paths
        .iter()
        .map(|path| ((*path).to_owned(), node.clone()))
        .collect()
}

fn vault(files: &[(&str, i64)]) -> Scan {
    Scan {
        files: files
            .iter()
            .map(|(path, time)| ((*path).to_owned(), signature(*time)))
            .collect(),
        ..Scan::default()
    }
}

fn bucket(objects: &[(&str, &str)]) -> BTreeMap<String, Object> {
    let all = objects.iter().chain(&[(SENTINEL, "s")]);
    all.map(|(key, etag)| ((*key).to_owned(), object(key, etag)))
        .collect()
}

fn filters() -> Filters {
    Filters::parse("- *.tmp\n").unwrap()
}

fn actions(known: &[&str], here: &[(&str, i64)], cloud: &[(&str, &str)]) -> Vec<ChangeAction> {
    let plan = plan(&baseline(known), &vault(here), &bucket(cloud), &filters());
    plan.preview(&BTreeSet::new())
        .into_iter()
        .map(|change| change.action)
        .collect()
}

#[test]
fn tells_every_pair_of_sides() {
    use ChangeAction::{Conflict, Download, RemoveHere, RemoveInCloud, Upload};
    type Case = (
        &'static [&'static str],
        &'static [(&'static str, i64)],
        &'static [(&'static str, &'static str)],
        &'static [ChangeAction],
    );
    let cases: &[Case] = &[
        (&["a"], &[("a", 0)], &[("a", "m")], &[]),
        (&[], &[("a", 0)], &[], &[Upload]),
        (&[], &[], &[("a", "x")], &[Download]),
        (&[], &[("a", 0)], &[("a", "x")], &[Conflict]),
        (&["a"], &[("a", 1)], &[("a", "m")], &[Upload]),
        (&["a"], &[("a", 0)], &[("a", "x")], &[Download]),
        (&["a"], &[("a", 1)], &[("a", "x")], &[Conflict]),
        (&["a"], &[], &[("a", "m")], &[RemoveInCloud]),
        (&["a"], &[("a", 0)], &[], &[RemoveHere]),
        (&["a"], &[], &[("a", "x")], &[Download]),
        (&["a"], &[("a", 1)], &[], &[Upload]),
        (&["a"], &[], &[], &[]),
    ];
    for (known, here, cloud, expected) in cases {
        assert_eq!(
            &actions(known, here, cloud),
            expected,
            "{known:?} {here:?} {cloud:?}"
        );
    }
}

#[test]
fn leaves_excluded_and_impossible_names_alone() {
    let cloud = bucket(&[
        ("x.tmp", "1"),
        ("a/../b", "1"),
        ("folder/", "1"),
        (".basic-memory-probe-1", "1"),
        ("ok", "1"),
    ]);
    let plan = plan(&Baseline::new(), &Scan::default(), &cloud, &filters());
    assert_eq!(plan.scope.keys().collect::<Vec<_>>(), ["ok"]);
    assert_eq!(plan.problems.len(), 2);
}

#[test]
fn holds_twins_but_not_a_case_rename() {
    let twins = plan(
        &Baseline::new(),
        &vault(&[("A", 0)]),
        &bucket(&[("a", "x")]),
        &filters(),
    );
    assert!(twins.scope.is_empty());
    assert_eq!(twins.problems.len(), 2);
    let renamed = plan(
        &baseline(&["a"]),
        &vault(&[("A", 0)]),
        &bucket(&[("a", "m")]),
        &filters(),
    );
    assert_eq!(renamed.scope.len(), 2);
}

#[test]
fn twins_that_are_hidden_are_nobodys_problem() {
    let of = |here: &[(&str, i64)], cloud: &[(&str, &str)]| {
        let nothing = Baseline::new();
        let plan = plan(&nothing, &vault(here), &bucket(cloud), &filters());
        (plan.scope.len(), plan.problems.len())
    };
    assert_eq!(of(&[], &[("a.tmp", "1"), ("A.tmp", "1")]), (0, 0));
    let own = [(".basic-memory-x", "1"), (".basic-memory-X", "1")];
    assert_eq!(of(&[], &own), (0, 0));
    // Hidden here is not hidden everywhere.
    assert_eq!(of(&[], &[("a.tmp", "1"), ("A.TMP", "1")]), (0, 2));
    assert_eq!(of(&[("a.TMP", 0)], &[("a.tmp", "1")]), (0, 2));
}

#[test]
fn never_takes_an_unreadable_folder_for_a_deletion() {
    let scan = Scan {
        unreadable: BTreeSet::from(["sub".to_owned()]),
        ..vault(&[("a", 0)])
    };
    let plan = plan(
        &baseline(&["a", "sub/b", "subway"]),
        &scan,
        &bucket(&[("a", "m"), ("sub/b", "m"), ("subway", "m")]),
        &filters(),
    );
    assert_eq!(plan.scope.keys().collect::<Vec<_>>(), ["subway"]);
}

#[test]
fn a_suspect_with_the_old_bytes_is_no_change() {
    let mut plan = plan(
        &baseline(&["a", "b"]),
        &vault(&[("a", 1), ("b", 1)]),
        &bucket(&[("a", "m"), ("b", "x")]),
        &filters(),
    );
    assert_eq!(plan.suspects.len(), 2);
    plan.clear_suspect("a");
    plan.clear_suspect("b");
    assert_eq!(
        plan.scope,
        BTreeMap::from([(
            "b".to_owned(),
            Difference {
                here: Side::Same,
                cloud: Side::Changed
            }
        )])
    );
}

#[test]
fn read_only_keeps_downloads_deletes_nothing_and_counts_what_waits() {
    let mut plan = plan(
        &baseline(&["gone", "dropped"]),
        &vault(&[("mine", 0), ("dropped", 0)]),
        &bucket(&[("theirs", "x"), ("gone", "m")]),
        &filters(),
    );
    assert_eq!(plan.waiting(), 2);
    assert_eq!(plan.keep_downloads(), 2);
    assert_eq!(plan.scope.keys().collect::<Vec<_>>(), ["theirs"]);
}

#[test]
fn an_object_that_was_left_out_is_compared_after_all() {
    let known = baseline(&["same", "edited here", "gone here", "changed there"]);
    let here = vault(&[("same", 0), ("edited here", 1), ("changed there", 0)]);
    let mut plan = plan(&known, &here, &bucket(&[]), &filters());
    assert_eq!(plan.deleted_in_cloud().len(), 4);
    for path in ["same", "edited here", "gone here"] {
        plan.found_in_cloud(&object(path, "m"), &known);
    }
    plan.found_in_cloud(&object("changed there", "x"), &known);
    plan.found_in_cloud(&object("of no concern", "x"), &known);
    let told: Vec<_> = plan
        .preview(&BTreeSet::new())
        .into_iter()
        .map(|change| (change.path, change.action))
        .collect();
    assert_eq!(
        told,
        [
            ("changed there".to_owned(), ChangeAction::Download),
            ("edited here".to_owned(), ChangeAction::Upload),
            ("gone here".to_owned(), ChangeAction::RemoveInCloud),
        ]
    );
    assert!(plan.deleted_in_cloud().is_empty());
}
