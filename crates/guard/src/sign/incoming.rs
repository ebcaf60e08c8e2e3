use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, Method, header};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::UNSIGNED_PAYLOAD;
use crate::bucket::transport::header_text;
use crate::encoding::{self, Plus};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// Why a request is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Distrust {
    /// No signature, or one in another form than headers.
    Unsigned,
    Unreadable,
    UnknownKey,
    WrongSignature,
    /// The body is signed in a form that is not decoded here (aws-chunked).
    ChunkedPayload,
}

/// What the signature says of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Payload {
    Unsigned,
    Sha256([u8; 32]),
}

/// The parts of a request that a signature covers.
pub(crate) struct Signed<'a> {
    pub(crate) method: &'a Method,
    /// As sent, still encoded.
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) headers: &'a HeaderMap,
}

#[derive(Debug)]
struct Authorization<'a> {
    access_key: &'a str,
    scope: Scope<'a>,
    signed_headers: &'a str,
    signature: &'a str,
}

#[derive(Debug)]
struct Scope<'a> {
    date: &'a str,
    region: &'a str,
    service: &'a str,
}

fn authorization(headers: &HeaderMap) -> Result<Authorization<'_>, Distrust> {
    let text = header_text(headers, header::AUTHORIZATION.as_str()).ok_or(Distrust::Unsigned)?;
    let fields = text.strip_prefix(ALGORITHM).ok_or(Distrust::Unsigned)?;
    let field = |name: &str| {
        fields
            .split(',')
            .find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='))
            .ok_or(Distrust::Unreadable)
    };
    let mut credential = field("Credential")?.rsplitn(5, '/');
    let (end, service, region) = (credential.next(), credential.next(), credential.next());
    let (date, access_key) = (credential.next(), credential.next());
    match (access_key, date, region, service, end) {
        (Some(access_key), Some(date), Some(region), Some(service), Some("aws4_request")) => {
            Ok(Authorization {
                access_key,
                scope: Scope {
                    date,
                    region,
                    service,
                },
                signed_headers: field("SignedHeaders")?,
                signature: field("Signature")?,
            })
        }
        _ => Err(Distrust::Unreadable),
    }
}

/// The access key a request claims to be signed with.
pub(crate) fn access_key(headers: &HeaderMap) -> Result<&str, Distrust> {
    authorization(headers).map(|authorization| authorization.access_key)
}

/// Checks the signature of a request. Its age is not checked: the keys are throw-away and leave this machine never.
pub(crate) fn verify(request: &Signed<'_>, secret: &SecretString) -> Result<Payload, Distrust> {
    let authorization = authorization(request.headers)?;
    let hash = header_text(request.headers, "x-amz-content-sha256").ok_or(Distrust::Unreadable)?;
    let payload = payload(hash)?;
    let stamp = header_text(request.headers, "x-amz-date").ok_or(Distrust::Unreadable)?;
    let scope = &authorization.scope;
    let signs_host = authorization
        .signed_headers
        .split(';')
        .any(|name| name == "host");
    if !signs_host || !stamp.starts_with(scope.date) || scope.service != "s3" {
        return Err(Distrust::WrongSignature);
    }
    let canonical = canonical_request(request, authorization.signed_headers, hash)?;
    let Scope {
        date,
        region,
        service,
    } = scope;
    let to_sign = format!(
        "{ALGORITHM}\n{stamp}\n{date}/{region}/{service}/aws4_request\n{}",
        hex::encode(Sha256::digest(canonical))
    );
    let mut key = mac(format!("AWS4{}", secret.expose_secret()).as_bytes(), date);
    for part in [*region, *service, "aws4_request", &to_sign] {
        key = mac(&key, part);
    }
    let expected = hex::encode(key);
    if bool::from(
        expected
            .as_bytes()
            .ct_eq(authorization.signature.as_bytes()),
    ) {
        Ok(payload)
    } else {
        Err(Distrust::WrongSignature)
    }
}

fn payload(hash: &str) -> Result<Payload, Distrust> {
    if hash == UNSIGNED_PAYLOAD {
        return Ok(Payload::Unsigned);
    }
    if hash.starts_with("STREAMING-") {
        return Err(Distrust::ChunkedPayload);
    }
    let mut digest = [0; 32];
    hex::decode_to_slice(hash, &mut digest).map_err(|_| Distrust::Unreadable)?;
    Ok(Payload::Sha256(digest))
}

fn canonical_request(
    request: &Signed<'_>,
    signed_headers: &str,
    payload_hash: &str,
) -> Result<String, Distrust> {
    let path = encoding::decode(request.path, Plus::Literal).ok_or(Distrust::Unreadable)?;
    let mut query = Vec::new();
    for pair in request.query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let spelled = |text| {
            encoding::decode(text, Plus::Space)
                .map(|text| encoding::encode_component(&text))
                .ok_or(Distrust::Unreadable)
        };
        query.push((spelled(name)?, spelled(value)?));
    }
    query.sort();
    let query: Vec<String> = query
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let mut canonical = format!(
        "{}\n{}\n{}\n",
        request.method,
        encoding::encode_path(&path),
        query.join("&")
    );
    for name in signed_headers.split(';') {
        let mut values = Vec::new();
        for value in request.headers.get_all(name) {
            let text = value.to_str().map_err(|_| Distrust::Unreadable)?;
            values.push(text.split_whitespace().collect::<Vec<_>>().join(" "));
        }
        if values.is_empty() {
            return Err(Distrust::WrongSignature);
        }
        canonical.push_str(&format!("{name}:{}\n", values.join(",")));
    }
    canonical.push_str(&format!("\n{signed_headers}\n{payload_hash}"));
    Ok(canonical)
}

fn mac(key: &[u8], text: &str) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::bucket::Credentials;
    use crate::sign::outgoing;
    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    const URL: &str = "http://127.0.0.1:9000";

    fn signed(method: &Method, target: &str, extra: &[(&str, &str)]) -> HeaderMap {
        let credentials = Credentials {
            access_key: "AK/with/slashes".into(),
            secret_key: "secret".into(),
        };
        let mut headers = HeaderMap::new();
        for (name, value) in extra {
            headers.insert(
                HeaderName::try_from(*name).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        let at = UNIX_EPOCH + Duration::from_secs(1_795_299_196);
        let url = format!("{URL}{target}");
        outgoing::add_signature(&credentials, "us-east-1", at, (method, &url), &mut headers)
            .unwrap();
        headers.insert(header::HOST, HeaderValue::from_static("127.0.0.1:9000"));
        headers
    }

    fn check(
        method: &Method,
        target: &str,
        headers: &HeaderMap,
        secret: &str,
    ) -> Result<Payload, Distrust> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let request = Signed {
            method,
            path,
            query,
            headers,
        };
        verify(&request, &secret.into())
    }

    #[test]
    fn what_we_sign_is_believed_and_nothing_else() {
        let target = "/b/a%20b/%C3%A9%2B%27%22//c?list-type=2&prefix=x%2Fy";
        let headers = signed(&Method::GET, target, &[("if-match", "\"e\"")]);
        assert_eq!(
            check(&Method::GET, target, &headers, "secret"),
            Ok(Payload::Unsigned)
        );
        assert_eq!(access_key(&headers), Ok("AK/with/slashes"));

        let wrong = Err(Distrust::WrongSignature);
        assert_eq!(check(&Method::GET, target, &headers, "other"), wrong);
        assert_eq!(check(&Method::PUT, target, &headers, "secret"), wrong);
        assert_eq!(check(&Method::GET, "/b/other", &headers, "secret"), wrong);
        let mut changed = headers.clone();
        changed.insert(header::IF_MATCH, HeaderValue::from_static("\"f\""));
        assert_eq!(check(&Method::GET, target, &changed, "secret"), wrong);
        let mut stripped = headers;
        stripped.remove(header::IF_MATCH);
        assert_eq!(check(&Method::GET, target, &stripped, "secret"), wrong);
    }

    #[test]
    fn chunked_and_missing_signatures_are_told_apart() {
        let mut headers = signed(&Method::PUT, "/b/k", &[]);
        headers.insert(
            "x-amz-content-sha256",
            HeaderValue::from_static("STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
        );
        let chunked = Err(Distrust::ChunkedPayload);
        assert_eq!(check(&Method::PUT, "/b/k", &headers, "secret"), chunked);
        let none = HeaderMap::new();
        assert_eq!(
            check(&Method::PUT, "/b/k", &none, "secret"),
            Err(Distrust::Unsigned)
        );
    }

    proptest! {
        #[test]
        fn any_key_can_be_signed(key in "[^\u{0}]{1,12}") {
            let target = format!("/b/{}", encoding::encode_path(&key));
            let headers = signed(&Method::PUT, &target, &[]);
            prop_assert_eq!(check(&Method::PUT, &target, &headers, "secret"), Ok(Payload::Unsigned));
        }
    }
}
