//! Several `SQLite` databases as they were at one moment.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::backup::Backup;
use rusqlite::{Connection, OpenFlags};

use super::BackupError;
use super::files;

/// How long to wait for a running write to end.
const PATIENCE: Duration = Duration::from_secs(30);
const ALL_PAGES: i32 = -1;

/// Copies the databases `names` from one folder to another, replacing copies that are there.
///
/// All of them are held for as long as it takes to begin reading each; whoever writes meanwhile
/// waits for that moment.
pub(super) fn snapshot(from: &Path, to: &Path, names: &[&str]) -> Result<(), BackupError> {
    let files: Vec<PathBuf> = names.iter().map(|name| from.join(name)).collect();
    let mut held = Vec::new();
    for file in &files {
        let connection = open(file)?;
        connection
            .execute_batch("begin immediate")
            .map_err(BackupError::database(file))?;
        held.push(connection);
    }
    let mut reading = Vec::new();
    for file in &files {
        let connection = open(file)?;
        connection
            .execute_batch("begin; select count(*) from sqlite_schema;")
            .map_err(BackupError::database(file))?;
        reading.push(connection);
    }
    for (connection, file) in held.into_iter().zip(&files) {
        connection
            .execute_batch("rollback")
            .map_err(BackupError::database(file))?;
    }
    for ((connection, file), name) in reading.iter().zip(&files).zip(names) {
        copy(connection, file, &to.join(name))?;
    }
    Ok(())
}

fn open(file: &Path) -> Result<Connection, BackupError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let failed = |error| BackupError::database(file)(error);
    let connection = Connection::open_with_flags(file, flags).map_err(failed)?;
    connection.busy_timeout(PATIENCE).map_err(failed)?;
    Ok(connection)
}

fn copy(from: &Connection, file: &Path, to: &Path) -> Result<(), BackupError> {
    files::make_private_file(to)?;
    let failed = |error| BackupError::database(file)(error);
    let mut copy = Connection::open(to).map_err(failed)?;
    Backup::new(from, &mut copy)
        .and_then(|backup| backup.step(ALL_PAGES))
        .map_err(failed)?;
    // One file, with nothing beside it; whoever opens it next asks for its log again.
    copy.pragma_update(None, "journal_mode", "delete")
        .map_err(failed)?;
    check(&copy, to)?;
    copy.close().map_err(|(_, error)| failed(error))?;
    files::sync(to)
}

/// Has the database read wholly.
pub(super) fn check(copy: &Connection, file: &Path) -> Result<(), BackupError> {
    let failed = |error| BackupError::database(file)(error);
    let found: String = copy
        .query_row("pragma integrity_check", [], |row| row.get(0))
        .map_err(failed)?;
    let foreign: i64 = copy
        .query_row("select count(*) from pragma_foreign_key_check", [], |row| {
            row.get(0)
        })
        .map_err(failed)?;
    if found != "ok" || foreign != 0 {
        return Err(BackupError::CopyDamaged {
            file: file.to_owned(),
            problem: format!("{found}, {foreign} rows without their parent"),
        });
    }
    Ok(())
}
