use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;

use super::StateError;
use crate::naming;

/// The schema this program writes. A released version's step is never edited.
const VERSION: i64 = 4;

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

/// Paths that some disk takes for the same find each other without a walk.
const STEP_2: &str = "
ALTER TABLE node ADD COLUMN fold TEXT NOT NULL DEFAULT '';
CREATE INDEX node_fold ON node(pair, fold);
UPDATE node SET fold = fold_key(path);
";

/// What a person has to know survives a restart, and history says of which run an entry is.
/// Conflicts know their versions and how to be taken back; small notes keep the text they were
/// last equal as, so that two edits of it can be merged.
const STEP_3: &str = "
CREATE INDEX node_md5 ON node(md5);
CREATE TABLE base_text(id INTEGER PRIMARY KEY AUTOINCREMENT, md5 TEXT NOT NULL UNIQUE, text TEXT NOT NULL);
CREATE TABLE base_use(bytes INTEGER NOT NULL);
INSERT INTO base_use(bytes) VALUES (0);
CREATE TRIGGER base_text_in AFTER INSERT ON base_text BEGIN
  UPDATE base_use SET bytes = bytes + length(CAST(NEW.text AS BLOB)); END;
CREATE TRIGGER base_text_out AFTER DELETE ON base_text BEGIN
  UPDATE base_use SET bytes = bytes - length(CAST(OLD.text AS BLOB)); END;
ALTER TABLE conflict ADD COLUMN kind TEXT NOT NULL DEFAULT 'bothEdited';
ALTER TABLE conflict ADD COLUMN base_md5 TEXT;
ALTER TABLE conflict ADD COLUMN mine_md5 TEXT;
ALTER TABLE conflict ADD COLUMN mine_at INTEGER;
ALTER TABLE conflict ADD COLUMN mine_size INTEGER;
ALTER TABLE conflict ADD COLUMN theirs_md5 TEXT;
ALTER TABLE conflict ADD COLUMN theirs_at INTEGER;
ALTER TABLE conflict ADD COLUMN theirs_size INTEGER;
ALTER TABLE conflict ADD COLUMN merged INTEGER NOT NULL DEFAULT 0;
CREATE INDEX conflict_base ON conflict(base_md5);
CREATE INDEX conflict_copy ON conflict(pair, copy_path);
CREATE TABLE resolution(
  id INTEGER PRIMARY KEY, undo TEXT NOT NULL, conflict TEXT NOT NULL, pair TEXT NOT NULL,
  at INTEGER NOT NULL, path TEXT NOT NULL, was TEXT, became TEXT,
  copy TEXT, copy_was TEXT, copy_became TEXT, undone INTEGER NOT NULL DEFAULT 0);
CREATE INDEX resolution_undo ON resolution(undo);
CREATE INDEX resolution_conflict ON resolution(conflict);
CREATE INDEX history_md5 ON history(pair, md5);
CREATE TABLE standing(
  pair TEXT PRIMARY KEY, checked_at INTEGER, waiting INTEGER NOT NULL, run TEXT, halt TEXT)
  WITHOUT ROWID;
CREATE TABLE happening(
  pair TEXT NOT NULL, path TEXT NOT NULL, kind TEXT NOT NULL, md5 TEXT NOT NULL,
  at INTEGER NOT NULL, PRIMARY KEY(pair, kind, path)) WITHOUT ROWID;
CREATE TABLE accepted(
  pair TEXT NOT NULL, code TEXT NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY(pair, code)) WITHOUT ROWID;
ALTER TABLE probe ADD COLUMN versioning TEXT NOT NULL DEFAULT 'refused';
ALTER TABLE history ADD COLUMN batch INTEGER NOT NULL DEFAULT 0;
ALTER TABLE history ADD COLUMN undone INTEGER NOT NULL DEFAULT 0;
";

/// A conflict knows which device wrote the other version.
const STEP_4: &str = "
ALTER TABLE conflict ADD COLUMN theirs_device TEXT;
";

pub(super) fn migrate(connection: &Connection) -> Result<(), StateError> {
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let steps = match found {
        0 => [STEP_1, STEP_2, STEP_3, STEP_4].concat(),
        1 => [STEP_2, STEP_3, STEP_4].concat(),
        2 => [STEP_3, STEP_4].concat(),
        3 => STEP_4.to_owned(),
        VERSION => return Ok(()),
        _ => return Err(StateError::Newer),
    };
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("fold_key", 1, flags, |context| {
        Ok(naming::fold_key(&context.get::<String>(0)?))
    })?;
    Ok(connection.execute_batch(&format!(
        "BEGIN IMMEDIATE; {steps} PRAGMA user_version = {VERSION}; COMMIT;"
    ))?)
}

#[cfg(test)]
pub(super) fn make_first(connection: &Connection) {
    let text = format!("{STEP_1} PRAGMA user_version = 1;");
    connection.execute_batch(&text).unwrap();
}
