//! File events of the pairs' folders. They only say "look again"; a scan tells what changed.

use std::path::PathBuf;
use std::time::Duration;

use notify::event::ModifyKind;
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::core::Input;

/// Quiet time after which a burst of events counts as one change.
const SETTLE: Duration = Duration::from_millis(300);
/// A note that is written without pause is looked at this often.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct FileEvents {
    _watcher: RecommendedWatcher,
}

impl FileEvents {
    /// `None` where there is nothing to watch or no events are to be had; the reason is reported.
    pub(super) fn watch(folders: &[PathBuf], inputs: &mpsc::Sender<Input>) -> Option<Self> {
        if folders.is_empty() {
            return None;
        }
        let (seen, events) = mpsc::channel(1);
        let handler = move |event: notify::Result<notify::Event>| {
            let counts = match &event {
                Ok(event) => event.need_rescan() || changes_content(event.kind),
                Err(_) => true,
            };
            // A full channel already says that something changed.
            if counts && seen.try_send(()).is_err() {
                tracing::trace!("a file event joins those that wait");
            }
        };
        let started = notify::recommended_watcher(handler).and_then(|mut watcher| {
            for folder in folders {
                watcher.watch(folder, RecursiveMode::Recursive)?;
            }
            Ok(watcher)
        });
        match started {
            Ok(watcher) => {
                tokio::spawn(settle(events, inputs.clone()));
                Some(Self { _watcher: watcher })
            }
            Err(error) => {
                if inputs
                    .try_send(Input::FileEventsLost(error.to_string()))
                    .is_err()
                {
                    tracing::warn!(%error, "file events are not available");
                }
                None
            }
        }
    }
}

/// Reading changes nothing, nor do modes and links; a mirror's links would wake us each cycle.
fn changes_content(kind: EventKind) -> bool {
    !matches!(
        kind,
        EventKind::Access(_) | EventKind::Modify(ModifyKind::Metadata(_))
    )
}

/// Passes on one input per burst.
async fn settle(mut events: mpsc::Receiver<()>, inputs: mpsc::Sender<Input>) {
    while events.recv().await.is_some() {
        let latest = Instant::now() + PATIENCE;
        loop {
            let quiet = (Instant::now() + SETTLE).min(latest);
            match tokio::time::timeout_at(quiet, events.recv()).await {
                Ok(Some(())) if Instant::now() < latest => {}
                Ok(Some(()) | None) | Err(_) => break,
            }
        }
        if inputs.send(Input::FileEvent).await.is_err() {
            return;
        }
    }
}
