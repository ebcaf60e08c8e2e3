//! When a subscription is looked up at Polar although nobody told of a change.
//!
//! Access ends with the period, to the second. A renewal that nobody told of yet would lock its
//! owner out, so around the end of a period Polar is asked.

use super::products::Products;
use super::snapshot::{Snapshot, Status};

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;

/// How long a period is looked at ahead of its end.
const SOON: i64 = 10 * MINUTE;
/// How long Polar is asked after a period ended: renewals, then payments that are retried.
const RENEWING: i64 = HOUR;
const RETRIED: i64 = 72 * HOUR;

/// When to ask about a subscription next, having just learned `snapshot` at `now`.
///
/// `None` when Polar's own deliveries, and the sweep over everything, are enough, as for what is
/// not of `products` and opens nothing: it must not make others wait for their answer.
pub(crate) fn next_check(
    snapshot: &Snapshot,
    products: &Products,
    mapped: Mapping,
    now: i64,
) -> Option<i64> {
    if !products.include(snapshot) {
        return None;
    }
    let of_status = match snapshot.status {
        Status::Active | Status::Trialing => {
            snapshot.current_period_end.and_then(|end| around(end, now))
        }
        Status::PastDue => Some(now + HOUR),
        Status::Paused => snapshot.resumes_at.and_then(|at| around(at, now)),
        Status::Incomplete
        | Status::IncompleteExpired
        | Status::Canceled
        | Status::Unpaid
        | Status::Other(_) => None,
    };
    let of_mapping = match mapped {
        Mapping::Known => None,
        Mapping::Unknown => Some(now + HOUR),
    };
    of_status.into_iter().chain(of_mapping).min()
}

/// Whether it is known whose subscription it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mapping {
    Known,
    Unknown,
}

fn around(end: i64, now: i64) -> Option<i64> {
    let past = now - end;
    if past < -SOON {
        Some(end - SOON)
    } else if past < 0 {
        Some(end)
    } else if past < MINUTE {
        Some(now + 5 * SECOND)
    } else if past < 10 * MINUTE {
        Some(now + 15 * SECOND)
    } else if past < RENEWING {
        Some(now + MINUTE)
    } else if past < RETRIED {
        Some(now + HOUR)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::products::tests::{FREE, PAID, only};
    use super::super::snapshot::tests::snapshot;
    use super::*;

    const END: i64 = 1_700_000_000_000;

    fn active_at(now: i64) -> Option<i64> {
        let active = snapshot("s", Status::Active, Some(END));
        next_check(&active, &Products::default(), Mapping::Known, now)
    }

    #[test]
    fn polar_is_asked_before_the_end_at_the_end_and_often_after_it() {
        for (now, expected) in [
            (END - 30 * 24 * HOUR, Some(END - SOON)),
            (END - SOON, Some(END)),
            (END - 1, Some(END)),
            (END, Some(END + 5 * SECOND)),
            (END + MINUTE, Some(END + MINUTE + 15 * SECOND)),
            (END + 10 * MINUTE, Some(END + 11 * MINUTE)),
            (END + HOUR, Some(END + 2 * HOUR)),
            (END + RETRIED, None),
        ] {
            assert_eq!(active_at(now), expected, "{}", now - END);
        }
    }

    #[test]
    fn what_can_still_change_by_itself_is_asked_about_and_the_rest_is_not() {
        let now = END - 24 * HOUR;
        for (status, expected) in [
            (Status::Active, Some(END - SOON)),
            (Status::Trialing, Some(END - SOON)),
            (Status::PastDue, Some(now + HOUR)),
            (Status::Paused, None),
            (Status::Incomplete, None),
            (Status::IncompleteExpired, None),
            (Status::Canceled, None),
            (Status::Unpaid, None),
            (Status::Other("new".to_owned()), None),
        ] {
            let found = snapshot("s", status, Some(END));
            assert_eq!(
                next_check(&found, &Products::default(), Mapping::Known, now),
                expected,
                "{found:?}"
            );
        }
        let mut paused = snapshot("s", Status::Paused, None);
        paused.resumes_at = Some(END);
        assert_eq!(
            next_check(&paused, &Products::default(), Mapping::Known, now),
            Some(END - SOON)
        );
        let canceled = snapshot("s", Status::Canceled, Some(END));
        let of_nobody = next_check(&canceled, &Products::default(), Mapping::Unknown, now);
        assert_eq!(of_nobody, Some(now + HOUR));
        let active = snapshot("s", Status::Active, Some(END));
        let soon = next_check(&active, &Products::default(), Mapping::Unknown, END);
        assert_eq!(soon, Some(END + 5 * SECOND));
    }

    #[test]
    fn nothing_is_asked_about_what_opens_nothing_for_anybody() {
        let active = snapshot("s", Status::Active, Some(END));
        for mapped in [Mapping::Known, Mapping::Unknown] {
            assert_eq!(next_check(&active, &only(FREE), mapped, END), None);
            assert!(next_check(&active, &only(PAID), mapped, END).is_some());
        }
    }

    proptest! {
        #[test]
        fn the_next_check_is_always_ahead(offset in -400 * HOUR..400 * HOUR) {
            let now = END + offset;
            if let Some(next) = active_at(now) {
                prop_assert!(next > now);
            }
        }
    }
}
