use serde::{Deserialize, Deserializer, Serialize};

/// What happened to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// The path has new content.
    Put,
    /// The path is gone.
    Delete,
    /// The content of `from` is now at the path.
    Rename,
    /// Something happened; only the bucket tells what.
    Changed,
}

/// One change as its writer reports it, after the bucket has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ChangeIn {
    /// The object's key in the tenant's bucket: 1 to 1024 bytes, no control characters.
    #[cfg_attr(feature = "utoipa", schema(min_length = 1, max_length = 1024))]
    pub path: String,
    pub kind: ChangeKind,
    /// The earlier path of a `rename`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The object's `ETag`, with or without quotes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// Bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// RFC 3339; when the change was made. It tells a repeated report from a second change.
    #[cfg_attr(feature = "utoipa", schema(format = DateTime))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

/// Body of `POST /tenant/changes`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ChangesIn {
    /// 1 to 256 changes, in the order in which they were made.
    #[cfg_attr(feature = "utoipa", schema(min_items = 1, max_items = 256))]
    pub changes: Vec<ChangeIn>,
    /// Who writes: 1 to 64 letters, digits, `.`, `_` or `-`. Comes back with the events.
    #[cfg_attr(feature = "utoipa", schema(pattern = r"^[A-Za-z0-9._-]{1,64}$"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
}

/// Answer of `POST /tenant/changes`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct ChangesOut {
    /// The highest number among the events of these changes.
    pub seq: i64,
}

/// Data of `event: change` in `GET /tenant/events`: a hint that a path changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct ChangeEvent {
    /// Numbers a tenant's events without gaps; also the event's `id`.
    pub seq: i64,
    /// Readers take a kind they do not know as `changed`.
    #[serde(deserialize_with = "known_kind")]
    pub kind: ChangeKind,
    pub path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Without quotes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// Bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// RFC 3339, UTC.
    #[cfg_attr(feature = "utoipa", schema(format = DateTime))]
    pub at: String,
    /// The device that reported the change; absent while only the bucket did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
}

/// Data of `event: ready` and `event: resync`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct StreamPosition {
    /// The newest number at this moment.
    pub seq: i64,
}

fn known_kind<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ChangeKind, D::Error> {
    let word = String::deserialize(deserializer)?;
    Ok(match word.as_str() {
        "put" => ChangeKind::Put,
        "delete" => ChangeKind::Delete,
        "rename" => ChangeKind::Rename,
        _ => ChangeKind::Changed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_with_an_unknown_kind_is_refused_and_an_event_is_taken_as_changed() {
        let report = r#"{"path":"a.md","kind":"shuffle"}"#;
        assert!(serde_json::from_str::<ChangeIn>(report).is_err());
        let event = r#"{"seq":7,"kind":"shuffle","path":"a.md","at":"2026-01-01T00:00:00Z"}"#;
        let event: ChangeEvent = serde_json::from_str(event).unwrap();
        assert_eq!((event.seq, event.kind), (7, ChangeKind::Changed));
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let event = ChangeEvent {
            seq: 1,
            kind: ChangeKind::Delete,
            path: "a.md".to_owned(),
            from: None,
            etag: None,
            size: None,
            at: "2026-01-01T00:00:00Z".to_owned(),
            device: Some("laptop".to_owned()),
        };
        assert_eq!(
            serde_json::to_string(&event).unwrap(),
            r#"{"seq":1,"kind":"delete","path":"a.md","at":"2026-01-01T00:00:00Z","device":"laptop"}"#
        );
    }
}
