//! One connection to an instance. It has no task of its own: whoever waits for something from it
//! carries it on meanwhile, so that a request does not cross from task to task on its way.

use std::fmt;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use axum::http::{Request, Response};
use hyper::body::{Body as _, Frame, Incoming};
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::body::Outgoing;

/// What an answer's head may hold at most. The library takes at most 100 headers unless told
/// otherwise, and is slower at every one of them if it is told.
const MAX_ANSWER_HEAD_BYTES: usize = 64 * 1024;

type Stream = TokioIo<TcpStream>;

pub(super) struct Link {
    sender: SendRequest<Outgoing>,
    connection: Option<Connection<Stream, Outgoing>>,
}

impl Link {
    pub(super) async fn new(stream: Stream) -> hyper::Result<Self> {
        let (sender, connection) = Builder::new()
            .max_buf_size(MAX_ANSWER_HEAD_BYTES)
            .handshake(stream)
            .await?;
        Ok(Self {
            sender,
            connection: Some(connection),
        })
    }

    /// Sends a request and waits for the head of its answer.
    ///
    /// # Errors
    /// One that holds the request if nothing of it was written.
    pub(super) async fn ask(
        &mut self,
        request: Request<Outgoing>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Outgoing>>> {
        let mut answer = pin!(self.sender.try_send_request(request));
        std::future::poll_fn(|context| {
            carry_on(&mut self.connection, context, |context| {
                answer.as_mut().poll(context)
            })
        })
        .await
    }

    /// The next piece of the answer's body.
    pub(super) fn poll_frame(
        &mut self,
        incoming: &mut Incoming,
        context: &mut Context<'_>,
    ) -> Poll<Option<hyper::Result<Frame<bytes::Bytes>>>> {
        let mut unheard = Context::from_waker(Waker::noop());
        match Pin::new(&mut *incoming).poll_frame(&mut unheard) {
            Poll::Ready(frame) => Poll::Ready(frame),
            Poll::Pending => carry_on(&mut self.connection, context, |context| {
                Pin::new(&mut *incoming).poll_frame(context)
            }),
        }
    }

    /// Whether a request can be sent now. To be asked anew before each one: a connection that is
    /// not carried on does not notice that the other end has left.
    pub(super) fn is_free(&mut self) -> bool {
        let mut unheard = Context::from_waker(Waker::noop());
        let Some(connection) = &mut self.connection else {
            return false;
        };
        let open = Pin::new(connection).poll(&mut unheard).is_pending();
        if !open {
            self.connection = None;
        }
        open && self.sender.is_ready()
    }

    /// Gives the connection a task of its own, which ends with the exchange under way.
    pub(super) fn carry_on_alone(self) {
        if let Some(connection) = self.connection {
            tokio::spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "a connection to an instance ended badly");
                }
            });
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Link").finish_non_exhaustive()
    }
}

/// Carries the connection on until it gives what is wanted, or has to wait for the other end.
///
/// At first nobody listens: what the connection tells itself on the way would only wake the task
/// that is at it. The one who waits is named once there is something to wait for.
fn carry_on<T>(
    connection: &mut Option<Connection<Stream, Outgoing>>,
    context: &mut Context<'_>,
    mut wanted: impl FnMut(&mut Context<'_>) -> Poll<T>,
) -> Poll<T> {
    let mut unheard = Context::from_waker(Waker::noop());
    let Some(open) = connection else {
        return wanted(context);
    };
    let mut ended = Pin::new(&mut *open).poll(&mut unheard).is_ready();
    if !ended {
        if let Poll::Ready(got) = wanted(&mut unheard) {
            return Poll::Ready(got);
        }
        ended = Pin::new(open).poll(context).is_ready();
    }
    if ended {
        // Whatever is still wanted learns that nothing more comes.
        *connection = None;
        return wanted(context);
    }
    wanted(&mut unheard)
}
