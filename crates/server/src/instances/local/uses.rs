//! Who uses an instance now, and when somebody last did.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

#[derive(Debug)]
pub(super) struct Uses(Mutex<State>);

#[derive(Debug)]
struct State {
    under_way: usize,
    last: Instant,
}

/// Keeps an instance from being put to sleep.
#[derive(Debug)]
pub(crate) struct InUse(Arc<Uses>);

impl Uses {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            under_way: 0,
            last: Instant::now(),
        })))
    }

    pub(super) fn begin(self: &Arc<Self>) -> InUse {
        self.state().under_way += 1;
        InUse(Arc::clone(self))
    }

    /// How long nobody has used it; nothing while somebody does.
    pub(super) fn unused_for(&self, now: Instant) -> Duration {
        let state = self.state();
        match state.under_way {
            0 => now.saturating_duration_since(state.last),
            _ => Duration::ZERO,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.under_way -= 1;
        state.last = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_unused_from_the_end_of_its_last_use() {
        let uses = Uses::new();
        let minute = Duration::from_secs(60);
        let (one, two) = (uses.begin(), uses.begin());
        let begun = Instant::now();
        drop(one);
        assert_eq!(uses.unused_for(begun + minute), Duration::ZERO);
        drop(two);
        let ended = Instant::now();
        let unused = uses.unused_for(begun + minute);
        assert!(unused <= minute && unused >= minute - (ended - begun));
    }
}
