use std::collections::BTreeMap;

use s3s::dto::{
    CopyObjectInput, CreateMultipartUploadInput, GetObjectOutput, HeadObjectOutput, PutObjectInput,
    Timestamp,
};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// The headers an object carries, kept with its version as JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Attributes {
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_disposition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_encoding: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_language: Option<String>,
    /// Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<i64>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<String, String>,
}

impl Attributes {
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings and numbers always serialize")
    }

    /// Unreadable attributes are no reason to withhold the bytes.
    pub(crate) fn from_json(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }
}

/// `aws-chunked` describes the request's framing, not the object.
fn stored_encoding(value: Option<&str>) -> Option<String> {
    let kept: Vec<&str> = value?
        .split(',')
        .map(str::trim)
        .filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case("aws-chunked"))
        .collect();
    (!kept.is_empty()).then(|| kept.join(","))
}

fn unix_seconds(value: Option<Timestamp>) -> Option<i64> {
    value.map(|timestamp| OffsetDateTime::from(timestamp).unix_timestamp())
}

fn timestamp(seconds: Option<i64>) -> Option<Timestamp> {
    OffsetDateTime::from_unix_timestamp(seconds?)
        .ok()
        .map(Timestamp::from)
}

macro_rules! from_input {
    ($input:ty) => {
        impl From<&mut $input> for Attributes {
            fn from(input: &mut $input) -> Self {
                Self {
                    content_type: input.content_type.take(),
                    cache_control: input.cache_control.take(),
                    content_disposition: input.content_disposition.take(),
                    content_encoding: stored_encoding(input.content_encoding.take().as_deref()),
                    content_language: input.content_language.take(),
                    expires: unix_seconds(input.expires.take()),
                    metadata: input.metadata.take().into_iter().flatten().collect(),
                }
            }
        }
    };
}

from_input!(PutObjectInput);
from_input!(CopyObjectInput);
from_input!(CreateMultipartUploadInput);

macro_rules! fill_output {
    ($name:ident, $output:ty) => {
        impl Attributes {
            pub(crate) fn $name(self, output: &mut $output) {
                output.content_type = self
                    .content_type
                    .or_else(|| Some("binary/octet-stream".to_owned()));
                output.cache_control = self.cache_control;
                output.content_disposition = self.content_disposition;
                output.content_encoding = self.content_encoding;
                output.content_language = self.content_language;
                output.expires = timestamp(self.expires);
                output.metadata =
                    (!self.metadata.is_empty()).then(|| self.metadata.into_iter().collect());
            }
        }
    };
}

fill_output!(fill_get, GetObjectOutput);
fill_output!(fill_head, HeadObjectOutput);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aws_chunked_is_not_kept_as_content_encoding() {
        for (given, kept) in [
            (Some("aws-chunked"), None),
            (Some("gzip, aws-chunked"), Some("gzip")),
            (Some("gzip"), Some("gzip")),
            (None, None),
        ] {
            assert_eq!(stored_encoding(given).as_deref(), kept, "{given:?}");
        }
    }

    #[test]
    fn attributes_survive_their_json() {
        let attributes = Attributes {
            content_type: Some("text/markdown".to_owned()),
            expires: Some(7),
            metadata: BTreeMap::from([("mtime".to_owned(), "1.5".to_owned())]),
            ..Attributes::default()
        };
        assert_eq!(Attributes::from_json(&attributes.to_json()), attributes);
    }
}
