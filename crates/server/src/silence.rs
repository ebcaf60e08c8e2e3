//! How long nothing may move before it is given up.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// Measures how long nothing has moved. The timer is made when there is first something to wait for.
#[derive(Debug)]
pub(crate) struct Silence {
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    waiting: Waiting,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    No,
    SinceTimerSet,
}

impl Silence {
    pub(crate) fn new(limit: Duration) -> Self {
        Self {
            limit,
            timer: None,
            waiting: Waiting::No,
        }
    }

    /// Something has moved.
    pub(crate) fn ends(&mut self) {
        self.waiting = Waiting::No;
    }

    /// To be asked whenever something is waited for: ready once that has taken too long.
    pub(crate) fn poll_too_long(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let limit = self.limit;
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        match self.waiting {
            Waiting::No => {
                timer.as_mut().reset(Instant::now() + limit);
                self.waiting = Waiting::SinceTimerSet;
            }
            Waiting::SinceTimerSet => {}
        }
        timer.as_mut().poll(context)
    }
}
