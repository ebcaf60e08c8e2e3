//! A small client for services that are signed for with Signature Version 4.

use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use http::{HeaderMap, Method, header};
use secrecy::{ExposeSecret, SecretString};

use super::BucketError;
use super::xml::error_code;
use crate::clock::Clock;

const CONNECT_WITHIN: Duration = Duration::from_secs(3);
/// A page of a thousand versions takes about 600 KB.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// The key that may administer buckets and other keys.
#[derive(Clone)]
pub(crate) struct AdminKey {
    pub(crate) access_key: String,
    pub(crate) secret: SecretString,
}

impl fmt::Debug for AdminKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("AdminKey")
            .field("access_key", &self.access_key)
            .finish_non_exhaustive()
    }
}

/// Where a service is, and the region that its signatures name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// Scheme and authority, without a path.
    pub(crate) url: String,
    pub(crate) region: String,
}

impl Endpoint {
    pub(super) fn without_slash(self) -> Self {
        let url = self.url.trim_end_matches('/').to_owned();
        Self { url, ..self }
    }
}

/// For requests to an object store or what belongs to it.
pub(super) fn http() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .no_proxy()
        .http1_only()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_WITHIN)
        .user_agent(concat!("bm-server/", env!("CARGO_PKG_VERSION")))
}

/// How often and how fast a call is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Repeats {
    pub(crate) attempts: u32,
    /// Doubles with each further attempt; a random part of it is waited.
    pub(crate) first_pause: Duration,
    /// Bounds every pause, one that the service asks for included.
    pub(crate) longest_pause: Duration,
    /// How long one attempt may take.
    pub(crate) answer_within: Duration,
}

impl Default for Repeats {
    fn default() -> Self {
        Self {
            attempts: 4,
            first_pause: Duration::from_millis(200),
            longest_pause: Duration::from_secs(3),
            answer_within: Duration::from_secs(6),
        }
    }
}

/// Whether a call that may have had its effect may be made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    Always,
    /// Only where the service surely did nothing.
    IfUnheard,
}

/// One request, named in errors by its operation.
pub(super) struct Call {
    pub(super) operation: &'static str,
    pub(super) method: Method,
    pub(super) path_and_query: String,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
    pub(super) repeat: Repeat,
}

pub(super) struct Answer {
    pub(super) body: Bytes,
}

pub(super) struct Client {
    http: reqwest::Client,
    endpoint: Endpoint,
    service: &'static str,
    key: AdminKey,
    clock: Clock,
    repeats: Repeats,
}

/// What an answer means for the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Done,
    Refused,
    /// Turned away before anything was done.
    Throttled,
    Unavailable,
}

enum Attempt {
    Done(Answer),
    Failed {
        error: BucketError,
        heard: Heard,
        asked_pause: Option<Duration>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    No,
    Perhaps,
    AndRefused,
}

impl Client {
    pub(super) fn new(
        endpoint: Endpoint,
        service: &'static str,
        key: AdminKey,
        clock: Clock,
        repeats: Repeats,
    ) -> Result<Self, reqwest::Error> {
        Ok(Self {
            http: http().timeout(repeats.answer_within).build()?,
            endpoint: endpoint.without_slash(),
            service,
            key,
            clock,
            repeats,
        })
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    pub(super) async fn send(&self, call: &Call) -> Result<Answer, BucketError> {
        let mut attempt = 1;
        loop {
            let (error, heard, asked) = match self.attempt(call).await {
                Attempt::Done(answer) => return Ok(answer),
                Attempt::Failed {
                    error,
                    heard,
                    asked_pause,
                } => (error, heard, asked_pause),
            };
            if attempt >= self.repeats.attempts || !may_repeat(call.repeat, heard) {
                return Err(error);
            }
            let pause = pause(&self.repeats, attempt, asked, rand::random());
            tracing::debug!(attempt, pause_ms = pause.as_millis(), %error, "a call is repeated");
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    async fn attempt(&self, call: &Call) -> Attempt {
        let operation = call.operation;
        let url = format!("{}{}", self.endpoint.url, call.path_and_query);
        let Some(signature) = self.sign(call, &url) else {
            return Attempt::Failed {
                error: BucketError::NotSigned { operation },
                heard: Heard::AndRefused,
                asked_pause: None,
            };
        };
        let mut request = self.http.request(call.method.clone(), url);
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        for (name, value) in &signature {
            request = request.header(name, value);
        }
        let response = request.body(call.body.clone()).send().await;
        let read = match response {
            Ok(response) => read(response).await,
            Err(error) => Err(error),
        };
        let (status, headers, body) = match read {
            Ok(Some(answer)) => answer,
            Ok(None) => {
                return Attempt::Failed {
                    error: BucketError::Unreadable { operation },
                    heard: Heard::Perhaps,
                    asked_pause: None,
                };
            }
            Err(source) => {
                let heard = match source.is_connect() {
                    true => Heard::No,
                    false => Heard::Perhaps,
                };
                let source = source.without_url();
                return Attempt::Failed {
                    error: BucketError::Unreachable { operation, source },
                    heard,
                    asked_pause: None,
                };
            }
        };
        let code = error_code(&body).unwrap_or_default();
        let asked_pause = retry_after(&headers);
        match judge(status, &code) {
            Verdict::Done => Attempt::Done(Answer { body }),
            Verdict::Refused => Attempt::Failed {
                error: BucketError::Refused {
                    operation,
                    status,
                    code,
                },
                heard: Heard::AndRefused,
                asked_pause: None,
            },
            Verdict::Throttled => Attempt::Failed {
                error: BucketError::Unavailable {
                    operation,
                    status,
                    code,
                },
                heard: Heard::No,
                asked_pause,
            },
            Verdict::Unavailable => Attempt::Failed {
                error: BucketError::Unavailable {
                    operation,
                    status,
                    code,
                },
                heard: Heard::Perhaps,
                asked_pause,
            },
        }
    }

    fn sign(&self, call: &Call, url: &str) -> Option<Vec<(String, String)>> {
        let headers = call
            .headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()));
        let signing = Signing {
            key: &self.key,
            region: &self.endpoint.region,
            service: self.service,
            now_ms: (self.clock)(),
        };
        let body = SignableBody::Bytes(&call.body);
        signing.sign(call.method.as_str(), url, headers, body)
    }
}

/// By whom, for what and when a request is signed.
pub(super) struct Signing<'a> {
    pub(super) key: &'a AdminKey,
    pub(super) region: &'a str,
    pub(super) service: &'static str,
    /// Unix milliseconds.
    pub(super) now_ms: i64,
}

impl Signing<'_> {
    /// The headers to add; `None` if the request cannot be signed.
    pub(super) fn sign<'h>(
        &self,
        method: &'h str,
        url: &'h str,
        headers: impl Iterator<Item = (&'h str, &'h str)>,
        body: SignableBody<'h>,
    ) -> Option<Vec<(String, String)>> {
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let identity = aws_credential_types::Credentials::new(
            &self.key.access_key,
            self.key.secret.expose_secret(),
            None,
            None,
            "configuration",
        )
        .into();
        let now_ms = u64::try_from(self.now_ms).ok()?;
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(self.region)
            .name(self.service)
            .time(UNIX_EPOCH + Duration::from_millis(now_ms))
            .settings(settings)
            .build()
            .ok()?
            .into();
        let signable = SignableRequest::new(method, url, headers, body).ok()?;
        let (instructions, _) = sign(signable, &params).ok()?.into_parts();
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Some(instructions.headers().map(owned).collect())
    }
}

/// Reads a whole answer, or `None` if it is larger than any that makes sense.
async fn read(
    mut response: reqwest::Response,
) -> Result<Option<(u16, HeaderMap, Bytes)>, reqwest::Error> {
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some((status, headers, body.into())))
}

fn judge(status: u16, code: &str) -> Verdict {
    const THROTTLED: [&str; 6] = [
        "RequestLimitExceeded",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequests",
        "TooManyRequestsException",
    ];
    const BUSY: [&str; 4] = [
        "ConcurrentModification",
        "EntityTemporarilyUnmodifiable",
        "OperationAborted",
        "RequestTimeout",
    ];
    match status {
        200..=299 => Verdict::Done,
        429 => Verdict::Throttled,
        _ if THROTTLED.contains(&code) => Verdict::Throttled,
        501 => Verdict::Refused,
        408 | 500..=599 => Verdict::Unavailable,
        _ if BUSY.contains(&code) => Verdict::Unavailable,
        _ => Verdict::Refused,
    }
}

fn may_repeat(repeat: Repeat, heard: Heard) -> bool {
    match (repeat, heard) {
        (_, Heard::No) | (Repeat::Always, Heard::Perhaps) => true,
        (Repeat::IfUnheard, Heard::Perhaps) | (_, Heard::AndRefused) => false,
    }
}

/// The pause after attempt number `attempt`; `chance` is in 0..1.
fn pause(repeats: &Repeats, attempt: u32, asked: Option<Duration>, chance: f64) -> Duration {
    if let Some(asked) = asked {
        return asked.min(repeats.longest_pause);
    }
    let doubled = repeats
        .first_pause
        .saturating_mul(1 << (attempt - 1).min(16));
    doubled.min(repeats.longest_pause).mul_f64(chance)
}

/// The pause that the service asks for in whole seconds; dates are not used by these services.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers
        .get(header::RETRY_AFTER)?
        .to_str()
        .ok()?
        .parse()
        .ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_mean_what_the_services_document() {
        for (status, code, expected) in [
            (200, "", Verdict::Done),
            (204, "", Verdict::Done),
            (301, "PermanentRedirect", Verdict::Refused),
            (400, "Throttling", Verdict::Throttled),
            (403, "AccessDenied", Verdict::Refused),
            (404, "NoSuchEntity", Verdict::Refused),
            (409, "OperationAborted", Verdict::Unavailable),
            (409, "BucketAlreadyExists", Verdict::Refused),
            (429, "", Verdict::Throttled),
            (500, "InternalError", Verdict::Unavailable),
            (501, "NotImplemented", Verdict::Refused),
            (503, "SlowDown", Verdict::Throttled),
            (503, "ServiceUnavailable", Verdict::Unavailable),
        ] {
            assert_eq!(judge(status, code), expected, "{status} {code}");
        }
    }

    #[test]
    fn what_may_have_happened_is_repeated_only_if_that_does_no_harm() {
        for (repeat, heard, expected) in [
            (Repeat::Always, Heard::No, true),
            (Repeat::Always, Heard::Perhaps, true),
            (Repeat::Always, Heard::AndRefused, false),
            (Repeat::IfUnheard, Heard::No, true),
            (Repeat::IfUnheard, Heard::Perhaps, false),
            (Repeat::IfUnheard, Heard::AndRefused, false),
        ] {
            assert_eq!(may_repeat(repeat, heard), expected, "{repeat:?} {heard:?}");
        }
    }

    #[test]
    fn pauses_grow_to_a_bound_and_obey_the_service() {
        let repeats = Repeats::default();
        let at = |attempt, asked, chance| pause(&repeats, attempt, asked, chance).as_millis();
        assert_eq!(at(1, None, 1.0), 200);
        assert_eq!(at(3, None, 1.0), 800);
        assert_eq!(at(3, None, 0.5), 400);
        assert_eq!(at(99, None, 1.0), 3000);
        assert_eq!(at(1, Some(Duration::from_secs(2)), 0.1), 2000);
        assert_eq!(at(1, Some(Duration::from_secs(3600)), 0.1), 3000);
    }
}
