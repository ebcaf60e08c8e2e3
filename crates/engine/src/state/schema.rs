use rusqlite::Connection;

use super::StateError;

/// The schema this program writes. A released version's step is never edited.
const VERSION: i64 = 1;

const STEP_1: &str = "
CREATE TABLE node(
  pair TEXT NOT NULL, path TEXT NOT NULL,
  md5 TEXT NOT NULL, etag TEXT NOT NULL, size INTEGER NOT NULL,
  ino INTEGER NOT NULL, dev INTEGER NOT NULL,
  l_size INTEGER NOT NULL, l_mtime INTEGER NOT NULL, l_ctime INTEGER NOT NULL,
  PRIMARY KEY(pair, path)) WITHOUT ROWID;
CREATE TABLE root(pair TEXT PRIMARY KEY, ino INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE probe(bucket TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE conflict(
  id TEXT PRIMARY KEY, pair TEXT NOT NULL, path TEXT NOT NULL, copy_path TEXT,
  device TEXT NOT NULL, at INTEGER NOT NULL,
  state TEXT NOT NULL CHECK(state IN ('open', 'resolved', 'dismissed')));
CREATE TABLE dropped_copy(
  pair TEXT NOT NULL, key TEXT NOT NULL, etag TEXT NOT NULL,
  PRIMARY KEY(pair, key)) WITHOUT ROWID;
CREATE TABLE history(
  id INTEGER PRIMARY KEY, pair TEXT NOT NULL, path TEXT NOT NULL, file TEXT NOT NULL,
  md5 TEXT NOT NULL, size INTEGER NOT NULL, reason TEXT NOT NULL, at INTEGER NOT NULL);
CREATE INDEX history_path ON history(pair, path, at);
CREATE TABLE activity(
  id INTEGER PRIMARY KEY, pair TEXT NOT NULL, path TEXT NOT NULL, action TEXT NOT NULL,
  at INTEGER NOT NULL);
";

pub(super) fn migrate(connection: &Connection) -> Result<(), StateError> {
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    match found {
        0 => Ok(connection.execute_batch(&format!(
            "BEGIN IMMEDIATE; {STEP_1} PRAGMA user_version = {VERSION}; COMMIT;"
        ))?),
        VERSION => Ok(()),
        _ => Err(StateError::Newer),
    }
}
