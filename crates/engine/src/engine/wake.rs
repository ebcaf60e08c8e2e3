//! Noticing that the machine slept: the wall clock went on, the timers did not.

use std::time::Duration;

use tokio::time::Instant;

/// Beyond what a busy machine delays a tick, and what a corrected clock usually jumps.
const SLEPT: Duration = Duration::from_secs(10);

/// The two clocks at the last look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clocks {
    wall_ms: i64,
    timers: Instant,
}

impl Clocks {
    pub(super) fn new(wall_ms: i64, timers: Instant) -> Self {
        Self { wall_ms, timers }
    }

    /// Looks again: whether the wall clock ran ahead of the timers meanwhile. A clock that was
    /// set forward looks the same and costs one pass.
    pub(super) fn slept(&mut self, wall_ms: i64, timers: Instant) -> bool {
        let before = std::mem::replace(self, Self::new(wall_ms, timers));
        let awake = timers.saturating_duration_since(before.timers);
        let awake_ms = i64::try_from(awake.as_millis()).unwrap_or(i64::MAX);
        let ahead_ms = wall_ms
            .saturating_sub(before.wall_ms)
            .saturating_sub(awake_ms);
        u64::try_from(ahead_ms).is_ok_and(|ahead| Duration::from_millis(ahead) > SLEPT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_wall_clock_that_ran_ahead_is_a_sleep() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut clocks = Clocks::new(0, start);
        assert!(!clocks.slept(1_000, at(1)));
        assert!(!clocks.slept(31_000, at(31)), "a slow tick");
        assert!(clocks.slept(3_631_000, at(32)), "an hour's sleep");
        assert!(!clocks.slept(3_632_000, at(33)), "told once");
        assert!(!clocks.slept(0, at(34)), "set back");
        assert!(!clocks.slept(1_000, at(35)));
    }
}
