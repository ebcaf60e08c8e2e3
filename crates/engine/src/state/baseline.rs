//! The baseline: what was equal on both sides, and where.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::{State, StateError};
use crate::naming;
use crate::vault::Signature;

/// One path that was equal on both sides when it was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) md5: String,
    pub(crate) etag: String,
    pub(crate) size: u64,
    /// The vault file's identity when `md5` was known to be its content.
    pub(crate) signature: Signature,
}

/// How much a baseline holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) files: u64,
    pub(crate) bytes: u64,
}

impl Extent {
    pub(crate) fn after(self, growth: Growth) -> Self {
        Self {
            files: self.files.saturating_add_signed(growth.files),
            bytes: self.bytes.saturating_add_signed(growth.bytes),
        }
    }
}

/// How much more, or less, a baseline holds than before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Growth {
    pub(crate) files: i64,
    pub(crate) bytes: i64,
}

impl Growth {
    /// Takes in that a path has this node instead of that one.
    pub(crate) fn add(&mut self, old: Option<&Node>, new: Option<&Node>) {
        let size = |node: Option<&Node>| node.map_or(0, |node| node.size.cast_signed());
        self.files += i64::from(new.is_some()) - i64::from(old.is_some());
        self.bytes += size(new) - size(old);
    }
}

pub(crate) type Baseline = BTreeMap<String, Node>;

impl State {
    pub(crate) fn baseline(&self, pair: &str) -> Result<Baseline, StateError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT path, md5, etag, size, ino, dev, l_size, l_mtime, l_ctime
             FROM node WHERE pair = ?1",
        )?;
        let rows = statement.query_map([pair], read_node)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The baseline of some paths; the cost does not depend on how many there are.
    pub(crate) fn nodes<'p>(
        &self,
        pair: &str,
        paths: impl IntoIterator<Item = &'p String>,
    ) -> Result<Baseline, StateError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT path, md5, etag, size, ino, dev, l_size, l_mtime, l_ctime
             FROM node WHERE pair = ?1 AND path = ?2",
        )?;
        let mut found = Baseline::new();
        for path in paths {
            found.extend(statement.query_row([pair, path], read_node).optional()?);
        }
        Ok(found)
    }

    /// Whether the baseline has a path below `folder`.
    pub(crate) fn knows_below(&self, pair: &str, folder: &str) -> Result<bool, StateError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT EXISTS(SELECT 1 FROM node WHERE pair = ?1 AND path > ?2 AND path < ?3)",
        )?;
        // `0` follows `/`.
        let (from, to) = (format!("{folder}/"), format!("{folder}0"));
        Ok(statement.query_row([pair, &from, &to], |row| row.get(0))?)
    }

    /// Whether the baseline has another path that some disk takes for this one, or for one of its
    /// folders.
    pub(crate) fn knows_twin(&self, pair: &str, path: &str) -> Result<bool, StateError> {
        let mut twins = self.connection.prepare_cached(
            "SELECT EXISTS(SELECT 1 FROM node WHERE pair = ?1 AND fold = ?2 AND path <> ?3)",
        )?;
        if twins.query_row([pair, &naming::fold_key(path), path], |row| row.get(0))? {
            return Ok(true);
        }
        let mut below = self.connection.prepare_cached(
            "SELECT EXISTS(SELECT 1 FROM node WHERE pair = ?1 AND fold > ?2 AND fold < ?3
             AND substr(path, 1, length(?4)) <> ?4)",
        )?;
        for (at, _) in path.match_indices('/') {
            let folder = &path[..at];
            let fold = naming::fold_key(folder);
            let (from, to) = (format!("{fold}/"), format!("{fold}0"));
            let own = format!("{folder}/");
            if below.query_row([pair, &from, &to, &own], |row| row.get(0))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(crate) fn root_ino(&self, pair: &str) -> Result<Option<u64>, StateError> {
        let ino = self
            .connection
            .query_row("SELECT ino FROM root WHERE pair = ?1", [pair], |row| {
                row.get::<_, i64>(0)
            })
            .optional()?;
        Ok(ino.map(i64::cast_unsigned))
    }

    /// Forgets what was equal, so that the next cycle compares everything again. Conflicts and
    /// history stay.
    pub(crate) fn forget_baseline(&mut self, pair: &str) -> Result<(), StateError> {
        let transaction = self.connection.transaction()?;
        transaction.execute("DELETE FROM node WHERE pair = ?1", [pair])?;
        transaction.execute("DELETE FROM root WHERE pair = ?1", [pair])?;
        transaction.commit()?;
        Ok(())
    }

    /// How much is known equal on both sides.
    pub(crate) fn extent(&self, pair: &str) -> Result<Extent, StateError> {
        let extent = self.connection.query_row(
            "SELECT count(*), coalesce(sum(size), 0) FROM node WHERE pair = ?1",
            [pair],
            |row| {
                Ok(Extent {
                    files: row.get::<_, i64>(0)?.cast_unsigned(),
                    bytes: row.get::<_, i64>(1)?.cast_unsigned(),
                })
            },
        )?;
        Ok(extent)
    }
}

fn read_node(row: &Row<'_>) -> rusqlite::Result<(String, Node)> {
    let signature = Signature {
        ino: row.get::<_, i64>(4)?.cast_unsigned(),
        dev: row.get::<_, i64>(5)?.cast_unsigned(),
        size: row.get::<_, i64>(6)?.cast_unsigned(),
        mtime_ns: row.get(7)?,
        ctime_ns: row.get(8)?,
    };
    let node = Node {
        md5: row.get(1)?,
        etag: row.get(2)?,
        size: row.get::<_, i64>(3)?.cast_unsigned(),
        signature,
    };
    Ok((row.get(0)?, node))
}

pub(super) fn set_node(
    transaction: &Transaction<'_>,
    pair: &str,
    path: &str,
    node: &Node,
) -> Result<(), StateError> {
    let signature = &node.signature;
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO node
             (pair, path, md5, etag, size, ino, dev, l_size, l_mtime, l_ctime, fold)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?
        .execute(params![
            pair,
            path,
            node.md5,
            node.etag,
            node.size.cast_signed(),
            signature.ino.cast_signed(),
            signature.dev.cast_signed(),
            signature.size.cast_signed(),
            signature.mtime_ns,
            signature.ctime_ns,
            naming::fold_key(path)
        ])?;
    Ok(())
}
