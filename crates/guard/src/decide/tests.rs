use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::object::Object;
use crate::session::{Rename, Visibility};
use crate::snapshot::{Entry, Upload};

const KEYS: [&str; 4] = ["a", "b", "hidden", "copy.MARK1"];

fn object(key: &str) -> Object {
    Object {
        key: key.to_owned(),
        size: 1,
        etag: format!("etag of {key}"),
        last_modified_ms: 0,
        mtime_ms: None,
    }
}

fn rename() -> Rename {
    Arc::new(|key, mtime_ms| {
        let name = key.strip_suffix(".MARK1")?;
        Some(format!("{name} (conflict {})", mtime_ms.unwrap_or(0)))
    })
}

/// Knows `a`; `hidden` exists unseen; `b` and `copy.MARK1` are free.
fn snapshot(access: Access) -> Snapshot {
    let visible = Visibility::Keys(BTreeSet::from(["a".to_owned()]));
    let objects = vec![object("a"), object("hidden")];
    let mut snapshot = Snapshot::new(objects, &visible, access, Some(rename()));
    let upload = |key: &str, stored_as: Option<&str>| Upload {
        key: key.to_owned(),
        stored_as: stored_as.map(str::to_owned),
        ..Upload::default()
    };
    snapshot.uploads.insert("ua".into(), upload("a", None));
    snapshot.uploads.insert("ub".into(), upload("b", None));
    let renamed = upload("copy.MARK1", Some("copy (conflict 7)"));
    snapshot.uploads.insert("uc".into(), renamed);
    snapshot
}

fn key(key: &str) -> String {
    key.to_owned()
}

fn put(key: &str) -> Operation {
    Operation::Put {
        key: key.to_owned(),
        mtime_ms: Some(7),
    }
}

fn to(key: &str, stored_as: Option<&str>, when: Precondition) -> Target {
    Target {
        key: key.to_owned(),
        stored_as: stored_as.map(str::to_owned),
        when,
    }
}

fn matching(key: &str) -> Precondition {
    Precondition::Match(format!("etag of {key}"))
}

#[test]
fn every_write_is_conditional_on_the_snapshot() {
    let snapshot = snapshot(Access::ReadWrite);
    let renamed = Some("copy (conflict 7)");
    let copy = |source: &str, to: &str| Operation::Copy {
        key: key(to),
        source: key(source),
        mtime_ms: None,
    };
    let complete = |of: &str, upload: &str| Operation::CompleteUpload {
        key: key(of),
        upload: key(upload),
    };
    let cases = [
        (put("a"), Forward::Put(to("a", None, matching("a")))),
        (put("b"), Forward::Put(to("b", None, Precondition::Absent))),
        (
            put("copy.MARK1"),
            Forward::Put(to("copy.MARK1", renamed, Precondition::Absent)),
        ),
        (
            Operation::Delete { key: key("a") },
            Forward::Delete {
                key: key("a"),
                stored: key("a"),
                etag: key("etag of a"),
            },
        ),
        (
            copy("a", "b"),
            Forward::Copy {
                target: to("b", None, Precondition::Absent),
                source: key("a"),
                source_etag: key("etag of a"),
                source_size: 1,
            },
        ),
        (
            copy("a", "a"),
            Forward::Copy {
                target: to("a", None, matching("a")),
                source: key("a"),
                source_etag: key("etag of a"),
                source_size: 1,
            },
        ),
        (
            complete("a", "ua"),
            Forward::Complete {
                target: to("a", None, matching("a")),
                upload: key("ua"),
            },
        ),
        (
            complete("b", "ub"),
            Forward::Complete {
                target: to("b", None, Precondition::Absent),
                upload: key("ub"),
            },
        ),
        (
            complete("copy.MARK1", "uc"),
            Forward::Complete {
                target: to("copy.MARK1", renamed, Precondition::Absent),
                upload: key("uc"),
            },
        ),
        (
            Operation::Get { key: key("a") },
            Forward::Get {
                key: key("a"),
                stored: key("a"),
                etag: key("etag of a"),
            },
        ),
        (
            Operation::Head { key: key("a") },
            Forward::Head {
                key: key("a"),
                stored: key("a"),
                etag: key("etag of a"),
            },
        ),
    ];
    for (operation, expected) in cases {
        assert_eq!(
            decide(&snapshot, &operation),
            Action::Forward(expected),
            "{operation:?}"
        );
    }
}

#[test]
fn what_is_not_known_or_not_visible_costs_no_request() {
    let snapshot = snapshot(Access::ReadWrite);
    let missing = |of: &str| Action::Answer(Answer::Missing { key: key(of) });
    let unseen = || refuse("hidden", RefusedReason::NotVisible);
    let no_upload = |of: &str| Action::Answer(Answer::MissingUpload { key: key(of) });
    let cases = [
        (Operation::Head { key: key("b") }, missing("b")),
        (Operation::Get { key: key("b") }, missing("b")),
        (Operation::Head { key: key("hidden") }, missing("hidden")),
        (Operation::Get { key: key("hidden") }, missing("hidden")),
        (
            Operation::Delete { key: key("b") },
            Action::Answer(Answer::AlreadyGone),
        ),
        (Operation::Delete { key: key("hidden") }, unseen()),
        (put("hidden"), unseen()),
        (
            Operation::Copy {
                key: key("b"),
                source: key("hidden"),
                mtime_ms: None,
            },
            missing("hidden"),
        ),
        (
            Operation::CompleteUpload {
                key: key("a"),
                upload: key("ub"),
            },
            no_upload("a"),
        ),
        (
            Operation::UploadPart {
                key: key("a"),
                upload: key("foreign"),
                number: 1,
            },
            no_upload("a"),
        ),
        (
            Operation::AbortUpload {
                key: key("a"),
                upload: key("ub"),
            },
            no_upload("a"),
        ),
    ];
    for (operation, expected) in cases {
        assert_eq!(decide(&snapshot, &operation), expected, "{operation:?}");
    }
}

#[test]
fn what_the_session_stored_itself_is_not_taken_back() {
    let mut snapshot = snapshot(Access::ReadWrite);
    let delete = Operation::Delete { key: key("a") };
    assert!(matches!(
        decide(&snapshot, &delete),
        Action::Forward(Forward::Delete { .. })
    ));
    snapshot.wrote("a", Entry::sample("new"));
    let expected = Action::Answer(Answer::OwnVersionStays);
    assert_eq!(decide(&snapshot, &delete), expected);

    snapshot.wrote("a", Entry::sample("parts-2"));
    let back = decide(&snapshot, &delete);
    assert!(
        matches!(&back, Action::Forward(Forward::Delete { etag, .. }) if etag == "parts-2"),
        "the parts may be of two saves: {back:?}"
    );
}

#[test]
fn a_renamed_object_stays_where_it_was_stored() {
    let mut snapshot = snapshot(Access::ReadWrite);
    let entry = Entry {
        stored_as: Some("copy (conflict 7)".into()),
        ..Entry::sample("e")
    };
    snapshot.entries.insert("copy.MARK1".into(), entry);
    let later = Operation::Put {
        key: key("copy.MARK1"),
        mtime_ms: Some(8),
    };
    let when = Precondition::Match("e".into());
    let target = to("copy.MARK1", Some("copy (conflict 7)"), when);
    assert_eq!(
        decide(&snapshot, &later),
        Action::Forward(Forward::Put(target))
    );
    let delete = Operation::Delete {
        key: key("copy.MARK1"),
    };
    let expected = Forward::Delete {
        key: key("copy.MARK1"),
        stored: key("copy (conflict 7)"),
        etag: key("e"),
    };
    assert_eq!(decide(&snapshot, &delete), Action::Forward(expected));
}

fn operations() -> impl Strategy<Value = Operation> {
    let key = || proptest::sample::select(KEYS.to_vec()).prop_map(str::to_owned);
    let upload = || proptest::sample::select(vec!["ua", "ub", "uc", "ux"]).prop_map(str::to_owned);
    let mtime = || proptest::option::of(0i64..9);
    prop_oneof![
        key().prop_map(|key| Operation::Head { key }),
        key().prop_map(|key| Operation::Get { key }),
        (key(), mtime()).prop_map(|(key, mtime_ms)| Operation::Put { key, mtime_ms }),
        (key(), key(), mtime()).prop_map(|(key, source, mtime_ms)| Operation::Copy {
            key,
            source,
            mtime_ms
        }),
        key().prop_map(|key| Operation::Delete { key }),
        Just(Operation::DeleteMany),
        (key(), mtime()).prop_map(|(key, mtime_ms)| Operation::StartUpload { key, mtime_ms }),
        (key(), upload()).prop_map(|(key, upload)| Operation::UploadPart {
            key,
            upload,
            number: 1
        }),
        (key(), upload()).prop_map(|(key, upload)| Operation::CompleteUpload { key, upload }),
        (key(), upload()).prop_map(|(key, upload)| Operation::AbortUpload { key, upload }),
    ]
}

/// What the model believes a key in the bucket to hold, as the session's own writes change it.
fn apply(snapshot: &mut Snapshot, action: &Action, serial: usize) {
    match action {
        Action::Forward(
            Forward::Put(target) | Forward::Copy { target, .. } | Forward::Complete { target, .. },
        ) => {
            let entry = Entry {
                stored_as: target.stored_as.clone(),
                ..Entry::sample(&format!("own {serial}"))
            };
            snapshot.entries.insert(target.key.clone(), entry);
        }
        Action::Forward(Forward::Delete { key, .. }) => {
            snapshot.entries.remove(key);
        }
        Action::Forward(
            Forward::List(_)
            | Forward::Head { .. }
            | Forward::Get { .. }
            | Forward::StartUpload { .. }
            | Forward::UploadPart { .. }
            | Forward::AbortUpload { .. },
        )
        | Action::Answer(_)
        | Action::Refuse { .. }
        | Action::DeleteEach => {}
    }
}

proptest! {
    #[test]
    fn conditions_always_name_what_the_session_last_knew(
        sequence in proptest::collection::vec(operations(), 1..40),
    ) {
        let mut snapshot = snapshot(Access::ReadWrite);
        for (serial, operation) in sequence.iter().enumerate() {
            let action = decide(&snapshot, operation);
            if let Action::Forward(
                Forward::Put(target) | Forward::Copy { target, .. } | Forward::Complete { target, .. },
            ) = &action {
                let known = snapshot
                    .entries
                    .values()
                    .find(|entry| entry.stored_as == target.stored_as && entry.stored_as.is_some())
                    .or_else(|| match &target.stored_as {
                        Some(_) => None,
                        None => snapshot.entries.get(&target.key).filter(|entry| entry.stored_as.is_none()),
                    });
                let expected = known.map_or(Precondition::Absent, |entry| {
                    Precondition::Match(entry.etag.clone())
                });
                prop_assert_eq!(&target.when, &expected);
                prop_assert_ne!(target.stored(), "hidden");
            }
            if let Action::Forward(Forward::Delete { key, etag, .. }) = &action {
                prop_assert_eq!(etag, &snapshot.entries[key].etag);
            }
            apply(&mut snapshot, &action, serial);
        }
    }

    #[test]
    fn a_read_only_session_changes_nothing(operation in operations()) {
        let action = decide(&snapshot(Access::ReadOnly), &operation);
        let is_harmless = matches!(
            action,
            Action::Answer(_)
                | Action::Refuse { reason: RefusedReason::ReadOnly, .. }
                | Action::Forward(
                    Forward::Head { .. } | Forward::Get { .. } | Forward::AbortUpload { .. }
                )
        );
        prop_assert!(is_harmless, "{:?}", action);
    }
}

#[test]
fn a_token_of_the_bucket_is_nothing_to_a_session_over_a_snapshot() {
    let query = ListQuery {
        version: crate::listing::ListVersion::V2,
        prefix: String::new(),
        delimiter: None,
        max_keys: 1000,
        after: None,
        start_after: None,
        token: Some("zz".to_owned()),
        naming: crate::listing::Naming::Plain,
    };
    let action = decide(&snapshot(Access::ReadWrite), &Operation::List(query));
    assert_eq!(action, refuse("", RefusedReason::Unsupported));
}
