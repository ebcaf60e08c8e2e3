use serde_json::{Value, json};

use super::*;

fn subscription_event() -> Value {
    json!({
        "type": "subscription.updated",
        "timestamp": "2026-11-01T00:00:02.000001Z",
        "api_version": "2026-10",
        "data": {
            "id": "sub_1",
            "created_at": "2026-10-01T00:00:00Z",
            "modified_at": "2026-11-01T00:00:01.000002Z",
            "status": "active",
            "current_period_start": "2026-11-01T00:00:00Z",
            "current_period_end": "2026-12-01T00:00:00.123456+00:00",
            "trial_end": null,
            "cancel_at_period_end": true,
            "canceled_at": "2026-11-01T00:00:01Z",
            "ends_at": "2026-12-01T00:00:00.123456Z",
            "pause_at_period_end": false,
            "resumes_at": null,
            "customer_id": "cus_1",
            "product_id": "prod_1",
            "customer": {
                "id": "cus_1",
                "created_at": "2026-09-01T00:00:00Z",
                "modified_at": null,
                "external_id": "user_1",
                "email": "ana@example.org",
            },
            "product": { "id": "prod_1", "name": "Pro\u{0}", "prices": [] },
            "prices": [],
            "a_field_of_tomorrow": { "deep": [1, 2, 3] },
        },
    })
}

fn read_value(event: &Value) -> Result<Facts, EventError> {
    read(event.to_string().as_bytes())
}

fn with(pointer: &str, value: Value) -> Value {
    let mut event = subscription_event();
    *event.pointer_mut(pointer).unwrap() = value;
    event
}

fn without(pointer: &str, field: &str) -> Value {
    let mut event = subscription_event();
    let parent = event.pointer_mut(pointer).unwrap();
    parent.as_object_mut().unwrap().remove(field).unwrap();
    event
}

const NOVEMBER_S: i64 = 1_793_491_200;
const DECEMBER_MS: i64 = 1_796_083_200_123;

#[test]
fn a_subscription_is_read_whole_with_its_customer() {
    let facts = read_value(&subscription_event()).unwrap();
    let expected = Facts {
        customer: Some(Customer {
            revision: (NOVEMBER_S - 61 * 24 * 3600) * 1_000_000,
            id: "cus_1".to_owned(),
            external_id: Some("user_1".to_owned()),
        }),
        snapshot: Some(Snapshot {
            revision: (NOVEMBER_S + 1) * 1_000_000 + 2,
            told_at: (NOVEMBER_S + 2) * 1_000,
            id: "sub_1".to_owned(),
            customer_id: "cus_1".to_owned(),
            status: Status::Active,
            product_id: Some("prod_1".to_owned()),
            plan: Some("Pro".to_owned()),
            current_period_start: Some(NOVEMBER_S * 1_000),
            current_period_end: Some(DECEMBER_MS),
            trial_end: None,
            cancel_at_period_end: true,
            canceled_at: Some((NOVEMBER_S + 1) * 1_000),
            ends_at: Some(DECEMBER_MS),
            past_due_at: None,
            pause_at_period_end: false,
            resumes_at: None,
        }),
        changed_subscription: None,
    };
    assert_eq!(facts, expected);
}

#[test]
fn the_name_of_a_subscription_event_changes_nothing() {
    let expected = read_value(&subscription_event()).unwrap();
    for name in ["created", "revoked", "canceled", "of_tomorrow"] {
        let event = with("/type", json!(format!("subscription.{name}")));
        assert_eq!(read_value(&event).unwrap(), expected, "{name}");
    }
}

#[test]
fn what_was_never_modified_is_as_old_as_its_creation() {
    let facts = read_value(&with("/data/modified_at", Value::Null)).unwrap();
    let created = (NOVEMBER_S - 31 * 24 * 3600) * 1_000_000;
    assert_eq!(facts.snapshot.unwrap().revision, created);
}

#[test]
fn only_an_external_id_that_is_there_maps_a_customer() {
    let external = |event: &Value| {
        let customer = read_value(event).unwrap().customer;
        customer.map(|customer| customer.external_id)
    };
    let of = |value| external(&with("/data/customer/external_id", value));
    assert_eq!(of(json!("user_2")), Some(Some("user_2".to_owned())));
    assert_eq!(of(Value::Null), Some(None));
    assert_eq!(of(json!("")), Some(None));
    assert_eq!(external(&without("/data/customer", "external_id")), None);
    assert_eq!(external(&without("/data", "customer")), None);
    assert_eq!(external(&with("/data/customer/id", json!("cus_2"))), None);
}

#[test]
fn orders_and_customers_tell_of_the_customer_only() {
    let customer = json!({
        "id": "cus_1",
        "created_at": "2026-11-01T00:00:00Z",
        "modified_at": "2026-11-01T00:00:00Z",
        "external_id": "user_1",
    });
    let known = Some(Customer {
        revision: NOVEMBER_S * 1_000_000,
        id: "cus_1".to_owned(),
        external_id: Some("user_1".to_owned()),
    });
    let order = json!({
        "type": "order.paid",
        "data": { "status": "paid", "subscription_id": "sub_1", "customer": &customer },
    });
    let expected = Facts {
        customer: known.clone(),
        snapshot: None,
        changed_subscription: Some("sub_1".to_owned()),
    };
    assert_eq!(read_value(&order).unwrap(), expected);
    for name in ["created", "updated", "state_changed"] {
        let event = json!({ "type": format!("customer.{name}"), "data": &customer });
        let expected = Facts {
            customer: known.clone(),
            ..Facts::default()
        };
        assert_eq!(read_value(&event).unwrap(), expected, "{name}");
    }
}

#[test]
fn other_types_mean_nothing_here() {
    for (kind, data) in [
        ("product.updated", json!({ "id": 7 })),
        ("subscriptions.created", json!([])),
        ("customer_seat.assigned", json!(null)),
        ("of.tomorrow", json!("text")),
        ("", json!({})),
    ] {
        let event = json!({ "type": kind, "data": data });
        assert_eq!(read_value(&event).unwrap(), Facts::default(), "{kind}");
    }
    assert_eq!(read(br#"{"type":"alone"}"#).unwrap(), Facts::default());
}

#[test]
fn what_cannot_be_understood_says_why() {
    let reason = |event: &Value| read_value(event).unwrap_err().to_string();
    for field in ["id", "status", "customer_id", "created_at"] {
        let missing = reason(&without("/data", field));
        assert!(missing.contains("its data lacks"), "{field}: {missing}");
    }
    for (pointer, value, expected) in [
        ("/data/modified_at", json!("yesterday"), "modified_at"),
        (
            "/data/current_period_end",
            json!("2026-13-01"),
            "current_period_end",
        ),
        ("/timestamp", json!("0"), "timestamp"),
        ("/data/id", json!(""), "its id"),
        ("/data/id", json!("a".repeat(129)), "its id"),
        ("/data/status", json!(""), "status"),
        (
            "/data/customer/external_id",
            json!("a\u{0}b"),
            "external_id",
        ),
    ] {
        let found = reason(&with(pointer, value));
        assert!(found.contains(expected), "{pointer}: {found}");
    }
    for body in [
        "",
        "null",
        "[]",
        "{}",
        "{\"type\":7}",
        "\u{0}",
        "{\"type\":\"x\"} y",
    ] {
        let error = read(body.as_bytes()).unwrap_err();
        assert!(matches!(error, EventError::Envelope(_)), "{body}: {error}");
    }
    assert!(matches!(read(&[0xff]), Err(EventError::Envelope(_))));
}

#[test]
fn the_type_is_shortened_and_made_plain_for_logs() {
    assert_eq!(kind(br#"{"type":"a.b"}"#).as_deref(), Some("a.b"));
    let long = format!(r#"{{"type":"\u0000\n{}"}}"#, "a".repeat(500));
    assert_eq!(kind(long.as_bytes()), Some("a".repeat(128)));
    assert_eq!(kind(b"{}"), None);
}
