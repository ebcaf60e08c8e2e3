//! Conflicts as they are stored, and what is needed to take a resolution back.

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::baseline::set_node;
use super::{Copy, HistoryEntry, Node, State, StateError, add_history, json_list};
use crate::view::{ConflictKind, ConflictState, ConflictView};

/// A conflict with what was known of its versions when it came up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConflictRow {
    pub(crate) id: String,
    pub(crate) pair: String,
    pub(crate) path: String,
    pub(crate) copy_path: Option<String>,
    pub(crate) device: String,
    pub(crate) at_ms: i64,
    pub(crate) state: ConflictState,
    pub(crate) kind: ConflictKind,
    pub(crate) base_md5: Option<String>,
    pub(crate) mine: Stamp,
    pub(crate) theirs: Stamp,
    /// The device that stored the other version, as that wrote it beside the object; not known of
    /// what other programs stored, nor of a deletion.
    pub(crate) theirs_device: Option<String>,
    pub(crate) merged: bool,
    /// What takes its resolution back.
    pub(crate) undo: Option<String>,
}

/// One version of a note. Without a hash: that it was deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) md5: Option<String>,
    pub(crate) at_ms: Option<i64>,
    pub(crate) size: Option<u64>,
}

/// What a resolution made of a note and of the copy beside it. Hashes; `None` for no file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resolution {
    pub(crate) undo: String,
    pub(crate) conflict: String,
    pub(crate) path: String,
    pub(crate) was: Option<String>,
    pub(crate) became: Option<String>,
    pub(crate) copy: Option<String>,
    pub(crate) copy_was: Option<String>,
    pub(crate) copy_became: Option<String>,
}

/// What was known of a copy that a resolution removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Forgotten {
    /// The object that was to go from the bucket.
    dropped: Option<String>,
    node: Option<Node>,
}

/// A conflict that a cycle decided, with its way back if nobody is to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decided {
    pub(crate) row: ConflictRow,
    pub(crate) resolution: Option<Resolution>,
    pub(crate) if_known: IfKnown,
}

/// What becomes of a conflict that is listed as merged already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IfKnown {
    Replace,
    /// An interrupted cycle is finished: what it recorded is what happened.
    Leave,
}

const COLUMNS: &str = "id, pair, path, copy_path, device, at, state, kind, base_md5,
    mine_md5, mine_at, mine_size, theirs_md5, theirs_at, theirs_size, merged,
    (SELECT undo FROM resolution
     WHERE resolution.conflict = conflict.id AND undone = 0 ORDER BY resolution.id DESC LIMIT 1),
    theirs_device";

impl ConflictRow {
    pub(crate) fn view(&self) -> ConflictView {
        ConflictView {
            id: self.id.clone(),
            pair: self.pair.clone(),
            path: self.path.clone(),
            copy_path: self.copy_path.clone(),
            device: self.device.clone(),
            at_ms: self.at_ms,
            state: self.state,
            kind: self.kind,
            mine_at_ms: self.mine.at_ms,
            theirs_at_ms: self.theirs.at_ms,
            theirs_device: self.theirs_device.clone(),
            mine_size: self.mine.size,
            theirs_size: self.theirs.size,
            mine_md5: self.mine.md5.clone(),
            theirs_md5: self.theirs.md5.clone(),
            merged: self.merged,
            undo: self.undo.clone(),
        }
    }
}

impl State {
    /// Commits what was decided of conflicts, before it is carried out.
    pub(crate) fn decide_conflicts(
        &mut self,
        pair: &str,
        decided: &[Decided],
        copies: &[Copy],
    ) -> Result<(), StateError> {
        let transaction = self.connection.transaction()?;
        for Decided {
            row,
            resolution,
            if_known,
        } in decided
        {
            let merged: bool = transaction.query_row(
                "SELECT EXISTS(SELECT 1 FROM conflict WHERE id = ?1 AND merged = 1)",
                [&row.id],
                |found| found.get(0),
            )?;
            if merged && *if_known == IfKnown::Leave {
                continue;
            }
            transaction.execute("DELETE FROM resolution WHERE conflict = ?1", [&row.id])?;
            insert(&transaction, row)?;
            if let Some(resolution) = resolution {
                add_resolution(&transaction, pair, resolution, row.at_ms)?;
            }
        }
        for copy in copies {
            drop_later(&transaction, pair, copy)?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// Commits that a person resolved a conflict: its new state, its way back, what went to
    /// history, and the copy that is to go from the bucket.
    pub(crate) fn resolve_conflict(
        &mut self,
        row: &ConflictRow,
        resolution: &Resolution,
        history: &[HistoryEntry],
        copy: Option<&Copy>,
        at_ms: i64,
    ) -> Result<(), StateError> {
        let transaction = self.connection.transaction()?;
        add_history(&transaction, &row.pair, history, at_ms, 0)?;
        add_resolution(&transaction, &row.pair, resolution, at_ms)?;
        transaction.execute(
            "UPDATE conflict SET state = 'resolved', copy_path = NULL, merged = ?2 WHERE id = ?1",
            params![row.id, row.merged],
        )?;
        if let Some(copy) = copy {
            drop_later(&transaction, &row.pair, copy)?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// Commits that a conflict was decided where nothing of ours can take it back.
    pub(crate) fn close_conflict(&mut self, id: &str, merged: bool) -> Result<(), StateError> {
        self.connection.execute(
            "UPDATE conflict SET state = 'resolved', copy_path = NULL, merged = ?2 WHERE id = ?1",
            params![id, merged],
        )?;
        Ok(())
    }

    /// Commits that a resolution was taken back.
    pub(crate) fn reopen_conflict(
        &mut self,
        pair: &str,
        resolution: &Resolution,
        history: &[HistoryEntry],
        at_ms: i64,
    ) -> Result<(), StateError> {
        let transaction = self.connection.transaction()?;
        add_history(&transaction, pair, history, at_ms, 0)?;
        transaction.execute(
            "UPDATE resolution SET undone = 1 WHERE conflict = ?1 AND undo = ?2",
            [&resolution.conflict, &resolution.undo],
        )?;
        transaction.execute(
            "UPDATE conflict SET state = 'open', merged = 0, copy_path = ?2 WHERE id = ?1",
            params![resolution.conflict, resolution.copy],
        )?;
        transaction.commit()?;
        Ok(())
    }

    /// Makes the next cycle see a copy's file as a new one, whatever became of its object.
    /// Answers with what [`Self::recall_dropped`] takes.
    pub(crate) fn forget_dropped(
        &mut self,
        pair: &str,
        copy: &str,
    ) -> Result<Forgotten, StateError> {
        let key = copy.to_owned();
        let node = self.nodes(pair, [&key])?.remove(copy);
        let transaction = self.connection.transaction()?;
        let dropped = transaction
            .query_row(
                "DELETE FROM dropped_copy WHERE pair = ?1 AND key = ?2 RETURNING etag",
                [pair, copy],
                |row| row.get(0),
            )
            .optional()?;
        transaction.execute(
            "DELETE FROM node WHERE pair = ?1 AND path = ?2",
            [pair, copy],
        )?;
        transaction.commit()?;
        Ok(Forgotten { dropped, node })
    }

    /// Takes [`Self::forget_dropped`] back: the copy did not come back after all.
    pub(crate) fn recall_dropped(
        &mut self,
        pair: &str,
        copy: &str,
        forgotten: Forgotten,
    ) -> Result<(), StateError> {
        let transaction = self.connection.transaction()?;
        let Forgotten { dropped, node } = forgotten;
        if let Some(etag) = dropped {
            let key = copy.to_owned();
            drop_later(&transaction, pair, &Copy { key, etag })?;
        }
        if let Some(node) = node {
            set_node(&transaction, pair, copy, &node)?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// The resolutions that an undo is for, newest first: those of one request, or the last of
    /// one conflict.
    pub(crate) fn resolutions(&self, undo: &str) -> Result<Vec<(String, Resolution)>, StateError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT pair, undo, conflict, path, was, became, copy, copy_was, copy_became
             FROM resolution WHERE undone = 0 AND (undo = ?1 OR id =
               (SELECT max(id) FROM resolution WHERE conflict = ?1 AND undone = 0))
             ORDER BY id DESC",
        )?;
        let rows = statement.query_map([undo], |row| {
            let resolution = Resolution {
                undo: row.get(1)?,
                conflict: row.get(2)?,
                path: row.get(3)?,
                was: row.get(4)?,
                became: row.get(5)?,
                copy: row.get(6)?,
                copy_was: row.get(7)?,
                copy_became: row.get(8)?,
            };
            Ok((row.get(0)?, resolution))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Where history keeps a version, newest first.
    pub(crate) fn kept_files(&self, pair: &str, md5: &str) -> Result<Vec<String>, StateError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT file FROM history WHERE pair = ?1 AND md5 = ?2 ORDER BY id DESC",
        )?;
        let rows = statement.query_map([pair, md5], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub(crate) fn conflict(&self, id: &str) -> Result<Option<ConflictRow>, StateError> {
        let query = format!("SELECT {COLUMNS} FROM conflict WHERE id = ?1");
        Ok(self
            .connection
            .prepare_cached(&query)?
            .query_row([id], read)
            .optional()?)
    }

    /// The newest conflicts of all pairs, open ones first.
    pub(crate) fn conflicts(
        &self,
        pairs: &[String],
        limit: u32,
    ) -> Result<Vec<ConflictView>, StateError> {
        let query = format!(
            "SELECT {COLUMNS} FROM conflict
             WHERE pair IN (SELECT value FROM json_each(?1))
             ORDER BY state = 'open' DESC, state = 'dismissed' DESC, at DESC, id LIMIT ?2"
        );
        let mut statement = self.connection.prepare_cached(&query)?;
        let rows = statement.query_map(params![json_list(pairs), limit], read)?;
        rows.map(|row| Ok(row?.view())).collect()
    }

    /// All that nobody decided or put off.
    pub(crate) fn open_conflict_ids(
        &self,
        pairs: &[String],
    ) -> Result<BTreeSet<String>, StateError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id FROM conflict
             WHERE state = 'open' AND pair IN (SELECT value FROM json_each(?1))",
        )?;
        let rows = statement.query_map([json_list(pairs)], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How many conflicts nobody decided, those put off among them.
    pub(crate) fn undecided_conflicts(&self, pairs: &[String]) -> Result<u32, StateError> {
        Ok(self.connection.query_row(
            "SELECT count(*) FROM conflict
             WHERE state <> 'resolved' AND pair IN (SELECT value FROM json_each(?1))",
            [json_list(pairs)],
            |row| row.get(0),
        )?)
    }

    /// Brings back what was put off until now.
    pub(crate) fn bring_back_conflicts(&mut self) -> Result<(), StateError> {
        self.connection.execute(
            "UPDATE conflict SET state = 'open' WHERE state = 'dismissed'",
            [],
        )?;
        Ok(())
    }

    /// Undecided conflicts whose two versions have become the same, with the hash of both.
    pub(crate) fn equal_conflicts(
        &self,
        pairs: &[String],
    ) -> Result<Vec<(String, String)>, StateError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT conflict.id, note.md5 FROM conflict
             JOIN node note ON note.pair = conflict.pair AND note.path = conflict.path
             JOIN node copy ON copy.pair = conflict.pair AND copy.path = conflict.copy_path
             WHERE conflict.state <> 'resolved' AND note.md5 = copy.md5
               AND conflict.pair IN (SELECT value FROM json_each(?1))",
        )?;
        let rows = statement.query_map([json_list(pairs)], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Answers whether there was such an open conflict.
    pub(crate) fn dismiss_conflict(&mut self, id: &str) -> Result<bool, StateError> {
        let changed = self.connection.execute(
            "UPDATE conflict SET state = 'dismissed' WHERE id = ?1 AND state = 'open'",
            [id],
        )?;
        Ok(changed > 0)
    }

    /// Answers whether there was such a conflict that was put off.
    pub(crate) fn recall_conflict(&mut self, id: &str) -> Result<bool, StateError> {
        let changed = self.connection.execute(
            "UPDATE conflict SET state = 'open' WHERE id = ?1 AND state = 'dismissed'",
            [id],
        )?;
        Ok(changed > 0)
    }
}

/// A conflict whose copy is gone on both sides was decided by hand.
pub(super) fn close_without_copy(
    transaction: &Transaction<'_>,
    pair: &str,
    path: &str,
) -> Result<(), StateError> {
    transaction
        .prepare_cached(
            "UPDATE conflict SET state = 'resolved', copy_path = NULL
             WHERE pair = ?1 AND copy_path = ?2 AND state <> 'resolved'",
        )?
        .execute([pair, path])?;
    Ok(())
}

fn drop_later(transaction: &Transaction<'_>, pair: &str, copy: &Copy) -> Result<(), StateError> {
    transaction.execute(
        "INSERT OR REPLACE INTO dropped_copy(pair, key, etag) VALUES (?1, ?2, ?3)",
        [pair, &copy.key, &copy.etag],
    )?;
    Ok(())
}

fn insert(transaction: &Transaction<'_>, row: &ConflictRow) -> Result<(), StateError> {
    let size = |stamp: &Stamp| stamp.size.map(u64::cast_signed);
    transaction.execute(
        "INSERT OR REPLACE INTO conflict(id, pair, path, copy_path, device, at, state, kind,
           base_md5, mine_md5, mine_at, mine_size, theirs_md5, theirs_at, theirs_size, merged,
           theirs_device)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
        params![
            row.id,
            row.pair,
            row.path,
            row.copy_path,
            row.device,
            row.at_ms,
            state_word(row.state),
            kind_word(row.kind),
            row.base_md5,
            row.mine.md5,
            row.mine.at_ms,
            size(&row.mine),
            row.theirs.md5,
            row.theirs.at_ms,
            size(&row.theirs),
            row.merged,
            row.theirs_device
        ],
    )?;
    Ok(())
}

fn add_resolution(
    transaction: &Transaction<'_>,
    pair: &str,
    resolution: &Resolution,
    at_ms: i64,
) -> Result<(), StateError> {
    transaction.execute(
        "INSERT INTO resolution(undo, conflict, pair, at, path, was, became,
           copy, copy_was, copy_became)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        params![
            resolution.undo,
            resolution.conflict,
            pair,
            at_ms,
            resolution.path,
            resolution.was,
            resolution.became,
            resolution.copy,
            resolution.copy_was,
            resolution.copy_became
        ],
    )?;
    Ok(())
}

fn read(row: &Row<'_>) -> rusqlite::Result<ConflictRow> {
    let stamp = |at: usize| -> rusqlite::Result<Stamp> {
        let size: Option<i64> = row.get(at + 2)?;
        Ok(Stamp {
            md5: row.get(at)?,
            at_ms: row.get(at + 1)?,
            size: size.map(i64::cast_unsigned),
        })
    };
    Ok(ConflictRow {
        id: row.get(0)?,
        pair: row.get(1)?,
        path: row.get(2)?,
        copy_path: row.get(3)?,
        device: row.get(4)?,
        at_ms: row.get(5)?,
        state: word_state(&row.get::<_, String>(6)?),
        kind: word_kind(&row.get::<_, String>(7)?),
        base_md5: row.get(8)?,
        mine: stamp(9)?,
        theirs: stamp(12)?,
        merged: row.get(15)?,
        undo: row.get(16)?,
        theirs_device: row.get(17)?,
    })
}

fn state_word(state: ConflictState) -> &'static str {
    match state {
        ConflictState::Open => "open",
        ConflictState::Resolved => "resolved",
        ConflictState::Dismissed => "dismissed",
    }
}

fn word_state(word: &str) -> ConflictState {
    match word {
        "resolved" => ConflictState::Resolved,
        "dismissed" => ConflictState::Dismissed,
        _ => ConflictState::Open,
    }
}

fn kind_word(kind: ConflictKind) -> &'static str {
    match kind {
        ConflictKind::BothEdited => "bothEdited",
        ConflictKind::EditedHereRemovedThere => "editedHereRemovedThere",
        ConflictKind::RemovedHereEditedThere => "removedHereEditedThere",
        ConflictKind::CreatedTwice => "createdTwice",
    }
}

fn word_kind(word: &str) -> ConflictKind {
    match word {
        "editedHereRemovedThere" => ConflictKind::EditedHereRemovedThere,
        "removedHereEditedThere" => ConflictKind::RemovedHereEditedThere,
        "createdTwice" => ConflictKind::CreatedTwice,
        _ => ConflictKind::BothEdited,
    }
}
