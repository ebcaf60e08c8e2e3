//! Carries a decided request to an instance and its answer back.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, Request, Response, StatusCode, Version, header};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::body::{Answer, BodyFault, BodyLimits, Outgoing};
use super::decide::Forward;
use super::headers::keep_for_caller;
use super::settings::ProxySettings;
use super::slots::Slot;
use super::upstream::Upstream;

/// What an answer's head may hold at most.
const MAX_ANSWER_HEADERS: usize = 100;
const MAX_ANSWER_HEAD_BYTES: usize = 64 * 1024;
/// Shorter than the five seconds after which uvicorn, which serves the instances' API, closes.
const KEEP_IDLE: Duration = Duration::from_secs(4);
const MAX_IDLE_PER_INSTANCE: usize = 64;

/// Why a request that was to be passed on got no answer from the instance.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TransportError {
    #[error(transparent)]
    Body(#[from] BodyFault),
    #[error("the instance could not be reached")]
    Unreachable(#[source] hyper_util::client::legacy::Error),
    #[error("the instance did not answer in time")]
    TooSlow,
    #[error("the instance's answer cannot be passed on")]
    Broken(#[source] hyper_util::client::legacy::Error),
    #[error("the instance wants to leave HTTP")]
    Upgrade,
}

#[derive(Clone, Debug)]
pub(super) struct Transport {
    client: Client<HttpConnector, Outgoing>,
    settings: ProxySettings,
    draining: CancellationToken,
}

impl Transport {
    pub(super) fn new(settings: ProxySettings, draining: CancellationToken) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(settings.connect));
        connector.enforce_http(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(KEEP_IDLE)
            .pool_max_idle_per_host(MAX_IDLE_PER_INSTANCE)
            .http1_max_headers(MAX_ANSWER_HEADERS)
            .http1_max_buf_size(MAX_ANSWER_HEAD_BYTES)
            // Repeats only what was never written to a connection that turned out to be closed.
            .retry_canceled_requests(true)
            .set_host(false)
            .build(connector);
        Self {
            client,
            settings,
            draining,
        }
    }

    /// Takes the caller's body: a short one whole, any other as it comes.
    pub(super) async fn take(&self, body: Body) -> Result<Outgoing, TransportError> {
        let limits = BodyLimits {
            max_bytes: self.settings.max_request_bytes,
            whole_bytes: self.settings.signed_body_bytes,
            idle: self.settings.request_idle,
        };
        Ok(Outgoing::take(body, limits).await?)
    }

    /// Sends the request and gives the answer as the caller may see it.
    pub(super) async fn send(
        &self,
        upstream: &Upstream,
        forward: Forward,
        body: Outgoing,
        slot: Option<Slot>,
    ) -> Result<Response<Body>, TransportError> {
        let mut request = Request::new(body);
        *request.method_mut() = forward.method;
        *request.uri_mut() = upstream.uri(forward.path_and_query);
        *request.version_mut() = Version::HTTP_11;
        *request.headers_mut() = forward.headers;
        request.headers_mut().insert(header::HOST, upstream.host());
        let mut response = self.exchange(request).await?;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Err(TransportError::Upgrade);
        }
        keep_for_caller(response.headers_mut());
        upstream.hide_in_redirect(response.headers_mut());
        let idle = self.settings.answer_idle;
        let endless = is_event_stream(response.headers());
        Ok(response.map(|incoming| {
            let answer = Answer::new(incoming, idle, slot);
            Body::new(if endless {
                answer.until(self.draining.clone())
            } else {
                answer
            })
        }))
    }

    async fn exchange(
        &self,
        request: Request<Outgoing>,
    ) -> Result<Response<Incoming>, TransportError> {
        let progress = request.body().progress();
        let mut response = self.client.request(request);
        let mut since = Instant::now();
        let answered = loop {
            match tokio::time::timeout_at(since + self.settings.answer, &mut response).await {
                Ok(answered) => break answered,
                Err(_) => match &progress {
                    // As long as the body moves, the answer is not late.
                    Some(progress) if progress.last() > since => since = progress.last(),
                    _ => return Err(TransportError::TooSlow),
                },
            }
        };
        answered.map_err(|error| {
            let fault = progress.and_then(|progress| progress.fault());
            match fault {
                Some(fault) => TransportError::Body(fault),
                None if error.is_connect() => TransportError::Unreachable(error),
                None => TransportError::Broken(error),
            }
        })
    }
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}
