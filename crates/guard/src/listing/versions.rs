use serde::Deserialize;

use super::incoming::{nonsense, plain, read};
use crate::bucket::ObjectVersion;
use crate::encoding::{self, unquoted};
use crate::error::BucketError;

/// One page of `ListObjectVersions`. Delete markers are left out: they have no bytes.
#[derive(Debug)]
pub(crate) struct VersionPage {
    pub(crate) versions: Vec<(String, ObjectVersion)>,
    /// Where the next page begins: key and version.
    pub(crate) next: Option<(String, String)>,
    last_key: Option<String>,
}

impl VersionPage {
    /// Whether keys after this one were listed already.
    pub(crate) fn left_key_behind(&self, key: &str) -> bool {
        self.last_key.as_deref().is_some_and(|last| last > key)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PageXml {
    is_truncated: bool,
    encoding_type: Option<String>,
    next_key_marker: Option<String>,
    next_version_id_marker: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct VersionXml {
    key: String,
    version_id: String,
    is_latest: bool,
    last_modified: String,
    #[serde(rename = "ETag")]
    etag: String,
    size: u64,
}

pub(crate) fn parse_versions(text: &str) -> Result<VersionPage, BucketError> {
    let (entries, rest) = entries(text);
    let list: PageXml = read(&rest, "a list of versions")?;
    let encoding = list.encoding_type.as_deref();
    let plain = |name| plain(name, encoding);
    let broken = || nonsense("a list of versions", "an entry has no readable key or date");
    let mut versions = Vec::new();
    for entry in entries {
        let entry: VersionXml = read(entry, "a list of versions")?;
        let at_ms = encoding::parse_list_date(&entry.last_modified).ok_or_else(broken)?;
        let key = plain(entry.key).ok_or_else(broken)?;
        let version = ObjectVersion {
            id: entry.version_id,
            etag: unquoted(&entry.etag).to_owned(),
            size: entry.size,
            at_ms,
            current: entry.is_latest,
        };
        versions.push((key, version));
    }
    let last_key = versions.last().map(|(key, _)| key.clone());
    let marker = list.next_key_marker.filter(|key| !key.is_empty());
    let next = match (list.is_truncated, marker) {
        (true, Some(key)) => {
            let id = list.next_version_id_marker.unwrap_or_default();
            Some((plain(key).ok_or_else(broken)?, id))
        }
        (true | false, _) => None,
    };
    Ok(VersionPage {
        versions,
        next,
        last_key,
    })
}

/// The versions of a page, each for itself, and the page without them: versions and delete markers
/// come in any order, which a list of one element cannot be read from. No text has a bare `<`.
fn entries(text: &str) -> (Vec<&str>, String) {
    const END: &str = "</Version>";
    let (mut found, mut others, mut rest) = (Vec::new(), String::new(), text);
    while let Some(start) = rest.find("<Version>") {
        let Some(end) = rest[start..].find(END) else {
            break;
        };
        let end = start + end + END.len();
        others.push_str(&rest[..start]);
        found.push(&rest[start..end]);
        rest = &rest[end..];
    }
    others.push_str(rest);
    (found, others)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_versions_and_passes_over_delete_markers() {
        let text = r#"<?xml version="1.0"?><ListVersionsResult><Name>b</Name><Prefix>a</Prefix>
            <KeyMarker></KeyMarker><MaxKeys>2</MaxKeys><IsTruncated>true</IsTruncated>
            <NextKeyMarker>a%20b.md</NextKeyMarker><NextVersionIdMarker>v1</NextVersionIdMarker>
            <EncodingType>url</EncodingType>
            <DeleteMarker><Key>a%20b.md</Key><VersionId>v3</VersionId><IsLatest>true</IsLatest>
            <LastModified>2026-01-02T03:04:06.000Z</LastModified></DeleteMarker>
            <Version><Key>a%20b.md</Key><VersionId>v2</VersionId><IsLatest>false</IsLatest>
            <LastModified>2026-01-02T03:04:05.000Z</LastModified><ETag>"e"</ETag><Size>3</Size>
            <StorageClass>STANDARD</StorageClass></Version></ListVersionsResult>"#;
        let page = parse_versions(text).unwrap();
        let expected = ObjectVersion {
            id: "v2".into(),
            etag: "e".into(),
            size: 3,
            at_ms: 1_767_323_045_000,
            current: false,
        };
        assert_eq!(page.versions, [("a b.md".to_owned(), expected)]);
        assert_eq!(page.next, Some(("a b.md".into(), "v1".into())));
        assert!(page.left_key_behind("a"));
        assert!(!page.left_key_behind("a b.md"));
    }
}
