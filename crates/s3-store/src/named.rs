use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use crate::error::StoreError;

/// One file of `blobs/` that a store's database names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedBlob {
    pub name: String,
    /// What the rows say of its size, where they agree.
    pub bytes: Option<u64>,
}

/// Lists the blobs that a database, or a copy of one, names; a backup needs exactly these files.
///
/// # Errors
///
/// The file is not the database of a store.
pub fn named_blobs(database: &Path) -> Result<Vec<NamedBlob>, StoreError> {
    let connection = Connection::open_with_flags(
        database,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    let mut query = connection.prepare(
        "SELECT blob, CASE WHEN min(size) = max(size) THEN min(size) END
         FROM (SELECT blob, size FROM versions WHERE blob IS NOT NULL
               UNION ALL SELECT blob, size FROM parts)
         GROUP BY blob",
    )?;
    let named = query.query_map([], |row| {
        let bytes: Option<i64> = row.get(1)?;
        Ok(NamedBlob {
            name: row.get(0)?,
            bytes: bytes.and_then(|bytes| u64::try_from(bytes).ok()),
        })
    })?;
    Ok(named.collect::<Result<_, _>>()?)
}
