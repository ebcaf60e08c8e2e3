//! What is to be done about an instance, decided from what is known of it.

use std::time::Duration;

/// A life shorter than this counts as another failure in a row.
const SHORT_LIFE: Duration = Duration::from_secs(60);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// After so many failures in a row only somebody who needs it starts it again.
const TRIED_UNASKED: u32 = 5;
const CHECK_EVERY: Duration = Duration::from_secs(10);
/// So many checks in a row without a good answer, and the instance is started anew.
const CHECKS_MISSED: u32 = 3;

/// What is known of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    Asleep,
    /// On its way up or down; whoever is at it goes on.
    Between,
    Awake {
        unused: Duration,
        unchecked: Duration,
        missed: u32,
    },
    Failed {
        unused: Duration,
        in_a_row: u32,
        pause_left: Duration,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    Nothing,
    Check,
    PutToSleep,
    StartAnew,
    Start,
}

pub(super) fn decide(known: Known, idle: Option<Duration>) -> Deed {
    let is_idle = |unused: Duration| idle.is_some_and(|idle| unused >= idle);
    match known {
        Known::Asleep | Known::Between => Deed::Nothing,
        Known::Awake { missed, .. } if missed >= CHECKS_MISSED => Deed::StartAnew,
        Known::Awake { unused, .. } if is_idle(unused) => Deed::PutToSleep,
        Known::Awake { unchecked, .. } if unchecked >= CHECK_EVERY => Deed::Check,
        Known::Awake { .. } => Deed::Nothing,
        Known::Failed {
            unused,
            in_a_row,
            pause_left,
        } => {
            let wanted = in_a_row <= TRIED_UNASKED && !is_idle(unused);
            if wanted && pause_left.is_zero() {
                Deed::Start
            } else {
                Deed::Nothing
            }
        }
    }
}

/// How many failures in a row there are after another one.
pub(super) fn failures(before: u32, lived: Duration) -> u32 {
    if lived >= SHORT_LIFE {
        1
    } else {
        before.saturating_add(1)
    }
}

/// The pause after so many failures in a row.
pub(super) fn pause(in_a_row: u32) -> Duration {
    let doublings = in_a_row.saturating_sub(1).min(16);
    FIRST_PAUSE
        .saturating_mul(1 << doublings)
        .min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn an_instance_sleeps_when_nobody_used_it_and_is_checked_while_somebody_does() {
        let awake = |unused: u32, unchecked: u32, missed| Known::Awake {
            unused: S * unused,
            unchecked: S * unchecked,
            missed,
        };
        for (known, idle, expected) in [
            (awake(0, 0, 0), Some(S * 60), Deed::Nothing),
            (awake(59, 10, 0), Some(S * 60), Deed::Check),
            (awake(60, 10, 0), Some(S * 60), Deed::PutToSleep),
            (awake(6000, 10, 0), None, Deed::Check),
            (awake(60, 0, 3), Some(S * 60), Deed::StartAnew),
            (Known::Asleep, Some(S), Deed::Nothing),
            (Known::Between, Some(S), Deed::Nothing),
        ] {
            assert_eq!(decide(known, idle), expected, "{known:?}");
        }
    }

    #[test]
    fn one_that_crashes_is_tried_a_few_times_and_then_left_until_it_is_needed() {
        let failed = |in_a_row, pause_left, unused| Known::Failed {
            unused: S * unused,
            in_a_row,
            pause_left: S * pause_left,
        };
        for (known, expected) in [
            (failed(1, 1, 0), Deed::Nothing),
            (failed(1, 0, 0), Deed::Start),
            (failed(5, 0, 0), Deed::Start),
            (failed(6, 0, 0), Deed::Nothing),
            (failed(1, 0, 60), Deed::Nothing),
        ] {
            assert_eq!(decide(known, Some(S * 60)), expected, "{known:?}");
        }
    }

    #[test]
    fn pauses_double_up_to_a_minute_and_a_long_life_starts_over() {
        let pauses: Vec<u64> = (1..=8).map(|n| pause(n).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(failures(3, S), 4);
        assert_eq!(failures(3, S * 60), 1);
        assert_eq!(pause(u32::MAX), S * 60);
    }
}
