//! What a person was told of a pair last, so that a restart does not forget it.

use rusqlite::{OptionalExtension, params};

use super::{State, StateError};
use crate::view::{HaltView, RunView};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) checked_at_ms: Option<i64>,
    pub(crate) waiting: u64,
    pub(crate) last_run: Option<RunView>,
    pub(crate) halt: Option<HaltView>,
}

impl State {
    /// What was last told of a pair; nothing if that was never, or in a form of another version.
    pub(crate) fn standing(&self, pair: &str) -> Result<Standing, StateError> {
        let query = "SELECT checked_at, waiting, run, halt FROM standing WHERE pair = ?1";
        let found = self
            .connection
            .query_row(query, [pair], |row| {
                let run: Option<String> = row.get(2)?;
                let halt: Option<String> = row.get(3)?;
                Ok(Standing {
                    checked_at_ms: row.get(0)?,
                    waiting: row.get::<_, i64>(1)?.cast_unsigned(),
                    last_run: run.and_then(|text| serde_json::from_str(&text).ok()),
                    halt: halt.and_then(|text| serde_json::from_str(&text).ok()),
                })
            })
            .optional()?;
        Ok(found.unwrap_or_default())
    }

    pub(crate) fn set_standing(&mut self, pair: &str, now: &Standing) -> Result<(), StateError> {
        let query = "INSERT OR REPLACE INTO standing(pair, checked_at, waiting, run, halt)
                     VALUES (?1, ?2, ?3, ?4, ?5)";
        let run = now.last_run.as_ref().map(serde_json::to_string);
        let halt = now.halt.as_ref().map(serde_json::to_string);
        self.connection.execute(
            query,
            params![
                pair,
                now.checked_at_ms,
                now.waiting.cast_signed(),
                run.and_then(Result::ok),
                halt.and_then(Result::ok)
            ],
        )?;
        Ok(())
    }
}
