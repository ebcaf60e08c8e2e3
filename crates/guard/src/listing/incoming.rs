use quick_xml::de;
use serde::Deserialize;

use crate::encoding::{self, Plus, unquoted};
use crate::error::BucketError;
use crate::object::Object;

/// One page of `ListObjectsV2`.
#[derive(Debug)]
pub(crate) struct UpstreamPage {
    pub(crate) bucket: String,
    pub(crate) key_count: Option<usize>,
    pub(crate) is_truncated: bool,
    pub(crate) next_token: Option<String>,
    pub(crate) objects: Vec<Object>,
    /// The common prefixes.
    pub(crate) folders: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListXml {
    name: String,
    is_truncated: bool,
    key_count: Option<usize>,
    encoding_type: Option<String>,
    next_continuation_token: Option<String>,
    #[serde(default)]
    contents: Vec<ContentsXml>,
    #[serde(default)]
    common_prefixes: Vec<PrefixXml>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PrefixXml {
    prefix: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ContentsXml {
    key: String,
    last_modified: String,
    #[serde(rename = "ETag")]
    etag: String,
    size: u64,
}

pub(crate) fn parse_page(text: &str) -> Result<UpstreamPage, BucketError> {
    let list: ListXml = read(text, "a listing")?;
    let encoding = list.encoding_type.as_deref();
    let plain = |name| plain(name, encoding);
    let unreadable = || nonsense("a listing", "an entry has no readable key or date");
    let mut objects = Vec::with_capacity(list.contents.len());
    for entry in list.contents {
        let date = encoding::parse_list_date(&entry.last_modified);
        let (Some(key), Some(last_modified_ms)) = (plain(entry.key), date) else {
            return Err(unreadable());
        };
        objects.push(Object {
            key,
            size: entry.size,
            etag: unquoted(&entry.etag).to_owned(),
            last_modified_ms,
            mtime_ms: None,
        });
    }
    let prefixes = list.common_prefixes.into_iter();
    let folders = prefixes.map(|one| plain(one.prefix).ok_or_else(unreadable));
    let folders = folders.collect::<Result<_, _>>()?;
    Ok(UpstreamPage {
        bucket: list.name,
        key_count: list.key_count,
        is_truncated: list.is_truncated,
        next_token: list
            .next_continuation_token
            .filter(|token| !token.is_empty()),
        objects,
        folders,
    })
}

#[derive(Deserialize)]
#[serde(rename = "Error", rename_all = "PascalCase")]
struct ErrorXml {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// The code and message of an error document, if it is one.
pub(crate) fn parse_error(text: &str) -> Option<(String, String)> {
    if !text.contains("<Error") {
        return None;
    }
    let error: ErrorXml = de::from_str(text).ok()?;
    Some((error.code, error.message))
}

#[derive(Deserialize)]
struct WrittenXml {
    #[serde(rename = "ETag")]
    etag: String,
}

/// The entity tag in the answer to a copy or a completed upload, which may be an error with status 200.
pub(crate) fn parse_written(text: &str, key: &str) -> Result<String, BucketError> {
    if let Some((code, _)) = parse_error(text) {
        return Err(match code.as_str() {
            "PreconditionFailed" => BucketError::PreconditionFailed {
                key: key.to_owned(),
            },
            "ConditionalRequestConflict" => BucketError::Conflict {
                key: key.to_owned(),
            },
            _ => BucketError::Server { status: 500, code },
        });
    }
    let written: WrittenXml = read(text, "the answer to a write")?;
    Ok(unquoted(&written.etag).to_owned())
}

#[derive(Deserialize)]
struct UploadXml {
    #[serde(rename = "UploadId")]
    upload_id: String,
}

pub(crate) fn parse_upload_id(text: &str) -> Result<String, BucketError> {
    let upload: UploadXml = read(text, "the answer to a started upload")?;
    Ok(upload.upload_id)
}

#[derive(Deserialize)]
struct CompleteXml {
    #[serde(rename = "Part", default)]
    parts: Vec<PartXml>,
}

#[derive(Deserialize)]
struct PartXml {
    #[serde(rename = "PartNumber")]
    number: u16,
    #[serde(rename = "ETag")]
    etag: String,
}

/// Part numbers and their entity tags, as a client lists them to complete an upload.
pub(crate) fn parse_complete(text: &str) -> Option<Vec<(u16, String)>> {
    let complete: CompleteXml = de::from_str(text).ok()?;
    let part = |part: PartXml| (part.number, unquoted(&part.etag).to_owned());
    Some(complete.parts.into_iter().map(part).collect())
}

/// A batch of deletes as a client asks for it.
pub(crate) struct DeleteRequest {
    pub(crate) keys: Vec<String>,
    pub(crate) is_quiet: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DeleteXml {
    #[serde(default)]
    quiet: bool,
    #[serde(default)]
    object: Vec<DeleteKeyXml>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DeleteKeyXml {
    key: String,
}

pub(crate) fn parse_delete(text: &str) -> Option<DeleteRequest> {
    let request: DeleteXml = de::from_str(text).ok()?;
    Some(DeleteRequest {
        keys: request
            .object
            .into_iter()
            .map(|object| object.key)
            .collect(),
        is_quiet: request.quiet,
    })
}

/// A name as it is, from how a listing with this encoding spells it. `None` if it cannot be so.
pub(super) fn plain(name: String, encoding: Option<&str>) -> Option<String> {
    if encoding == Some("url") {
        encoding::decode(&name, Plus::Space)
    } else {
        Some(name)
    }
}

pub(super) fn read<'de, T: Deserialize<'de>>(text: &'de str, what: &str) -> Result<T, BucketError> {
    de::from_str(text).map_err(|error| nonsense(what, &error.to_string()))
}

pub(super) fn nonsense(what: &str, reason: &str) -> BucketError {
    BucketError::Malformed {
        reason: format!("{what} cannot be read: {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_with_encoded_keys() {
        let text = r#"<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>notes</Name><Prefix></Prefix>
<KeyCount>1</KeyCount><MaxKeys>1000</MaxKeys><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>
<NextContinuationToken>abc=</NextContinuationToken>
<Contents><Key>a+b/%C3%A9%2B.md</Key><LastModified>2026-11-21T22:13:16.250Z</LastModified>
<ETag>&quot;900150983cd24fb0d6963f7d28e17f72&quot;</ETag><Size>3</Size><StorageClass>STANDARD</StorageClass></Contents>
</ListBucketResult>"#;
        let page = parse_page(text).unwrap();
        assert_eq!(page.bucket, "notes");
        assert_eq!(page.next_token.as_deref(), Some("abc="));
        assert_eq!(
            page.objects,
            vec![Object {
                key: "a b/é+.md".into(),
                size: 3,
                etag: "900150983cd24fb0d6963f7d28e17f72".into(),
                last_modified_ms: 1_795_299_196_250,
                mtime_ms: None,
            }]
        );
    }

    #[test]
    fn an_html_page_is_no_listing() {
        let error = parse_page("<html><body>Please log in</body></html>").unwrap_err();
        assert_eq!(error.code(), "bucket_malformed_answer");
    }

    #[test]
    fn an_error_inside_a_success_is_seen() {
        let text = "<Error><Code>PreconditionFailed</Code><Message>m</Message></Error>";
        let error = parse_written(text, "k").unwrap_err();
        assert!(matches!(error, BucketError::PreconditionFailed { .. }));
        let text = "<CopyObjectResult><ETag>\"e-2\"</ETag></CopyObjectResult>";
        assert_eq!(parse_written(text, "k").unwrap(), "e-2");
    }
}
