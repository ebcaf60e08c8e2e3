use std::sync::Mutex;

use super::*;

type Dirty = Arc<Mutex<Vec<&'static str>>>;

fn object(key: &str, etag: &str) -> Object {
    Object {
        key: key.to_owned(),
        size: 3,
        etag: etag.to_owned(),
        last_modified_ms: 0,
        mtime_ms: None,
    }
}

fn live() -> (Live, BTreeMap<String, Entry>, Dirty) {
    let dirty = Dirty::default();
    let seen = dirty.clone();
    let held: Held = Arc::new(move |key| seen.lock().unwrap().contains(&key));
    let name: CopyName = Arc::new(|key, number| format!("{key} copy {number}"));
    (
        Live::new(held, name, BTreeMap::new()),
        BTreeMap::new(),
        dirty,
    )
}

fn matches(etag: &str) -> Precondition {
    Precondition::Match(etag.to_owned())
}

#[test]
fn a_write_replaces_what_was_shown_and_not_what_was_only_listed_since() {
    let (mut live, mut entries, _) = live();
    let when = |live: &Live, entries: &BTreeMap<String, Entry>| live.target(entries, "n").when;
    assert_eq!(when(&live, &entries), Precondition::Absent);
    live.learn(&mut entries, &object("n", "v1"));
    assert_eq!(
        when(&live, &entries),
        matches("v1"),
        "never read: the listed one"
    );
    live.exchanged("n", "v1", None);
    live.learn(&mut entries, &object("n", "v2"));
    assert_eq!(when(&live, &entries), matches("v1"));
    live.exchanged("n", "v2", None);
    assert_eq!(when(&live, &entries), matches("v2"));
}

#[test]
fn an_empty_object_counts_as_shown() {
    let (mut live, mut entries, _) = live();
    live.exchanged("n", "v1", None);
    let empty = Object {
        size: 0,
        ..object("n", "v2")
    };
    live.learn(&mut entries, &empty);
    assert_eq!(live.target(&entries, "n").when, matches("v2"));
}

#[test]
fn what_is_learned_of_a_held_key_does_not_become_its_base() {
    let (mut live, mut entries, dirty) = live();
    live.learn(&mut entries, &object("n", "v1"));
    dirty.lock().unwrap().extend(["n", "new"]);
    live.learn(&mut entries, &object("n", "v2"));
    live.learn(&mut entries, &object("new", "theirs"));
    assert_eq!(live.target(&entries, "n").when, matches("v1"));
    assert_eq!(live.target(&entries, "new").when, Precondition::Absent);
}

#[test]
fn a_late_write_goes_beside_until_the_others_version_was_read() {
    let (mut live, mut entries, _) = live();
    live.exchanged("n", "v1", None);
    let late = live.target(&entries, "n");
    live.lost(&mut entries, &late, Some(&object("n", "v2")));
    let aside = live.target(&entries, "n");
    let beside = |when| Target {
        key: "n".to_owned(),
        stored_as: Some("n copy 1".to_owned()),
        when,
    };
    assert_eq!(aside, beside(Precondition::Absent));
    live.exchanged("n", "c1", Some("n copy 1"));
    live.learn(&mut entries, &object("n", "v2"));
    let again = live.target(&entries, "n");
    assert_eq!(again, beside(matches("c1")), "saved again without reading");
    live.exchanged("n", "v2", None);
    assert_eq!(live.target(&entries, "n").when, matches("v2"));
    assert_eq!(live.target(&entries, "n").stored_as, None);
}

#[test]
fn a_taken_name_is_left_for_the_next_and_a_free_one_is_taken() {
    let (mut live, mut entries, _) = live();
    live.exchanged("n", "v1", None);
    let late = live.target(&entries, "n");
    live.lost(&mut entries, &late, Some(&object("n", "v2")));
    let taken = live.target(&entries, "n");
    live.lost(&mut entries, &taken, Some(&object("n copy 1", "x")));
    let next = live.target(&entries, "n");
    assert_eq!(next.stored_as.as_deref(), Some("n copy 2"));
    live.exchanged("n", "c", Some("n copy 2"));
    live.lost(&mut entries, &next, None);
    assert_eq!(live.target(&entries, "n").when, Precondition::Absent);
}

#[test]
fn an_edit_of_a_note_that_was_deleted_elsewhere_takes_its_name_again() {
    let (mut live, mut entries, _) = live();
    live.learn(&mut entries, &object("n", "v1"));
    live.exchanged("n", "v1", None);
    let late = live.target(&entries, "n");
    live.lost(&mut entries, &late, None);
    let next = live.target(&entries, "n");
    assert_eq!((next.stored_as, next.when), (None, Precondition::Absent));
}

#[test]
fn refusals_do_not_keep_a_bucket_down() {
    let (mut live, _, _) = live();
    let start = Instant::now();
    live.went_down(start);
    live.went_down(start + DOWN / 2);
    assert!(live.is_down(start + DOWN / 2));
    assert!(!live.is_down(start + DOWN));
}
