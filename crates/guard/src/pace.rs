use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, stream};
use tokio::sync::watch;
use tokio::time::Instant;

/// What passes at once; between two pieces a rate may change.
const PIECE: usize = 16 * 1024;
/// How far an idle way may be ahead, so that a single note is not held up.
const AHEAD: Duration = Duration::from_millis(100);

/// How fast bytes may pass, in bytes per second; `None` is as fast as they can.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    pub upload: Option<NonZeroU64>,
    pub download: Option<NonZeroU64>,
}

/// One direction of a bucket, shared by all that use it, in the order in which they come.
#[derive(Debug)]
pub(crate) struct Pace {
    rate: watch::Sender<Option<NonZeroU64>>,
    /// When the next piece may pass.
    next: Mutex<Option<Instant>>,
}

impl Pace {
    pub(crate) fn new() -> Self {
        Self {
            rate: watch::Sender::new(None),
            next: Mutex::new(None),
        }
    }

    /// Holds from the next piece on; what waits under the old rate goes on at once.
    pub(crate) fn set(&self, rate: Option<NonZeroU64>) {
        let changed = self.rate.send_if_modified(|current| {
            let changed = *current != rate;
            *current = rate;
            changed
        });
        if changed {
            *self.next() = None;
        }
    }

    pub(crate) fn rate(&self) -> Option<NonZeroU64> {
        *self.rate.borrow()
    }

    /// Waits until `size` bytes may pass.
    async fn pass(&self, size: usize) {
        let mut changes = self.rate.subscribe();
        let Some(rate) = *changes.borrow_and_update() else {
            return;
        };
        let turn = self.take_turn(size, rate);
        tokio::select! {
            () = tokio::time::sleep_until(turn) => {}
            _ = changes.changed() => {}
        }
    }

    fn take_turn(&self, size: usize, rate: NonZeroU64) -> Instant {
        let now = Instant::now();
        let mut next = self.next();
        let earliest = now.checked_sub(AHEAD).unwrap_or(now);
        let turn = next.unwrap_or(earliest).max(earliest);
        let takes = Duration::from_micros((size as u64).saturating_mul(1_000_000) / rate.get());
        *next = Some(turn + takes);
        turn + takes
    }

    fn next(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The same bytes, each piece when it may pass.
pub(crate) fn paced<S, E>(bytes: S, pace: Arc<Pace>) -> BoxStream<'static, Result<Bytes, E>>
where
    S: futures::Stream<Item = Result<Bytes, E>> + Send + Unpin + 'static,
    E: Send + 'static,
{
    let begin = (bytes, Bytes::new(), pace);
    stream::try_unfold(begin, |(mut bytes, mut held, pace)| async move {
        while held.is_empty() {
            match bytes.next().await {
                Some(Ok(more)) => held = more,
                Some(Err(error)) => return Err(error),
                None => return Ok(None),
            }
        }
        let piece = match pace.rate() {
            Some(_) => held.split_to(held.len().min(PIECE)),
            None => std::mem::take(&mut held),
        };
        pace.pass(piece.len()).await;
        Ok(Some((piece, (bytes, held, pace))))
    })
    .boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(bytes: u64) -> Option<NonZeroU64> {
        NonZeroU64::new(bytes)
    }

    async fn send(way: &Arc<Pace>, size: usize) -> usize {
        let bytes = Ok::<_, std::io::Error>(Bytes::from(vec![7; size]));
        let bytes = stream::iter([bytes]);
        let passed: Vec<_> = paced(bytes, Arc::clone(way)).collect().await;
        passed.into_iter().map(|piece| piece.unwrap().len()).sum()
    }

    #[tokio::test]
    async fn all_who_send_share_one_rate() {
        let way = Arc::new(Pace::new());
        assert_eq!(send(&way, 10_000_000).await, 10_000_000);
        way.set(rate(1_000_000));
        let began = Instant::now();
        let (one, other) = tokio::join!(send(&way, 300_000), send(&way, 300_000));
        assert_eq!((one, other), (300_000, 300_000));
        let took = began.elapsed().as_secs_f64();
        assert!(took > 0.49, "{took}");
    }

    #[tokio::test]
    async fn a_new_rate_frees_what_waits_under_the_old_one() {
        let way = Arc::new(Pace::new());
        way.set(rate(10));
        let sending = tokio::spawn({
            let way = Arc::clone(&way);
            async move { send(&way, 100_000).await }
        });
        tokio::task::yield_now().await;
        assert!(!sending.is_finished());
        way.set(rate(500_000));
        way.set(None);
        let sent = tokio::time::timeout(Duration::from_secs(20), sending).await;
        assert_eq!(sent.unwrap().unwrap(), 100_000);
    }

    #[tokio::test]
    async fn a_turn_is_as_far_off_as_what_went_before_takes() {
        let pace = Pace::new();
        let began = Instant::now();
        let rate = rate(20_000).unwrap();
        let first = pace.take_turn(2_000, rate);
        assert!(first <= Instant::now(), "an idle way takes a note at once");
        let second = pace.take_turn(40_000, rate);
        let off = second.duration_since(began).as_secs_f64();
        assert!((1.9..2.2).contains(&off), "{off}");
    }
}
