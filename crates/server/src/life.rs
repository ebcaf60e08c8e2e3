//! The server's life as seen from outside: it serves, or it drains.

use tokio_util::sync::CancellationToken;

/// Shared by everything that must know when the server is to stop.
#[derive(Clone, Debug, Default)]
pub(crate) struct Life {
    draining: CancellationToken,
}

impl Life {
    /// Says that no new work should come here, and that endless answers are to end.
    pub(crate) fn drain(&self) {
        self.draining.cancel();
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    /// Resolves when the server begins to drain.
    pub(crate) fn draining(&self) -> CancellationToken {
        self.draining.clone()
    }
}
