//! What follows from a step's outcome. Time and chance come from the caller.

use std::time::Duration;

use crate::store::workflows::Progress;

/// How failures of a step are treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    /// How often a step is started before the work is given up; `None` never gives up.
    pub(crate) max_attempts: Option<u32>,
    /// The longest pause after the first failure; it doubles with each further one.
    pub(crate) first_pause: Duration,
    pub(crate) longest_pause: Duration,
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    /// Nothing is wrong; what the step waits for may have come by then. Unix milliseconds.
    NotBefore(i64),
    /// The next attempt may do better.
    Transient(String),
    /// No further attempt of this workflow can succeed.
    Permanent(String),
}

/// Where a workflow stands when a step has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Position<'a> {
    pub(crate) steps: &'a [&'static str],
    pub(crate) step: &'a str,
    /// The number of this start of the step, from 1.
    pub(crate) attempt: u32,
    pub(crate) recurs_after: Option<Duration>,
}

/// Decides what is recorded. `chance` is in `0.0..1.0` and spreads the retries.
pub(crate) fn decide(
    position: Position<'_>,
    outcome: Outcome,
    now: i64,
    policy: Policy,
    chance: f64,
) -> Progress {
    match outcome {
        Outcome::Done => after(position, now),
        Outcome::NotBefore(at) => Progress::Wait { at: at.max(now) },
        Outcome::Permanent(error) => Progress::GiveUp { error },
        Outcome::Transient(error) if exhausted(position.attempt + 1, policy) => {
            Progress::GiveUp { error }
        }
        Outcome::Transient(error) => Progress::Retry {
            at: now + millis(pause(position.attempt, policy, chance)),
            error,
        },
    }
}

/// Whether a start with this number is one too many.
pub(crate) fn exhausted(attempt: u32, policy: Policy) -> bool {
    policy.max_attempts.is_some_and(|most| attempt > most)
}

fn after(position: Position<'_>, now: i64) -> Progress {
    let mut steps = position.steps.iter();
    let known = steps.any(|step| *step == position.step);
    match (known, steps.next(), position.recurs_after) {
        (true, Some(next), _) => Progress::Advance { step: next },
        (true, None, None) => Progress::Finish,
        (true, None, Some(every)) => match position.steps.first() {
            Some(first) => Progress::Rearm {
                step: first,
                at: now + millis(every),
            },
            None => Progress::Finish,
        },
        (false, _, _) => Progress::GiveUp {
            error: format!("this version knows no step {}", position.step),
        },
    }
}

/// Full jitter: anything between half the pause and all of it.
fn pause(attempt: u32, policy: Policy, chance: f64) -> Duration {
    let doublings = attempt.saturating_sub(1).min(20);
    let whole = policy
        .first_pause
        .saturating_mul(1 << doublings)
        .min(policy.longest_pause);
    whole.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Policy = Policy {
        max_attempts: Some(3),
        first_pause: Duration::from_millis(1_000),
        longest_pause: Duration::from_millis(5_000),
    };

    fn at(step: &'static str, attempt: u32, recurs_after: Option<Duration>) -> Position<'static> {
        Position {
            steps: &["one", "two"],
            step,
            attempt,
            recurs_after,
        }
    }

    fn after(position: Position<'_>, outcome: Outcome) -> Progress {
        decide(position, outcome, 100, POLICY, 1.0)
    }

    #[test]
    fn a_finished_step_leads_to_the_next_one_and_the_last_to_the_end() {
        let next = Progress::Advance { step: "two" };
        assert_eq!(after(at("one", 2, None), Outcome::Done), next);
        assert_eq!(after(at("two", 1, None), Outcome::Done), Progress::Finish);
    }

    #[test]
    fn recurring_work_is_armed_again() {
        let hour = Some(Duration::from_secs(3_600));
        let armed = Progress::Rearm {
            step: "one",
            at: 3_600_100,
        };
        assert_eq!(after(at("two", 1, hour), Outcome::Done), armed);
    }

    #[test]
    fn an_unknown_step_is_given_up_and_named() {
        let Progress::GiveUp { error } = after(at("three", 1, None), Outcome::Done) else {
            panic!("an unknown step went on");
        };
        assert!(error.contains("three"), "{error}");
    }

    #[test]
    fn waiting_is_no_failure_and_never_lies_in_the_past() {
        let waits = |until| after(at("one", 3, None), Outcome::NotBefore(until));
        assert_eq!(waits(5_000), Progress::Wait { at: 5_000 });
        assert_eq!(waits(0), Progress::Wait { at: 100 });
    }

    #[test]
    fn failures_back_off_and_end() {
        let failed = |attempt| after(at("one", attempt, None), Outcome::Transient("e".into()));
        let retry = |at| Progress::Retry {
            at,
            error: "e".to_owned(),
        };
        let given_up = Progress::GiveUp {
            error: "e".to_owned(),
        };
        assert_eq!(failed(1), retry(1_100));
        assert_eq!(failed(2), retry(2_100));
        assert_eq!(failed(3), given_up);
        assert_eq!(
            after(at("one", 1, None), Outcome::Permanent("e".into())),
            given_up
        );
    }

    #[test]
    fn a_pause_is_never_longer_than_the_longest_nor_shorter_than_half() {
        for attempt in [1, 2, 3, 4, 40, u32::MAX] {
            let whole = pause(attempt, POLICY, 1.0);
            assert!(whole <= POLICY.longest_pause, "{attempt}: {whole:?}");
            assert_eq!(pause(attempt, POLICY, 0.0), whole / 2, "{attempt}");
        }
    }
}
