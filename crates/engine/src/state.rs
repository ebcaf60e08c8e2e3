//! `state.db`: the baseline of every pair, its conflicts, history entries and activity.
//!
//! The baseline is the only memory of sync: bisync's listings are rendered from it, and a cycle
//! is published by one transaction here.

mod baseline;
mod conflicts;
mod happening;
mod history;
mod mounts;
mod schema;
mod standing;
mod texts;

use std::collections::BTreeMap;
use std::path::Path;

use guard::Support;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::vault::Kept;
use crate::view::{ActivityView, ChangeAction};

pub(crate) use baseline::{Baseline, Extent, Growth, Node};
pub(crate) use conflicts::{ConflictRow, Decided, Forgotten, IfKnown, Resolution, Stamp};
pub(crate) use texts::{BaseText, is_mergeable};

pub(crate) use happening::Happening;
pub(crate) use history::{Held, Version};
pub(crate) use standing::Standing;

/// A version that sync replaced or removed here, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HistoryEntry {
    pub(crate) path: String,
    pub(crate) kept: Kept,
    pub(crate) reason: &'static str,
}

/// An object that holds the losing version of a resolved conflict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Copy {
    pub(crate) key: String,
    pub(crate) etag: String,
}

/// What one cycle learned; published whole or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Publication {
    pub(crate) at_ms: i64,
    pub(crate) set: BTreeMap<String, Node>,
    pub(crate) forget: Vec<String>,
    pub(crate) history: Vec<HistoryEntry>,
    pub(crate) activity: Vec<(String, ChangeAction)>,
    /// Texts of small notes among `set`.
    pub(crate) texts: Vec<BaseText>,
    /// The vault root's inode number, checked before the next cycle.
    pub(crate) root_ino: Option<u64>,
    /// Uploads of notes that became unreadable.
    pub(crate) spoiled: Vec<String>,
    /// A person wanted this: the brakes do not count it.
    pub(crate) wanted: bool,
    /// The run that this is part of, for undoing it; negative for the lane.
    pub(crate) batch: i64,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum StateError {
    #[error("the sync state is damaged")]
    Damaged { detail: String },
    #[error("the sync state was written by a newer version of this program")]
    Newer,
    #[error("could not read or write the sync state: {0}")]
    Sql(#[from] rusqlite::Error),
}

pub(crate) struct State {
    connection: Connection,
}

impl State {
    /// Opens or makes the database and checks that it is whole.
    pub(crate) fn open(path: &Path) -> Result<Self, StateError> {
        let damaged = |error: rusqlite::Error| match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => {
                StateError::Damaged {
                    detail: error.to_string(),
                }
            }
            Some(_) | None => StateError::Sql(error),
        };
        let connection = Connection::open(path).map_err(damaged)?;
        connection
            .execute_batch(
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA busy_timeout=5000;",
            )
            .map_err(damaged)?;
        let check: String = connection
            .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
            .map_err(damaged)?;
        if check != "ok" {
            return Err(StateError::Damaged { detail: check });
        }
        schema::migrate(&connection).map_err(|error| match error {
            StateError::Sql(error) => damaged(error),
            other @ (StateError::Damaged { .. } | StateError::Newer) => other,
        })?;
        Ok(Self { connection })
    }

    /// Makes a cycle's result durable, all of it or nothing.
    pub(crate) fn publish(&mut self, pair: &str, news: &Publication) -> Result<(), StateError> {
        let transaction = self.connection.transaction()?;
        let changed = news.set.keys().chain(&news.forget);
        let replaced = texts::known(&transaction, pair, changed)?;
        for (path, node) in &news.set {
            baseline::set_node(&transaction, pair, path, node)?;
        }
        happening::record(&transaction, pair, news)?;
        for path in &news.forget {
            transaction.execute(
                "DELETE FROM node WHERE pair = ?1 AND path = ?2",
                [pair, path],
            )?;
            conflicts::close_without_copy(&transaction, pair, path)?;
        }
        texts::record(&transaction, &news.texts)?;
        texts::prune(&transaction, replaced)?;
        add_history(&transaction, pair, &news.history, news.at_ms, news.batch)?;
        for (path, action) in &news.activity {
            transaction.execute(
                "INSERT INTO activity(pair, path, action, at) VALUES (?1, ?2, ?3, ?4)",
                params![pair, path, action_word(*action), news.at_ms],
            )?;
        }
        transaction.execute(
            "DELETE FROM activity WHERE id <= (SELECT max(id) - 1000 FROM activity)",
            [],
        )?;
        if let Some(ino) = news.root_ino {
            transaction.execute(
                "INSERT OR REPLACE INTO root(pair, ino) VALUES (?1, ?2)",
                params![pair, ino.cast_signed()],
            )?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// Copies of resolved conflicts that are not removed from the bucket yet.
    pub(crate) fn copies(&self, pair: &str) -> Result<Vec<Copy>, StateError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT key, etag FROM dropped_copy WHERE pair = ?1")?;
        let rows = statement.query_map([pair], |row| {
            Ok(Copy {
                key: row.get(0)?,
                etag: row.get(1)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub(crate) fn forget_copy(&mut self, pair: &str, key: &str) -> Result<(), StateError> {
        let query = "DELETE FROM dropped_copy WHERE pair = ?1 AND key = ?2";
        self.connection.execute(query, [pair, key])?;
        Ok(())
    }

    /// When the store behind a bucket was last tried and found sound (Unix milliseconds).
    pub(crate) fn probed_at(&self, bucket: &str) -> Result<Option<i64>, StateError> {
        let query = "SELECT at FROM probe WHERE bucket = ?1";
        Ok(self
            .connection
            .query_row(query, [bucket], |row| row.get(0))
            .optional()?)
    }

    pub(crate) fn set_probed(
        &mut self,
        bucket: &str,
        at_ms: i64,
        versioning: Support,
    ) -> Result<(), StateError> {
        let query = "INSERT OR REPLACE INTO probe(bucket, at, versioning) VALUES (?1, ?2, ?3)";
        let word = match versioning {
            Support::Proven => "proven",
            Support::Ignored => "ignored",
            Support::Refused => "refused",
        };
        self.connection
            .execute(query, params![bucket, at_ms, word])?;
        Ok(())
    }

    /// Whether the store was seen to keep what is replaced.
    pub(crate) fn versioning(&self, bucket: &str) -> Result<Support, StateError> {
        let query = "SELECT versioning FROM probe WHERE bucket = ?1";
        let word: Option<String> = self
            .connection
            .query_row(query, [bucket], |row| row.get(0))
            .optional()?;
        Ok(match word.as_deref() {
            Some("proven") => Support::Proven,
            Some("ignored") => Support::Ignored,
            Some(_) | None => Support::Refused,
        })
    }

    pub(crate) fn activity(
        &self,
        pairs: &[String],
        limit: u32,
    ) -> Result<Vec<ActivityView>, StateError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT at, path, action FROM activity
                 WHERE pair IN (SELECT value FROM json_each(?1)) ORDER BY id DESC LIMIT ?2",
        )?;
        let rows = statement.query_map(params![json_list(pairs), limit], |row| {
            Ok(ActivityView {
                at_ms: row.get(0)?,
                path: row.get(1)?,
                action: word_action(&row.get::<_, String>(2)?),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

fn add_history(
    transaction: &Transaction<'_>,
    pair: &str,
    entries: &[HistoryEntry],
    at_ms: i64,
    batch: i64,
) -> Result<(), StateError> {
    for entry in entries {
        transaction.execute(
            "INSERT INTO history(pair, path, file, md5, size, reason, at, batch)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                pair,
                entry.path,
                entry.kept.file.to_string_lossy(),
                entry.kept.md5,
                entry.kept.size.cast_signed(),
                entry.reason,
                at_ms,
                batch
            ],
        )?;
    }
    Ok(())
}

/// The argument of the database's `json_each`.
fn json_list(items: &[String]) -> String {
    serde_json::Value::from(items).to_string()
}

fn action_word(action: ChangeAction) -> &'static str {
    match action {
        ChangeAction::Upload => "upload",
        ChangeAction::Download => "download",
        ChangeAction::RemoveHere => "remove_here",
        ChangeAction::RemoveInCloud => "remove_in_cloud",
        ChangeAction::Conflict => "conflict",
    }
}

fn word_action(word: &str) -> ChangeAction {
    match word {
        "upload" => ChangeAction::Upload,
        "download" => ChangeAction::Download,
        "remove_here" => ChangeAction::RemoveHere,
        "remove_in_cloud" => ChangeAction::RemoveInCloud,
        _ => ChangeAction::Conflict,
    }
}

#[cfg(test)]
mod tests;
