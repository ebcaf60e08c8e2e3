use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, OpenFlags};

use crate::database::writer::{Effect, Writer};
use crate::error::StoreError;

pub(crate) mod writer;

const SCHEMA: i64 = 2;
const IDLE_READERS: usize = 8;

// Keys are blobs so that they sort and compare by bytes, whatever they contain.
// `live` marks the version that readers see; a delete marker is a row without blob and is never live.
const CREATE: &str = "
CREATE TABLE buckets (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    created_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE access_keys (
    access_key TEXT PRIMARY KEY,
    secret TEXT NOT NULL,
    bucket_id INTEGER NOT NULL REFERENCES buckets (id) ON DELETE CASCADE,
    created_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE versions (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    bucket_id INTEGER NOT NULL REFERENCES buckets (id) ON DELETE CASCADE,
    key BLOB NOT NULL,
    live INTEGER NOT NULL,
    blob TEXT,
    size INTEGER NOT NULL,
    etag TEXT NOT NULL,
    attributes TEXT NOT NULL,
    modified_ms INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX versions_history ON versions (bucket_id, key, seq DESC);
CREATE UNIQUE INDEX versions_live ON versions (bucket_id, key) WHERE live = 1;
CREATE INDEX versions_blob ON versions (blob) WHERE blob IS NOT NULL;
CREATE TABLE uploads (
    upload_id TEXT PRIMARY KEY,
    bucket_id INTEGER NOT NULL REFERENCES buckets (id) ON DELETE CASCADE,
    key BLOB NOT NULL,
    attributes TEXT NOT NULL,
    started_ms INTEGER NOT NULL,
    completed_seq INTEGER
) STRICT;
CREATE INDEX uploads_key ON uploads (bucket_id, key, upload_id);
CREATE TABLE parts (
    upload_id TEXT NOT NULL REFERENCES uploads (upload_id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    blob TEXT NOT NULL,
    size INTEGER NOT NULL,
    etag TEXT NOT NULL,
    modified_ms INTEGER NOT NULL,
    PRIMARY KEY (upload_id, number)
) STRICT;
CREATE INDEX parts_blob ON parts (blob);
";

// A key's name is its owner's handle on it: unlike the key itself it is known before the key is made.
const NAME_KEYS: &str = "
ALTER TABLE access_keys ADD COLUMN name TEXT;
CREATE UNIQUE INDEX access_keys_name ON access_keys (name) WHERE name IS NOT NULL;
";

/// One writer, and readers that never wait for it.
#[derive(Debug)]
pub(crate) struct Database {
    path: PathBuf,
    writer: Writer,
    readers: Mutex<Vec<Connection>>,
}

impl Database {
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        let mut connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", "ON")?;
        let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        match found {
            0 => {
                let transaction = connection.transaction()?;
                transaction.execute_batch(CREATE)?;
                transaction.execute_batch(NAME_KEYS)?;
                transaction.pragma_update(None, "user_version", SCHEMA)?;
                transaction.commit()?;
            }
            1 => {
                let transaction = connection.transaction()?;
                transaction.execute_batch(NAME_KEYS)?;
                transaction.pragma_update(None, "user_version", SCHEMA)?;
                transaction.commit()?;
            }
            SCHEMA => {}
            found => {
                return Err(StoreError::NewerSchema {
                    found,
                    known: SCHEMA,
                });
            }
        }
        connection.set_prepared_statement_cache_capacity(64);
        Ok(Self {
            path: path.to_owned(),
            writer: Writer::new(connection),
            readers: Mutex::new(Vec::new()),
        })
    }

    /// Makes `change` happen wholly and durably, or not at all; see [`Writer::write`].
    pub(crate) fn write<T, E: From<rusqlite::Error>>(
        &self,
        change: impl FnOnce(&Connection) -> Result<(T, Effect), E>,
    ) -> Result<T, E> {
        self.writer.write(change)
    }

    /// Runs `query` on a snapshot.
    pub(crate) fn read<T, E: From<rusqlite::Error>>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        let idle = self
            .readers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let reader = match idle {
            Some(reader) => reader,
            None => self.connect_reader()?,
        };
        let result = query(&reader);
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if readers.len() < IDLE_READERS {
            readers.push(reader);
        }
        result
    }

    fn connect_reader(&self) -> Result<Connection, rusqlite::Error> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let reader = Connection::open_with_flags(&self.path, flags)?;
        reader.set_prepared_statement_cache_capacity(32);
        Ok(reader)
    }
}
