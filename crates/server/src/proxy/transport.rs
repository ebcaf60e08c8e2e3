//! Carries a decided request to an instance and its answer back.

use axum::body::Body;
use axum::http::{HeaderMap, Request, Response, StatusCode, Uri, header};
use hyper::body::Incoming;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::body::{Answer, BodyFault, BodyLimits, Outgoing};
use super::decide::Forward;
use super::headers::keep_for_caller;
use super::pool::{Lent, Pool, PoolError};
use super::settings::ProxySettings;
use super::slots::Slot;
use super::upstream::Upstream;

/// Why a request that was to be passed on got no answer from the instance.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TransportError {
    #[error(transparent)]
    Body(#[from] BodyFault),
    #[error("the instance could not be reached")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the instance did not answer in time")]
    TooSlow,
    #[error("the instance's answer cannot be passed on")]
    Broken(#[source] hyper::Error),
    #[error("the instance wants to leave HTTP")]
    Upgrade,
}

#[derive(Clone, Debug)]
pub(super) struct Transport {
    pool: Pool,
    settings: ProxySettings,
    draining: CancellationToken,
}

impl Transport {
    pub(super) fn new(settings: ProxySettings, draining: CancellationToken) -> Self {
        Self {
            pool: Pool::new(settings.connect),
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
        let progress = body.progress();
        let mut request = Request::new(body);
        *request.method_mut() = forward.method;
        *request.uri_mut() = Uri::from(forward.path_and_query);
        *request.headers_mut() = forward.headers;
        request.headers_mut().insert(header::HOST, upstream.host());
        let (mut response, lent) = self.exchange(upstream, request).await?;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Err(TransportError::Upgrade);
        }
        keep_for_caller(response.headers_mut());
        upstream.hide_in_redirect(response.headers_mut());
        let idle = self.settings.answer_idle;
        let endless = is_event_stream(response.headers());
        let lent = match progress {
            Some(progress) if !progress.is_over() => {
                lent.carry_on_alone();
                None
            }
            Some(_) | None => Some(lent),
        };
        Ok(response.map(|incoming| {
            let answer = Answer::new(incoming, lent, idle, slot);
            Body::new(if endless {
                answer.until(self.draining.clone())
            } else {
                answer
            })
        }))
    }

    async fn exchange(
        &self,
        upstream: &Upstream,
        request: Request<Outgoing>,
    ) -> Result<(Response<Incoming>, Lent), TransportError> {
        let progress = request.body().progress();
        let mut response = std::pin::pin!(self.pool.ask(upstream.authority(), request));
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
            match (fault, error) {
                (Some(fault), _) => TransportError::Body(fault),
                (None, PoolError::Unreachable(cause)) => TransportError::Unreachable(cause),
                (None, PoolError::Broken(cause)) => TransportError::Broken(cause),
            }
        })
    }
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}
