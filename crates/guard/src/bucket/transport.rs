use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::{Bucket, RequestKind};
use crate::encoding;
use crate::error::BucketError;
use crate::listing;
use crate::pace::{Pace, paced};
use crate::sign::outgoing;

/// Bounds requests without a body of note, up to the first byte of the answer.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Bounds each pause inside an answer.
const PAUSE_TIMEOUT: Duration = Duration::from_secs(30);
/// The slowest upload that is waited for, in bytes per second.
const SLOWEST_UPLOAD: u64 = 8 * 1024;
/// So many uploads at once may share a limit.
const SHARERS: u64 = 32;
const LARGEST_ERROR: usize = 64 * 1024;

/// One request to the bucket, not signed yet.
pub(crate) struct Outgoing<'a> {
    pub(crate) kind: RequestKind,
    pub(crate) method: Method,
    /// The bucket itself, if there is none.
    pub(crate) key: Option<&'a str>,
    pub(crate) query: &'a [(&'a str, &'a str)],
    pub(crate) headers: HeaderMap,
    /// The body with its size in bytes.
    pub(crate) body: Option<(reqwest::Body, u64)>,
}

impl<'a> Outgoing<'a> {
    pub(crate) fn new(kind: RequestKind, method: Method, key: Option<&'a str>) -> Self {
        Self {
            kind,
            method,
            key,
            query: &[],
            headers: HeaderMap::new(),
            body: None,
        }
    }
}

impl Bucket {
    /// Sends one request, once, and gives the head of its answer, whatever its status.
    pub(crate) async fn exchange(
        &self,
        outgoing: Outgoing<'_>,
    ) -> Result<reqwest::Response, BucketError> {
        let url = self.address(outgoing.key, outgoing.query)?;
        let mut headers = outgoing.headers;
        outgoing::add_signature(
            &self.credentials(),
            &self.inner.region,
            self.now(),
            (&outgoing.method, &url.0),
            &mut headers,
        )?;
        headers.insert(
            header::ACCEPT_ENCODING,
            HeaderValue::from_static("identity"),
        );
        let mut wait = ANSWER_TIMEOUT;
        let mut request = self.http().request(outgoing.method, url.1);
        if let Some((body, size)) = outgoing.body {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(size));
            let up = Arc::clone(&self.inner.up);
            let slowest = up
                .rate()
                .map_or(SLOWEST_UPLOAD, |rate| (rate.get() / SHARERS).max(1));
            wait += Duration::from_secs(size / slowest.min(SLOWEST_UPLOAD));
            request = request.body(if size > 0 { upward(body, up) } else { body });
        }
        self.inner.counters.count(outgoing.kind);
        match tokio::time::timeout(wait, request.headers(headers).send()).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(unreachable(&error)),
            Err(_) => Err(BucketError::Unreachable {
                reason: format!("no answer within {} s", wait.as_secs()),
            }),
        }
    }

    fn address(
        &self,
        key: Option<&str>,
        query: &[(&str, &str)],
    ) -> Result<(String, url::Url), BucketError> {
        let mut text = format!("{}/{}", self.inner.origin, self.inner.bucket);
        if let Some(key) = key {
            if key.is_empty() {
                return Err(BucketError::UnsendableKey { key: String::new() });
            }
            text.push('/');
            text.push_str(&encoding::encode_path(key));
        }
        for (index, (name, value)) in query.iter().enumerate() {
            text.push(if index == 0 { '?' } else { '&' });
            text.push_str(&encoding::encode_component(name));
            text.push('=');
            text.push_str(&encoding::encode_component(value));
        }
        let parsed = url::Url::parse(&text).map_err(|error| BucketError::Endpoint {
            reason: error.to_string(),
        })?;
        if parsed.as_str() != text {
            return Err(BucketError::UnsendableKey {
                key: key.unwrap_or_default().to_owned(),
            });
        }
        Ok((text, parsed))
    }
}

/// A body that passes at the pace of uploads.
fn upward(body: reqwest::Body, up: Arc<Pace>) -> reqwest::Body {
    let frames = http_body_util::BodyDataStream::new(body);
    reqwest::Body::wrap_stream(paced(frames, up))
}

fn unreachable(error: &reqwest::Error) -> BucketError {
    BucketError::Unreachable {
        reason: reason(error),
    }
}

/// The whole chain of causes, without the URL (it names notes).
pub(crate) fn reason(error: &reqwest::Error) -> String {
    let kind = if error.is_timeout() {
        "timed out"
    } else if error.is_connect() {
        "no connection"
    } else {
        "the connection broke"
    };
    let mut text = kind.to_owned();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// The bytes of an answer; ends with an error when a pause gets too long.
pub(crate) fn stream_of(
    response: reqwest::Response,
) -> BoxStream<'static, Result<Bytes, BucketError>> {
    let bytes = response.bytes_stream().boxed();
    stream::try_unfold(bytes, |mut bytes| async move {
        match tokio::time::timeout(PAUSE_TIMEOUT, bytes.next()).await {
            Ok(Some(Ok(chunk))) => Ok(Some((chunk, bytes))),
            Ok(Some(Err(error))) => Err(unreachable(&error)),
            Ok(None) => Ok(None),
            Err(_) => Err(BucketError::Unreachable {
                reason: "the download stalled".to_owned(),
            }),
        }
    })
    .boxed()
}

/// As [`stream_of`], at the pace of downloads.
pub(crate) fn notes_of(
    response: reqwest::Response,
    down: Arc<Pace>,
) -> BoxStream<'static, Result<Bytes, BucketError>> {
    paced(stream_of(response), down)
}

/// Reads an answer that is expected to be small, as text.
pub(crate) async fn text_of(
    response: reqwest::Response,
    limit: usize,
) -> Result<String, BucketError> {
    let mut stream = stream_of(response);
    let mut all = Vec::new();
    while let Some(chunk) = stream.next().await {
        all.extend_from_slice(&chunk?);
        if all.len() > limit {
            return Err(BucketError::Malformed {
                reason: format!("the answer is longer than {limit} bytes"),
            });
        }
    }
    String::from_utf8(all).map_err(|_| BucketError::Malformed {
        reason: "the answer is not UTF-8".to_owned(),
    })
}

/// Turns an answer that is no success into its cause.
pub(crate) async fn fault(response: reqwest::Response, key: &str, bucket: &str) -> BucketError {
    let status = response.status();
    let server_ms =
        header_text(response.headers(), header::DATE.as_str()).and_then(encoding::parse_http_date);
    let text = text_of(response, LARGEST_ERROR).await.unwrap_or_default();
    let told = listing::parse_error(&text);
    if told.is_none() && status == StatusCode::NOT_FOUND && !text.trim().is_empty() {
        return BucketError::Malformed {
            reason: "something else than a store says that there is nothing".to_owned(),
        };
    }
    let (code, message) = told.unwrap_or_default();
    classify(status, code, message, server_ms, (key, bucket))
}

fn classify(
    status: StatusCode,
    code: String,
    message: String,
    server_ms: Option<i64>,
    (key, bucket): (&str, &str),
) -> BucketError {
    let key = key.to_owned();
    match status.as_u16() {
        401 | 403 if code == "RequestTimeTooSkewed" => BucketError::ClockSkew { server_ms },
        401 | 403 => BucketError::Refused {
            code: if code.is_empty() {
                status.as_u16().to_string()
            } else {
                code
            },
            message,
        },
        404 if code == "NoSuchBucket" => BucketError::BucketMissing {
            bucket: bucket.to_owned(),
        },
        404 => BucketError::NotFound { key },
        409 => BucketError::Conflict { key },
        304 | 412 => BucketError::PreconditionFailed { key },
        other => BucketError::Server {
            status: other,
            code,
        },
    }
}

pub(crate) fn header_text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_named_for_their_cause() {
        let name = |status: u16, code: &str| {
            let status = StatusCode::from_u16(status).unwrap();
            classify(status, code.into(), String::new(), None, ("k", "b")).code()
        };
        assert_eq!(name(403, "AccessDenied"), "bucket_refused");
        assert_eq!(name(403, "RequestTimeTooSkewed"), "clock_skew");
        assert_eq!(name(404, "NoSuchBucket"), "bucket_missing");
        assert_eq!(name(404, ""), "object_not_found");
        assert_eq!(name(409, "ConditionalRequestConflict"), "write_conflict");
        assert_eq!(name(412, ""), "precondition_failed");
        assert_eq!(name(503, "SlowDown"), "bucket_server_error");
    }
}
