//! The rule that ties a key to one bucket.

use serde::Serialize;

use crate::clock::rfc3339;

/// What a key may do with its bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    ReadWrite,
    /// For people whose subscription has lapsed: what they have stays within their reach.
    ReadOnly,
}

impl Access {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::ReadWrite => "read_write",
            Self::ReadOnly => "read_only",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "read_write" => Some(Self::ReadWrite),
            "read_only" => Some(Self::ReadOnly),
            _ => None,
        }
    }

    fn actions(self) -> &'static [&'static str] {
        match self {
            Self::ReadWrite => &[
                "s3:GetObject",
                "s3:PutObject",
                "s3:DeleteObject",
                "s3:ListBucket",
                "s3:AbortMultipartUpload",
                "s3:ListMultipartUploadParts",
                "s3:ListBucketMultipartUploads",
            ],
            Self::ReadOnly => &["s3:GetObject", "s3:ListBucket"],
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    version: &'static str,
    statement: [Statement; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Statement {
    effect: &'static str,
    action: &'static [&'static str],
    resource: [String; 2],
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<Condition>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Condition {
    date_less_than: CurrentTime,
}

#[derive(Serialize)]
struct CurrentTime {
    #[serde(rename = "aws:CurrentTime")]
    current_time: String,
}

/// The policy document for one key. `expires_at` is in Unix milliseconds.
pub(super) fn document(bucket: &str, access: Access, expires_at: Option<i64>) -> String {
    let condition = expires_at.and_then(whole_seconds).map(|end| Condition {
        date_less_than: CurrentTime { current_time: end },
    });
    let document = Document {
        version: "2012-10-17",
        statement: [Statement {
            effect: "Allow",
            action: access.actions(),
            resource: [
                format!("arn:aws:s3:::{bucket}"),
                format!("arn:aws:s3:::{bucket}/*"),
            ],
            condition,
        }],
    };
    serde_json::to_string(&document).expect("text and lists of text are always JSON")
}

/// IAM dates have whole seconds.
fn whole_seconds(unix_ms: i64) -> Option<String> {
    rfc3339(unix_ms - unix_ms.rem_euclid(1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_may_do_exactly_this_with_exactly_its_bucket() {
        assert_eq!(
            document("basic-memory-434252dd", Access::ReadWrite, None),
            concat!(
                r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:GetObject","#,
                r#""s3:PutObject","s3:DeleteObject","s3:ListBucket","s3:AbortMultipartUpload","#,
                r#""s3:ListMultipartUploadParts","s3:ListBucketMultipartUploads"],"Resource":["#,
                r#""arn:aws:s3:::basic-memory-434252dd","arn:aws:s3:::basic-memory-434252dd/*"]}]}"#,
            )
        );
    }

    #[test]
    fn a_lapsed_key_reads_and_nothing_else() {
        assert_eq!(
            document("b", Access::ReadOnly, None),
            concat!(
                r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","#,
                r#""Action":["s3:GetObject","s3:ListBucket"],"#,
                r#""Resource":["arn:aws:s3:::b","arn:aws:s3:::b/*"]}]}"#,
            )
        );
    }

    #[test]
    fn an_expiry_is_a_condition_in_whole_seconds() {
        let text = document("b", Access::ReadWrite, Some(1_700_000_000_999));
        let end = r#""Condition":{"DateLessThan":{"aws:CurrentTime":"2023-11-14T22:13:20Z"}}}]}"#;
        assert!(text.ends_with(end), "{text}");
    }

    #[test]
    fn access_survives_the_round_trip_through_text() {
        for access in [Access::ReadWrite, Access::ReadOnly] {
            assert_eq!(Access::parse(access.as_str()), Some(access));
        }
        assert_eq!(Access::parse("admin"), None);
    }
}
