//! File events of the pairs' folders. They only say where to look; a look tells what changed.

use std::path::PathBuf;

use notify::event::ModifyKind;
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::core::Input;
use crate::lane::{Debounce, MOST_PATHS};

/// Paths that may wait to be taken in; more at once are looked at by a pass of everything.
const BACKLOG: usize = 4096;

pub(super) struct FileEvents {
    _watcher: RecommendedWatcher,
}

impl FileEvents {
    /// `None` where there is nothing to watch or no events are to be had; the reason is reported.
    pub(super) fn watch(folders: &[PathBuf], inputs: &mpsc::Sender<Input>) -> Option<Self> {
        if folders.is_empty() {
            return None;
        }
        let (seen, events) = mpsc::channel(BACKLOG);
        let (lost, losses) = watch::channel(());
        let handler = move |event: notify::Result<notify::Event>| match event {
            Ok(event) if event.need_rescan() => lost.send_replace(()),
            Ok(event) if changes_content(event.kind) => {
                for path in event.paths {
                    if seen.try_send(path).is_err() {
                        lost.send_replace(());
                    }
                }
            }
            Ok(_) => {}
            Err(error) => {
                tracing::debug!(%error, "a file event was lost");
                lost.send_replace(());
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
                tokio::spawn(settle(events, losses, inputs.clone()));
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

/// Passes on paths as they become due, and bursts as one look at everything.
async fn settle(
    mut events: mpsc::Receiver<PathBuf>,
    mut losses: watch::Receiver<()>,
    inputs: mpsc::Sender<Input>,
) {
    let mut debounce = Debounce::default();
    loop {
        let due = debounce.next_due();
        let input = tokio::select! {
            event = events.recv() => {
                let Some(path) = event else { return };
                debounce.saw(path, Instant::now());
                if debounce.len() <= MOST_PATHS {
                    continue;
                }
                debounce.clear();
                Input::FilesChanged
            }
            lost = losses.changed() => {
                if lost.is_err() {
                    return;
                }
                debounce.clear();
                Input::FilesChanged
            }
            () = sleep_until(due) => Input::Saved(debounce.take_due(Instant::now())),
        };
        if inputs.send(input).await.is_err() {
            return;
        }
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
