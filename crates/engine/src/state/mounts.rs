use rusqlite::params;

use super::{State, StateError};

impl State {
    /// Records that this device's version of a note was stored beside it; once, however often that
    /// version was saved again.
    pub(crate) fn note_set_aside(
        &mut self,
        id: &str,
        pair: &str,
        (path, copy): (&str, &str),
        (device, at_ms): (&str, i64),
    ) -> Result<(), StateError> {
        self.connection.execute(
            "INSERT INTO conflict(id, pair, path, copy_path, device, at, state)
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, 'open' WHERE NOT EXISTS(
               SELECT 1 FROM conflict
               WHERE pair = ?2 AND path = ?3 AND copy_path = ?4 AND state = 'open')",
            params![id, pair, path, copy, device, at_ms],
        )?;
        Ok(())
    }
}
