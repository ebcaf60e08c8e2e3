use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const NOW: i64 = 1_700_000_000_000;

fn event(kind: ChangeKind, etag: &str, teller: Teller) -> NewEvent {
    NewEvent {
        kind,
        path: "a.md".to_owned(),
        from: None,
        etag: (!etag.is_empty()).then(|| etag.to_owned()),
        size: None,
        at: NOW,
        teller,
    }
}

fn device(told_at: i64) -> Teller {
    Teller::Device {
        name: Some("laptop".to_owned()),
        told_at: Some(told_at),
    }
}

fn bucket(mark: &str) -> Teller {
    Teller::Bucket {
        mark: mark.to_owned(),
    }
}

/// The events that come of telling these in turn, a second apart.
fn log_of(told: &[NewEvent]) -> (Vec<Earlier>, Vec<Pairing>) {
    let mut log: Vec<Earlier> = Vec::new();
    let mut pairings = Vec::new();
    for (index, incoming) in told.iter().enumerate() {
        let now = NOW + 1_000 * i64::try_from(index).unwrap();
        let pairing = pair(&log, incoming, now);
        let mark = match &incoming.teller {
            Teller::Bucket { mark } => Some(mark.clone()),
            Teller::Device { .. } => None,
        };
        match pairing {
            Pairing::New => log.insert(
                0,
                Earlier {
                    seq: i64::try_from(log.len()).unwrap() + 1,
                    kind: incoming.kind,
                    etag: incoming.etag.clone(),
                    recorded_at: now,
                    reported_as: incoming.device_mark(),
                    confirmed_as: mark,
                },
            ),
            Pairing::Completes { seq } => {
                let event = log.iter_mut().find(|event| event.seq == seq).unwrap();
                event.reported_as = event.reported_as.take().or(incoming.device_mark());
                event.confirmed_as = event.confirmed_as.take().or(mark);
            }
            Pairing::Known { .. } => {}
        }
        pairings.push(pairing);
    }
    (log, pairings)
}

#[test]
fn a_change_told_by_both_sides_is_one_event() {
    let put = ChangeKind::Put;
    for told in [
        [event(put, "x", device(1)), event(put, "x", bucket("t1"))],
        [event(put, "x", bucket("t1")), event(put, "x", device(1))],
        [
            event(ChangeKind::Rename, "x", device(1)),
            event(put, "x", bucket("t1")),
        ],
        [
            event(ChangeKind::Delete, "", bucket("t1")),
            event(ChangeKind::Delete, "", device(1)),
        ],
    ] {
        let (log, pairings) = log_of(&told);
        assert_eq!(pairings, [Pairing::New, Pairing::Completes { seq: 1 }]);
        assert_eq!(log.len(), 1);
    }
}

#[test]
fn what_one_side_repeats_is_known() {
    let put = ChangeKind::Put;
    let known = Pairing::Known { seq: 1 };
    let (_, pairings) = log_of(&[event(put, "x", bucket("t1")), event(put, "x", bucket("t1"))]);
    assert_eq!(pairings[1], known);
    let (_, pairings) = log_of(&[event(put, "x", device(1)), event(put, "x", device(1))]);
    assert_eq!(pairings[1], known);
    let untimed = Teller::Device {
        name: None,
        told_at: None,
    };
    let (_, pairings) = log_of(&[
        event(put, "x", untimed.clone()),
        event(put, "x", untimed.clone()),
    ]);
    assert_eq!(pairings[1], known);
    let (_, pairings) = log_of(&[
        event(put, "x", untimed.clone()),
        event(ChangeKind::Delete, "", untimed.clone()),
        event(put, "x", untimed),
    ]);
    assert_eq!(pairings[2], Pairing::New, "it came back after the deletion");
}

#[test]
fn the_same_content_written_again_is_an_event_again() {
    let put = ChangeKind::Put;
    let (log, _) = log_of(&[
        event(put, "x", bucket("t1")),
        event(put, "y", bucket("t2")),
        event(put, "x", bucket("t3")),
    ]);
    assert_eq!(log.len(), 3);
}

#[test]
fn other_content_or_a_late_other_side_is_no_match() {
    let put = ChangeKind::Put;
    let (_, pairings) = log_of(&[event(put, "x", device(1)), event(put, "y", bucket("t1"))]);
    assert_eq!(pairings[1], Pairing::New);
    let earlier = |recorded_at| Earlier {
        seq: 1,
        kind: put,
        etag: Some("x".to_owned()),
        recorded_at,
        reported_as: Some("laptop@1".to_owned()),
        confirmed_as: None,
    };
    let incoming = event(put, "x", bucket("t1"));
    let at = |recorded_at| pair(&[earlier(recorded_at)], &incoming, NOW);
    assert_eq!(at(NOW - PAIRING_MS), Pairing::Completes { seq: 1 });
    assert_eq!(at(NOW - PAIRING_MS - 1), Pairing::New);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the order in which both sides tell a series of writes, each write is one event.
    #[test]
    fn each_write_is_one_event_whatever_the_order_of_the_sides(
        writes in prop::collection::vec(0_u8..3, 1..8),
        order in prop::collection::vec(any::<bool>(), 16),
    ) {
        let tell = |index: usize, teller| event(ChangeKind::Put, &format!("e{}", writes[index]), teller);
        let (mut by_device, mut by_bucket) = (0, 0);
        let mut told = Vec::new();
        for choice in order {
            if choice && by_device < writes.len() {
                told.push(tell(by_device, device(i64::try_from(by_device).unwrap())));
                by_device += 1;
            } else if by_bucket < writes.len() {
                told.push(tell(by_bucket, bucket(&format!("t{by_bucket}"))));
                by_bucket += 1;
            }
        }
        let events = by_device.max(by_bucket);
        let (log, _) = log_of(&told);
        prop_assert_eq!(log.len(), events);
    }
}

fn check(body: Value) -> Result<Vec<NewEvent>, String> {
    let report = serde_json::from_value(body).map_err(|error| error.to_string())?;
    reported(report, NOW)
}

#[test]
fn a_report_is_taken_as_told() {
    let told = check(json!({
        "device": "ana-laptop",
        "changes": [
            { "path": "a.md", "kind": "put", "etag": "\"abc\"", "size": 3, "at": "2023-11-14T22:13:20Z" },
            { "path": "c.md", "kind": "rename", "from": "b.md", "etag": "def" },
            { "path": "d.md", "kind": "delete", "etag": "gone" },
        ]
    }))
    .unwrap();
    assert_eq!(
        told[0],
        NewEvent {
            kind: ChangeKind::Put,
            path: "a.md".to_owned(),
            from: None,
            etag: Some("abc".to_owned()),
            size: Some(3),
            at: 1_700_000_000_000,
            teller: Teller::Device {
                name: Some("ana-laptop".to_owned()),
                told_at: Some(1_700_000_000_000),
            },
        }
    );
    assert_eq!(told[1].from.as_deref(), Some("b.md"));
    assert_eq!(told[1].at, NOW);
    assert_eq!(told[2].etag, None);
}

#[test]
fn a_report_that_is_wrong_is_refused_with_the_place() {
    let one = |change: Value| check(json!({ "changes": [change] }));
    for change in [
        json!({ "path": "", "kind": "put" }),
        json!({ "path": "x".repeat(1025), "kind": "put" }),
        json!({ "path": "a\u{0}b", "kind": "put" }),
        json!({ "path": "a\nb", "kind": "put" }),
        json!({ "path": "a", "kind": "rename" }),
        json!({ "path": "a", "kind": "rename", "from": "" }),
        json!({ "path": "a", "kind": "put", "from": "b" }),
        json!({ "path": "a", "kind": "put", "etag": "" }),
        json!({ "path": "a", "kind": "put", "etag": "a b" }),
        json!({ "path": "a", "kind": "put", "etag": "x".repeat(129) }),
        json!({ "path": "a", "kind": "put", "size": u64::MAX }),
        json!({ "path": "a", "kind": "put", "at": "yesterday" }),
    ] {
        let refusal = one(change.clone()).unwrap_err();
        assert!(refusal.starts_with("changes[0]: "), "{change}: {refusal}");
    }
    let put = json!({ "path": "a", "kind": "put" });
    assert!(one(put.clone()).is_ok());
    assert!(check(json!({ "changes": [] })).is_err());
    assert!(check(json!({ "changes": vec![put.clone(); 256] })).is_ok());
    assert!(check(json!({ "changes": vec![put.clone(); 257] })).is_err());
    for device in [
        String::new(),
        "a b".to_owned(),
        "x".repeat(65),
        "ü".to_owned(),
    ] {
        let body = json!({ "device": device, "changes": [put] });
        assert!(check(body).unwrap_err().starts_with("device"), "{device}");
    }
}
