use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use http::{HeaderMap, Method, StatusCode, header};
use url::Url;

use super::{ApiError, address};
use crate::proxy::ChosenProxy;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const TOTAL_TIMEOUT: Duration = Duration::from_secs(30);
const MAX_ANSWER: usize = 1024 * 1024;

/// HTTP with our limits: time-outs, no redirects, answers of at most 1 MiB.
/// Clones are one.
#[derive(Clone, Debug)]
pub(crate) struct Transport(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    reach: Reach,
    chosen: OnceLock<ChosenProxy>,
    built: Mutex<Built>,
}

/// Where the host is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// On this machine: never behind a proxy.
    Here,
    Elsewhere,
}

#[derive(Debug)]
struct Built {
    proxy: Option<Url>,
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
        let reach = if address::is_loopback(url) {
            Reach::Here
        } else {
            Reach::Elsewhere
        };
        let http = client(reach, None).map_err(|cause| ApiError::Unreachable {
            server: address::server_text(url),
            cause,
        })?;
        Ok(Self(Arc::new(Inner {
            reach,
            chosen: OnceLock::new(),
            built: Mutex::new(Built { proxy: None, http }),
        })))
    }

    /// Goes through the proxy that a person chose, as that changes; the first choice that is given
    /// stays the one that is followed.
    pub(crate) fn behind(&self, chosen: &ChosenProxy) {
        self.0.chosen.get_or_init(|| chosen.clone());
    }

    fn http(&self) -> reqwest::Client {
        let wanted = self.0.chosen.get().and_then(ChosenProxy::now);
        let mut built = self.0.built.lock().unwrap_or_else(PoisonError::into_inner);
        if built.proxy != wanted {
            match client(self.0.reach, wanted.as_ref()) {
                Ok(http) => {
                    *built = Built {
                        proxy: wanted,
                        http,
                    }
                }
                Err(error) => tracing::error!(%error, "the chosen proxy cannot be used"),
            }
        }
        built.http.clone()
    }

    pub(crate) fn request(&self, method: Method, url: Url) -> reqwest::RequestBuilder {
        self.http()
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
            .http()
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

fn client(reach: Reach, proxy: Option<&Url>) -> reqwest::Result<reqwest::Client> {
    let builder = reqwest::Client::builder()
        .user_agent(concat!("basic-memory-cloud/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(TOTAL_TIMEOUT);
    let builder = match (reach, proxy) {
        (Reach::Here, _) => builder.no_proxy(),
        (Reach::Elsewhere, Some(proxy)) => builder.proxy(reqwest::Proxy::all(proxy.clone())?),
        (Reach::Elsewhere, None) => builder,
    };
    builder.build()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// Answers one request and gives its first line.
    async fn once(listener: &TcpListener) -> String {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            .await
            .unwrap();
        let head = String::from_utf8(head).unwrap();
        head.lines().next().unwrap().to_owned()
    }

    #[tokio::test]
    async fn the_chosen_proxy_is_taken_at_once_and_never_to_this_machine() {
        let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", proxy.local_addr().unwrap());
        let chosen = ChosenProxy::default();
        let far: Url = "http://cloud.test/subscription".parse().unwrap();
        let away = Transport::to(&far).unwrap();
        away.behind(&chosen);
        chosen.choose(Some(address.parse().unwrap()));
        let request = away.request(Method::GET, far);
        let (line, answer) = tokio::join!(once(&proxy), away.send(request));
        assert_eq!(line, "GET http://cloud.test/subscription HTTP/1.1");
        assert_eq!(answer.unwrap().status, StatusCode::OK);

        let near: Url = format!("http://{}/near", here.local_addr().unwrap())
            .parse()
            .unwrap();
        let transport = Transport::to(&near).unwrap();
        transport.behind(&chosen);
        let request = transport.request(Method::GET, near);
        let (line, answer) = tokio::join!(once(&here), transport.send(request));
        assert_eq!(line, "GET /near HTTP/1.1");
        assert_eq!(answer.unwrap().status, StatusCode::OK);
    }
}
