//! What the lane carries, and when.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use guard::Access;

use super::Planned;
use crate::lane::{self, Debounce};

/// What the lane may do with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Upload,
    Download,
    RemoveHere,
    RemoveInCloud,
}

impl Way {
    #[must_use]
    pub fn is_delete(self) -> bool {
        matches!(self, Self::RemoveHere | Self::RemoveInCloud)
    }
}

/// The lane's moves, and what it leaves to a cycle.
#[must_use]
pub fn lane_moves(
    planned: &Planned,
    left: BTreeSet<String>,
    access: Access,
    spare_deletes: usize,
) -> (BTreeMap<String, Way>, BTreeSet<String>) {
    let (moves, left) = lane::decide(&planned.0, left, access, spare_deletes);
    let moves = moves.into_iter().map(|(path, way)| {
        let way = match way {
            lane::Move::Upload => Way::Upload,
            lane::Move::Download => Way::Download,
            lane::Move::RemoveHere => Way::RemoveHere,
            lane::Move::RemoveInCloud => Way::RemoveInCloud,
        };
        (path, way)
    });
    (moves.collect(), left)
}

/// When changed paths are due.
#[derive(Debug)]
pub struct Pace {
    debounce: Debounce,
    start: tokio::time::Instant,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            debounce: Debounce::default(),
            start: tokio::time::Instant::now(),
        }
    }
}

impl Pace {
    pub fn saw(&mut self, path: &str, at_ms: u64) {
        self.debounce.saw(PathBuf::from(path), self.at(at_ms));
    }

    pub fn take_due(&mut self, at_ms: u64) -> Vec<String> {
        let due = self.debounce.take_due(self.at(at_ms)).into_iter();
        due.filter_map(|path| path.into_os_string().into_string().ok())
            .collect()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.debounce.len() == 0
    }

    pub fn clear(&mut self) {
        self.debounce.clear();
    }

    fn at(&self, ms: u64) -> tokio::time::Instant {
        self.start + Duration::from_millis(ms)
    }
}
