//! What is in a bucket, now and at an earlier moment.

use std::collections::BTreeMap;

use percent_encoding::utf8_percent_encode;

use super::super::s3::IN_QUERY;
use super::super::versions::{self, Names, VersionEntry, VersionKind, VersionsPage};
use super::super::xml::Element;
use super::{BucketError, ObjectError, Objects};
use crate::clock::parse_rfc3339;

const LIST: &str = "ListObjectsV2";
const VERSIONS: &str = "ListObjectVersions";
/// A million versions; a bucket with more is not looked at as it once was.
const MOST_PAGES: usize = 1000;

/// An object as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) key: String,
    pub(crate) size: u64,
    /// Without quotes.
    pub(crate) etag: String,
    /// Unix milliseconds.
    pub(crate) modified_ms: i64,
}

/// An object as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Old {
    pub(crate) held: Held,
    pub(crate) version: String,
    pub(crate) standing: Standing,
}

/// How an earlier version compares with what is there now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The same bytes are there.
    Same,
    Replaced,
}

/// A part of a listing, and where the next part starts.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) held: Vec<Held>,
    pub(crate) next: Option<String>,
}

impl Objects {
    /// Lists objects whose key starts with `prefix`, in the order of their keys.
    pub(crate) async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        from: Option<&str>,
    ) -> Result<Page, ObjectError> {
        let mut query = format!(
            "encoding-type=url&list-type=2&prefix={}",
            utf8_percent_encode(prefix, IN_QUERY)
        );
        if let Some(token) = from {
            query = format!(
                "continuation-token={}&{query}",
                utf8_percent_encode(token, IN_QUERY)
            );
        }
        let page = self.page(LIST, bucket, &query).await?;
        let read = Element::parse(&page).and_then(|document| held_page(&document));
        Ok(read.ok_or(BucketError::Unreadable { operation: LIST })?)
    }

    /// Lists what was there before a moment, in Unix milliseconds, in the order of the keys.
    pub(crate) async fn list_as_of(
        &self,
        bucket: &str,
        prefix: &str,
        moment_ms: i64,
    ) -> Result<Vec<Old>, ObjectError> {
        let unreadable = || BucketError::Unreadable {
            operation: VERSIONS,
        };
        let mut past = Past::new(moment_ms);
        let mut after = None;
        for _ in 0..MOST_PAGES {
            let query = versions::query(prefix, after.as_ref());
            let page = self.page(VERSIONS, bucket, &query).await?;
            let read = Element::parse(&page).and_then(|document| versions::page(&document));
            let VersionsPage { entries, next } = read.ok_or_else(unreadable)?;
            past.add(entries);
            match next {
                Some(_) => after = next,
                None => return Ok(past.into_list()),
            }
        }
        Err(unreadable().into())
    }
}

fn held_page(document: &Element) -> Option<Page> {
    let names = Names::of(document);
    let held = document.children("Contents").map(|one| held(one, names));
    let next = match document.text(&["IsTruncated"]) {
        Some("true") => Some(document.text(&["NextContinuationToken"])?.to_owned()),
        Some(_) | None => None,
    };
    Some(Page {
        held: held.collect::<Option<_>>()?,
        next,
    })
}

fn held(element: &Element, names: Names) -> Option<Held> {
    let size = element.text(&["Size"]).unwrap_or("0");
    let etag = element.text(&["ETag"]).unwrap_or_default();
    Some(Held {
        key: names.read(element.raw_text("Key")?)?,
        size: size.parse().ok()?,
        etag: etag.trim_matches('"').to_owned(),
        modified_ms: parse_rfc3339(element.text(&["LastModified"])?)?,
    })
}

/// Everything there was, key by key, as far as it has been read.
pub(crate) struct Past {
    moment_ms: i64,
    keys: BTreeMap<String, Told>,
}

/// What has been read of one key.
#[derive(Default)]
struct Told {
    /// The `ETag` of what is there now.
    current: Option<String>,
    then: Option<Then>,
}

/// The newest that was there before the moment.
struct Then {
    modified_ms: i64,
    is_latest: bool,
    /// Absent if a delete was the newest.
    version: Option<(Held, String)>,
}

impl Past {
    pub(crate) fn new(moment_ms: i64) -> Self {
        Self {
            moment_ms,
            keys: BTreeMap::new(),
        }
    }

    pub(crate) fn add(&mut self, entries: Vec<VersionEntry>) {
        for entry in entries {
            let told = self.keys.entry(entry.key.clone()).or_default();
            let is_version = entry.kind == VersionKind::Content;
            if entry.is_latest && is_version {
                told.current = Some(entry.etag.clone());
            }
            // Of two in one unit of time the latest counts, else the one that is listed first.
            let newer = told.then.as_ref().is_none_or(|then| {
                (entry.modified_ms, entry.is_latest) > (then.modified_ms, then.is_latest)
            });
            if entry.modified_ms < self.moment_ms && newer {
                told.then = Some(Then {
                    modified_ms: entry.modified_ms,
                    is_latest: entry.is_latest,
                    version: is_version.then(|| {
                        let held = Held {
                            key: entry.key,
                            size: entry.size,
                            etag: entry.etag,
                            modified_ms: entry.modified_ms,
                        };
                        (held, entry.version)
                    }),
                });
            }
        }
    }

    pub(crate) fn into_list(self) -> Vec<Old> {
        let one = |told: Told| {
            let (held, version) = told.then?.version?;
            let standing = if told.current.as_ref() == Some(&held.etag) {
                Standing::Same
            } else {
                Standing::Replaced
            };
            Some(Old {
                held,
                version,
                standing,
            })
        };
        self.keys.into_values().filter_map(one).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_names_objects_however_their_keys_are_written() {
        let page = |encoding: &str, key: &str| {
            let text = format!(
                "<ListBucketResult><IsTruncated>true</IsTruncated>{encoding}\
                 <Contents><Key>{key}</Key><Size>3</Size><ETag>&quot;aa&quot;</ETag>\
                 <LastModified>2026-01-01T00:00:00.250Z</LastModified></Contents>\
                 <NextContinuationToken>n</NextContinuationToken></ListBucketResult>"
            );
            held_page(&Element::parse(text.as_bytes()).unwrap()).unwrap()
        };
        let expected = Page {
            held: vec![Held {
                key: "main/a b+ä.md".to_owned(),
                size: 3,
                etag: "aa".to_owned(),
                modified_ms: 1_767_225_600_250,
            }],
            next: Some("n".to_owned()),
        };
        assert_eq!(page("", "main/a b+ä.md"), expected);
        let url = "<EncodingType>url</EncodingType>";
        assert_eq!(page(url, "main/a+b%2B%C3%A4.md"), expected);
        assert_eq!(page(url, "main/a%20b%2B%C3%A4.md"), expected);
    }

    fn entry(
        kind: VersionKind,
        key: &str,
        version: &str,
        second: i64,
        latest: bool,
    ) -> VersionEntry {
        VersionEntry {
            key: key.to_owned(),
            version: version.to_owned(),
            kind,
            size: 1,
            etag: format!("e{version}"),
            modified_ms: second * 1000,
            is_latest: latest,
        }
    }

    #[test]
    fn the_past_has_what_was_newest_then_and_not_what_was_deleted() {
        use VersionKind::{Content, DeleteMarker};
        let entries = vec![
            entry(Content, "changed", "3", 5, true),
            entry(Content, "changed", "2", 3, false),
            entry(Content, "changed", "1", 1, false),
            entry(Content, "kept", "4", 1, true),
            entry(Content, "new", "5", 4, true),
            entry(Content, "gone", "6", 1, false),
            entry(Content, "back", "8", 6, true),
            entry(Content, "lost", "9", 2, false),
            entry(DeleteMarker, "gone", "7", 2, true),
            entry(DeleteMarker, "back", "7", 2, false),
            entry(DeleteMarker, "lost", "10", 5, true),
        ];
        let mut past = Past::new(4_000);
        past.add(entries);
        let list: Vec<(String, String, Standing)> = past
            .into_list()
            .into_iter()
            .map(|old| (old.held.key, old.version, old.standing))
            .collect();
        let row = |key: &str, version: &str, standing| (key.into(), version.into(), standing);
        assert_eq!(
            list,
            [
                row("changed", "2", Standing::Replaced),
                row("kept", "4", Standing::Same),
                row("lost", "9", Standing::Replaced),
            ]
        );
    }
}
