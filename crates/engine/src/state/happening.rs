//! What the brakes count over the last minutes, and what a person accepted of them.

use rusqlite::{OptionalExtension, Transaction, params};

use super::{Publication, State, StateError};
use crate::brakes::WINDOW_MS;
use crate::naming;
use crate::view::ChangeAction;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Happening {
    RemovedHere,
    RemovedInCloud,
    /// A note that became unreadable went up.
    Spoiled,
}

impl Happening {
    fn word(self) -> &'static str {
        match self {
            Self::RemovedHere => "removed_here",
            Self::RemovedInCloud => "removed_in_cloud",
            Self::Spoiled => "spoiled",
        }
    }
}

/// Takes down what a publication removes and spoils. To be called while the baseline still knows
/// the removed paths.
pub(super) fn record(
    transaction: &Transaction<'_>,
    pair: &str,
    news: &Publication,
) -> Result<(), StateError> {
    let old = news.at_ms - WINDOW_MS;
    transaction.execute("DELETE FROM happening WHERE at < ?1", [old])?;
    if news.wanted {
        return Ok(());
    }
    let removed = news.activity.iter().filter_map(|(path, action)| {
        let happening = match action {
            ChangeAction::RemoveHere => Happening::RemovedHere,
            ChangeAction::RemoveInCloud => Happening::RemovedInCloud,
            ChangeAction::Upload | ChangeAction::Download | ChangeAction::Conflict => return None,
        };
        Some((path, happening))
    });
    let spoiled = news.spoiled.iter().map(|path| (path, Happening::Spoiled));
    for (path, happening) in removed.chain(spoiled) {
        // The copy of a conflict that somebody settled.
        if let Some(note) = naming::note_of_copy(path)
            && knows(transaction, pair, &note)?
        {
            continue;
        }
        let query = "SELECT md5 FROM node WHERE pair = ?1 AND path = ?2";
        let md5: Option<String> = transaction
            .query_row(query, [pair, path], |row| row.get(0))
            .optional()?;
        transaction.execute(
            "INSERT OR REPLACE INTO happening(pair, path, kind, md5, at)
             VALUES (?1, ?2, ?3, ?4, ?5)",
            params![
                pair,
                path,
                happening.word(),
                md5.unwrap_or_default(),
                news.at_ms
            ],
        )?;
    }
    Ok(())
}

fn knows(transaction: &Transaction<'_>, pair: &str, path: &str) -> Result<bool, StateError> {
    let query = "SELECT EXISTS(SELECT 1 FROM node WHERE pair = ?1 AND path = ?2)";
    Ok(transaction.query_row(query, [pair, path], |row| row.get(0))?)
}

impl State {
    /// How many paths this happened to since then, renames left out: bytes that are known under
    /// another name are not gone.
    pub(crate) fn happened(
        &self,
        pair: &str,
        happening: Happening,
        since_ms: i64,
    ) -> Result<usize, StateError> {
        let query = "SELECT count(*) FROM happening h
             WHERE pair = ?1 AND kind = ?2 AND at >= ?3 AND (kind = 'spoiled' OR NOT EXISTS(
               SELECT 1 FROM node n WHERE n.pair = h.pair AND n.md5 = h.md5))";
        let count: i64 =
            self.connection
                .query_row(query, params![pair, happening.word(), since_ms], |row| {
                    row.get(0)
                })?;
        Ok(usize::try_from(count).unwrap_or(0))
    }

    /// A person saw this halt and wants to go on: what was counted for it is forgotten.
    pub(crate) fn accept(&mut self, pair: &str, code: &str, at_ms: i64) -> Result<(), StateError> {
        let transaction = self.connection.transaction()?;
        transaction.execute("DELETE FROM happening WHERE pair = ?1", [pair])?;
        transaction.execute(
            "INSERT OR REPLACE INTO accepted(pair, code, at) VALUES (?1, ?2, ?3)",
            params![pair, code, at_ms],
        )?;
        transaction.commit()?;
        Ok(())
    }

    pub(crate) fn is_accepted(&self, pair: &str, code: &str) -> Result<bool, StateError> {
        let query = "SELECT EXISTS(SELECT 1 FROM accepted WHERE pair = ?1 AND code = ?2)";
        Ok(self
            .connection
            .query_row(query, [pair, code], |row| row.get(0))?)
    }
}
