//! What happens to every request: a name in the log, limits, and headers on the answer.

use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderName, HeaderValue, Method, Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::time::Instant;
use tracing::Instrument;

use crate::app::{App, RequestId};
use crate::error::{ApiError, RefusalCode};
use crate::metrics as measured;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const DEADLINE: Duration = Duration::from_secs(30);
/// Asked by what watches over the server, under whatever name it has for it.
const PROBES: [&str; 2] = ["/healthz", "/readyz"];

/// The names under which the server may be asked for.
///
/// A web page can point a name of its own at this machine; its requests carry that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hosts(Vec<String>);

impl Hosts {
    /// The names a machine has for itself.
    pub(crate) fn loopback() -> Self {
        Self::of(["127.0.0.1", "[::1]", "localhost"])
    }

    /// These names, whatever the port.
    pub(crate) fn of<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        Self(names.into_iter().map(str::to_ascii_lowercase).collect())
    }

    /// Whether the request names one of them, once, and in no second place another one.
    fn are_meant_by(&self, request: &Request) -> bool {
        let mut hosts = request.headers().get_all(header::HOST).iter();
        let authority = request.uri().authority().map(Authority::as_str);
        match (hosts.next(), hosts.next(), authority) {
            (Some(host), None, authority) => {
                host.to_str().is_ok_and(|host| self.contain(host))
                    && authority.is_none_or(|authority| self.contain(authority))
            }
            // HTTP/2 has the name in the request's target.
            (None, None, Some(authority)) => {
                request.version() == Version::HTTP_2 && self.contain(authority)
            }
            (None, _, None) | (_, Some(_), _) => false,
        }
    }

    fn contain(&self, host: &str) -> bool {
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
            _ => host,
        };
        self.0.iter().any(|known| known.eq_ignore_ascii_case(name))
    }
}

/// Names the request in logs, audit events and its answer, and logs and counts how it went.
///
/// Paths are logged, queries and headers never: they carry codes and tokens.
pub(crate) async fn describe(mut request: Request, next: Next) -> Response {
    let id = RequestId::new();
    let span = tracing::info_span!(
        "request",
        request.id = id.0,
        method = %request.method(),
        path = request.uri().path(),
    );
    let header_value = HeaderValue::from_str(&id.0);
    request.extensions_mut().insert(id);
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let started = Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;
    let took = started.elapsed();
    let status = response.status().as_u16();
    let refusal = response.extensions().get::<RefusalCode>().copied();
    span.in_scope(|| {
        let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let code = refusal.map(|RefusalCode(code)| code);
        tracing::info!(status, duration_ms, code, "answered");
    });
    measured::count_request(&method, route.as_ref(), status, took, refusal);
    let headers = response.headers_mut();
    if let Ok(value) = header_value {
        headers.insert(REQUEST_ID, value);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    // With `no-referrer`, browsers would say `Origin: null` when they send our own form.
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("same-origin"),
    );
    response
}

/// Turns away requests that are meant for another server, and those that take too long.
pub(crate) async fn limit(State(app): State<App>, request: Request, next: Next) -> Response {
    if !is_probe(&request) && !app.hosts.are_meant_by(&request) {
        return ApiError::WrongHost.into_response();
    }
    // What is passed on streams for as long as it moves; the proxy watches it.
    let path = request.uri().path();
    if path.starts_with("/proxy/") || path.starts_with("/webdav/") {
        return next.run(request).await;
    }
    match tokio::time::timeout(DEADLINE, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::TooSlow.into_response(),
    }
}

fn is_probe(request: &Request) -> bool {
    request.method() == Method::GET && PROBES.contains(&request.uri().path())
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn request(version: Version, target: &str, hosts: &[&str]) -> Request {
        let mut builder = Request::builder().version(version).uri(target);
        for host in hosts {
            builder = builder.header(header::HOST, *host);
        }
        builder.body(Body::empty()).unwrap()
    }

    #[test]
    fn only_names_of_this_machine_are_answered() {
        let for_us =
            |hosts: &[&str]| Hosts::loopback().are_meant_by(&request(Version::HTTP_11, "/", hosts));
        for host in [
            "127.0.0.1",
            "127.0.0.1:8765",
            "localhost:1",
            "LOCALHOST",
            "[::1]:80",
        ] {
            assert!(for_us(&[host]), "{host}");
        }
        for host in [
            "evil.example",
            "127.0.0.1.evil.example:80",
            "localhost.evil.example",
            "",
        ] {
            assert!(!for_us(&[host]), "{host}");
        }
        assert!(!for_us(&[]));
        assert!(!for_us(&["localhost", "localhost"]));
    }

    #[test]
    fn a_name_in_the_target_counts_too() {
        let hosts = Hosts::of(["api.example.org"]);
        let meant =
            |version, target, names: &[&str]| hosts.are_meant_by(&request(version, target, names));
        let (ours, other) = ("https://API.example.org/x", "https://evil.example/x");
        assert!(meant(Version::HTTP_2, ours, &[]));
        assert!(meant(Version::HTTP_11, ours, &["api.example.org:443"]));
        assert!(!meant(Version::HTTP_11, ours, &[]));
        assert!(!meant(Version::HTTP_2, other, &[]));
        assert!(!meant(Version::HTTP_11, other, &["api.example.org"]));
        assert!(!meant(Version::HTTP_2, ours, &["evil.example"]));
        assert!(!meant(Version::HTTP_11, "/", &["localhost"]));
    }
}
