use std::time::Duration;

use http::{HeaderMap, Method, StatusCode, header};
use url::Url;

use super::{ApiError, address};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const TOTAL_TIMEOUT: Duration = Duration::from_secs(30);
const MAX_ANSWER: usize = 1024 * 1024;

/// HTTP with our limits: time-outs, no redirects, answers of at most 1 MiB.
#[derive(Clone, Debug)]
pub(crate) struct Transport {
    http: reqwest::Client,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TransportError {
    #[error("no answer: {0}")]
    Unreachable(#[source] reqwest::Error),
    #[error("the answer is larger than 1 MiB")]
    TooLarge,
    #[error("the server is in trouble (status {0})")]
    Trouble(u16),
}

impl TransportError {
    pub(crate) fn at(self, server: &str) -> ApiError {
        let server = server.to_owned();
        match self {
            Self::Unreachable(cause) => ApiError::Unreachable { server, cause },
            Self::TooLarge => ApiError::NotOurServer {
                server,
                what: "its answer is larger than any of ours".to_owned(),
            },
            Self::Trouble(status) => ApiError::Server {
                status,
                code: "internal".to_owned(),
                message: "it is in trouble".to_owned(),
            },
        }
    }
}

/// A whole answer, of whatever status.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(super) fn is_html(&self) -> bool {
        let by_header = self
            .headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|kind| kind.to_ascii_lowercase().starts_with("text/html"));
        by_header || self.body.trim_ascii_start().first() == Some(&b'<')
    }

    /// `Retry-After` in its form of seconds.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        let seconds = self
            .headers
            .get(header::RETRY_AFTER)?
            .to_str()
            .ok()?
            .trim()
            .parse()
            .ok()?;
        Some(Duration::from_secs(seconds))
    }
}

impl Transport {
    /// For requests to the host of `url`; one on this machine is never reached through a proxy.
    pub(crate) fn to(url: &Url) -> Result<Self, ApiError> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("basic-memory-cloud/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TOTAL_TIMEOUT);
        if address::is_loopback(url) {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|cause| ApiError::Unreachable {
            server: address::server_text(url),
            cause,
        })?;
        Ok(Self { http })
    }

    pub(crate) fn request(&self, method: Method, url: Url) -> reqwest::RequestBuilder {
        self.http
            .request(method, url)
            .header(header::ACCEPT, "application/json")
    }

    pub(crate) async fn send(
        &self,
        request: reqwest::RequestBuilder,
    ) -> Result<Answer, TransportError> {
        let response = request
            .send()
            .await
            .map_err(|cause| TransportError::Unreachable(cause.without_url()))?;
        Self::whole(response).await
    }

    /// Reads an answer to its end.
    pub(super) async fn whole(mut response: reqwest::Response) -> Result<Answer, TransportError> {
        let unreachable = |cause: reqwest::Error| TransportError::Unreachable(cause.without_url());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(TransportError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer {
            status: response.status(),
            headers: response.headers().clone(),
            body,
        })
    }

    /// Posts a form and gives the answer in the shape that the `oauth2` crate wants; an answer
    /// that only says that the provider is in trouble is an error, so that polling goes on.
    pub(crate) async fn oauth(
        &self,
        request: http::Request<Vec<u8>>,
    ) -> Result<http::Response<Vec<u8>>, TransportError> {
        let (parts, body) = request.into_parts();
        let request = self
            .http
            .request(parts.method, parts.uri.to_string())
            .headers(parts.headers)
            .body(body);
        let answer = self.send(request).await?;
        if answer.status.is_server_error() || answer.status == StatusCode::TOO_MANY_REQUESTS {
            return Err(TransportError::Trouble(answer.status.as_u16()));
        }
        let mut response = http::Response::new(answer.body);
        *response.status_mut() = answer.status;
        *response.headers_mut() = answer.headers;
        Ok(response)
    }
}
