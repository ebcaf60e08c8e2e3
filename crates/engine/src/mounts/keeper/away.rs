//! Taking a mount away without losing what was saved in it.

use std::sync::Arc;
use std::time::Duration;

use rclone::mount::MountError;
use tokio::time::Instant;

use super::Running;

const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Files that nothing moves forward for so long stay for the next mount.
const PATIENCE: Duration = Duration::from_secs(5);
/// No unmount waits longer than this, whatever moves.
const DEADLINE: Duration = Duration::from_secs(300);
/// A program that just closed its last file leaves within this.
const BUSY: Duration = Duration::from_secs(3);

/// How an unmount ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Away {
    /// The daemon is gone. What it could not store stays in the mount's own folder.
    Done,
    /// The folder is in use; everything is as before.
    Busy,
}

pub(super) async fn take_away(running: Arc<Running>) -> Away {
    flush(&running).await;
    let deadline = Instant::now() + BUSY;
    loop {
        match running.daemon.unmount().await {
            Ok(()) => break,
            Err(MountError::Busy) if Instant::now() < deadline => {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            Err(MountError::Busy) => return Away::Busy,
            // A dead daemon has no mount to give up; what it left is cleared away.
            Err(error) => {
                tracing::info!(%error, "the mount did not answer and is ended");
                break;
            }
        }
    }
    running.daemon.stop().await;
    Away::Done
}

/// Waits until everything is stored, as long as that goes on.
async fn flush(running: &Running) {
    let begin = Instant::now();
    let mut progress = Progress::new(begin);
    while begin.elapsed() < DEADLINE {
        let (Ok(stats), Ok(queue)) = (running.daemon.stats().await, running.daemon.queue().await)
        else {
            return;
        };
        if stats.is_flushed() && queue.is_empty() {
            return;
        }
        let waiting = (queue.len() as u64).max(stats.uploads_queued);
        let moving = queue.iter().any(|file| file.uploading);
        if progress.is_stuck(Instant::now(), waiting, moving) {
            tracing::info!(waiting, "files wait for the next mount");
            return;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Whether the number of waiting files still falls.
struct Progress {
    least: u64,
    since: Instant,
}

impl Progress {
    fn new(now: Instant) -> Self {
        Self {
            least: u64::MAX,
            since: now,
        }
    }

    fn is_stuck(&mut self, now: Instant, waiting: u64, moving: bool) -> bool {
        if waiting < self.least || moving {
            self.least = self.least.min(waiting);
            self.since = now;
        }
        now.duration_since(self.since) >= PATIENCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_ends_only_while_nothing_moves() {
        let start = Instant::now();
        let mut progress = Progress::new(start);
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(!progress.is_stuck(at(0), 3, false));
        assert!(!progress.is_stuck(at(4), 3, false));
        assert!(!progress.is_stuck(at(6), 2, false), "one is stored");
        assert!(
            !progress.is_stuck(at(12), 2, true),
            "a large one is on its way"
        );
        assert!(!progress.is_stuck(at(16), 3, false));
        assert!(progress.is_stuck(at(17), 3, false));
    }
}
