//! When a question that failed is asked again.

use std::time::Duration;

/// How questions to Polar's API are repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How often a question is asked at most.
    pub attempts: u32,
    /// The longest wait before the second attempt; it doubles from there.
    pub first_wait: Duration,
    pub longest_wait: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 4,
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(30),
        }
    }
}

/// How a question failed, as far as asking again is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Another attempt can succeed.
    Transient,
    /// The provider asks for patience, and may say for how long.
    RateLimited { retry_after: Option<Duration> },
    /// Another attempt fails alike.
    Lasting,
}

impl RetryPolicy {
    /// How long to wait after the failure of attempt number `attempt` (from 1), if it is worth
    /// another one. `chance` is from 0 to 1 and spreads replicas out.
    pub(crate) fn wait(self, attempt: u32, failure: Failure, chance: f64) -> Option<Duration> {
        if attempt >= self.attempts {
            return None;
        }
        let doubled = self
            .first_wait
            .saturating_mul(1 << attempt.saturating_sub(1).min(16))
            .min(self.longest_wait);
        match failure {
            Failure::Lasting => None,
            Failure::Transient | Failure::RateLimited { retry_after: None } => {
                Some(doubled.mul_f64(chance.clamp(0.0, 1.0)))
            }
            Failure::RateLimited {
                retry_after: Some(asked),
            } => (asked <= self.longest_wait)
                .then(|| asked + self.first_wait.mul_f64(chance.clamp(0.0, 1.0))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetryPolicy = RetryPolicy {
        attempts: 4,
        first_wait: Duration::from_secs(1),
        longest_wait: Duration::from_secs(3),
    };

    fn waits(failure: Failure) -> Vec<Option<Duration>> {
        (1..=4)
            .map(|attempt| POLICY.wait(attempt, failure, 1.0))
            .collect()
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn waits_double_up_to_the_longest_and_then_there_is_no_other_attempt() {
        let doubled = [Some(seconds(1)), Some(seconds(2)), Some(seconds(3)), None];
        assert_eq!(waits(Failure::Transient), doubled);
        let silent = Failure::RateLimited { retry_after: None };
        assert_eq!(waits(silent), doubled);
        assert_eq!(waits(Failure::Lasting), [None; 4]);
    }

    #[test]
    fn chance_shortens_a_wait_but_never_one_that_was_asked_for() {
        assert_eq!(
            POLICY.wait(1, Failure::Transient, 0.0),
            Some(Duration::ZERO)
        );
        let asked = |asked| Failure::RateLimited {
            retry_after: Some(Duration::from_secs(asked)),
        };
        assert_eq!(POLICY.wait(1, asked(2), 0.0), Some(seconds(2)));
        assert_eq!(POLICY.wait(3, asked(2), 1.0), Some(seconds(3)));
        assert_eq!(POLICY.wait(1, asked(4), 0.0), None);
    }
}
