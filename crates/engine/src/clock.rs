use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Where the engine reads the time; tests pass their own.
#[derive(Clone)]
pub struct Clock {
    now: Arc<dyn Fn() -> SystemTime + Send + Sync>,
    zone: Zone,
}

/// Whose midnight it is.
#[derive(Clone, Copy, Debug)]
enum Zone {
    /// The machine's; it can change while the program runs.
    Here,
    Greenwich,
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place that reads the clock"
        )]
        Self {
            now: Arc::new(SystemTime::now),
            zone: Zone::Here,
        }
    }

    /// A clock of one's own, in UTC.
    pub fn new(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self {
            now: Arc::new(now),
            zone: Zone::Greenwich,
        }
    }

    pub fn now(&self) -> SystemTime {
        (self.now)()
    }

    /// Unix milliseconds; negative before 1970.
    pub fn now_ms(&self) -> i64 {
        unix_ms(self.now())
    }

    /// Minutes since midnight, where the machine is.
    pub(crate) fn minute_of_day(&self) -> u32 {
        minute_of_day(self.now_ms(), &self.time_zone())
    }

    /// How far the machine's wall clock is from UTC at a time (Unix milliseconds), in seconds; in
    /// summer it may be another one than in winter.
    pub fn offset_seconds(&self, at_ms: i64) -> i32 {
        offset_seconds(at_ms, &self.time_zone())
    }

    fn time_zone(&self) -> TimeZone {
        match self.zone {
            Zone::Here => TimeZone::system(),
            Zone::Greenwich => TimeZone::UTC,
        }
    }
}

fn minute_of_day(now_ms: i64, zone: &TimeZone) -> u32 {
    let Ok(now) = Timestamp::from_millisecond(now_ms) else {
        return 0;
    };
    let time = zone.to_datetime(now).time();
    let minute = i32::from(time.hour()) * 60 + i32::from(time.minute());
    u32::try_from(minute).unwrap_or_default()
}

fn offset_seconds(at_ms: i64, zone: &TimeZone) -> i32 {
    let at = Timestamp::from_millisecond(at_ms);
    at.map_or(0, |at| zone.to_offset(at).seconds())
}

impl fmt::Debug for Clock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Clock")
    }
}

/// Unix milliseconds of a time; negative before 1970.
pub(crate) fn unix_ms(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |ms| -ms),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_minute_is_that_of_the_wall_also_when_summer_begins() {
        let minute = |text: &str, zone: &TimeZone| {
            let now: Timestamp = text.parse().unwrap();
            minute_of_day(now.as_millisecond(), zone)
        };
        let vienna = TimeZone::get("Europe/Vienna").unwrap();
        assert_eq!(minute("2026-03-29T00:59:00Z", &vienna), 119);
        assert_eq!(minute("2026-03-29T01:00:00Z", &vienna), 180);
        assert_eq!(minute("2026-03-29T22:30:00Z", &vienna), 30);
        assert_eq!(minute("2026-03-29T22:30:59Z", &TimeZone::UTC), 22 * 60 + 30);
        let offset = |text: &str| {
            let at: Timestamp = text.parse().unwrap();
            offset_seconds(at.as_millisecond(), &vienna)
        };
        assert_eq!(offset("2026-03-29T00:59:59Z"), 3_600);
        assert_eq!(offset("2026-03-29T01:00:00Z"), 7_200);
    }
}
