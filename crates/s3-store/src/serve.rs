use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::api::Api;
use crate::gate::{Gate, Permits};
use crate::store::Store;

/// Longer than clients keep idle connections, so that they close them first.
const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(120);
/// How long requests in flight may take once the server stops.
const DRAIN: Duration = Duration::from_secs(10);
/// Pause after a failed accept, which usually means no file descriptors are left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

impl Store {
    /// Serves S3 over HTTP/1.1 (path style, any region) on `listener` until `cancel`, then lets requests in flight finish.
    ///
    /// # Errors
    ///
    /// None today; the signature leaves room for listeners that fail for good.
    pub async fn serve(self, listener: TcpListener, cancel: CancellationToken) -> io::Result<()> {
        accept(build(self, None), listener, cancel).await
    }

    /// Serves like [`serve`](Self::serve), and asks `permits` before each request that would change a bucket.
    ///
    /// # Errors
    ///
    /// As [`serve`](Self::serve).
    pub async fn serve_permitted(
        self,
        permits: Arc<dyn Permits>,
        listener: TcpListener,
        cancel: CancellationToken,
    ) -> io::Result<()> {
        accept(build(self, Some(permits)), listener, cancel).await
    }
}

async fn accept(
    service: S3Service,
    listener: TcpListener,
    cancel: CancellationToken,
) -> io::Result<()> {
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = cancel.cancelled() => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => connect(&service, stream, &graceful, &mut connections),
            Err(error) => {
                tracing::warn!(%error, "could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    if tokio::time::timeout(DRAIN, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!(
            connections = connections.len(),
            "requests were cut off at the stop"
        );
    }
    connections.shutdown().await;
    Ok(())
}

fn build(store: Store, permits: Option<Arc<dyn Permits>>) -> S3Service {
    // Form uploads are refused, but only after their body was read: leave no room for one.
    let mut config = S3Config::default();
    config.post_object_max_file_size = 0;
    config.form_max_field_size = 16 * 1024;
    config.form_max_fields_size = 64 * 1024;
    config.form_max_parts = 50;
    let mut builder = S3ServiceBuilder::new(Api::new(store.clone()));
    builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config))));
    builder.set_auth(Gate::new(store.clone(), permits.clone()));
    builder.set_access(Gate::new(store, permits));
    builder.build()
}

fn connect(
    service: &S3Service,
    stream: TcpStream,
    graceful: &GracefulShutdown,
    connections: &mut JoinSet<()>,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "could not set TCP_NODELAY");
    }
    let mut server = http1::Builder::new();
    server
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_READ_TIMEOUT);
    let connection = server.serve_connection(TokioIo::new(stream), service.clone());
    let watched = graceful.watch(connection);
    connections.spawn(async move {
        if let Err(error) = watched.await {
            tracing::debug!(%error, "a connection ended early");
        }
    });
}
