//! 0.15 cannot be asked to index a note: it is watched while it finds what changed.

use std::collections::BTreeSet;
use std::time::Duration;

use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tokio::time::Instant;

use super::Round;
use crate::upstream::CallError;

/// A watcher that waits a tenth of a second has begun by then.
const FIRST_LOOK: Duration = Duration::from_millis(150);
const LONGEST_LOOK: Duration = Duration::from_secs(2);
/// A watcher that has not begun by then missed something, unless it looks at many notes first:
/// then it has so much longer for each.
const BEGINS_WITHIN: Duration = Duration::from_secs(1);
const LOOKS_AT_ONE: Duration = Duration::from_millis(20);
/// So long nothing moves while somebody is at work.
const STUCK_AFTER: Duration = Duration::from_secs(4);
/// What a permalink may have besides letters and digits.
pub(super) const PLAIN: &percent_encoding::AsciiSet = &NON_ALPHANUMERIC.remove(b'-');

impl Round {
    /// Its own watcher indexes, and "sync initiated" proves nothing: its report is read until it
    /// finds nothing to do. A walk is asked for only while nothing moves, because two at once get
    /// in each other's way.
    pub(super) async fn watch_until_found(&mut self, folder: &str) -> Result<(), CallError> {
        let name = utf8_percent_encode(folder, PLAIN);
        let (sync, status) = (
            format!("/{name}/project/sync"),
            format!("/{name}/project/status"),
        );
        let mut moved = Instant::now();
        let mut last = None;
        let mut pause = FIRST_LOOK;
        let mut patience = BEGINS_WITHIN;
        let mut looked = false;
        self.unreadable.look_again(folder).await;
        loop {
            tokio::time::sleep(pause).await;
            let asked = Instant::now();
            let report = match self.caller.json(Method::POST, &status, None).await {
                Err(CallError::Status(_)) if !looked => {
                    looked = true;
                    if self.unreadable.look_everywhere(folder).await {
                        // Its first walk failed as well.
                        self.caller.json(Method::POST, &sync, None).await?;
                    }
                    continue;
                }
                report => Report::read(&report?)?,
            };
            let left = report.left(&self.refused.left_in(folder));
            if left == 0 {
                return Ok(());
            }
            if last != Some(left) {
                last = Some(left);
                moved = Instant::now();
            } else if moved.elapsed() >= patience + looks_at(left) {
                self.caller.json(Method::POST, &sync, None).await?;
                if patience == STUCK_AFTER {
                    return self.refuse_all(folder, &report);
                }
                patience = STUCK_AFTER;
                moved = Instant::now();
                pause = FIRST_LOOK;
            }
            // Its report costs a look at every note.
            pause = (pause * 2).min(LONGEST_LOOK).max(asked.elapsed() * 2);
        }
    }

    /// It was asked, and nothing moves.
    fn refuse_all(&mut self, folder: &str, report: &Report) -> Result<(), CallError> {
        for note in &report.notes {
            // Asked for again with the others.
            let _next = self
                .refused
                .take(&format!("{folder}/{note}"), &CallError::TooSlow);
        }
        match report.left(&self.refused.left_in(folder)) {
            0 => Ok(()),
            _ => Err(CallError::TooSlow),
        }
    }
}

/// What 0.15 says that it has not indexed.
#[derive(Debug, PartialEq, Eq)]
struct Report {
    changes: u64,
    /// Those that are new or changed.
    notes: BTreeSet<String>,
}

impl Report {
    fn read(report: &Value) -> Result<Self, CallError> {
        let named = ["new", "modified"].map(|kind| report[kind].as_array());
        let named = named.into_iter().flatten().flatten();
        Ok(Self {
            changes: report["total"].as_u64().ok_or(CallError::Malformed)?,
            notes: named.filter_map(Value::as_str).map(str::to_owned).collect(),
        })
    }

    /// How many changes there are but those that it refuses.
    fn left(&self, refused: &BTreeSet<&str>) -> u64 {
        let known = |note: &&String| refused.contains(note.as_str());
        let refused = self.notes.iter().filter(known).count();
        self.changes
            .saturating_sub(u64::try_from(refused).unwrap_or(u64::MAX))
    }
}

fn looks_at(notes: u64) -> Duration {
    LOOKS_AT_ONE * u32::try_from(notes).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::generation::Generation;
    use crate::upstream::Caller;

    #[test]
    fn what_is_refused_does_not_count_as_left() {
        let report =
            json!({ "total": 3, "new": ["bad.md"], "modified": ["a.md"], "deleted": ["b.md"] });
        let report = Report::read(&report).unwrap();
        assert_eq!(report.left(&BTreeSet::new()), 3);
        assert_eq!(report.left(&BTreeSet::from(["bad.md", "gone.md"])), 2);
        assert!(Report::read(&json!({})).is_err());

        let nowhere = Path::new("/nowhere");
        let caller = Caller::new(nowhere.to_owned());
        let generation = Generation::V0_15;
        let mut round = Round::new(caller, generation, nowhere.into(), nowhere, Arc::default());
        let stuck = json!({ "total": 1, "new": ["bad.md"] });
        let stuck = Report::read(&stuck).unwrap();
        assert!(round.refuse_all("main", &stuck).is_err());
        assert!(round.refuse_all("main", &stuck).is_err());
        assert!(round.refuse_all("main", &stuck).is_ok());
        assert_eq!(round.refused(), 1);
        round.ask_again_for(&BTreeSet::from(["main/bad.md".to_owned()]));
        assert!(round.refuse_all("main", &stuck).is_err());
    }

    #[test]
    fn many_notes_are_looked_at_for_long_before_anything_is_found() {
        assert_eq!(looks_at(1), LOOKS_AT_ONE);
        assert!(looks_at(10_000) > Duration::from_secs(120));
        assert!(looks_at(u64::MAX) >= looks_at(1 << 31));
    }
}
