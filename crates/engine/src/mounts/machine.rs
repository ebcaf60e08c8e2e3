//! What happens to a mount next. Pure: times and chance are passed in.

use std::time::Duration;

/// The pause before the first new try; it doubles with each failure up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A mount that lived this long failed for a new reason.
pub(crate) const MINIMUM_LIFE: Duration = Duration::from_secs(60);

/// Where a mount is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Unmounted,
    /// `failures` in a row came before.
    Starting {
        failures: u32,
    },
    Mounted {
        failures: u32,
    },
    /// Waits for the next try.
    Reconnecting {
        failures: u32,
    },
    /// Waits for what is not stored yet, then takes the mount away.
    Unmounting {
        then: Then,
    },
    /// Only a person's request leads out.
    Failed,
}

/// What follows an unmount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    Stay,
    MountAgain,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A person or a start of the engine wants it mounted.
    Wanted,
    /// A person wants it away, or the engine ends.
    Unwanted,
    /// Settings changed that only a new daemon takes.
    Changed,
    Started,
    NotStarted(Fault),
    /// The daemon died, or its mount is gone.
    Lost,
    /// It has been well for [`MINIMUM_LIFE`].
    Stable,
    PauseOver,
    TakenAway,
    /// A program works in the folder, so it is still mounted.
    StillBusy,
}

/// Whether another try may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Transient,
    Permanent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Clear away leftovers, then start a daemon.
    Start,
    /// Stop a start that is under way.
    Abandon,
    Pause(Duration),
    /// Wait for what is not stored, unmount, end the daemon.
    TakeAway,
    /// End what is left of the daemon.
    Drop,
}

/// The next phase, and what has to be done. `chance` is from 0 to 1.
pub(crate) fn step(phase: Phase, event: Event, chance: f64) -> (Phase, Option<Effect>) {
    let again = |failures: u32| {
        (
            Phase::Reconnecting {
                failures: failures + 1,
            },
            Some(Effect::Pause(pause(failures, chance))),
        )
    };
    let start = |failures| (Phase::Starting { failures }, Some(Effect::Start));
    let away = |then| (Phase::Unmounting { then }, Some(Effect::TakeAway));
    match (phase, event) {
        (Phase::Unmounted | Phase::Failed, Event::Wanted | Event::Changed)
        | (Phase::Reconnecting { .. }, Event::Wanted | Event::Changed) => {
            if phase == Phase::Unmounted && event == Event::Changed {
                (phase, None)
            } else {
                start(0)
            }
        }
        (Phase::Unmounting { .. }, Event::Wanted) => (
            Phase::Unmounting {
                then: Then::MountAgain,
            },
            None,
        ),
        (Phase::Unmounting { .. }, Event::Unwanted) => {
            (Phase::Unmounting { then: Then::Stay }, None)
        }
        (Phase::Starting { failures }, Event::Started) => (Phase::Mounted { failures }, None),
        (Phase::Starting { failures }, Event::NotStarted(Fault::Transient)) => again(failures),
        (Phase::Starting { .. }, Event::NotStarted(Fault::Permanent)) => (Phase::Failed, None),
        (Phase::Starting { .. }, Event::Unwanted) => (Phase::Unmounted, Some(Effect::Abandon)),
        (Phase::Starting { .. }, Event::Changed) => start(0),
        (Phase::Mounted { .. }, Event::Unwanted) => away(Then::Stay),
        (Phase::Mounted { .. }, Event::Changed) => away(Then::MountAgain),
        (Phase::Mounted { .. }, Event::Stable) => (Phase::Mounted { failures: 0 }, None),
        // The first loss of a mount that was well is mended at once.
        (Phase::Mounted { failures: 0 }, Event::Lost) => {
            (Phase::Starting { failures: 1 }, Some(Effect::Start))
        }
        (Phase::Mounted { failures }, Event::Lost) => again(failures),
        (Phase::Reconnecting { failures }, Event::PauseOver) => start(failures),
        (Phase::Reconnecting { .. } | Phase::Failed, Event::Unwanted) => (Phase::Unmounted, None),
        (Phase::Unmounting { then: Then::Stay }, Event::TakenAway | Event::Lost) => {
            (Phase::Unmounted, Some(Effect::Drop))
        }
        (
            Phase::Unmounting {
                then: Then::MountAgain,
            },
            Event::TakenAway | Event::Lost,
        ) => start(0),
        (Phase::Unmounting { .. }, Event::StillBusy) => (Phase::Mounted { failures: 0 }, None),
        (
            Phase::Unmounted,
            Event::Unwanted
            | Event::Started
            | Event::NotStarted(_)
            | Event::Lost
            | Event::Stable
            | Event::PauseOver
            | Event::TakenAway
            | Event::StillBusy,
        )
        | (
            Phase::Starting { .. },
            Event::Wanted
            | Event::Lost
            | Event::Stable
            | Event::PauseOver
            | Event::TakenAway
            | Event::StillBusy,
        )
        | (
            Phase::Mounted { .. },
            Event::Wanted
            | Event::Started
            | Event::NotStarted(_)
            | Event::PauseOver
            | Event::TakenAway
            | Event::StillBusy,
        )
        | (
            Phase::Reconnecting { .. } | Phase::Failed,
            Event::Started
            | Event::NotStarted(_)
            | Event::Lost
            | Event::Stable
            | Event::TakenAway
            | Event::StillBusy,
        )
        | (Phase::Failed, Event::PauseOver)
        | (
            Phase::Unmounting { .. },
            Event::Changed
            | Event::Started
            | Event::NotStarted(_)
            | Event::Stable
            | Event::PauseOver,
        ) => (phase, None),
    }
}

/// Doubles with each failure; between half of it and all of it, so that many devices do not come
/// back at one moment.
fn pause(failures: u32, chance: f64) -> Duration {
    let most = FIRST_PAUSE
        .saturating_mul(1 << failures.min(16))
        .min(LONGEST_PAUSE);
    most.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests;
