//! Whether the connection costs money by the byte.
//!
//! On Linux `NetworkManager` tells, over the system's message bus. Where nothing is known the
//! connection is free: no computer may stop syncing for want of an answer.

#[cfg(target_os = "linux")]
mod linux;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// What a byte costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cost {
    Free,
    #[cfg_attr(
        not(target_os = "linux"),
        expect(dead_code, reason = "nothing tells there")
    )]
    Metered,
}

/// A meter that is being read; it is left when this goes.
pub(crate) struct Meter {
    cancel: CancellationToken,
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

/// Whether this system can tell at all.
pub(crate) const CAN_TELL: bool = cfg!(target_os = "linux");

impl Meter {
    /// Tells the cost now and whenever it changes.
    pub(crate) fn read(tell: mpsc::Sender<Cost>) -> Self {
        let cancel = CancellationToken::new();
        #[cfg(target_os = "linux")]
        {
            let stop = cancel.clone();
            tokio::spawn(async move {
                stop.run_until_cancelled(linux::follow(None, tell)).await;
            });
        }
        #[cfg(not(target_os = "linux"))]
        drop(tell);
        Self { cancel }
    }
}
