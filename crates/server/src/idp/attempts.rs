use std::collections::VecDeque;

const WINDOW_MS: i64 = 60_000;
const ALLOWED: usize = 20;

/// Counts wrong user codes, so that codes cannot be found by trying (RFC 8628, 5.1).
#[derive(Debug, Default)]
pub(super) struct Attempts {
    wrong_at: VecDeque<i64>,
}

impl Attempts {
    /// Whether one more attempt may be made; else the seconds to wait.
    pub(super) fn check(&mut self, now: i64) -> Result<(), u64> {
        while self
            .wrong_at
            .front()
            .is_some_and(|&at| at <= now - WINDOW_MS)
        {
            self.wrong_at.pop_front();
        }
        match self.wrong_at.front() {
            Some(first) if self.wrong_at.len() >= ALLOWED => {
                let wait_ms = first + WINDOW_MS - now;
                Err(u64::try_from(wait_ms).unwrap_or(0).div_ceil(1000).max(1))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn record_wrong(&mut self, now: i64) {
        self.wrong_at.push_back(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_wrong_codes_in_a_minute_close_the_door_until_the_minute_is_over() {
        let mut attempts = Attempts::default();
        for at in 0..20 {
            assert_eq!(attempts.check(at), Ok(()));
            attempts.record_wrong(at);
        }
        assert_eq!(attempts.check(1_000), Err(59));
        assert_eq!(attempts.check(59_999), Err(1));
        assert_eq!(attempts.check(60_000), Ok(()));
    }
}
