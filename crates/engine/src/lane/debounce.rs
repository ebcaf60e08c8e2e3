//! When a path that changes is due: soon after the last change of a burst, at a slower pace the
//! longer somebody goes on writing, and never later than a limit. Pure.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

/// An atomic save is a handful of events within a few milliseconds.
const QUIET: Duration = Duration::from_millis(60);
/// A note that is written without pause is at most this far behind.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// The first pause between two transfers of one path; it doubles with each that follows at once.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// A path that rested this long begins anew.
const REST: Duration = Duration::from_secs(20);

#[derive(Debug, Default)]
pub(crate) struct Debounce {
    waiting: BTreeMap<PathBuf, Waiting>,
    paced: BTreeMap<PathBuf, Paced>,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    first: Instant,
    last: Instant,
}

/// A path that was due a short while ago.
#[derive(Clone, Copy, Debug)]
struct Paced {
    at: Instant,
    in_a_row: u32,
}

impl Paced {
    fn next(self) -> Instant {
        let factor = 2_u32.saturating_pow(self.in_a_row.saturating_sub(1).min(8));
        self.at + (FIRST_PAUSE * factor).min(PATIENCE)
    }
}

impl Debounce {
    /// Takes in that something happened at `path`.
    pub(crate) fn saw(&mut self, path: PathBuf, now: Instant) {
        let fresh = Waiting {
            first: now,
            last: now,
        };
        self.waiting.entry(path).or_insert(fresh).last = now;
    }

    /// When the next path is due.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        let due = |(path, waiting): (&PathBuf, &Waiting)| self.due_at(path, *waiting);
        self.waiting.iter().map(due).min()
    }

    /// Takes out the paths that are due.
    pub(crate) fn take_due(&mut self, now: Instant) -> Vec<PathBuf> {
        self.paced.retain(|_, paced| now < paced.at + REST);
        let due: Vec<PathBuf> = self
            .waiting
            .iter()
            .filter(|(path, waiting)| self.due_at(path, **waiting) <= now)
            .map(|(path, _)| path.clone())
            .collect();
        for path in &due {
            self.waiting.remove(path);
            let before = self.paced.get(path).map_or(0, |paced| paced.in_a_row);
            let paced = Paced {
                at: now,
                in_a_row: before.saturating_add(1),
            };
            self.paced.insert(path.clone(), paced);
        }
        due
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
    }

    fn due_at(&self, path: &Path, waiting: Waiting) -> Instant {
        let quiet = waiting.last + QUIET;
        let wanted = match self.paced.get(path) {
            Some(paced) => quiet.max(paced.next()),
            None => quiet,
        };
        wanted.min(waiting.first + PATIENCE)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    /// Feeds saves at these times; the times at which the path was due.
    fn dues(saves: &[u64]) -> Vec<u64> {
        let start = Instant::now();
        let mut debounce = Debounce::default();
        let mut dues = Vec::new();
        let drain = |debounce: &mut Debounce, until: Option<Instant>, dues: &mut Vec<u64>| {
            while let Some(due) = debounce.next_due() {
                if until.is_some_and(|until| due > until) {
                    break;
                }
                assert_eq!(debounce.take_due(due), [PathBuf::from("note.md")]);
                dues.push(u64::try_from((due - start).as_millis()).unwrap());
            }
        };
        for save in saves {
            let now = start + ms(*save);
            drain(&mut debounce, Some(now), &mut dues);
            debounce.saw("note.md".into(), now);
        }
        drain(&mut debounce, None, &mut dues);
        dues
    }

    #[test]
    fn one_save_is_due_at_once_and_its_burst_is_one() {
        assert_eq!(dues(&[0]), [60]);
        assert_eq!(dues(&[0, 5, 12]), [72]);
    }

    #[test]
    fn saves_in_a_row_slow_down_and_a_rest_makes_them_quick_again() {
        assert_eq!(
            dues(&[0, 1_000, 1_500, 2_000, 40_000]),
            [60, 1_060, 2_060, 40_060]
        );
    }

    #[test]
    fn a_note_that_is_written_without_pause_is_taken_all_the_same() {
        let typing: Vec<u64> = (0..600).map(|count| count * 50).collect();
        let taken = dues(&typing);
        assert_eq!(taken, [10_000, 20_000, 30_000]);
    }

    #[test]
    fn paths_do_not_wait_for_each_other() {
        let now = Instant::now();
        let mut debounce = Debounce::default();
        debounce.saw("a".into(), now);
        debounce.saw("b".into(), now + ms(50));
        assert_eq!(debounce.take_due(now + ms(60)), [PathBuf::from("a")]);
        assert_eq!(debounce.len(), 1);
        assert_eq!(debounce.take_due(now + ms(110)), [PathBuf::from("b")]);
    }

    proptest! {
        #[test]
        fn nothing_is_forgotten_and_nothing_waits_longer_than_the_limit(
            gaps in prop::collection::vec(0_u64..15_000, 1..60),
        ) {
            let saves: Vec<u64> = gaps
                .iter()
                .scan(0, |at, gap| { *at += gap; Some(*at) })
                .collect();
            let taken = dues(&saves);
            for save in saves {
                let answered = taken.iter().any(|due| {
                    *due >= save && *due <= save + u64::try_from(PATIENCE.as_millis()).unwrap() + 1
                });
                prop_assert!(answered, "{save} in {taken:?}");
            }
        }
    }
}
