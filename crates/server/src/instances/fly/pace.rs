//! Fly allows each action on each machine a number of calls a second; we keep to it ourselves.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// More places than this are looked through for those that are over.
const REMEMBERED: usize = 4096;

/// So many calls at once, and then one each `every`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rate {
    pub(super) every: Duration,
    pub(super) burst: u32,
}

#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When the bucket of an action and its object is full again.
    full_at: Mutex<HashMap<(&'static str, String), Instant>>,
}

impl Pace {
    /// Returns when the call may be made.
    pub(super) async fn wait(&self, action: &'static str, on: &str, rate: Rate) {
        let at = {
            let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            if full_at.len() >= REMEMBERED {
                full_at.retain(|_, at| *at > now);
            }
            let place = full_at.entry((action, on.to_owned())).or_insert(now);
            let (at, next) = take(*place, now, rate);
            *place = next;
            at
        };
        sleep_until(at).await;
    }
}

/// When a call may be made, and when the bucket is full again after it.
fn take(full_at: Instant, now: Instant, rate: Rate) -> (Instant, Instant) {
    let next = full_at.max(now) + rate.every;
    let ahead = rate.every * rate.burst;
    // The first instants of a clock have nothing before them.
    let at = next.checked_sub(ahead).unwrap_or(now).max(now);
    (at, next)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate {
        every: Duration::from_secs(1),
        burst: 3,
    };

    #[test]
    fn a_burst_goes_at_once_and_the_rest_at_its_pace() {
        let start = Instant::now();
        let mut full_at = start;
        let mut at = |after: u64| {
            let (at, next) = take(full_at, start + Duration::from_secs(after), RATE);
            full_at = next;
            (at - start).as_secs()
        };
        assert_eq!([0, 0, 0, 0, 0].map(&mut at), [0, 0, 0, 1, 2]);
        // The bucket fills again.
        assert_eq!([60, 60, 60, 60].map(&mut at), [60, 60, 60, 61]);
    }

    #[tokio::test]
    async fn every_action_on_every_object_has_a_pace_of_its_own() {
        let pace = Pace::default();
        let slow = Rate {
            every: Duration::from_secs(3600),
            burst: 1,
        };
        let all = async {
            pace.wait("start", "m1", slow).await;
            pace.wait("start", "m2", slow).await;
            pace.wait("stop", "m1", slow).await;
        };
        let soon = Duration::from_secs(10);
        tokio::time::timeout(soon, all).await.expect("nobody waits");
        let again = pace.wait("start", "m1", slow);
        let early = tokio::time::timeout(Duration::from_millis(50), again).await;
        assert!(early.is_err(), "the second of them waits");
    }
}
