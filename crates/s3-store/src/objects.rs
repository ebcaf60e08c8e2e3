use std::fs::File;
use std::io;

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::attributes::Attributes;
use crate::blobs::StagedBlob;
use crate::change::{Change, ChangeKind};
use crate::condition::{ReadCondition, WriteCondition};
use crate::error::Refusal;
use crate::keys::Scope;
use crate::store::{Batch, Store};

/// One version of one key, or a delete marker (no blob).
#[derive(Debug, Clone)]
pub(crate) struct Version {
    pub(crate) seq: i64,
    pub(crate) live: bool,
    pub(crate) blob: Option<String>,
    pub(crate) size: u64,
    pub(crate) etag: String,
    pub(crate) attributes: String,
    pub(crate) modified_ms: i64,
}

const COLUMNS: &str = "seq, live, blob, size, etag, attributes, modified_ms";

impl Version {
    fn from_row(row: &Row<'_>) -> Result<Self, rusqlite::Error> {
        Ok(Self {
            seq: row.get(0)?,
            live: row.get(1)?,
            blob: row.get(2)?,
            size: row.get(3)?,
            etag: row.get(4)?,
            attributes: row.get(5)?,
            modified_ms: row.get(6)?,
        })
    }

    pub(crate) fn id(&self) -> String {
        version_id(self.seq)
    }
}

/// The name of a version on the wire: its sequence number, never used twice.
pub(crate) fn version_id(seq: i64) -> String {
    format!("{seq:016x}")
}

pub(crate) fn parse_version_id(text: &str) -> Option<i64> {
    (text.len() == 16)
        .then(|| i64::from_str_radix(text, 16).ok())
        .flatten()
}

/// What becomes a new version.
#[derive(Debug)]
pub(crate) struct NewVersion<'a> {
    pub(crate) key: &'a str,
    pub(crate) blob: &'a str,
    pub(crate) size: u64,
    pub(crate) etag: &'a str,
    pub(crate) attributes: &'a str,
    pub(crate) kind: ChangeKind,
}

/// A version as committed.
#[derive(Debug, Clone)]
pub(crate) struct Committed {
    pub(crate) seq: i64,
    pub(crate) etag: String,
    pub(crate) modified_ms: i64,
}

/// A delete as committed. Nothing is made when no object was visible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Deleted {
    Nothing,
    MarkerMade { seq: i64 },
    VersionRemoved { marker: bool },
}

/// Where a copy comes from, always in the bucket it goes to.
#[derive(Debug)]
pub(crate) struct CopyFrom {
    pub(crate) key: String,
    pub(crate) version_id: Option<String>,
    pub(crate) condition: ReadCondition,
}

pub(crate) fn newest(
    connection: &Connection,
    bucket_id: i64,
    key: &str,
) -> Result<Option<Version>, rusqlite::Error> {
    connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM versions WHERE bucket_id = ?1 AND key = ?2 ORDER BY seq DESC LIMIT 1"
        ))?
        .query_row(params![bucket_id, key.as_bytes()], Version::from_row)
        .optional()
}

fn by_seq(
    connection: &Connection,
    bucket_id: i64,
    key: &str,
    seq: i64,
) -> Result<Option<Version>, rusqlite::Error> {
    connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM versions WHERE bucket_id = ?1 AND key = ?2 AND seq = ?3"
        ))?
        .query_row(params![bucket_id, key.as_bytes(), seq], Version::from_row)
        .optional()
}

/// Finds what a reader gets for a key, or for one version of it.
pub(crate) fn find_readable(
    connection: &Connection,
    bucket_id: i64,
    key: &str,
    version: Option<&str>,
) -> Result<Version, Refusal> {
    match version {
        None => {
            let found = newest(connection, bucket_id, key)?.ok_or(Refusal::NoSuchKey)?;
            if found.live {
                Ok(found)
            } else {
                Err(Refusal::Deleted {
                    version_id: found.id(),
                })
            }
        }
        Some(text) => {
            let seq = parse_version_id(text).ok_or(Refusal::NoSuchVersion)?;
            let found = by_seq(connection, bucket_id, key, seq)?.ok_or(Refusal::NoSuchVersion)?;
            if found.blob.is_some() {
                Ok(found)
            } else {
                Err(Refusal::DeleteMarker {
                    version_id: found.id(),
                })
            }
        }
    }
}

impl Store {
    /// Finds and opens an object for reading.
    pub(crate) fn open_object(
        &self,
        scope: &Scope,
        key: &str,
        version: Option<&str>,
        condition: &ReadCondition,
    ) -> Result<(Version, File), Refusal> {
        // A version removed between the row and the file is looked up once more.
        for last_try in [false, true] {
            let found = self.find_object(scope, key, version, condition)?;
            let blob = found.blob.as_deref().unwrap_or_default();
            match self.blobs().open(blob) {
                Ok(file) if file.metadata()?.len() == found.size => return Ok((found, file)),
                Ok(_) => return Err(io::Error::from(io::ErrorKind::InvalidData).into()),
                Err(error) if last_try || error.kind() != io::ErrorKind::NotFound => {
                    return Err(error.into());
                }
                Err(_) => {}
            }
        }
        Err(Refusal::NoSuchKey)
    }

    pub(crate) fn find_object(
        &self,
        scope: &Scope,
        key: &str,
        version: Option<&str>,
        condition: &ReadCondition,
    ) -> Result<Version, Refusal> {
        let found =
            self.read(|connection| find_readable(connection, scope.bucket_id, key, version))?;
        condition.check(&found.etag, found.modified_ms)?;
        Ok(found)
    }

    /// Makes staged bytes the newest version of a key, if the condition holds at that moment.
    pub(crate) fn put_object(
        &self,
        scope: &Scope,
        new: &NewVersion<'_>,
        staged: StagedBlob,
        condition: &WriteCondition,
    ) -> Result<Committed, Refusal> {
        let committed = self.commit(scope, |batch| batch.put(new, condition))?;
        staged.keep();
        Ok(committed)
    }

    pub(crate) fn copy_object(
        &self,
        scope: &Scope,
        from: &CopyFrom,
        key: &str,
        attributes: Option<&Attributes>,
        condition: &WriteCondition,
    ) -> Result<(Committed, Version), Refusal> {
        if from.key == key && from.version_id.is_none() && attributes.is_none() {
            return Err(Refusal::CopyToItself);
        }
        self.commit(scope, |batch| {
            let source = find_readable(
                batch.transaction,
                scope.bucket_id,
                &from.key,
                from.version_id.as_deref(),
            )?;
            from.condition
                .check_source(&source.etag, source.modified_ms)?;
            let attributes =
                attributes.map_or_else(|| source.attributes.clone(), Attributes::to_json);
            let new = NewVersion {
                key,
                blob: source.blob.as_deref().unwrap_or_default(),
                size: source.size,
                etag: &source.etag,
                attributes: &attributes,
                kind: ChangeKind::Copy,
            };
            Ok((batch.put(&new, condition)?, source))
        })
    }
}

impl Batch<'_> {
    pub(crate) fn put(
        &mut self,
        new: &NewVersion<'_>,
        condition: &WriteCondition,
    ) -> Result<Committed, Refusal> {
        let bucket_id = self.scope.bucket_id;
        let live = newest(self.transaction, bucket_id, new.key)?.filter(|version| version.live);
        condition.check(live.as_ref().map(|version| version.etag.as_str()))?;
        let seq = self.insert(new.key, live.as_ref(), Some(new))?;
        self.changes.push(Change {
            bucket: self.scope.bucket.clone(),
            key: new.key.to_owned(),
            kind: new.kind,
            etag: Some(new.etag.to_owned()),
            size: new.size,
            version_id: version_id(seq),
            at_ms: self.now_ms,
        });
        Ok(Committed {
            seq,
            etag: new.etag.to_owned(),
            modified_ms: self.now_ms,
        })
    }

    /// Hides a key behind a delete marker.
    pub(crate) fn delete(
        &mut self,
        key: &str,
        condition: &WriteCondition,
    ) -> Result<Deleted, Refusal> {
        let live = newest(self.transaction, self.scope.bucket_id, key)?.filter(|v| v.live);
        condition.check_delete(live.as_ref().map(|version| version.etag.as_str()))?;
        let Some(live) = live else {
            return Ok(Deleted::Nothing);
        };
        let seq = self.insert(key, Some(&live), None)?;
        self.push_delete(key, seq);
        Ok(Deleted::MarkerMade { seq })
    }

    /// Removes one version or delete marker for good; the next older one becomes the newest.
    pub(crate) fn delete_version(&mut self, key: &str, version: &str) -> Result<Deleted, Refusal> {
        let bucket_id = self.scope.bucket_id;
        let Some(seq) = parse_version_id(version) else {
            return Err(Refusal::NoSuchVersion);
        };
        let Some(found) = by_seq(self.transaction, bucket_id, key, seq)? else {
            return Ok(Deleted::Nothing);
        };
        let was_newest = newest(self.transaction, bucket_id, key)?.is_some_and(|v| v.seq == seq);
        self.transaction
            .prepare_cached("DELETE FROM versions WHERE seq = ?1")?
            .execute([seq])?;
        let marker = found.blob.is_none();
        self.released.extend(found.blob);
        if was_newest {
            self.reveal(key, seq, found.live)?;
        }
        Ok(Deleted::VersionRemoved { marker })
    }

    fn reveal(&mut self, key: &str, removed: i64, was_live: bool) -> Result<(), Refusal> {
        let next = newest(self.transaction, self.scope.bucket_id, key)?;
        match next {
            Some(next) if next.blob.is_some() => {
                self.set_live(next.seq, 1)?;
                self.changes.push(Change {
                    bucket: self.scope.bucket.clone(),
                    key: key.to_owned(),
                    kind: ChangeKind::Put,
                    version_id: next.id(),
                    etag: Some(next.etag),
                    size: next.size,
                    at_ms: self.now_ms,
                });
            }
            Some(next) if was_live => self.push_delete(key, next.seq),
            None if was_live => self.push_delete(key, removed),
            Some(_) | None => {}
        }
        Ok(())
    }

    fn push_delete(&mut self, key: &str, seq: i64) {
        self.changes.push(Change {
            bucket: self.scope.bucket.clone(),
            key: key.to_owned(),
            kind: ChangeKind::Delete,
            etag: None,
            size: 0,
            version_id: version_id(seq),
            at_ms: self.now_ms,
        });
    }

    fn insert(
        &self,
        key: &str,
        live: Option<&Version>,
        new: Option<&NewVersion<'_>>,
    ) -> Result<i64, rusqlite::Error> {
        if let Some(live) = live {
            self.set_live(live.seq, 0)?;
        }
        let (blob, size, etag, attributes) = match new {
            Some(new) => (Some(new.blob), new.size, new.etag, new.attributes),
            None => (None, 0, "", "{}"),
        };
        self.transaction
            .prepare_cached(
                "INSERT INTO versions (bucket_id, key, live, blob, size, etag, attributes, modified_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .insert(params![
                self.scope.bucket_id,
                key.as_bytes(),
                i64::from(new.is_some()),
                blob,
                size,
                etag,
                attributes,
                self.now_ms
            ])
    }

    fn set_live(&self, seq: i64, live: i64) -> Result<(), rusqlite::Error> {
        self.transaction
            .prepare_cached("UPDATE versions SET live = ?2 WHERE seq = ?1")?
            .execute([seq, live])?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_ids_name_their_sequence_number() {
        for seq in [1, 255, i64::MAX] {
            assert_eq!(parse_version_id(&version_id(seq)), Some(seq));
        }
        for text in ["", "null", "1", "-000000000000001", "zzzzzzzzzzzzzzzz"] {
            assert!(parse_version_id(text).is_none_or(|seq| seq < 0), "{text}");
        }
    }
}
