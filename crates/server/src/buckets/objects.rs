//! The bytes in tenants' buckets, streamed to and from whichever object store there is.
//!
//! One way to all stores, the embedded one included: S3 requests, signed for the one bucket. So
//! what holds for clients' keys (one bucket, no changes without a subscription) holds here too,
//! where the store sees to it.

mod keys;
mod listing;

use std::time::Duration;

use aws_sigv4::http_request::SignableBody;
use bytes::Bytes;
use futures::stream::BoxStream;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use percent_encoding::utf8_percent_encode;
use reqwest::Response;

use super::client::{self, Signing};
use super::s3::{IN_PATH, IN_QUERY};
use super::xml::error_code;
use super::{BucketError, Endpoint};
use crate::clock::Clock;

pub(crate) use keys::{MintedKeys, ObjectKeys};
#[cfg(test)]
pub(crate) use listing::Past;
pub(crate) use listing::{Held, Old, Standing};

/// For the head of an answer, once the store has the whole request.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// Added for a body, per MiB; slower than any store that is of use.
const BODY_WITHIN_PER_MIB: Duration = Duration::from_secs(30);
/// Between two pieces of an answer's body.
const PIECE_WITHIN: Duration = Duration::from_secs(30);
/// A page of a thousand names takes well under 2 MB.
const MAX_PAGE_BYTES: usize = 8 * 1024 * 1024;
const MIB: u64 = 1024 * 1024;

/// What rclone and our engine read the time of the last edit from, in Unix seconds.
pub(crate) const MTIME: HeaderName = HeaderName::from_static("x-amz-meta-mtime");

/// Bytes as they arrive.
pub(crate) type Bytestream = BoxStream<'static, Result<Bytes, std::io::Error>>;

/// Whether a store lists what was overwritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum History {
    /// Every version, with its time in whole seconds.
    Versions,
    Unlisted,
}

/// Why bytes were not read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ObjectError {
    #[error("there is no such object")]
    Missing,
    #[error("the object is not what it was to be")]
    PreconditionFailed,
    #[error(transparent)]
    Bucket(#[from] BucketError),
}

/// Which object, or which version of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) bucket: &'a str,
    pub(crate) key: &'a str,
    pub(crate) version: Option<&'a str>,
}

/// What must hold for a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    None,
    /// Nothing is there.
    Absent,
    /// What is there has this `ETag`, quotes included.
    Is(HeaderValue),
}

impl Condition {
    fn write_to(self, headers: &mut HeaderMap) {
        match self {
            Self::None => {}
            Self::Absent => {
                headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static("*"));
            }
            Self::Is(etag) => {
                headers.insert(header::IF_MATCH, etag);
            }
        }
    }
}

/// Bytes on their way in.
pub(crate) struct Incoming {
    pub(crate) body: Bytestream,
    pub(crate) length: u64,
    pub(crate) content_type: Option<HeaderValue>,
    /// When the person last edited it, Unix seconds.
    pub(crate) edited_at_s: Option<i64>,
    pub(crate) condition: Condition,
}

pub(crate) struct Objects {
    http: reqwest::Client,
    endpoint: Endpoint,
    keys: ObjectKeys,
    history: History,
    /// The one by which the store checks signatures.
    clock: Clock,
}

struct Request<'a> {
    operation: &'static str,
    method: Method,
    bucket: &'a str,
    path_and_query: String,
    headers: HeaderMap,
    body: Option<(Bytestream, u64)>,
}

impl Objects {
    /// `endpoint` is where this server reaches the store; `clock` is the one that the store goes by.
    pub(crate) fn new(
        endpoint: Endpoint,
        keys: ObjectKeys,
        history: History,
        clock: Clock,
    ) -> Result<Self, reqwest::Error> {
        Ok(Self {
            http: client::http().build()?,
            endpoint: endpoint.without_slash(),
            keys,
            history,
            clock,
        })
    }

    pub(crate) fn history(&self) -> History {
        self.history
    }

    /// Opens an object; the answer is the store's, for a request with these conditions.
    ///
    /// Beside success it may be 304 or 416.
    pub(crate) async fn open(
        &self,
        wanted: Wanted<'_>,
        conditions: HeaderMap,
    ) -> Result<Response, ObjectError> {
        let answer = self
            .send(Request {
                operation: "GetObject",
                method: Method::GET,
                bucket: wanted.bucket,
                path_and_query: object_path(wanted),
                headers: conditions,
                body: None,
            })
            .await?;
        match answer.status() {
            StatusCode::NOT_MODIFIED | StatusCode::RANGE_NOT_SATISFIABLE => Ok(answer),
            _ => judged("GetObject", answer).await,
        }
    }

    /// The head of an object.
    pub(crate) async fn head(&self, bucket: &str, key: &str) -> Result<HeaderMap, ObjectError> {
        let wanted = Wanted {
            bucket,
            key,
            version: None,
        };
        let answer = self
            .send(Request {
                operation: "HeadObject",
                method: Method::HEAD,
                bucket,
                path_and_query: object_path(wanted),
                headers: HeaderMap::new(),
                body: None,
            })
            .await?;
        Ok(judged("HeadObject", answer).await?.headers().clone())
    }

    /// Writes an object in one request, so that it is there whole or not at all. Gives its `ETag`.
    pub(crate) async fn put(
        &self,
        bucket: &str,
        key: &str,
        incoming: Incoming,
    ) -> Result<Option<HeaderValue>, ObjectError> {
        let wanted = Wanted {
            bucket,
            key,
            version: None,
        };
        let mut headers = HeaderMap::new();
        if let Some(content_type) = incoming.content_type {
            headers.insert(header::CONTENT_TYPE, content_type);
        }
        if let Some(edited_at) = incoming.edited_at_s {
            headers.insert(MTIME, HeaderValue::from(edited_at));
        }
        incoming.condition.write_to(&mut headers);
        let answer = self
            .send(Request {
                operation: "PutObject",
                method: Method::PUT,
                bucket,
                path_and_query: object_path(wanted),
                headers,
                body: Some((incoming.body, incoming.length)),
            })
            .await?;
        let answer = judged("PutObject", answer).await?;
        Ok(answer.headers().get(header::ETAG).cloned())
    }

    /// Makes the object's current version go out of sight; older ones stay where there are any.
    pub(crate) async fn delete(
        &self,
        bucket: &str,
        key: &str,
        condition: Condition,
    ) -> Result<(), ObjectError> {
        let wanted = Wanted {
            bucket,
            key,
            version: None,
        };
        let mut headers = HeaderMap::new();
        condition.write_to(&mut headers);
        let answer = self
            .send(Request {
                operation: "DeleteObject",
                method: Method::DELETE,
                bucket,
                path_and_query: object_path(wanted),
                headers,
                body: None,
            })
            .await?;
        judged("DeleteObject", answer).await?;
        Ok(())
    }

    /// Makes an old version the current one again.
    pub(crate) async fn bring_back(
        &self,
        bucket: &str,
        key: &str,
        version: &str,
    ) -> Result<(), ObjectError> {
        let source = format!(
            "/{bucket}/{}?versionId={}",
            utf8_percent_encode(key, IN_PATH),
            utf8_percent_encode(version, IN_QUERY)
        );
        let mut headers = HeaderMap::new();
        let source = HeaderValue::try_from(source).map_err(|_| BucketError::NotSigned {
            operation: "CopyObject",
        })?;
        headers.insert("x-amz-copy-source", source);
        let wanted = Wanted {
            bucket,
            key,
            version: None,
        };
        let answer = self
            .send(Request {
                operation: "CopyObject",
                method: Method::PUT,
                bucket,
                path_and_query: object_path(wanted),
                headers,
                body: None,
            })
            .await?;
        judged("CopyObject", answer).await?;
        Ok(())
    }

    async fn page(
        &self,
        operation: &'static str,
        bucket: &str,
        query: &str,
    ) -> Result<Bytes, ObjectError> {
        let answer = self
            .send(Request {
                operation,
                method: Method::GET,
                bucket,
                path_and_query: format!("/{bucket}?{query}"),
                headers: HeaderMap::new(),
                body: None,
            })
            .await?;
        let answer = judged(operation, answer).await?;
        Ok(whole(operation, answer).await?)
    }

    async fn send(&self, request: Request<'_>) -> Result<Response, BucketError> {
        let Request {
            operation,
            method,
            bucket,
            path_and_query,
            headers,
            body,
        } = request;
        let key = self.keys.get(bucket).await?;
        let url = format!("{}{path_and_query}", self.endpoint.url);
        let text = |(name, value): (&'_ HeaderName, &'_ HeaderValue)| {
            Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
        };
        // Conditions and ranges may be anything that a header can be; only ours are signed.
        let signed: Vec<(String, String)> = headers
            .iter()
            .filter(|(name, _)| name.as_str().starts_with("x-amz-"))
            .filter_map(text)
            .collect();
        let signing = Signing {
            key: &key,
            region: &self.endpoint.region,
            service: "s3",
            now_ms: (self.clock)(),
        };
        let to_sign = match &body {
            Some(_) => SignableBody::UnsignedPayload,
            None => SignableBody::Bytes(&[]),
        };
        let pairs = signed
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let signature = signing
            .sign(method.as_str(), &url, pairs, to_sign)
            .ok_or(BucketError::NotSigned { operation })?;
        let mut sent = self.http.request(method, url).headers(headers);
        for (name, value) in signature {
            sent = sent.header(name, value);
        }
        let mut within = ANSWER_WITHIN;
        if let Some((stream, length)) = body {
            let mib = u32::try_from(length / MIB).unwrap_or(u32::MAX);
            within = within.saturating_add(BODY_WITHIN_PER_MIB.saturating_mul(mib));
            sent = sent
                .header(header::CONTENT_LENGTH, length)
                .body(reqwest::Body::wrap_stream(stream));
        }
        let answer = match tokio::time::timeout(within, sent.send()).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                let source = error.without_url();
                return Err(BucketError::Unreachable { operation, source });
            }
            Err(_) => {
                return Err(BucketError::Unavailable {
                    operation,
                    status: StatusCode::GATEWAY_TIMEOUT.as_u16(),
                    code: String::new(),
                });
            }
        };
        if answer.status() == StatusCode::FORBIDDEN {
            self.keys.distrust(bucket, &key).await;
        }
        Ok(answer)
    }
}

fn object_path(wanted: Wanted<'_>) -> String {
    let path = format!(
        "/{}/{}",
        wanted.bucket,
        utf8_percent_encode(wanted.key, IN_PATH)
    );
    match wanted.version {
        Some(version) => format!(
            "{path}?versionId={}",
            utf8_percent_encode(version, IN_QUERY)
        ),
        None => path,
    }
}

/// Gives a successful answer, or why it is none.
async fn judged(operation: &'static str, answer: Response) -> Result<Response, ObjectError> {
    let status = answer.status();
    match status {
        StatusCode::NOT_FOUND => return Err(ObjectError::Missing),
        // The second one tells of two such writes at once (AWS).
        StatusCode::PRECONDITION_FAILED | StatusCode::CONFLICT => {
            return Err(ObjectError::PreconditionFailed);
        }
        status if status.is_success() => return Ok(answer),
        _ => {}
    }
    let body = whole(operation, answer).await.unwrap_or_default();
    let code = error_code(&body).unwrap_or_default();
    let status = status.as_u16();
    Err(ObjectError::Bucket(match status {
        429 | 500..=599 => BucketError::Unavailable {
            operation,
            status,
            code,
        },
        _ => BucketError::Refused {
            operation,
            status,
            code,
        },
    }))
}

async fn whole(operation: &'static str, mut answer: Response) -> Result<Bytes, BucketError> {
    let mut body = Vec::new();
    while let Some(piece) = next_piece(operation, &mut answer).await? {
        if body.len() + piece.len() > MAX_PAGE_BYTES {
            return Err(BucketError::Unreadable { operation });
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.into())
}

async fn next_piece(
    operation: &'static str,
    answer: &mut Response,
) -> Result<Option<Bytes>, BucketError> {
    match tokio::time::timeout(PIECE_WITHIN, answer.chunk()).await {
        Ok(Ok(piece)) => Ok(piece),
        Ok(Err(error)) => Err(BucketError::Unreachable {
            operation,
            source: error.without_url(),
        }),
        Err(_) => Err(BucketError::Unreadable { operation }),
    }
}

/// The body of an answer; a store that falls silent ends it with an error.
pub(crate) fn body_of(answer: Response) -> Bytestream {
    let pieces = futures::stream::unfold(Some(answer), async |answer| {
        let mut answer = answer?;
        match next_piece("GetObject", &mut answer).await {
            Ok(Some(piece)) => Some((Ok(piece), Some(answer))),
            Ok(None) => None,
            Err(error) => Some((Err(std::io::Error::other(error)), None)),
        }
    });
    Box::pin(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_written_so_that_no_letter_of_them_is_taken_for_the_address() {
        let path = |key, version| {
            object_path(Wanted {
                bucket: "b",
                key,
                version,
            })
        };
        assert_eq!(path("main/a b#?%.md", None), "/b/main/a%20b%23%3F%25.md");
        assert_eq!(
            path("ä.md", Some("v/1+")),
            "/b/%C3%A4.md?versionId=v%2F1%2B"
        );
    }
}
