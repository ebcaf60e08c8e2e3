//! The versions that sync replaced or removed here.

use std::path::PathBuf;

use rusqlite::{OptionalExtension, Row, params};

use super::{State, StateError, json_list};
use crate::vault::Kept;

/// One version in the history folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) id: i64,
    pub(crate) pair: String,
    pub(crate) path: String,
    pub(crate) kept: Kept,
    pub(crate) reason: String,
    pub(crate) at_ms: i64,
    pub(crate) batch: i64,
}

const COLUMNS: &str = "id, pair, path, file, md5, size, reason, at, batch";

/// What the history holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) versions: u64,
    pub(crate) bytes: u64,
}

impl State {
    /// Versions of these pairs, newest first, of one moment the last recorded first; those after
    /// the one with this time and id.
    pub(crate) fn versions(
        &self,
        pairs: &[String],
        path: Option<&str>,
        after: Option<(i64, i64)>,
        limit: usize,
    ) -> Result<Vec<Version>, StateError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM history
             WHERE pair IN (SELECT value FROM json_each(?1))
               AND (?2 IS NULL OR path = ?2) AND (?3 IS NULL OR (at, id) < (?3, ?4))
             ORDER BY at DESC, id DESC LIMIT ?5"
        ))?;
        let (at_ms, id) = after.unzip();
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let wanted = params![json_list(pairs), path, at_ms, id, limit];
        let rows = statement.query_map(wanted, read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Versions of a path that newer ones from the cloud replaced since then, newest first.
    pub(crate) fn replaced_since(
        &self,
        pair: &str,
        path: &str,
        at_ms: i64,
    ) -> Result<Vec<Version>, StateError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM history
             WHERE pair = ?1 AND path = ?2 AND at >= ?3 AND reason = 'replaced'
             ORDER BY at DESC, id DESC"
        ))?;
        let rows = statement.query_map(params![pair, path, at_ms], read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub(crate) fn version(&self, id: i64) -> Result<Option<Version>, StateError> {
        let query = format!("SELECT {COLUMNS} FROM history WHERE id = ?1");
        let found = self.connection.query_row(&query, [id], read);
        Ok(found.optional()?)
    }

    /// Those of the versions, each with its note's path, that are not on record.
    pub(crate) fn unrecorded(
        &self,
        pair: &str,
        versions: Vec<(String, Kept)>,
    ) -> Result<Vec<(String, Kept)>, StateError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT 1 FROM history WHERE pair = ?1 AND md5 = ?2 AND file = ?3")?;
        let mut missing = Vec::new();
        for (path, kept) in versions {
            let file = kept.file.to_string_lossy();
            if !statement.exists(params![pair, kept.md5, file])? {
                missing.push((path, kept));
            }
        }
        Ok(missing)
    }

    /// What the newest run that changed something here took out, unless that was undone.
    pub(crate) fn last_batch(&self, pair: &str) -> Result<Vec<Version>, StateError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM history
             WHERE pair = ?1 AND undone = 0 AND batch = (
               SELECT batch FROM history
               WHERE pair = ?1 AND undone = 0 AND batch <> 0 AND reason <> 'restored'
               ORDER BY id DESC LIMIT 1)
               AND reason <> 'restored' ORDER BY id"
        ))?;
        let rows = statement.query_map([pair], read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Takes in that versions were put back, and what came out for them.
    pub(crate) fn undone(&mut self, ids: &[i64]) -> Result<(), StateError> {
        let query = "UPDATE history SET undone = 1
                     WHERE id IN (SELECT value FROM json_each(?1))";
        let ids = serde_json::Value::from(ids).to_string();
        self.connection.execute(query, [ids])?;
        Ok(())
    }

    /// Records a version that was taken out by a restore, and answers with its id.
    pub(crate) fn add_version(
        &mut self,
        pair: &str,
        path: &str,
        kept: &Kept,
        at_ms: i64,
    ) -> Result<i64, StateError> {
        self.connection.execute(
            "INSERT INTO history(pair, path, file, md5, size, reason, at)
             VALUES (?1, ?2, ?3, ?4, ?5, 'restored', ?6)",
            params![
                pair,
                path,
                kept.file.to_string_lossy(),
                kept.md5,
                kept.size.cast_signed(),
                at_ms
            ],
        )?;
        Ok(self.connection.last_insert_rowid())
    }

    pub(crate) fn held(&self, pairs: &[String]) -> Result<Held, StateError> {
        let query = "SELECT count(*), coalesce(sum(size), 0) FROM history
                     WHERE pair IN (SELECT value FROM json_each(?1))";
        Ok(self
            .connection
            .query_row(query, [json_list(pairs)], |row| {
                Ok(Held {
                    versions: row.get::<_, i64>(0)?.cast_unsigned(),
                    bytes: row.get::<_, i64>(1)?.cast_unsigned(),
                })
            })?)
    }

    /// Versions that may go: kept longer than since `before_ms`, or the oldest of more than
    /// `budget` bytes of one pair. What a conflict still needs stays: an open one's
    /// versions always, a resolved one's as long as everything else.
    pub(crate) fn expired(&self, before_ms: i64, budget: u64) -> Result<Vec<Version>, StateError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM (
               SELECT *, sum(size) OVER (
                 PARTITION BY pair ORDER BY at DESC, id DESC) AS above FROM history) h
             WHERE (at < ?1 OR above > ?2) AND NOT EXISTS(
               SELECT 1 FROM conflict c WHERE c.pair = h.pair AND c.path = h.path
                 AND (c.state = 'open' OR c.state = 'resolved' AND c.at >= ?1))
             AND NOT EXISTS(
               SELECT 1 FROM resolution r WHERE r.pair = h.pair AND r.undone = 0 AND r.at >= ?1
                 AND h.md5 IN (r.was, r.became, r.copy_was, r.copy_became))
             ORDER BY id"
        ))?;
        let rows = statement.query_map(params![before_ms, budget.cast_signed()], read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub(crate) fn forget_versions(&mut self, ids: &[i64]) -> Result<(), StateError> {
        let query = "DELETE FROM history WHERE id IN (SELECT value FROM json_each(?1))";
        let ids = serde_json::Value::from(ids).to_string();
        self.connection.execute(query, [ids])?;
        Ok(())
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Version> {
    Ok(Version {
        id: row.get(0)?,
        pair: row.get(1)?,
        path: row.get(2)?,
        kept: Kept {
            file: PathBuf::from(row.get::<_, String>(3)?),
            md5: row.get(4)?,
            size: row.get::<_, i64>(5)?.cast_unsigned(),
        },
        reason: row.get(6)?,
        at_ms: row.get(7)?,
        batch: row.get(8)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{HistoryEntry, Publication};

    fn entry(path: &str, size: u64) -> HistoryEntry {
        HistoryEntry {
            path: path.into(),
            kept: Kept {
                file: format!("/h/{path}").into(),
                md5: path.into(),
                size,
            },
            reason: "replaced",
        }
    }

    /// A run's number and time, and the files that it replaced with their sizes.
    type Batch<'a> = (i64, i64, &'a [(&'a str, u64)]);

    fn state(batches: &[Batch<'_>]) -> (tempfile::TempDir, State) {
        let folder = tempfile::tempdir().unwrap();
        let mut state = State::open(&folder.path().join("state.db")).unwrap();
        for (batch, at_ms, entries) in batches {
            let history = entries.iter().map(|(path, size)| entry(path, *size));
            let news = Publication {
                at_ms: *at_ms,
                batch: *batch,
                history: history.collect(),
                ..Publication::default()
            };
            state.publish("p", &news).unwrap();
        }
        (folder, state)
    }

    fn paths(versions: Vec<Version>) -> Vec<String> {
        versions.into_iter().map(|version| version.path).collect()
    }

    #[test]
    fn lists_the_newest_first_and_page_by_page() {
        let (_folder, state) = state(&[(1, 10, &[("a", 1), ("b", 1)]), (2, 20, &[("a", 1)])]);
        let own = ["p".to_owned()];
        let all = state.versions(&own, None, None, 10).unwrap();
        assert_eq!(paths(all.clone()), ["a", "b", "a"]);
        let times: Vec<i64> = all.iter().map(|version| version.at_ms).collect();
        assert_eq!(times, [20, 10, 10]);
        let next = state.versions(&own, None, Some((10, all[1].id)), 10);
        assert_eq!(paths(next.unwrap()), ["a"]);
        assert_eq!(
            paths(state.versions(&own, Some("b"), None, 10).unwrap()),
            ["b"]
        );
        let other = ["q".to_owned()];
        assert_eq!(state.versions(&other, None, None, 10).unwrap(), []);
        assert_eq!(
            state.held(&own).unwrap(),
            Held {
                versions: 3,
                bytes: 3
            }
        );
    }

    #[test]
    fn the_last_run_is_undone_once() {
        let (_folder, mut state) = state(&[(1, 10, &[("a", 1)]), (2, 20, &[("b", 1), ("c", 1)])]);
        let last = state.last_batch("p").unwrap();
        assert_eq!(paths(last.clone()), ["b", "c"]);
        let ids: Vec<i64> = last.iter().map(|version| version.id).collect();
        state.add_version("p", "b", &last[0].kept, 30).unwrap();
        state.undone(&ids).unwrap();
        assert_eq!(paths(state.last_batch("p").unwrap()), ["a"]);
    }

    #[test]
    fn what_is_too_old_or_too_much_may_go_and_what_a_conflict_needs_stays() {
        let (_folder, mut state) = state(&[
            (1, 10, &[("old", 1)]),
            (2, 20, &[("needed", 4)]),
            (3, 30, &[("big", 4)]),
            (4, 40, &[("new", 4)]),
        ]);
        assert_eq!(paths(state.expired(20, 100).unwrap()), ["old"]);
        assert_eq!(
            paths(state.expired(0, 7).unwrap()),
            ["old", "needed", "big"]
        );
        state
            .connection
            .execute(
                "INSERT INTO conflict(id, pair, path, device, at, state)
                 VALUES ('c', 'p', 'needed', 'd', 0, 'open')",
                [],
            )
            .unwrap();
        let gone = state.expired(0, 7).unwrap();
        let ids: Vec<i64> = gone.iter().map(|version| version.id).collect();
        assert_eq!(paths(gone), ["old", "big"]);
        state.forget_versions(&ids).unwrap();
        assert_eq!(state.held(&["p".to_owned()]).unwrap().versions, 2);
    }
}
