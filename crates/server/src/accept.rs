//! The accept loop: what a slow, greedy or numerous peer can take is bounded here.

mod framing;
mod tls;
mod watched;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::response::IntoResponse;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulConnection, Watcher};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::error::ApiError;
pub(crate) use tls::Certificates;
pub use tls::TlsError;
use watched::{Watch, Watched};

const MAX_HEADERS: usize = 64;
const MAX_HEADER_BYTES: usize = 32 * 1024;
const AFTER_FAILED_ACCEPT: Duration = Duration::from_millis(50);
/// How often an HTTP/2 peer that says nothing is asked whether it is still there.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_DEADLINE: Duration = Duration::from_secs(20);

/// What peers may take, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// How long a peer may take to send the head of a request, or to agree on a TLS session.
    pub(crate) header_deadline: Duration,
    /// How long a peer that speaks HTTP/1.1 may take nothing of its answer. One that speaks HTTP/2
    /// is asked for a sign of life instead.
    pub(crate) write_idle: Duration,
    /// How long requests in flight may still take once the server is to stop.
    pub(crate) drain_deadline: Duration,
    pub(crate) max_connections: usize,
    /// Requests at the same time on one HTTP/2 connection.
    pub(crate) max_streams: u32,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            header_deadline: Duration::from_secs(10),
            write_idle: Duration::from_secs(60),
            drain_deadline: Duration::from_secs(10),
            max_connections: 2048,
            max_streams: 100,
        }
    }
}

/// Answers connections until `cancel`, then lets requests in flight end.
///
/// Plain connections speak HTTP/1.1. With certificates, connections are TLS and the peer chooses
/// HTTP/2 or HTTP/1.1.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    bounds: Bounds,
    certificates: Option<Arc<Certificates>>,
    cancel: CancellationToken,
) {
    let slots = Arc::new(Semaphore::new(bounds.max_connections));
    let graceful = hyper_util::server::graceful::GracefulShutdown::new();
    let (tasks, cut_off) = (TaskTracker::new(), CancellationToken::new());
    let tls = certificates.map(|certificates| TlsAcceptor::from(certificates.server_config()));
    let drain_deadline = bounds.drain_deadline;
    let server = Arc::new(Server { router, bounds });
    loop {
        let next = async {
            let slot = Arc::clone(&slots).acquire_owned().await;
            (slot, listener.accept().await)
        };
        let (slot, accepted) = tokio::select! {
            () = cancel.cancelled() => break,
            next = next => next,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(AFTER_FAILED_ACCEPT).await;
                continue;
            }
        };
        let connection = Arc::clone(&server).answer(stream, peer, tls.clone(), graceful.watcher());
        let cut_off = cut_off.clone();
        tasks.spawn(async move {
            metrics::gauge!("bm_connections").increment(1);
            tokio::select! {
                () = connection => {}
                () = cut_off.cancelled() => {}
            }
            metrics::gauge!("bm_connections").decrement(1);
            drop(slot);
        });
    }
    drop(listener);
    tasks.close();
    if tokio::time::timeout(drain_deadline, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!(
            connections = tasks.len(),
            "requests were cut off: they took too long after the server was to stop"
        );
    }
    cut_off.cancel();
    tasks.wait().await;
}

struct Server {
    router: Router,
    bounds: Bounds,
}

/// A connection, from its first request to its end. Connections are many, long and mostly idle:
/// what only some of them need, or only for a moment, has a box of its own.
type Answering = BoxFuture<'static, ()>;

impl Server {
    async fn answer(
        self: Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        tls: Option<TlsAcceptor>,
        watcher: Watcher,
    ) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection was lost at once");
        }
        let connection = match tls {
            None => Some(self.http1(stream, peer, watcher)),
            Some(tls) => Box::pin(self.agree(tls, stream, peer, watcher)).await,
        };
        if let Some(connection) = connection {
            connection.await;
        }
    }

    async fn agree(
        &self,
        tls: TlsAcceptor,
        stream: TcpStream,
        peer: SocketAddr,
        watcher: Watcher,
    ) -> Option<Answering> {
        let agreed = tokio::time::timeout(self.bounds.header_deadline, tls.accept(stream)).await;
        let stream = match agreed {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                tracing::debug!(%error, "no TLS session was agreed on");
                return None;
            }
            Err(_) => {
                tracing::debug!("a TLS session took too long to agree on");
                return None;
            }
        };
        Some(if stream.get_ref().1.alpn_protocol() == Some(tls::HTTP2) {
            self.http2(stream, peer, watcher)
        } else {
            self.http1(stream, peer, watcher)
        })
    }

    fn http1<I>(&self, stream: I, peer: SocketAddr, watcher: Watcher) -> Answering
    where
        I: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let watch = Watch::default();
        let router = self.router.clone();
        let seen = watch.clone();
        let service = service_fn(move |request| {
            let (router, ambiguous) = (router.clone(), seen.length_is_ambiguous());
            async move {
                if ambiguous {
                    return Ok(ApiError::AmbiguousLength.into_response());
                }
                route(router, request, peer).await
            }
        });
        let stream = Watched::new(stream, watch, self.bounds.write_idle);
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.bounds.header_deadline)
            .max_headers(MAX_HEADERS)
            .max_buf_size(MAX_HEADER_BYTES)
            .serve_connection(TokioIo::new(stream), service);
        finish(connection, watcher)
    }

    fn http2<I>(&self, stream: I, peer: SocketAddr, watcher: Watcher) -> Answering
    where
        I: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let router = self.router.clone();
        let service = service_fn(move |request| route(router.clone(), request, peer));
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_DEADLINE)
            .max_concurrent_streams(self.bounds.max_streams)
            .max_header_list_size(u32::try_from(MAX_HEADER_BYTES).unwrap_or(u32::MAX))
            .serve_connection(TokioIo::new(stream), service);
        finish(connection, watcher)
    }
}

async fn route(
    router: Router,
    mut request: hyper::Request<Incoming>,
    peer: SocketAddr,
) -> Result<axum::response::Response, std::convert::Infallible> {
    request.extensions_mut().insert(ConnectInfo(peer));
    router.oneshot(request.map(axum::body::Body::new)).await
}

fn finish<C>(connection: C, watcher: Watcher) -> Answering
where
    C: GracefulConnection<Error = hyper::Error> + Send + 'static,
{
    let ended = watcher.watch(connection).map(|ended| {
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended badly");
        }
    });
    ended.boxed()
}

#[cfg(test)]
mod tests;
