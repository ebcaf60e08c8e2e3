//! Requests to the Basic Memory behind this instance, one connection each: over a Unix socket that
//! costs next to nothing, and no connection is ever found dead.

use std::path::PathBuf;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;

/// Indexing one note takes under a second.
const PATIENCE: Duration = Duration::from_secs(120);
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;

/// Why a request got no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error("Basic Memory does not answer")]
    Unreachable(#[source] std::io::Error),
    #[error("Basic Memory broke off")]
    Broken(#[from] hyper::Error),
    #[error("Basic Memory took too long")]
    TooSlow,
    #[error("Basic Memory answered {0}")]
    Status(StatusCode),
    #[error("Basic Memory's answer makes no sense")]
    Malformed,
}

#[derive(Clone, Debug)]
pub(crate) struct Caller {
    socket: PathBuf,
}

impl Caller {
    pub(crate) fn new(socket: PathBuf) -> Self {
        Self { socket }
    }

    /// Passes a request on as it is; the answer streams.
    pub(crate) async fn forward(
        &self,
        request: Request<Body>,
    ) -> Result<Response<Incoming>, CallError> {
        let stream = UnixStream::connect(&self.socket)
            .await
            .map_err(CallError::Unreachable)?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to Basic Memory broke");
            }
        });
        Ok(sender.send_request(request).await?)
    }

    pub(crate) async fn get(&self, path: &str) -> Result<(StatusCode, Bytes), CallError> {
        self.ask(PATIENCE, Method::GET, path, None).await
    }

    /// Asks and takes only success for an answer.
    pub(crate) async fn json(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, CallError> {
        self.json_within(PATIENCE, method, path, body).await
    }

    /// As [`Self::json`], for what may take longer.
    pub(crate) async fn json_within(
        &self,
        patience: Duration,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, CallError> {
        let (status, bytes) = self.ask(patience, method, path, body).await?;
        if !status.is_success() {
            return Err(CallError::Status(status));
        }
        serde_json::from_slice(&bytes).map_err(|_| CallError::Malformed)
    }

    async fn ask(
        &self,
        patience: Duration,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(StatusCode, Bytes), CallError> {
        let text = body.map(Value::to_string).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, HeaderValue::from_static("basic-memory"))
            .header(
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/json"),
            )
            .header(header::CONTENT_LENGTH, text.len())
            .body(Body::from(text))
            .map_err(|_| CallError::Malformed)?;
        let whole = async {
            let answer = self.forward(request).await?;
            let status = answer.status();
            let body = http_body_util::Limited::new(answer.into_body(), LARGEST_ANSWER);
            let bytes = body.collect().await.map_err(|_| CallError::Malformed)?;
            Ok((status, bytes.to_bytes()))
        };
        tokio::time::timeout(patience, whole)
            .await
            .map_err(|_| CallError::TooSlow)?
    }
}
