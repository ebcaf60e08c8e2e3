//! Everything that a bucket has kept: versions and delete markers, and their removal.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use percent_encoding::{percent_decode_str, utf8_percent_encode};
use s3_store::{VersionAge, VersionMark as StoreMark, VersionsPage as StorePage};

use super::BucketError;
use super::s3::IN_QUERY;
use super::xml::Element;
use crate::clock::parse_rfc3339;

/// Entries on a page.
pub(super) const PAGE: usize = 1000;

/// A version or a delete marker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VersionEntry {
    pub(crate) key: String,
    /// The store's name for it.
    pub(crate) version: String,
    pub(crate) kind: VersionKind,
    /// Bytes; 0 for a delete marker.
    pub(crate) size: u64,
    /// Without quotes; empty for a delete marker.
    pub(crate) etag: String,
    /// Unix milliseconds; many stores tell whole seconds.
    pub(crate) modified_ms: i64,
    pub(crate) is_latest: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VersionKind {
    Content,
    DeleteMarker,
}

/// Where a listing goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VersionMark {
    pub(crate) key: String,
    /// Within the key; behind all its versions if `None`.
    pub(crate) version: Option<String>,
}

/// A part of a listing. All that is of one key stands together, also across parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct VersionsPage {
    pub(crate) entries: Vec<VersionEntry>,
    pub(crate) next: Option<VersionMark>,
}

/// What of one key is to go for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VersionRemoval {
    pub(crate) key: String,
    /// The latest when it was decided. A store that can compares it, and keeps all of a key to
    /// which something was written since.
    pub(crate) latest: String,
    pub(crate) versions: Vec<String>,
}

#[async_trait]
pub(crate) trait Versions: Send + Sync {
    /// Lists what a bucket has kept of keys that start with `prefix`; nothing where the store does
    /// not list versions.
    async fn list_versions(
        &self,
        _bucket: &str,
        _prefix: &str,
        _after: Option<&VersionMark>,
    ) -> Result<VersionsPage, BucketError> {
        Ok(VersionsPage::default())
    }
}

/// The versions in the folder of an embedded store, which a server may have open.
pub(crate) struct VersionsInFolder(PathBuf);

impl VersionsInFolder {
    /// `buckets` is the store's folder.
    pub(crate) fn new(buckets: &Path) -> Self {
        Self(buckets.join("store.db"))
    }
}

#[async_trait]
impl Versions for VersionsInFolder {
    async fn list_versions(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&VersionMark>,
    ) -> Result<VersionsPage, BucketError> {
        let (database, bucket, prefix) = (self.0.clone(), bucket.to_owned(), prefix.to_owned());
        let after = after.map(store_mark);
        let listed = tokio::task::spawn_blocking(move || {
            s3_store::versions_in(&database, &bucket, &prefix, after.as_ref(), PAGE)
        });
        Ok(from_store(listed.await??))
    }
}

pub(super) fn store_mark(mark: &VersionMark) -> StoreMark {
    StoreMark {
        key: mark.key.clone(),
        version_id: mark.version.clone(),
    }
}

/// With times as the store's S3 listings tell them, by which snapshots are looked at.
pub(super) fn from_store(page: StorePage) -> VersionsPage {
    let entry = |found: s3_store::VersionRecord| VersionEntry {
        key: found.key,
        version: found.version_id,
        kind: match found.kind {
            s3_store::VersionKind::Content => VersionKind::Content,
            s3_store::VersionKind::DeleteMarker => VersionKind::DeleteMarker,
        },
        size: found.size,
        etag: found.etag,
        modified_ms: found.modified_ms - found.modified_ms.rem_euclid(1000),
        is_latest: found.age == VersionAge::Newest,
    };
    VersionsPage {
        entries: page.versions.into_iter().map(entry).collect(),
        next: page.next.map(|mark| VersionMark {
            key: mark.key,
            version: mark.version_id,
        }),
    }
}

/// The query of a listing.
pub(super) fn query(prefix: &str, after: Option<&VersionMark>) -> String {
    let written = |text: &str| utf8_percent_encode(text, IN_QUERY).to_string();
    let mut query = "encoding-type=url".to_owned();
    if let Some(mark) = after {
        query.push_str(&format!("&key-marker={}", written(&mark.key)));
    }
    query.push_str(&format!("&prefix={}", written(prefix)));
    if let Some(version) = after.and_then(|mark| mark.version.as_deref()) {
        query.push_str(&format!("&version-id-marker={}", written(version)));
    }
    query.push_str("&versions=");
    query
}

/// Reads a listing; `None` if it makes no sense.
pub(super) fn page(document: &Element) -> Option<VersionsPage> {
    let names = Names::of(document);
    let mut entries = Vec::new();
    for element in document.elements() {
        let kind = match element.name() {
            "Version" => VersionKind::Content,
            "DeleteMarker" => VersionKind::DeleteMarker,
            _ => continue,
        };
        let etag = element.text(&["ETag"]).unwrap_or_default();
        entries.push(VersionEntry {
            key: names.read(element.raw_text("Key")?)?,
            version: element.text(&["VersionId"]).unwrap_or_default().to_owned(),
            kind,
            size: element.text(&["Size"]).unwrap_or("0").parse().ok()?,
            etag: etag.trim_matches('"').to_owned(),
            modified_ms: parse_rfc3339(element.text(&["LastModified"])?)?,
            is_latest: element.text(&["IsLatest"]) == Some("true"),
        });
    }
    let next = match document.text(&["IsTruncated"]) {
        Some("true") => Some(VersionMark {
            key: names.read(document.raw_text("NextKeyMarker")?)?,
            version: document
                .text(&["NextVersionIdMarker"])
                .filter(|version| !version.is_empty())
                .map(str::to_owned),
        }),
        Some(_) | None => None,
    };
    Some(VersionsPage { entries, next })
}

/// How a listing writes keys.
#[derive(Clone, Copy)]
pub(super) enum Names {
    Plain,
    UrlEncoded,
}

impl Names {
    pub(super) fn of(document: &Element) -> Self {
        match document.text(&["EncodingType"]) {
            Some("url") => Self::UrlEncoded,
            Some(_) | None => Self::Plain,
        }
    }

    pub(super) fn read(self, text: &str) -> Option<String> {
        match self {
            Self::Plain => Some(text.to_owned()),
            Self::UrlEncoded => {
                let text = text.replace('+', " ");
                let decoded = percent_decode_str(&text).decode_utf8().ok()?;
                Some(decoded.into_owned())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_tells_what_is_there_and_where_the_next_one_starts() {
        let text = b"<ListVersionsResult><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>\
            <NextKeyMarker>a%20b</NextKeyMarker><NextVersionIdMarker>v1</NextVersionIdMarker>\
            <Version><Key>a%20b</Key><VersionId>v2</VersionId><IsLatest>false</IsLatest><Size>3</Size>\
            <ETag>\"e\"</ETag><LastModified>1970-01-01T00:00:01.000Z</LastModified></Version>\
            <DeleteMarker><Key>a%20b</Key><VersionId>v3</VersionId><IsLatest>true</IsLatest>\
            <LastModified>1970-01-01T00:00:02.000Z</LastModified></DeleteMarker></ListVersionsResult>";
        let entry = |version: &str, kind, size, etag: &str, modified_ms, is_latest| VersionEntry {
            key: "a b".to_owned(),
            version: version.to_owned(),
            kind,
            size,
            etag: etag.to_owned(),
            modified_ms,
            is_latest,
        };
        let expected = VersionsPage {
            entries: vec![
                entry("v2", VersionKind::Content, 3, "e", 1000, false),
                entry("v3", VersionKind::DeleteMarker, 0, "", 2000, true),
            ],
            next: Some(VersionMark {
                key: "a b".to_owned(),
                version: Some("v1".to_owned()),
            }),
        };
        assert_eq!(page(&Element::parse(text).unwrap()), Some(expected));
        let broken = b"<L><Version><Key>a</Key><LastModified>soon</LastModified></Version></L>";
        assert_eq!(page(&Element::parse(broken).unwrap()), None);
    }

    #[test]
    fn a_listing_goes_on_behind_a_key_or_within_it() {
        let mark = |version: Option<&str>| VersionMark {
            key: "a b/c".to_owned(),
            version: version.map(str::to_owned),
        };
        assert_eq!(query("", None), "encoding-type=url&prefix=&versions=");
        assert_eq!(
            query("a/", Some(&mark(None))),
            "encoding-type=url&key-marker=a%20b%2Fc&prefix=a%2F&versions="
        );
        assert_eq!(
            query("", Some(&mark(Some("v+1")))),
            "encoding-type=url&key-marker=a%20b%2Fc&prefix=&version-id-marker=v%2B1&versions="
        );
    }
}
