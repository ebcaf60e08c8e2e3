//! What an instance says of itself. Pure.

use std::time::Duration;

use tokio::time::Instant;
use wire::{FilesHealth, InstanceStatus, Lag, UpstreamHealth};

use crate::files::FilesTold;
use crate::index::IndexTold;
use crate::upstream::UpstreamState;

/// The whole is as good as its worst part.
pub(crate) fn status(files: &FilesHealth, upstream: &UpstreamHealth) -> InstanceStatus {
    files.state.max(upstream.state)
}

pub(crate) fn files(driver: &str, told: &FilesTold) -> FilesHealth {
    FilesHealth {
        driver: driver.to_owned(),
        state: told.state,
        message: told.message.clone(),
    }
}

pub(crate) fn upstream(
    state: &UpstreamState,
    index: IndexTold,
    version: Option<String>,
) -> UpstreamHealth {
    let refused = (index.refused > 0).then(|| match index.refused {
        1 => "Basic Memory cannot index one of the notes".to_owned(),
        refused => format!("Basic Memory cannot index {refused} of the notes"),
    });
    let (state, message) = match state {
        UpstreamState::Starting => (InstanceStatus::Starting, None),
        UpstreamState::Ready => (InstanceStatus::Ok, refused),
        UpstreamState::Restarting { message } => (InstanceStatus::Degraded, Some(message.clone())),
        UpstreamState::Silent => {
            let message = "Basic Memory does not answer".to_owned();
            (InstanceStatus::Degraded, Some(message))
        }
        UpstreamState::Stopped => (InstanceStatus::Failed, None),
    };
    UpstreamHealth {
        state,
        version,
        message,
    }
}

/// Files first, then the index: a change waits in one of the two.
pub(crate) fn lag(files: Option<&FilesTold>, index: IndexTold, now: Instant) -> Lag {
    let oldest = files
        .and_then(|told| told.since)
        .into_iter()
        .chain(index.since)
        .min();
    let waited = oldest.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
    Lag {
        pending: files.map_or(0, |told| told.pending) + index.pending,
        oldest_ms: u64::try_from(waited.as_millis()).unwrap_or(u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(state: InstanceStatus) -> (FilesHealth, UpstreamHealth) {
        let files = FilesHealth {
            driver: "replica".to_owned(),
            state,
            message: None,
        };
        let upstream = UpstreamHealth {
            state,
            version: None,
            message: None,
        };
        (files, upstream)
    }

    #[test]
    fn the_worst_part_speaks_for_the_whole() {
        use InstanceStatus::{Degraded, Failed, Ok, Starting};
        for (files, upstream, whole) in [
            (Ok, Ok, Ok),
            (Ok, Starting, Starting),
            (Degraded, Ok, Degraded),
            (Degraded, Starting, Starting),
            (Failed, Starting, Failed),
        ] {
            assert_eq!(status(&part(files).0, &part(upstream).1), whole);
        }
    }

    #[test]
    fn a_note_that_is_not_indexed_is_told_of_and_all_else_is_well() {
        let index = IndexTold {
            refused: 1,
            ..IndexTold::default()
        };
        let told = upstream(&UpstreamState::Ready, index, None);
        assert_eq!(told.state, InstanceStatus::Ok);
        assert!(told.message.is_some());
        let told = upstream(&UpstreamState::Ready, IndexTold::default(), None);
        assert_eq!(told.message, None);
    }

    #[test]
    fn the_oldest_change_counts_wherever_it_waits() {
        let now = Instant::now();
        let before = |seconds| now.checked_sub(Duration::from_secs(seconds));
        let files = FilesTold {
            state: InstanceStatus::Ok,
            message: None,
            pending: 2,
            since: before(3),
        };
        let index = IndexTold {
            pending: 1,
            since: before(5),
            refused: 0,
        };
        let expected = Lag {
            pending: 3,
            oldest_ms: 5_000,
        };
        assert_eq!(lag(Some(&files), index, now), expected);
        assert_eq!(lag(None, IndexTold::default(), now), Lag::default());
    }
}
