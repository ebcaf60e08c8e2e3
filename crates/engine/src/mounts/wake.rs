use std::time::Duration;

/// The clocks may drift apart by so much without a sleep.
const SLACK: Duration = Duration::from_secs(2);

/// Notices that the machine slept: its clock of all time went on, its clock of waking time stood.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sleeps {
    before: Option<Duration>,
}

impl Sleeps {
    /// Whether the machine slept since the last question. `asleep` is the time it has slept in all.
    pub(super) fn woke(&mut self, asleep: Option<Duration>) -> bool {
        let before = std::mem::replace(&mut self.before, asleep);
        match (before, asleep) {
            (Some(before), Some(now)) => now.saturating_sub(before) > SLACK,
            (Some(_) | None, Some(_) | None) => false,
        }
    }
}

/// How long this machine has slept since it started; `None` where it does not tell.
#[cfg(target_os = "linux")]
pub(super) fn time_asleep() -> Option<Duration> {
    use rustix::time::{ClockId, clock_gettime};

    let read = |clock| {
        let time = clock_gettime(clock);
        let seconds = u64::try_from(time.tv_sec).ok()?;
        Some(Duration::new(seconds, u32::try_from(time.tv_nsec).ok()?))
    };
    Some(read(ClockId::Boottime)?.saturating_sub(read(ClockId::Monotonic)?))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn time_asleep() -> Option<Duration> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_of_the_time_asleep_is_a_sleep() {
        let mut sleeps = Sleeps::default();
        let told = [Some(100), Some(101), Some(160), Some(160), None, Some(900)];
        let woke: Vec<bool> = told
            .map(|seconds| sleeps.woke(seconds.map(Duration::from_secs)))
            .to_vec();
        assert_eq!(woke, [false, false, true, false, false, false]);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_machine_tells_how_long_it_slept() {
        assert!(time_asleep().is_some());
    }
}
