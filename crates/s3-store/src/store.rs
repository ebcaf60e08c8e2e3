use std::collections::HashSet;
use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::broadcast;

use crate::blobs::BlobDir;
use crate::change::Change;
use crate::database::Database;
use crate::database::writer::{Effect, no_effect};
use crate::error::{Refusal, StoreError};
use crate::keys::{AccessKey, KeyRing, LastUse, Scope, mint};

/// Tells the time in unix milliseconds.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

const CHANGES_KEPT: usize = 4096;
const COMPLETED_UPLOAD_MS: i64 = 24 * 60 * 60 * 1000;

/// An access key as its owner sees it: everything but the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// The key's id, `tid_…`.
    pub access_key: String,
    /// The name it was made with, if any.
    pub name: Option<String>,
    /// The one bucket it works on.
    pub bucket: String,
    /// When it was made, unix milliseconds.
    pub created_ms: i64,
    /// When it was last used since the store was opened, unix milliseconds.
    pub last_used_ms: Option<i64>,
}

/// An S3 store in one folder; a handle, cheap to clone.
///
/// One process at a time: the folder stays locked while any clone lives. All methods but [`serve`](Self::serve)
/// use the disk and block briefly.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    database: Database,
    blobs: Arc<BlobDir>,
    keys: Arc<KeyRing>,
    changes: broadcast::Sender<Change>,
    clock: Clock,
    root: PathBuf,
    _lock: File,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("root", &self.inner.root)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the store in `root`, making it if needed, and removes what an unclean stop left behind.
    ///
    /// # Errors
    ///
    /// [`StoreError::InUse`] when another process has it open; otherwise the disk or the database is at fault.
    pub fn open(root: &Path, clock: Clock) -> Result<Self, StoreError> {
        let blob_path = root.join("blobs");
        make_private_folder(root)?;
        make_private_folder(&blob_path)?;
        let lock_path = root.join("lock");
        let lock = make_private_file(&lock_path)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                return Err(StoreError::InUse {
                    path: root.to_owned(),
                });
            }
            Err(fs::TryLockError::Error(error)) => {
                return Err(StoreError::files(&lock_path)(error));
            }
        }
        let database_path = root.join("store.db");
        drop(make_private_file(&database_path)?);
        let database = Database::open(&database_path)?;
        let (referenced, keys) = database.write(|transaction| {
            forget_completed_uploads(transaction, clock() - COMPLETED_UPLOAD_MS)?;
            let found = (referenced_blobs(transaction)?, load_keys(transaction)?);
            Ok::<_, StoreError>((found, no_effect()))
        })?;
        let blobs = BlobDir::new(&blob_path);
        let swept = blobs
            .sweep(&referenced)
            .map_err(StoreError::files(&blob_path))?;
        if swept > 0 {
            tracing::info!(files = swept, "removed unfinished writes of an earlier run");
        }
        let inner = Inner {
            database,
            blobs,
            keys: Arc::new(keys),
            changes: broadcast::Sender::new(CHANGES_KEPT),
            clock,
            root: root.to_owned(),
            _lock: lock,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Makes a bucket, versioned from birth; nothing happens when it exists.
    ///
    /// # Errors
    ///
    /// [`StoreError::InvalidBucketName`], or the database is at fault.
    pub fn create_bucket(&self, bucket: &str) -> Result<(), StoreError> {
        if !s3s::path::check_bucket_name(bucket) {
            return Err(StoreError::InvalidBucketName {
                name: bucket.to_owned(),
            });
        }
        let now = self.now_ms();
        self.inner.database.write(
            |transaction| {
                transaction.execute(
                    "INSERT INTO buckets (name, created_ms) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING",
                    params![bucket, now],
                )?;
                Ok(((), no_effect()))
            },
        )
    }

    /// Removes a bucket with every version, upload and access key in it, for good. Tells whether it existed.
    ///
    /// # Errors
    ///
    /// The database is at fault.
    pub fn delete_bucket(&self, bucket: &str) -> Result<bool, StoreError> {
        let found = self.inner.database.write(
            |transaction| {
                let Some((id, _)) = find_bucket(transaction, bucket)? else {
                    return Ok((None, no_effect()));
                };
                let mut query = transaction.prepare(
                    "SELECT blob FROM versions WHERE bucket_id = ?1 AND blob IS NOT NULL
                     UNION SELECT parts.blob FROM parts JOIN uploads USING (upload_id) WHERE bucket_id = ?1",
                )?;
                let blobs: Vec<String> =
                    query.query_map([id], |row| row.get(0))?.collect::<Result<_, _>>()?;
                transaction.execute("DELETE FROM buckets WHERE id = ?1", [id])?;
                let (keys, bucket) = (Arc::clone(&self.inner.keys), bucket.to_owned());
                let effect: Effect = Box::new(move || keys.remove_bucket(&bucket));
                Ok::<_, StoreError>((Some(blobs), effect))
            },
        )?;
        let existed = found.is_some();
        for blob in found.into_iter().flatten() {
            self.inner.blobs.discard(&blob);
        }
        Ok(existed)
    }

    /// Lists the names of all buckets, in order.
    ///
    /// # Errors
    ///
    /// The database is at fault.
    pub fn buckets(&self) -> Result<Vec<String>, StoreError> {
        self.inner.database.read(|connection| {
            let mut query = connection.prepare("SELECT name FROM buckets ORDER BY name")?;
            let names = query
                .query_map([], |row| row.get(0))?
                .collect::<Result<_, _>>()?;
            Ok(names)
        })
    }

    /// Makes an access key (`tid_…`) and its secret (`tsec_…`) that work on `bucket` alone, until deleted.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSuchBucket`], or the database is at fault.
    pub fn create_key(&self, bucket: &str) -> Result<(String, SecretString), StoreError> {
        self.add_key(bucket, None)
    }

    /// Makes a key like [`create_key`](Self::create_key) that is also known by `name`.
    /// A key that had the name before is deleted: whoever repeats this never got its secret.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSuchBucket`], or the database is at fault.
    pub fn create_named_key(
        &self,
        bucket: &str,
        name: &str,
    ) -> Result<(String, SecretString), StoreError> {
        self.add_key(bucket, Some(name))
    }

    fn add_key(
        &self,
        bucket: &str,
        name: Option<&str>,
    ) -> Result<(String, SecretString), StoreError> {
        let (access_key, secret) = mint();
        let now = self.now_ms();
        self.inner.database.write(|transaction| {
            let (bucket_id, _) =
                find_bucket(transaction, bucket)?.ok_or_else(|| StoreError::NoSuchBucket {
                    name: bucket.to_owned(),
                })?;
            let replaced: Option<String> = transaction
                .query_row(
                    "DELETE FROM access_keys WHERE name = ?1 RETURNING access_key",
                    [name],
                    |row| row.get(0),
                )
                .optional()?;
            transaction.execute(
                "INSERT INTO access_keys (access_key, secret, bucket_id, created_ms, name)
                     VALUES (?1, ?2, ?3, ?4, ?5)",
                params![access_key, secret.expose_secret(), bucket_id, now, name],
            )?;
            let bucket = bucket.to_owned();
            let scope = Scope {
                access_key: access_key.clone(),
                bucket,
                bucket_id,
            };
            let key = AccessKey {
                secret: secret.clone(),
                scope,
                last_use: LastUse::default(),
            };
            let keys = Arc::clone(&self.inner.keys);
            let effect: Effect = Box::new(move || {
                if let Some(replaced) = replaced {
                    keys.remove(&replaced);
                }
                keys.add(key);
            });
            Ok::<_, StoreError>(((), effect))
        })?;
        Ok((access_key, secret))
    }

    /// Lists all access keys, oldest first, without their secrets.
    ///
    /// # Errors
    ///
    /// The database is at fault.
    pub fn access_keys(&self) -> Result<Vec<KeyRecord>, StoreError> {
        self.inner.database.read(|connection| {
            let mut query = connection.prepare(
                "SELECT access_key, access_keys.name, buckets.name, access_keys.created_ms
                 FROM access_keys JOIN buckets ON buckets.id = bucket_id
                 ORDER BY access_keys.created_ms, access_key",
            )?;
            let records = query.query_map([], |row| {
                let access_key: String = row.get(0)?;
                Ok(KeyRecord {
                    last_used_ms: self.inner.keys.last_use(&access_key),
                    access_key,
                    name: row.get(1)?,
                    bucket: row.get(2)?,
                    created_ms: row.get(3)?,
                })
            })?;
            Ok(records.collect::<Result<_, _>>()?)
        })
    }

    /// Deletes the access key with this name, as [`delete_key`](Self::delete_key) does.
    ///
    /// # Errors
    ///
    /// The database is at fault.
    pub fn delete_named_key(&self, name: &str) -> Result<bool, StoreError> {
        let access_key: Option<String> = self.inner.database.read(|connection| {
            connection
                .query_row(
                    "SELECT access_key FROM access_keys WHERE name = ?1",
                    [name],
                    |row| row.get(0),
                )
                .optional()
        })?;
        match access_key {
            Some(access_key) => self.delete_key(&access_key),
            None => Ok(false),
        }
    }

    /// Deletes an access key; requests with it are refused from now on, uploads still running included.
    /// Tells whether it existed.
    ///
    /// # Errors
    ///
    /// The database is at fault.
    pub fn delete_key(&self, access_key: &str) -> Result<bool, StoreError> {
        let removed = self.inner.database.write(|transaction| {
            let removed = transaction.execute(
                "DELETE FROM access_keys WHERE access_key = ?1",
                [access_key],
            )?;
            let (keys, access_key) = (Arc::clone(&self.inner.keys), access_key.to_owned());
            let effect: Effect = Box::new(move || keys.remove(&access_key));
            Ok::<_, StoreError>((removed, effect))
        })?;
        Ok(removed > 0)
    }

    /// Starts receiving every change committed from now on.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Change> {
        self.inner.changes.subscribe()
    }

    pub(crate) fn keys(&self) -> &KeyRing {
        &self.inner.keys
    }

    pub(crate) fn blobs(&self) -> &Arc<BlobDir> {
        &self.inner.blobs
    }

    pub(crate) fn database(&self) -> &Database {
        &self.inner.database
    }

    pub(crate) fn now_ms(&self) -> i64 {
        (self.inner.clock)()
    }

    /// Tells subscribers of changes once they are committed.
    pub(crate) fn telling(&self, changes: Vec<Change>) -> Effect {
        let sender = self.inner.changes.clone();
        Box::new(move || {
            for change in changes {
                // Nobody listening is fine.
                drop(sender.send(change));
            }
        })
    }

    pub(crate) fn read<T>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        self.inner.database.read(query)
    }

    pub(crate) fn bucket_created_ms(&self, bucket: &str) -> Result<Option<i64>, Refusal> {
        self.read(|connection| Ok(find_bucket(connection, bucket)?.map(|(_, created)| created)))
    }

    /// Runs one request's changes in one transaction: all or nothing, and nothing if its key is gone.
    pub(crate) fn commit<T>(
        &self,
        scope: &Scope,
        change: impl FnOnce(&mut Batch<'_>) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let (value, unused) = self.inner.database.write(|transaction| {
            if !key_exists(transaction, &scope.access_key)? {
                return Err(Refusal::KeyRevoked);
            }
            let mut batch = Batch {
                transaction,
                scope,
                now_ms: self.now_ms(),
                changes: Vec::new(),
                released: Vec::new(),
            };
            let value = change(&mut batch)?;
            let Batch {
                changes, released, ..
            } = batch;
            let unused = unreferenced(transaction, released)?;
            Ok(((value, unused), self.telling(changes)))
        })?;
        for blob in unused {
            self.inner.blobs.discard(&blob);
        }
        Ok(value)
    }
}

/// One open write transaction on behalf of one access key.
pub(crate) struct Batch<'t> {
    pub(crate) transaction: &'t Connection,
    pub(crate) scope: &'t Scope,
    pub(crate) now_ms: i64,
    /// Told to subscribers once committed.
    pub(crate) changes: Vec<Change>,
    /// Blobs that lost a row; files without any row go after the commit.
    pub(crate) released: Vec<String>,
}

pub(crate) fn find_bucket(
    connection: &Connection,
    bucket: &str,
) -> Result<Option<(i64, i64)>, rusqlite::Error> {
    connection
        .prepare_cached("SELECT id, created_ms FROM buckets WHERE name = ?1")?
        .query_row([bucket], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
}

fn key_exists(connection: &Connection, access_key: &str) -> Result<bool, rusqlite::Error> {
    connection
        .prepare_cached("SELECT 1 FROM access_keys WHERE access_key = ?1")?
        .exists([access_key])
}

/// Those of the blobs that no row names any more.
pub(crate) fn unreferenced(
    connection: &Connection,
    mut blobs: Vec<String>,
) -> Result<Vec<String>, rusqlite::Error> {
    let mut named = connection.prepare_cached(
        "SELECT 1 FROM versions WHERE blob = ?1 UNION ALL SELECT 1 FROM parts WHERE blob = ?1",
    )?;
    let mut unused = Vec::new();
    blobs.sort_unstable();
    blobs.dedup();
    for blob in blobs {
        if !named.exists([&blob])? {
            unused.push(blob);
        }
    }
    Ok(unused)
}

fn referenced_blobs(connection: &Connection) -> Result<HashSet<String>, rusqlite::Error> {
    connection
        .prepare("SELECT blob FROM versions WHERE blob IS NOT NULL UNION SELECT blob FROM parts")?
        .query_map([], |row| row.get(0))?
        .collect()
}

/// Completed uploads are remembered for a while so that a repeated completion gets the same answer.
fn forget_completed_uploads(
    connection: &Connection,
    before_ms: i64,
) -> Result<(), rusqlite::Error> {
    connection.execute(
        "DELETE FROM uploads WHERE completed_seq IS NOT NULL AND started_ms < ?1",
        [before_ms],
    )?;
    Ok(())
}

fn load_keys(connection: &Connection) -> Result<KeyRing, rusqlite::Error> {
    let ring = KeyRing::default();
    let mut query = connection.prepare(
        "SELECT access_key, secret, bucket_id, buckets.name
         FROM access_keys JOIN buckets ON buckets.id = bucket_id",
    )?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let secret = SecretString::from(row.get::<_, String>(1)?);
        let scope = Scope {
            access_key: row.get(0)?,
            bucket_id: row.get(2)?,
            bucket: row.get(3)?,
        };
        ring.add(AccessKey {
            secret,
            scope,
            last_use: LastUse::default(),
        });
    }
    Ok(ring)
}

fn make_private_folder(path: &Path) -> Result<(), StoreError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(StoreError::files(path))?;
    restrict(path, 0o700)
}

fn make_private_file(path: &Path) -> Result<File, StoreError> {
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path).map_err(StoreError::files(path))?;
    restrict(path, 0o600)?;
    Ok(file)
}

#[cfg(unix)]
fn restrict(path: &Path, mode: u32) -> Result<(), StoreError> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(StoreError::files(path))
}

#[cfg(not(unix))]
#[expect(
    clippy::unnecessary_wraps,
    reason = "the folder is inside the user's profile already"
)]
fn restrict(_path: &Path, _mode: u32) -> Result<(), StoreError> {
    Ok(())
}
