//! Noticing that the machine slept: the wall clock went on and the timers did not. Where timers go
//! on too (Windows), and where this program alone was stopped, nothing here moved for long.

use std::time::Duration;

use tokio::time::Instant;

/// Beyond what a busy machine delays a tick, and what a corrected clock usually jumps.
const SLEPT: Duration = Duration::from_secs(10);
/// Who looks every second was not let run for so long.
const STOOD_STILL: Duration = Duration::from_secs(60);

/// The two clocks at the last look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clocks {
    wall_ms: i64,
    timers: Instant,
}

impl Clocks {
    pub(crate) fn new(wall_ms: i64, timers: Instant) -> Self {
        Self { wall_ms, timers }
    }

    /// Looks again: whether the machine slept meanwhile. A clock that was set forward looks the
    /// same and costs one pass.
    pub(crate) fn slept(&mut self, wall_ms: i64, timers: Instant) -> bool {
        let before = std::mem::replace(self, Self::new(wall_ms, timers));
        let awake = timers.saturating_duration_since(before.timers);
        let awake_ms = i64::try_from(awake.as_millis()).unwrap_or(i64::MAX);
        let ahead_ms = wall_ms
            .saturating_sub(before.wall_ms)
            .saturating_sub(awake_ms);
        let ahead = u64::try_from(ahead_ms).map_or(Duration::ZERO, Duration::from_millis);
        ahead > SLEPT || awake > STOOD_STILL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_wall_clock_that_ran_ahead_or_a_long_standstill_is_a_sleep() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut clocks = Clocks::new(0, start);
        assert!(!clocks.slept(1_000, at(1)));
        assert!(!clocks.slept(31_000, at(31)), "a slow tick");
        assert!(clocks.slept(3_631_000, at(32)), "an hour's sleep");
        assert!(!clocks.slept(3_632_000, at(33)), "told once");
        assert!(!clocks.slept(0, at(34)), "set back");
        assert!(!clocks.slept(1_000, at(35)));
        assert!(clocks.slept(3_601_000, at(3_635)), "the timers went on");
        assert!(!clocks.slept(3_602_000, at(3_636)));
    }
}
