//! The way through alone, to be measured: no token, no database, no signature.

use std::io;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::{Router, routing};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::ProxyError;
use super::decide::decide;
use super::settings::ProxySettings;
use super::transport::Transport;
use super::upstream::Upstream;
use crate::accept::{self, Bounds};
use crate::error::ApiError;

/// Passes everything under `/proxy/` on to one address, for benchmarks.
///
/// # Errors
/// If `address` is not `HOST:PORT`.
pub async fn serve_bare(
    listener: TcpListener,
    address: &str,
    cancel: CancellationToken,
) -> io::Result<()> {
    let upstream = Upstream::parse(address).map_err(io::Error::other)?;
    let transport = Transport::new(ProxySettings::default(), cancel.clone());
    let router = Router::new()
        .route("/proxy/{*path}", routing::any(pass))
        .with_state((transport, upstream));
    accept::serve(listener, router, Bounds::default(), None, cancel).await;
    Ok(())
}

async fn pass(
    State((transport, upstream)): State<(Transport, Upstream)>,
    request: Request,
) -> Response {
    let passed = async {
        let (head, body) = request.into_parts();
        let forward = decide(head)?;
        let body = transport.take(body).await?;
        let answer = transport.send(&upstream, forward, body, None).await;
        answer.map_err(ProxyError::from)
    };
    passed
        .await
        .unwrap_or_else(|error| ApiError::from(error).into_response())
}
