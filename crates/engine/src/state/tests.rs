use super::*;
use crate::vault::Signature;
use crate::view::{ConflictKind, ConflictState};

pub(super) fn node(md5: &str) -> Node {
    let signature = Signature {
        ino: 1,
        dev: u64::MAX,
        size: 3,
        mtime_ns: -4,
        ctime_ns: 5,
    };
    Node {
        md5: md5.into(),
        etag: md5.into(),
        size: 3,
        signature,
    }
}

fn publication() -> Publication {
    Publication {
        at_ms: 10,
        set: BTreeMap::from([("a.md".into(), node("1")), ("b/ü.md".into(), node("2"))]),
        activity: vec![("a.md".into(), ChangeAction::Upload)],
        root_ino: Some(u64::MAX),
        ..Publication::default()
    }
}

fn conflict() -> ConflictRow {
    ConflictRow {
        id: "c1".into(),
        pair: "p".into(),
        path: "a.md".into(),
        copy_path: Some("a (conflict).md".into()),
        device: "laptop".into(),
        at_ms: 9,
        state: ConflictState::Open,
        kind: ConflictKind::CreatedTwice,
        base_md5: None,
        mine: Stamp {
            md5: Some("1".into()),
            at_ms: Some(3),
            size: Some(4),
        },
        theirs: Stamp::default(),
        theirs_device: Some("phone".into()),
        merged: false,
        undo: None,
    }
}

fn decided(row: ConflictRow) -> Decided {
    Decided {
        row,
        resolution: None,
        if_known: IfKnown::Replace,
    }
}

#[test]
fn reads_back_what_it_published_and_keeps_pairs_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let mut state = State::open(&path).unwrap();
    state.publish("p", &publication()).unwrap();
    let copy = Copy {
        key: "k".into(),
        etag: "e".into(),
    };
    state
        .decide_conflicts("p", &[decided(conflict())], std::slice::from_ref(&copy))
        .unwrap();
    drop(state);
    // Undecided ones, and those of them that are not put off.
    fn counts(state: &State, pairs: &[String]) -> (u32, usize) {
        let open = state.open_conflict_ids(pairs).unwrap();
        (state.undecided_conflicts(pairs).unwrap(), open.len())
    }
    let mut state = State::open(&path).unwrap();
    assert_eq!(state.baseline("p").unwrap(), publication().set);
    assert_eq!(state.baseline("q").unwrap(), Baseline::new());
    assert_eq!(state.root_ino("p").unwrap(), Some(u64::MAX));
    let (own, other) = (["p".to_owned()], ["q".to_owned()]);
    assert_eq!(state.conflicts(&own, 10).unwrap(), [conflict().view()]);
    assert_eq!(state.conflicts(&other, 10).unwrap(), []);
    assert_eq!(state.activity(&own, 10).unwrap().len(), 1);
    assert_eq!(state.activity(&other, 10).unwrap(), []);
    assert_eq!(counts(&state, &own), (1, 1));
    assert_eq!(counts(&state, &other), (0, 0));
    assert_eq!(state.copies("p").unwrap(), [copy]);
    assert_eq!(state.copies("q").unwrap(), []);
    state.forget_copy("p", "k").unwrap();
    assert_eq!(state.copies("p").unwrap(), []);
    assert!(state.dismiss_conflict("c1").unwrap());
    assert!(!state.dismiss_conflict("c1").unwrap());
    assert_eq!(counts(&state, &own), (1, 0));
    assert!(state.recall_conflict("c1").unwrap());
    assert!(!state.recall_conflict("c1").unwrap());
    assert_eq!(counts(&state, &own), (1, 1));
    assert!(state.dismiss_conflict("c1").unwrap());
    state.bring_back_conflicts().unwrap();
    assert_eq!(counts(&state, &own), (1, 1));
    state.forget_baseline("p").unwrap();
    assert_eq!(
        (state.extent("p").unwrap(), state.root_ino("p").unwrap()),
        (Extent::default(), None)
    );
    assert_eq!(state.conflicts(&own, 10).unwrap().len(), 1);
}

#[test]
fn names_damage_and_newer_versions() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    crate::settings::replace_file(&path, &[7; 8192]).unwrap();
    assert!(matches!(
        State::open(&path),
        Err(StateError::Damaged { .. })
    ));
    let path = folder.path().join("newer.db");
    let state = State::open(&path).unwrap();
    state
        .connection
        .execute_batch("PRAGMA user_version = 99")
        .unwrap();
    drop(state);
    assert!(matches!(State::open(&path), Err(StateError::Newer)));
}

#[test]
fn finds_paths_their_folders_and_their_twins_without_a_walk() {
    let folder = tempfile::tempdir().unwrap();
    let mut state = State::open(&folder.path().join("state.db")).unwrap();
    state.publish("p", &publication()).unwrap();
    let paths = ["a.md", "c.md"].map(str::to_owned);
    let found = state.nodes("p", &paths).unwrap();
    assert_eq!(found, Baseline::from([("a.md".into(), node("1"))]));
    assert!(state.knows_below("p", "b").unwrap());
    assert!(!state.knows_below("p", "a.md").unwrap());
    assert!(!state.knows_below("q", "b").unwrap());
    for (path, expected) in [
        ("a.md", false),
        ("A.md", true),
        ("b/ü.md", false),
        ("b/U\u{308}.md", true),
        ("b/other.md", false),
        ("B/other.md", true),
        ("c/a.md", false),
    ] {
        assert_eq!(state.knows_twin("p", path).unwrap(), expected, "{path}");
    }
}

#[test]
fn a_state_of_the_first_version_is_brought_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let old = Connection::open(&path).unwrap();
    schema::make_first(&old);
    old.execute(
        "INSERT INTO node VALUES ('p', 'Über.md', 'm', 'e', 1, 1, 1, 1, 1, 1)",
        [],
    )
    .unwrap();
    drop(old);
    let state = State::open(&path).unwrap();
    assert_eq!(state.baseline("p").unwrap().len(), 1);
    assert!(state.knows_twin("p", "über.md").unwrap());
}
