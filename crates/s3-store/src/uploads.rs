use rusqlite::{Connection, OptionalExtension, params};

use crate::blobs::StagedBlob;
use crate::change::ChangeKind;
use crate::condition::WriteCondition;
use crate::database::writer::no_effect;
use crate::error::{Refusal, StoreError};
use crate::keys::{Scope, random_hex};
use crate::objects::{Committed, NewVersion, version_id};
use crate::receive::multipart_etag;
use crate::store::{Store, unreferenced};
use crate::versions::required;

/// A part of an upload in progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) number: i32,
    pub(crate) blob: String,
    pub(crate) size: u64,
    pub(crate) etag: String,
    pub(crate) modified_ms: i64,
}

/// An upload in progress.
#[derive(Debug, Clone)]
pub(crate) struct Upload {
    pub(crate) upload_id: String,
    pub(crate) key: String,
    pub(crate) started_ms: i64,
}

/// What a client says it uploaded: part number and `ETag`, in order.
pub(crate) type Claim = (i32, Option<String>);

struct UploadState {
    attributes: String,
    completed_seq: Option<i64>,
}

impl Store {
    pub(crate) fn start_upload(
        &self,
        scope: &Scope,
        key: &str,
        attributes: &str,
    ) -> Result<String, Refusal> {
        let upload_id = random_hex(16);
        self.commit(scope, |batch| {
            batch.transaction.execute(
                "INSERT INTO uploads (upload_id, bucket_id, key, attributes, started_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
                params![
                    upload_id,
                    scope.bucket_id,
                    key.as_bytes(),
                    attributes,
                    batch.now_ms
                ],
            )?;
            Ok(())
        })?;
        Ok(upload_id)
    }

    pub(crate) fn put_part(
        &self,
        scope: &Scope,
        key: &str,
        upload_id: &str,
        part: &Part,
        staged: StagedBlob,
    ) -> Result<(), Refusal> {
        self.commit(scope, |batch| {
            require_open(batch.transaction, scope, key, upload_id)?;
            let replaced: Option<String> = batch
                .transaction
                .query_row(
                    "SELECT blob FROM parts WHERE upload_id = ?1 AND number = ?2",
                    params![upload_id, part.number],
                    |row| row.get(0),
                )
                .optional()?;
            batch.released.extend(replaced);
            batch.transaction.execute(
                "INSERT OR REPLACE INTO parts (upload_id, number, blob, size, etag, modified_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![
                    upload_id,
                    part.number,
                    part.blob,
                    part.size,
                    part.etag,
                    part.modified_ms
                ],
            )?;
            Ok(())
        })?;
        staged.keep();
        Ok(())
    }

    pub(crate) fn abort_upload(
        &self,
        scope: &Scope,
        key: &str,
        upload_id: &str,
    ) -> Result<(), Refusal> {
        self.commit(scope, |batch| {
            require_open(batch.transaction, scope, key, upload_id)?;
            let parts = parts(batch.transaction, upload_id)?;
            batch
                .released
                .extend(parts.into_iter().map(|part| part.blob));
            batch
                .transaction
                .execute("DELETE FROM uploads WHERE upload_id = ?1", [upload_id])?;
            Ok(())
        })
    }

    /// Gives up the uploads that began before `begun_before_ms` (unix milliseconds of the store's
    /// clock) and were not completed; tells how many.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSuchBucket`], or the database is at fault; then all are as they were.
    pub fn end_uploads(&self, bucket: &str, begun_before_ms: i64) -> Result<usize, StoreError> {
        let (ended, unused) = self.database().write(|transaction| {
            let (bucket_id, _) = required(transaction, bucket)?;
            let due = params![bucket_id, begun_before_ms];
            let blobs = transaction
                .prepare_cached(
                    "SELECT blob FROM parts JOIN uploads USING (upload_id)
                     WHERE bucket_id = ?1 AND started_ms < ?2",
                )?
                .query_map(due, |row| row.get(0))?
                .collect::<Result<Vec<String>, _>>()?;
            let ended = transaction.execute(
                "DELETE FROM uploads
                 WHERE bucket_id = ?1 AND started_ms < ?2 AND completed_seq IS NULL",
                due,
            )?;
            let unused = unreferenced(transaction, blobs)?;
            Ok::<_, StoreError>(((ended, unused), no_effect()))
        })?;
        for blob in unused {
            self.blobs().discard(&blob);
        }
        Ok(ended)
    }

    /// Joins the claimed parts into one object, if the condition holds when it becomes visible.
    ///
    /// Repeating a completion whose answer was lost gives the same answer again.
    pub(crate) fn complete_upload(
        &self,
        scope: &Scope,
        key: &str,
        upload_id: &str,
        claims: &[Claim],
        condition: &WriteCondition,
    ) -> Result<Committed, Refusal> {
        let (state, found) = self.read(|connection| {
            let state = find_upload(connection, scope, key, upload_id)?;
            Ok((
                state.ok_or(Refusal::NoSuchUpload)?,
                parts(connection, upload_id)?,
            ))
        })?;
        if let Some(seq) = state.completed_seq {
            return self.read(|connection| repeated(connection, scope, seq));
        }
        let chosen = choose(&found, claims)?;
        let etag = multipart_etag(chosen.iter().map(|part| part.etag.as_str()))
            .ok_or(Refusal::InvalidPart)?;
        let staged = self.join(&chosen)?;
        let blob = match (&staged, chosen.as_slice()) {
            (Some(staged), _) => staged.id().to_owned(),
            (None, [only, ..]) => only.blob.clone(),
            (None, []) => return Err(Refusal::InvalidPart),
        };
        let new = NewVersion {
            key,
            blob: &blob,
            size: chosen.iter().map(|part| part.size).sum(),
            etag: &etag,
            attributes: &state.attributes,
            kind: ChangeKind::Multipart,
        };
        let committed = self.commit(scope, |batch| {
            require_open(batch.transaction, scope, key, upload_id)?;
            let now = parts(batch.transaction, upload_id)?;
            if now != found {
                return Err(Refusal::InvalidPart);
            }
            let committed = batch.put(&new, condition)?;
            batch
                .transaction
                .execute("DELETE FROM parts WHERE upload_id = ?1", [upload_id])?;
            batch.transaction.execute(
                "UPDATE uploads SET completed_seq = ?2 WHERE upload_id = ?1",
                params![upload_id, committed.seq],
            )?;
            batch.released.extend(now.into_iter().map(|part| part.blob));
            Ok(committed)
        })?;
        if let Some(staged) = staged {
            staged.keep();
        }
        Ok(committed)
    }

    /// One part becomes the object as it is; more are copied into one file.
    fn join(&self, chosen: &[Part]) -> Result<Option<StagedBlob>, Refusal> {
        if chosen.len() == 1 {
            return Ok(None);
        }
        let mut joined = self.blobs().begin()?;
        for part in chosen {
            let file = self
                .blobs()
                .open(&part.blob)
                .map_err(|_| Refusal::NoSuchUpload)?;
            joined.append_file(file)?;
        }
        Ok(Some(joined.seal()?))
    }

    pub(crate) fn list_parts(
        &self,
        scope: &Scope,
        key: &str,
        upload_id: &str,
    ) -> Result<Vec<Part>, Refusal> {
        self.read(|connection| {
            require_open(connection, scope, key, upload_id)?;
            Ok(parts(connection, upload_id)?)
        })
    }

    pub(crate) fn list_uploads(&self, scope: &Scope, prefix: &str) -> Result<Vec<Upload>, Refusal> {
        self.read(|connection| {
            let mut query = connection.prepare_cached(
                "SELECT upload_id, key, started_ms FROM uploads
                 WHERE bucket_id = ?1 AND key >= ?2 AND key < ?3 AND completed_seq IS NULL
                 ORDER BY key, upload_id",
            )?;
            let upper = crate::listing::successor(prefix.as_bytes());
            let rows =
                query.query_map(params![scope.bucket_id, prefix.as_bytes(), upper], |row| {
                    let key: Vec<u8> = row.get(1)?;
                    let key = String::from_utf8_lossy(&key).into_owned();
                    Ok(Upload {
                        upload_id: row.get(0)?,
                        key,
                        started_ms: row.get(2)?,
                    })
                })?;
            let uploads = rows.collect::<Result<_, _>>()?;
            Ok(uploads)
        })
    }
}

/// Picks the claimed parts, in the claimed order, which must ascend.
fn choose(found: &[Part], claims: &[Claim]) -> Result<Vec<Part>, Refusal> {
    if claims.is_empty() {
        return Err(Refusal::InvalidPart);
    }
    if !claims.is_sorted_by(|a, b| a.0 < b.0) {
        return Err(Refusal::InvalidPartOrder);
    }
    claims
        .iter()
        .map(|(number, etag)| {
            found
                .iter()
                .find(|part| part.number == *number)
                .filter(|part| etag.as_ref().is_none_or(|etag| *etag == part.etag))
                .cloned()
                .ok_or(Refusal::InvalidPart)
        })
        .collect()
}

fn find_upload(
    connection: &Connection,
    scope: &Scope,
    key: &str,
    upload_id: &str,
) -> Result<Option<UploadState>, rusqlite::Error> {
    connection
        .prepare_cached(
            "SELECT attributes, completed_seq FROM uploads
             WHERE upload_id = ?1 AND bucket_id = ?2 AND key = ?3",
        )?
        .query_row(params![upload_id, scope.bucket_id, key.as_bytes()], |row| {
            Ok(UploadState {
                attributes: row.get(0)?,
                completed_seq: row.get(1)?,
            })
        })
        .optional()
}

fn require_open(
    connection: &Connection,
    scope: &Scope,
    key: &str,
    upload_id: &str,
) -> Result<(), Refusal> {
    match find_upload(connection, scope, key, upload_id)? {
        Some(state) if state.completed_seq.is_none() => Ok(()),
        Some(_) | None => Err(Refusal::NoSuchUpload),
    }
}

fn repeated(connection: &Connection, scope: &Scope, seq: i64) -> Result<Committed, Refusal> {
    connection
        .query_row(
            "SELECT etag, modified_ms FROM versions WHERE seq = ?1 AND bucket_id = ?2",
            params![seq, scope.bucket_id],
            |row| {
                Ok(Committed {
                    seq,
                    etag: row.get(0)?,
                    modified_ms: row.get(1)?,
                })
            },
        )
        .optional()?
        .ok_or(Refusal::NoSuchUpload)
}

fn parts(connection: &Connection, upload_id: &str) -> Result<Vec<Part>, rusqlite::Error> {
    connection
        .prepare_cached(
            "SELECT number, blob, size, etag, modified_ms FROM parts WHERE upload_id = ?1 ORDER BY number",
        )?
        .query_map([upload_id], |row| {
            Ok(Part {
                number: row.get(0)?,
                blob: row.get(1)?,
                size: row.get(2)?,
                etag: row.get(3)?,
                modified_ms: row.get(4)?,
            })
        })?
        .collect()
}

impl Committed {
    pub(crate) fn version_id(&self) -> String {
        version_id(self.seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(number: i32) -> Part {
        let etag = format!("e{number}");
        Part {
            number,
            blob: format!("b{number}"),
            size: 1,
            etag,
            modified_ms: 0,
        }
    }

    fn numbers(found: &[i32], claims: &[(i32, Option<&str>)]) -> Result<Vec<i32>, String> {
        let found: Vec<Part> = found.iter().copied().map(part).collect();
        let claims: Vec<Claim> = claims
            .iter()
            .map(|(number, etag)| (*number, etag.map(str::to_owned)))
            .collect();
        choose(&found, &claims)
            .map(|parts| parts.iter().map(|part| part.number).collect())
            .map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn a_completion_takes_exactly_the_claimed_parts() {
        let missing = Err("a part is missing or has another ETag".to_owned());
        assert_eq!(
            numbers(&[1, 2, 3], &[(1, Some("e1")), (3, None)]),
            Ok(vec![1, 3])
        );
        assert_eq!(numbers(&[1], &[(1, Some("other"))]), missing);
        assert_eq!(numbers(&[1], &[(2, None)]), missing);
        assert_eq!(numbers(&[1], &[]), missing);
        assert_eq!(
            numbers(&[1, 2], &[(2, None), (1, None)]),
            Err("parts are not in ascending order".to_owned())
        );
    }
}
