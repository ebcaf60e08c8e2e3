//! Having Basic Memory index what arrived, and making sure that it did.
//!
//! Arrivals are collected while it starts, restarts or works, so that a burst costs one round. A
//! walk that takes minutes goes on beside the rounds: what is saved meanwhile does not wait for it.

mod look;
mod projects;
mod refused;
mod round;
mod unreadable;
mod walk;

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::time::Duration;

use engine::Arrived;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinHandle, JoinSet};
use tokio::time::Instant;

use crate::upstream::UpstreamState;
pub(crate) use round::Round;
use walk::Ended;

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How far the index is behind the files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct IndexTold {
    /// Arrivals that are not proven to be found yet.
    pub(crate) pending: usize,
    pub(crate) since: Option<Instant>,
    /// What Basic Memory would not index, however often it was asked.
    pub(crate) refused: usize,
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

    fn join(&mut self, other: Self) {
        self.paths.extend(other.paths);
        self.anything |= other.anything;
    }

    fn is_empty(&self) -> bool {
        self.count() == 0
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
        walks: JoinSet::new(),
        since: Instant::now(),
        pause: FIRST_PAUSE,
        tell,
    };
    (told, tokio::spawn(indexer.run(arrived)))
}

struct Indexer {
    round: Round,
    upstream: watch::Receiver<UpstreamState>,
    backlog: Backlog,
    walks: JoinSet<Ended>,
    since: Instant,
    pause: Duration,
    tell: watch::Sender<IndexTold>,
}

impl Indexer {
    async fn run(mut self, mut arrived: mpsc::Receiver<Arrived>) {
        loop {
            while let Some(ended) = self.walks.try_join_next() {
                self.take_end(ended, &mut arrived).await;
            }
            self.show(0);
            if self.backlog.is_empty() {
                tokio::select! {
                    next = arrived.recv() => {
                        let Some(next) = next else { return };
                        self.take(next);
                    }
                    Some(ended) = self.walks.join_next() => {
                        self.take_end(ended, &mut arrived).await;
                        continue;
                    }
                }
            }
            if self.become_ready(&mut arrived).await.is_break() {
                return;
            }
            while let Ok(next) = arrived.try_recv() {
                self.take(next);
            }
            let work = std::mem::take(&mut self.backlog);
            self.show(work.count());
            let began = Instant::now();
            let (left, walks) = self.round.run(work).await;
            tracing::debug!(
                duration_ms = began.elapsed().as_millis(),
                left = left.count(),
                walks = walks.len(),
                "indexed"
            );
            for walk in walks {
                self.walks.spawn(walk.run());
            }
            if left.is_empty() {
                self.pause = FIRST_PAUSE;
            } else {
                self.backlog.join(left);
                self.wait(&mut arrived).await;
            }
        }
    }

    /// Until there is somebody to ask; nobody waits with what arrives meanwhile.
    async fn become_ready(&mut self, arrived: &mut mpsc::Receiver<Arrived>) -> ControlFlow<()> {
        let mut upstream = self.upstream.clone();
        loop {
            tokio::select! {
                ready = upstream.wait_for(|state| *state == UpstreamState::Ready) => {
                    return match ready {
                        Ok(_) => ControlFlow::Continue(()),
                        Err(_) => ControlFlow::Break(()),
                    };
                }
                Some(next) = arrived.recv() => {
                    self.take(next);
                    self.show(0);
                }
            }
        }
    }

    async fn take_end(
        &mut self,
        ended: Result<Ended, JoinError>,
        arrived: &mut mpsc::Receiver<Arrived>,
    ) {
        let failed = match ended {
            Ok(ended) => {
                let failed = ended.result.is_err();
                let left = self.round.ended(ended);
                self.backlog.join(left);
                failed
            }
            Err(error) => {
                tracing::warn!(%error, "a walk ended unexpectedly");
                self.round.lost_walks();
                self.backlog.anything = true;
                true
            }
        };
        if failed {
            self.show(0);
            self.wait(arrived).await;
        }
    }

    /// Before another try; what arrives has its own at once.
    async fn wait(&mut self, arrived: &mut mpsc::Receiver<Arrived>) {
        tokio::select! {
            () = tokio::time::sleep(self.pause) => {}
            Some(next) = arrived.recv() => self.take(next),
        }
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }

    fn take(&mut self, arrived: Arrived) {
        if self.backlog.is_empty() && self.walks.is_empty() {
            self.since = Instant::now();
        }
        if let Arrived::Paths(paths) = &arrived {
            self.round.ask_again_for(paths);
        }
        self.backlog.add(arrived);
    }

    fn show(&self, under_way: usize) {
        let pending = self.backlog.count() + under_way + self.walks.len();
        self.tell.send_replace(IndexTold {
            pending,
            since: (pending > 0).then_some(self.since),
            refused: self.round.refused(),
        });
    }
}
