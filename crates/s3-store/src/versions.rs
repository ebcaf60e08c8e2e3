use std::path::Path;

use rusqlite::{Connection, OpenFlags, params};

use crate::change::{Change, ChangeKind};
use crate::error::StoreError;
use crate::listing::{Entry, ListedVersion, Listing};
use crate::objects::{newest, parse_version_id};
use crate::store::{Store, find_bucket, unreferenced};

/// A version or a delete marker, as whoever runs the store sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionRecord {
    /// The object's key.
    pub key: String,
    /// Its version id.
    pub version_id: String,
    /// Without quotes; empty for a delete marker.
    pub etag: String,
    /// Bytes; 0 for a delete marker.
    pub size: u64,
    /// When it was committed, unix milliseconds of the store's clock.
    pub modified_ms: i64,
    /// What it is.
    pub kind: VersionKind,
    /// Whether it is the newest of its key.
    pub age: VersionAge,
}

/// What a key has at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionKind {
    /// Bytes.
    Content,
    /// Nothing: it was deleted.
    DeleteMarker,
}

/// How a version stands among those of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionAge {
    /// Nothing was written after it.
    Newest,
    /// Something was.
    Older,
}

/// Where a listing of versions goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionMark {
    /// Behind this key, or within it.
    pub key: String,
    /// Within the key, behind this version of it; `None` is behind all of them.
    pub version_id: Option<String>,
}

/// A part of a listing of versions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VersionsPage {
    /// In the order of keys, newest first within one.
    pub versions: Vec<VersionRecord>,
    /// Absent from the last part.
    pub next: Option<VersionMark>,
}

/// Versions of one key that are to go for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionRemoval {
    /// The object's key.
    pub key: String,
    /// The version that has to be the newest still; else nothing of this key goes.
    pub newest: String,
    /// Their ids. The newest may be among them only if all others are.
    pub versions: Vec<String>,
}

impl Store {
    /// Lists up to `limit` versions and delete markers of keys that start with `prefix`.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSuchBucket`], or the database is at fault.
    pub fn list_versions(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&VersionMark>,
        limit: usize,
    ) -> Result<VersionsPage, StoreError> {
        self.database()
            .read(|connection| page(connection, bucket, prefix, after, limit))
    }

    /// Removes versions for good, as long as nothing was written to their keys meanwhile. Tells how many went.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSuchBucket`], or the database is at fault; then nothing was removed.
    pub fn remove_versions(
        &self,
        bucket: &str,
        removals: &[VersionRemoval],
    ) -> Result<usize, StoreError> {
        let now_ms = self.now_ms();
        let (removed, unused) = self.database().write(|transaction| {
            let (bucket_id, _) = required(transaction, bucket)?;
            let (mut removed, mut released, mut changes) = (0, Vec::new(), Vec::new());
            for removal in removals {
                let gone = remove(transaction, bucket_id, removal)?;
                removed += gone.number;
                released.extend(gone.blobs);
                if let Some(version_id) = gone.hidden {
                    changes.push(Change {
                        bucket: bucket.to_owned(),
                        key: removal.key.clone(),
                        kind: ChangeKind::Delete,
                        etag: None,
                        size: 0,
                        version_id,
                        at_ms: now_ms,
                    });
                }
            }
            let unused = unreferenced(transaction, released)?;
            Ok::<_, StoreError>(((removed, unused), self.telling(changes)))
        })?;
        for blob in unused {
            self.blobs().discard(&blob);
        }
        Ok(removed)
    }
}

/// Lists versions as [`Store::list_versions`] does, from a store's database that another process may have open.
///
/// # Errors
///
/// The file is not the database of a store, or has no such bucket.
pub fn versions_in(
    database: &Path,
    bucket: &str,
    prefix: &str,
    after: Option<&VersionMark>,
    limit: usize,
) -> Result<VersionsPage, StoreError> {
    let connection = Connection::open_with_flags(
        database,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    page(&connection, bucket, prefix, after, limit)
}

pub(crate) fn required(connection: &Connection, bucket: &str) -> Result<(i64, i64), StoreError> {
    find_bucket(connection, bucket)?.ok_or_else(|| StoreError::NoSuchBucket {
        name: bucket.to_owned(),
    })
}

fn page(
    connection: &Connection,
    bucket: &str,
    prefix: &str,
    after: Option<&VersionMark>,
    limit: usize,
) -> Result<VersionsPage, StoreError> {
    let (bucket_id, _) = required(connection, bucket)?;
    let mut listing = Listing {
        prefix: prefix.to_owned(),
        delimiter: None,
        from: Vec::new(),
        limit,
    };
    let mut below = None;
    if let Some(mark) = after {
        match mark.version_id.as_deref().and_then(parse_version_id) {
            Some(seq) => {
                listing.from = mark.key.clone().into_bytes();
                below = Some(seq);
            }
            None => listing.start_after(&mark.key),
        }
    }
    let found = listing.versions(connection, bucket_id, below)?;
    let more = found.next.is_some();
    let versions: Vec<VersionRecord> = found.entries.into_iter().filter_map(record).collect();
    let next = versions.last().filter(|_| more).map(|last| VersionMark {
        key: last.key.clone(),
        version_id: Some(last.version_id.clone()),
    });
    Ok(VersionsPage { versions, next })
}

fn record(entry: Entry<ListedVersion>) -> Option<VersionRecord> {
    let version = match entry {
        Entry::Item(version) => version,
        // There are none without a delimiter.
        Entry::CommonPrefix(_) => return None,
    };
    Some(VersionRecord {
        version_id: version.id(),
        key: version.listed.key,
        etag: version.listed.etag,
        size: version.listed.size,
        modified_ms: version.listed.modified_ms,
        kind: match version.marker {
            true => VersionKind::DeleteMarker,
            false => VersionKind::Content,
        },
        age: match version.newest {
            true => VersionAge::Newest,
            false => VersionAge::Older,
        },
    })
}

#[derive(Default)]
struct Gone {
    number: usize,
    blobs: Vec<String>,
    /// The version that readers saw until now, if it is among them.
    hidden: Option<String>,
}

fn remove(
    connection: &Connection,
    bucket_id: i64,
    removal: &VersionRemoval,
) -> Result<Gone, rusqlite::Error> {
    let mut gone = Gone::default();
    let Some(newest) = newest(connection, bucket_id, &removal.key)? else {
        return Ok(gone);
    };
    if newest.id() != removal.newest {
        return Ok(gone);
    }
    let takes_newest = removal.versions.contains(&removal.newest);
    let all: usize = connection
        .prepare_cached("SELECT count(*) FROM versions WHERE bucket_id = ?1 AND key = ?2")?
        .query_row(params![bucket_id, removal.key.as_bytes()], |row| row.get(0))?;
    if takes_newest && removal.versions.len() != all {
        return Ok(gone);
    }
    for version in &removal.versions {
        let Some(seq) = parse_version_id(version) else {
            continue;
        };
        let mut statement = connection.prepare_cached(
            "DELETE FROM versions WHERE bucket_id = ?1 AND key = ?2 AND seq = ?3 RETURNING blob",
        )?;
        let mut rows = statement.query(params![bucket_id, removal.key.as_bytes(), seq])?;
        while let Some(row) = rows.next()? {
            gone.number += 1;
            gone.blobs.extend(row.get::<_, Option<String>>(0)?);
        }
    }
    if takes_newest && newest.live {
        gone.hidden = Some(newest.id());
    }
    Ok(gone)
}
