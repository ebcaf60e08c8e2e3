use rusqlite::{Connection, Row, params};

use crate::error::Refusal;
use crate::objects::version_id;

/// Greater than every key, because no UTF-8 text contains this byte.
const AFTER_ALL: &[u8] = &[0xFF];

/// What a listing shows: keys below `prefix`, from `from` on, rolled up at `delimiter`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Listing {
    pub(crate) prefix: String,
    pub(crate) delimiter: Option<String>,
    /// Inclusive lower bound.
    pub(crate) from: Vec<u8>,
    pub(crate) limit: usize,
}

/// One entry of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry<T> {
    Item(T),
    CommonPrefix(String),
}

/// A page, and where the next one starts when there is more.
#[derive(Debug)]
pub(crate) struct Page<T> {
    pub(crate) entries: Vec<Entry<T>>,
    pub(crate) next: Option<Vec<u8>>,
}

/// A visible object in a list.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    pub(crate) key: String,
    pub(crate) size: u64,
    pub(crate) etag: String,
    pub(crate) modified_ms: i64,
}

/// A version or delete marker in a list.
#[derive(Debug, Clone)]
pub(crate) struct ListedVersion {
    pub(crate) listed: Listed,
    pub(crate) seq: i64,
    pub(crate) newest: bool,
    pub(crate) marker: bool,
}

impl ListedVersion {
    pub(crate) fn id(&self) -> String {
        version_id(self.seq)
    }
}

/// The smallest bound above every key that starts with `prefix`.
pub(crate) fn successor(prefix: &[u8]) -> Vec<u8> {
    let mut bound = prefix.to_vec();
    while let Some(last) = bound.pop() {
        if last < 0xFF {
            bound.push(last + 1);
            return bound;
        }
    }
    AFTER_ALL.to_vec()
}

/// The smallest bound above one key.
pub(crate) fn just_after(key: &str) -> Vec<u8> {
    let mut bound = key.as_bytes().to_vec();
    bound.push(0);
    bound
}

impl Listing {
    /// Starts after `marker`, which may be a key or a common prefix of an earlier page.
    pub(crate) fn start_after(&mut self, marker: &str) {
        self.from = match self.roll(marker) {
            Some(common) if common == marker => successor(marker.as_bytes()),
            Some(_) | None => just_after(marker),
        };
    }

    /// The common prefix a key disappears in, if any.
    fn roll<'k>(&self, key: &'k str) -> Option<&'k str> {
        let delimiter = self.delimiter.as_deref().filter(|text| !text.is_empty())?;
        let rest = key.strip_prefix(self.prefix.as_str())?;
        let end = rest.find(delimiter)? + delimiter.len();
        Some(&key[..self.prefix.len() + end])
    }

    /// Lists visible objects; each common prefix costs one seek, however many keys it hides.
    pub(crate) fn objects(
        &self,
        connection: &Connection,
        bucket_id: i64,
    ) -> Result<Page<Listed>, Refusal> {
        const QUERY: &str = "SELECT key, size, etag, modified_ms FROM versions
            WHERE bucket_id = ?1 AND live = 1 AND key >= ?2 AND key < ?3 ORDER BY key LIMIT ?4";
        let upper = successor(self.prefix.as_bytes());
        let mut lower = self.from.clone().max(self.prefix.as_bytes().to_vec());
        let mut entries = Vec::new();
        if self.limit == 0 {
            return Ok(Page {
                entries,
                next: None,
            });
        }
        let mut query = connection.prepare_cached(QUERY)?;
        'seek: loop {
            let wanted = self.limit + 1 - entries.len();
            let mut rows = query.query(params![bucket_id, lower, upper, wanted])?;
            while let Some(row) = rows.next()? {
                if entries.len() == self.limit {
                    return Ok(Page {
                        entries,
                        next: Some(lower),
                    });
                }
                let listed = listed(row)?;
                if let Some(common) = self.roll(&listed.key) {
                    lower = successor(common.as_bytes());
                    entries.push(Entry::CommonPrefix(common.to_owned()));
                    continue 'seek;
                }
                lower = just_after(&listed.key);
                entries.push(Entry::Item(listed));
            }
            return Ok(Page {
                entries,
                next: None,
            });
        }
    }

    /// Lists all versions, newest first within a key; `below` continues inside the key of `from`.
    pub(crate) fn versions(
        &self,
        connection: &Connection,
        bucket_id: i64,
        below: Option<i64>,
    ) -> Result<Page<ListedVersion>, rusqlite::Error> {
        const QUERY: &str = "SELECT key, size, etag, modified_ms, seq, blob IS NULL,
                NOT EXISTS (SELECT 1 FROM versions AS newer WHERE newer.bucket_id = versions.bucket_id
                    AND newer.key = versions.key AND newer.seq > versions.seq)
            FROM versions WHERE bucket_id = ?1 AND key >= ?2 AND key < ?3 AND (key > ?2 OR seq < ?5)
            ORDER BY key, seq DESC LIMIT ?4";
        let upper = successor(self.prefix.as_bytes());
        let mut lower = self.from.clone().max(self.prefix.as_bytes().to_vec());
        let mut below = below.filter(|_| self.from == lower).unwrap_or(i64::MAX);
        let mut entries = Vec::new();
        if self.limit == 0 {
            return Ok(Page {
                entries,
                next: None,
            });
        }
        let mut query = connection.prepare_cached(QUERY)?;
        'seek: loop {
            let wanted = self.limit + 1 - entries.len();
            let mut rows = query.query(params![bucket_id, lower, upper, wanted, below])?;
            while let Some(row) = rows.next()? {
                if entries.len() == self.limit {
                    return Ok(Page {
                        entries,
                        next: Some(lower),
                    });
                }
                let listed = listed(row)?;
                if let Some(common) = self.roll(&listed.key) {
                    lower = successor(common.as_bytes());
                    below = i64::MAX;
                    entries.push(Entry::CommonPrefix(common.to_owned()));
                    continue 'seek;
                }
                entries.push(Entry::Item(ListedVersion {
                    listed,
                    seq: row.get(4)?,
                    marker: row.get(5)?,
                    newest: row.get(6)?,
                }));
            }
            return Ok(Page {
                entries,
                next: None,
            });
        }
    }
}

fn listed(row: &Row<'_>) -> Result<Listed, rusqlite::Error> {
    let key: Vec<u8> = row.get(0)?;
    Ok(Listed {
        key: String::from_utf8_lossy(&key).into_owned(),
        size: row.get(1)?,
        etag: row.get(2)?,
        modified_ms: row.get(3)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_successor_is_above_the_prefix_and_nothing_else() {
        assert_eq!(successor(b"a/"), b"a0");
        assert_eq!(successor(b"a\xFF"), b"b");
        assert_eq!(successor(b""), AFTER_ALL);
        assert!(successor("ż".as_bytes()) > "żyź".as_bytes().to_vec());
    }

    #[test]
    fn keys_roll_up_at_the_first_delimiter_after_the_prefix() {
        let listing = |prefix: &str, delimiter: &str| Listing {
            prefix: prefix.to_owned(),
            delimiter: Some(delimiter.to_owned()),
            ..Listing::default()
        };
        for (prefix, delimiter, key, expected) in [
            ("", "/", "a/b/c", Some("a/")),
            ("a/", "/", "a/b/c", Some("a/b/")),
            ("a/", "/", "a/b", None),
            ("a", "/", "a/b", Some("a/")),
            ("", "", "a/b", None),
            ("", "--", "x--y", Some("x--")),
        ] {
            assert_eq!(
                listing(prefix, delimiter).roll(key),
                expected,
                "{prefix} {key}"
            );
        }
    }

    #[test]
    fn a_marker_that_is_a_common_prefix_skips_all_of_it() {
        let mut listing = Listing {
            delimiter: Some("/".to_owned()),
            ..Listing::default()
        };
        listing.start_after("a/");
        assert_eq!(listing.from, b"a0");
        listing.start_after("a");
        assert_eq!(listing.from, b"a\0");
    }
}
