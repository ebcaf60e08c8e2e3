//! Having Basic Memory index what arrived, and making sure that it did.
//!
//! Arrivals are collected while it starts, restarts or works, so that a burst costs one round.

mod projects;
mod round;

use std::collections::BTreeSet;
use std::time::Duration;

use engine::Arrived;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::upstream::UpstreamState;
pub(crate) use round::Round;

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How far the index is behind the files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct IndexTold {
    /// Arrivals that are not proven to be found yet.
    pub(crate) pending: usize,
    pub(crate) since: Option<Instant>,
}

/// What arrived and is not indexed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Backlog {
    paths: BTreeSet<String>,
    anything: bool,
}

impl Backlog {
    fn add(&mut self, arrived: Arrived) {
        match arrived {
            Arrived::Paths(paths) => self.paths.extend(paths),
            Arrived::Anything => self.anything = true,
        }
    }

    fn count(&self) -> usize {
        self.paths.len() + usize::from(self.anything)
    }
}

/// Serves for as long as arrivals can come.
pub(crate) fn start(
    round: Round,
    upstream: watch::Receiver<UpstreamState>,
    arrived: mpsc::Receiver<Arrived>,
) -> (watch::Receiver<IndexTold>, JoinHandle<()>) {
    let (tell, told) = watch::channel(IndexTold::default());
    let indexer = Indexer {
        round,
        upstream,
        // What came while nothing ran is not known.
        backlog: Backlog {
            anything: true,
            paths: BTreeSet::new(),
        },
        since: Instant::now(),
        tell,
    };
    (told, tokio::spawn(indexer.run(arrived)))
}

struct Indexer {
    round: Round,
    upstream: watch::Receiver<UpstreamState>,
    backlog: Backlog,
    since: Instant,
    tell: watch::Sender<IndexTold>,
}

impl Indexer {
    async fn run(mut self, mut arrived: mpsc::Receiver<Arrived>) {
        let mut pause = FIRST_PAUSE;
        loop {
            self.show(0);
            if self.backlog == Backlog::default() {
                let Some(next) = arrived.recv().await else {
                    return;
                };
                self.take(next);
            }
            if self
                .upstream
                .wait_for(|state| *state == UpstreamState::Ready)
                .await
                .is_err()
            {
                return;
            }
            while let Ok(next) = arrived.try_recv() {
                self.take(next);
            }
            let work = std::mem::take(&mut self.backlog);
            self.show(work.count());
            let began = Instant::now();
            let left = self.round.run(work).await;
            tracing::debug!(
                duration_ms = began.elapsed().as_millis(),
                left = left.count(),
                "indexed"
            );
            if left == Backlog::default() {
                pause = FIRST_PAUSE;
                continue;
            }
            self.backlog.paths.extend(left.paths);
            self.backlog.anything |= left.anything;
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn take(&mut self, arrived: Arrived) {
        if self.backlog == Backlog::default() {
            self.since = Instant::now();
        }
        self.backlog.add(arrived);
    }

    fn show(&self, under_way: usize) {
        let pending = self.backlog.count() + under_way;
        self.tell.send_replace(IndexTold {
            pending,
            since: (pending > 0).then_some(self.since),
        });
    }
}
