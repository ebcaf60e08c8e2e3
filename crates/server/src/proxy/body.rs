//! Bodies on their way through, in both directions: bounded in length and in silence, never held.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::pool::Lent;
use super::sign::SignedBody;
use super::slots::Slot;
use crate::silence::Silence;

/// What was wrong with the body that the caller sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyFault {
    #[error("the request's body did not arrive whole")]
    Interrupted,
    #[error("the request's body is larger than what is passed on")]
    TooLarge,
    #[error("the request's body stopped arriving")]
    Stalled,
}

/// How far a streamed body has come, for whoever waits for its answer.
#[derive(Debug)]
pub(super) struct Progress {
    started: Instant,
    last_ms: AtomicU64,
    fault: OnceLock<BodyFault>,
    over: AtomicBool,
}

impl Progress {
    fn new() -> Self {
        Self {
            started: Instant::now(),
            last_ms: AtomicU64::new(0),
            fault: OnceLock::new(),
            over: AtomicBool::new(false),
        }
    }

    /// Whether nothing more of the body is to be sent.
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// When something last came from the caller.
    pub(super) fn last(&self) -> Instant {
        self.started + Duration::from_millis(self.last_ms.load(Ordering::Relaxed))
    }

    pub(super) fn fault(&self) -> Option<BodyFault> {
        self.fault.get().copied()
    }

    fn note(&self) {
        let elapsed = self.started.elapsed().as_millis();
        let elapsed = u64::try_from(elapsed).unwrap_or(u64::MAX);
        self.last_ms.store(elapsed, Ordering::Relaxed);
    }
}

/// A body for an instance.
#[derive(Debug)]
pub(super) enum Outgoing {
    Whole(Bytes),
    Streamed(Box<Streamed>),
}

#[derive(Debug)]
pub(super) struct Streamed {
    body: Body,
    left: u64,
    silence: Silence,
    progress: Arc<Progress>,
}

/// What a body may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct BodyLimits {
    pub(super) max_bytes: u64,
    /// Bodies of known length up to this many bytes are held until they are whole.
    pub(super) whole_bytes: u64,
    pub(super) idle: Duration,
}

impl Outgoing {
    /// Reads a short body of known length whole, and takes any other as it comes.
    pub(super) async fn take(body: Body, limits: BodyLimits) -> Result<Self, BodyFault> {
        let size = body.size_hint();
        if body.is_end_stream() {
            return Ok(Self::Whole(Bytes::new()));
        }
        if size.lower() > limits.max_bytes {
            return Err(BodyFault::TooLarge);
        }
        let mut streamed = Streamed {
            body,
            left: limits.max_bytes,
            silence: Silence::new(limits.idle),
            progress: Arc::new(Progress::new()),
        };
        match size.exact() {
            Some(length) if length <= limits.whole_bytes => {
                Ok(Self::Whole(streamed.read_whole().await?))
            }
            _ => Ok(Self::Streamed(Box::new(streamed))),
        }
    }

    /// What of it a signature can cover.
    pub(super) fn to_sign(&self) -> SignedBody<'_> {
        match self {
            Self::Whole(bytes) => SignedBody::Whole(bytes),
            Self::Streamed(_) => SignedBody::Streamed,
        }
    }

    pub(super) fn progress(&self) -> Option<Arc<Progress>> {
        match self {
            Self::Whole(_) => None,
            Self::Streamed(streamed) => Some(Arc::clone(&streamed.progress)),
        }
    }
}

impl Streamed {
    async fn read_whole(&mut self) -> Result<Bytes, BodyFault> {
        let mut first = Bytes::new();
        let mut rest = BytesMut::new();
        while let Some(data) = std::future::poll_fn(|context| self.poll_data(context)).await {
            let data = data?;
            if first.is_empty() {
                first = data;
            } else {
                if rest.is_empty() {
                    rest.extend_from_slice(&first);
                }
                rest.extend_from_slice(&data);
            }
        }
        Ok(if rest.is_empty() {
            first
        } else {
            rest.freeze()
        })
    }

    fn poll_data(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyFault>>> {
        let next = self.poll_unwatched(context);
        if let Poll::Ready(Some(Err(fault))) = &next {
            // The first fault is the cause of those that follow.
            let _ = self.progress.fault.set(*fault);
        }
        next
    }

    fn poll_unwatched(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, BodyFault>>> {
        loop {
            let frame = match Pin::new(&mut self.body).poll_frame(context) {
                Poll::Ready(frame) => frame,
                Poll::Pending => {
                    ready!(self.silence.poll_too_long(context));
                    return Poll::Ready(Some(Err(BodyFault::Stalled)));
                }
            };
            self.silence.ends();
            self.progress.note();
            let frame = match frame {
                None => return Poll::Ready(None),
                Some(Err(_)) => return Poll::Ready(Some(Err(BodyFault::Interrupted))),
                Some(Ok(frame)) => frame,
            };
            // Trailers are not passed on.
            let Ok(data) = frame.into_data() else {
                continue;
            };
            let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
            let Some(left) = self.left.checked_sub(length) else {
                return Poll::Ready(Some(Err(BodyFault::TooLarge)));
            };
            self.left = left;
            return Poll::Ready(Some(Ok(data)));
        }
    }
}

impl Drop for Streamed {
    fn drop(&mut self) {
        self.progress.over.store(true, Ordering::Relaxed);
    }
}

impl http_body::Body for Outgoing {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        match self.get_mut() {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Streamed(streamed) => {
                let data = ready!(streamed.poll_data(context));
                Poll::Ready(data.map(|data| data.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Streamed(streamed) => streamed.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => {
                SizeHint::with_exact(u64::try_from(bytes.len()).unwrap_or(u64::MAX))
            }
            Self::Streamed(streamed) => streamed.body.size_hint(),
        }
    }
}

/// When an answer has to end by itself.
type End = Pin<Box<WaitForCancellationFutureOwned>>;

/// The body of an instance's answer. It holds the tenant's slot until it ends or is dropped.
#[derive(Debug)]
pub(super) struct Answer {
    incoming: Incoming,
    lent: Option<Lent>,
    silence: Silence,
    end: Option<End>,
    _slot: Option<Slot>,
}

impl Answer {
    /// `lent` is the connection that the answer comes from, unless that is carried on elsewhere.
    pub(super) fn new(
        incoming: Incoming,
        lent: Option<Lent>,
        idle: Duration,
        slot: Option<Slot>,
    ) -> Self {
        let mut answer = Self {
            incoming,
            lent,
            silence: Silence::new(idle),
            end: None,
            _slot: slot,
        };
        answer.give_back_if_over();
        answer
    }

    /// The same, ending when the server drains: it would go on forever, and its reader comes back.
    pub(super) fn until(self, draining: CancellationToken) -> Self {
        Self {
            end: Some(Box::pin(draining.cancelled_owned())),
            ..self
        }
    }

    fn poll_incoming(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        let frame = match &mut self.lent {
            Some(lent) => ready!(lent.link().poll_frame(&mut self.incoming, context)),
            None => ready!(Pin::new(&mut self.incoming).poll_frame(context)),
        };
        match &frame {
            Some(Ok(_)) => self.give_back_if_over(),
            None => self.give_back(),
            Some(Err(_)) => {}
        }
        Poll::Ready(frame)
    }

    fn give_back_if_over(&mut self) {
        if self.incoming.is_end_stream() {
            self.give_back();
        }
    }

    fn give_back(&mut self) {
        if let Some(lent) = self.lent.take() {
            lent.give_back();
        }
    }
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = self.get_mut();
        loop {
            let frame = match this.poll_incoming(context) {
                Poll::Ready(frame) => frame,
                Poll::Pending => {
                    if let Some(end) = &mut this.end
                        && end.as_mut().poll(context).is_ready()
                    {
                        return Poll::Ready(None);
                    }
                    ready!(this.silence.poll_too_long(context));
                    tracing::info!("an answer was cut off: the instance fell silent");
                    return Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())));
                }
            };
            this.silence.ends();
            return Poll::Ready(match frame {
                Some(Ok(frame)) if frame.is_trailers() => continue,
                Some(Ok(frame)) => Some(Ok(frame)),
                Some(Err(error)) => {
                    tracing::info!(%error, "an answer was cut off by the instance");
                    Some(Err(io::Error::other(error)))
                }
                None => None,
            });
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures::{StreamExt, stream};
    use http_body_util::{BodyExt, StreamBody};

    use super::*;

    const LIMITS: BodyLimits = BodyLimits {
        max_bytes: 10,
        whole_bytes: 4,
        idle: Duration::from_secs(5),
    };

    fn chunks(chunks: &'static [&'static str]) -> Body {
        let frames = stream::iter(chunks)
            .map(|chunk| Ok::<_, Infallible>(Frame::data(Bytes::from_static(chunk.as_bytes()))));
        Body::new(StreamBody::new(frames))
    }

    async fn read(outgoing: Outgoing) -> Result<Bytes, BodyFault> {
        outgoing.collect().await.map(|whole| whole.to_bytes())
    }

    #[tokio::test]
    async fn holds_short_bodies_of_known_length_only() {
        let short = Outgoing::take(Body::from("abcd"), LIMITS).await.unwrap();
        assert!(matches!(&short, Outgoing::Whole(bytes) if bytes == "abcd"));
        let none = Outgoing::take(Body::empty(), LIMITS).await.unwrap();
        assert!(matches!(&none, Outgoing::Whole(bytes) if bytes.is_empty()));
        let longer = Outgoing::take(Body::from("abcde"), LIMITS).await.unwrap();
        assert!(matches!(longer, Outgoing::Streamed(_)));
        assert_eq!(longer.size_hint().exact(), Some(5));
        assert_eq!(read(longer).await.unwrap(), "abcde");
        let unknown = Outgoing::take(chunks(&["a", "b"]), LIMITS).await.unwrap();
        assert!(matches!(unknown, Outgoing::Streamed(_)));
        assert_eq!(read(unknown).await.unwrap(), "ab");
    }

    #[tokio::test]
    async fn refuses_more_than_the_limit_before_or_while_it_arrives() {
        let told = Outgoing::take(Body::from("x".repeat(11)), LIMITS).await;
        assert_eq!(told.unwrap_err(), BodyFault::TooLarge);
        let exact = Outgoing::take(chunks(&["12345", "67890"]), LIMITS).await;
        assert_eq!(read(exact.unwrap()).await.unwrap(), "1234567890");
        let untold = Outgoing::take(chunks(&["12345", "67890", "1"]), LIMITS)
            .await
            .unwrap();
        let progress = untold.progress().unwrap();
        assert_eq!(read(untold).await.unwrap_err(), BodyFault::TooLarge);
        assert_eq!(progress.fault(), Some(BodyFault::TooLarge));
    }

    #[tokio::test]
    async fn gives_up_on_a_body_that_stops_arriving() {
        let first = stream::iter([Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"a")))]);
        let body = Body::new(StreamBody::new(first.chain(stream::pending())));
        let limits = BodyLimits {
            idle: Duration::from_millis(50),
            ..LIMITS
        };
        let outgoing = Outgoing::take(body, limits).await.unwrap();
        let progress = outgoing.progress().unwrap();
        let before = Instant::now();
        assert_eq!(read(outgoing).await.unwrap_err(), BodyFault::Stalled);
        assert!(before.elapsed() >= limits.idle);
        assert_eq!(progress.fault(), Some(BodyFault::Stalled));
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_the_callers_fault() {
        let frames = stream::iter([
            Ok(Frame::data(Bytes::from_static(b"a"))),
            Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
        ]);
        let outgoing = Outgoing::take(Body::new(StreamBody::new(frames)), LIMITS)
            .await
            .unwrap();
        assert_eq!(read(outgoing).await.unwrap_err(), BodyFault::Interrupted);
    }
}
