//! What Tigris tells about objects: an open set of event names, unordered, unsigned, repeated.
//!
//! The shape is that of Tigris' object notifications (`eventVersion` 1).

use serde::Deserialize;
use wire::ChangeKind;

use super::change::{NewEvent, Teller, bare_etag, is_etag, is_path};
use crate::clock::parse_rfc3339;

/// More events than this in one delivery are not read one by one.
const MAX_EVENTS: usize = 1_000;

#[derive(Debug, Deserialize)]
struct Delivery {
    events: Vec<Notification>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Notification {
    event_name: String,
    #[serde(default)]
    event_time: String,
    bucket: String,
    object: Option<Object>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Object {
    key: String,
    size: Option<i64>,
    e_tag: Option<String>,
}

/// What a delivery amounts to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Delivered {
    Changes(Vec<NewEvent>),
    /// Too much to go through; readers have to look at the bucket.
    TooMany,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DeliveryRefusal {
    #[error("The body is not a delivery of object events.")]
    Malformed,
    #[error("The delivery is about another bucket.")]
    ForeignBucket,
}

/// Reads a delivery for the tenant whose bucket this is.
pub(crate) fn delivered(body: &[u8], bucket: &str, now: i64) -> Result<Delivered, DeliveryRefusal> {
    let delivery: Delivery =
        serde_json::from_slice(body).map_err(|_| DeliveryRefusal::Malformed)?;
    if delivery.events.iter().any(|event| event.bucket != bucket) {
        return Err(DeliveryRefusal::ForeignBucket);
    }
    if delivery.events.len() > MAX_EVENTS {
        return Ok(Delivered::TooMany);
    }
    let mut changes: Vec<NewEvent> = delivery
        .events
        .into_iter()
        .filter_map(|event| change(event, now))
        .collect();
    changes.sort_by_key(|change| change.at);
    Ok(Delivered::Changes(changes))
}

fn change(event: Notification, now: i64) -> Option<NewEvent> {
    let kind = kind(&event.event_name)?;
    let object = event.object.filter(|object| is_path(&object.key))?;
    let etag = object
        .e_tag
        .as_deref()
        .map(bare_etag)
        .filter(|etag| is_etag(etag))
        .map(str::to_owned);
    let mark = format!(
        "{}#{}",
        event.event_time.chars().take(64).collect::<String>(),
        etag.as_deref().unwrap_or_default()
    );
    let gone = kind == ChangeKind::Delete;
    Some(NewEvent {
        kind,
        path: object.key,
        from: None,
        etag: etag.filter(|_| !gone),
        size: object.size.filter(|size| *size >= 0 && !gone),
        at: parse_rfc3339(&event.event_time).unwrap_or(now),
        teller: Teller::Bucket { mark },
    })
}

/// `None` where the content stays what it was.
fn kind(event_name: &str) -> Option<ChangeKind> {
    match event_name {
        "OBJECT_CREATED_PUT" | "OBJECT_CREATED_MULTIPART" | "OBJECT_CREATED_COPY" => {
            Some(ChangeKind::Put)
        }
        "OBJECT_DELETED" => Some(ChangeKind::Delete),
        "OBJECT_TRANSITIONED" => None,
        name if name.starts_with("OBJECT_CREATED") => Some(ChangeKind::Put),
        _ => Some(ChangeKind::Changed),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: i64 = 1_700_000_000_000;

    fn notification(name: &str, key: &str, time: &str) -> Value {
        json!({
            "eventVersion": "1", "eventSource": "tigris", "eventName": name, "eventTime": time,
            "bucket": "notes", "object": { "key": key, "size": 5, "eTag": "\"abc\"" },
            "somethingNew": true,
        })
    }

    fn read(events: &Value) -> Result<Delivered, DeliveryRefusal> {
        let body = json!({ "events": events }).to_string();
        delivered(body.as_bytes(), "notes", NOW)
    }

    fn kinds(events: &Value) -> Vec<(ChangeKind, String)> {
        match read(events) {
            Ok(Delivered::Changes(changes)) => {
                changes.into_iter().map(|c| (c.kind, c.path)).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_delivery_is_put_in_the_order_of_its_times() {
        let found = read(&json!([
            notification("OBJECT_DELETED", "b.md", "2023-11-14T22:13:21Z"),
            notification("OBJECT_CREATED_PUT", "a.md", "2023-11-14T22:13:20Z"),
        ]));
        let change = |kind, path: &str, etag: Option<&str>, size, at, mark: &str| NewEvent {
            kind,
            path: path.to_owned(),
            from: None,
            etag: etag.map(str::to_owned),
            size,
            at,
            teller: Teller::Bucket {
                mark: mark.to_owned(),
            },
        };
        assert_eq!(
            found,
            Ok(Delivered::Changes(vec![
                change(
                    ChangeKind::Put,
                    "a.md",
                    Some("abc"),
                    Some(5),
                    NOW,
                    "2023-11-14T22:13:20Z#abc"
                ),
                change(
                    ChangeKind::Delete,
                    "b.md",
                    None,
                    None,
                    NOW + 1_000,
                    "2023-11-14T22:13:21Z#abc"
                ),
            ]))
        );
    }

    #[test]
    fn names_are_an_open_set() {
        let at = "2023-11-14T22:13:20Z";
        let names = [
            "OBJECT_CREATED_COPY",
            "OBJECT_CREATED_BY_MAGIC",
            "OBJECT_RENAME",
            "OBJECT_ENCHANTED",
            "OBJECT_TRANSITIONED",
        ];
        let events: Vec<Value> = names.iter().map(|n| notification(n, n, at)).collect();
        assert_eq!(
            kinds(&json!(events)),
            [
                (ChangeKind::Put, names[0].to_owned()),
                (ChangeKind::Put, names[1].to_owned()),
                (ChangeKind::Changed, names[2].to_owned()),
                (ChangeKind::Changed, names[3].to_owned()),
            ]
        );
    }

    #[test]
    fn what_cannot_be_an_event_is_left_out() {
        let at = "when?";
        let mut no_object = notification("OBJECT_DELETED", "x", at);
        no_object.as_object_mut().unwrap().remove("object");
        let found = kinds(&json!([
            notification("OBJECT_DELETED", "a\u{0}b", at),
            notification("OBJECT_DELETED", "", at),
            no_object,
            notification("OBJECT_DELETED", "kept.md", at),
        ]));
        assert_eq!(found, [(ChangeKind::Delete, "kept.md".to_owned())]);
    }

    #[test]
    fn one_event_of_another_bucket_spoils_the_delivery() {
        let mut foreign = notification("OBJECT_DELETED", "b.md", "");
        foreign["bucket"] = json!("else");
        let events = json!([notification("OBJECT_DELETED", "a.md", ""), foreign]);
        assert_eq!(read(&events), Err(DeliveryRefusal::ForeignBucket));
        for body in ["", "[]", "{}", r#"{"events":{}}"#, r#"{"events":[1]}"#] {
            let found = delivered(body.as_bytes(), "notes", NOW);
            assert_eq!(found, Err(DeliveryRefusal::Malformed), "{body}");
        }
    }

    #[test]
    fn a_flood_is_answered_with_a_look_at_the_bucket() {
        let one = notification("OBJECT_DELETED", "a.md", "");
        assert_eq!(read(&json!(vec![one; 1_001])), Ok(Delivered::TooMany));
    }
}
