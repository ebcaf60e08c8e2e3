//! Passing the proxy's requests on to Basic Memory, untouched but for what it must not see.

use std::path::Path;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::{BodyExt, Limited};

use crate::instance::refusal;
use crate::upstream::{CallError, Caller};

/// Where clients see the projects, whatever folder they are in.
const SHOWN_ROOT: &str = "/app/data";
/// Answers that name a project's folder are small.
const LARGEST_REWRITTEN: usize = 4 * 1024 * 1024;
/// Headers that are about one connection.
const HOP_BY_HOP: [&str; 8] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
/// The proxy's own, which are not for Basic Memory.
const SIGNED_PREFIX: &str = "x-bm-";

/// Passes a request on and streams the answer back.
pub(crate) async fn forward(caller: &Caller, data: &Path, request: Request) -> Response {
    let names_folders = names_folders(request.uri().path());
    let request = prepared(request);
    let answer = match caller.forward(request).await {
        Ok(answer) => answer,
        Err(error @ CallError::Unreachable(_)) => {
            tracing::info!(%error, "a request found no Basic Memory");
            return unavailable("Basic Memory is starting. Try again in a moment.");
        }
        Err(error) => {
            tracing::warn!(%error, "a request broke off");
            return refusal(
                StatusCode::BAD_GATEWAY,
                "upstream_failed",
                "Basic Memory broke off.",
            );
        }
    };
    let (mut parts, body) = answer.into_parts();
    strip(&mut parts.headers);
    if !names_folders || !is_json(&parts.headers) {
        return Response::from_parts(parts, Body::new(body));
    }
    let Ok(whole) = Limited::new(body, LARGEST_REWRITTEN).collect().await else {
        return refusal(
            StatusCode::BAD_GATEWAY,
            "upstream_failed",
            "Basic Memory's answer broke off.",
        );
    };
    let bytes = with_shown_root(&whole.to_bytes(), data);
    parts
        .headers
        .insert(header::CONTENT_LENGTH, bytes.len().into());
    Response::from_parts(parts, Body::from(bytes))
}

fn prepared(request: Request) -> Request {
    let (mut parts, body) = request.into_parts();
    strip(&mut parts.headers);
    parts
        .headers
        .insert(header::HOST, HeaderValue::from_static("basic-memory"));
    parts.version = http::Version::HTTP_11;
    if let Some(path) = parts.uri.path_and_query().cloned() {
        parts.uri = http::Uri::from(path);
    }
    Request::from_parts(parts, body)
}

fn strip(headers: &mut HeaderMap) {
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
    let signed: Vec<_> = headers
        .keys()
        .filter(|name| name.as_str().starts_with(SIGNED_PREFIX))
        .filter(|name| is_signature(name.as_str()))
        .cloned()
        .collect();
    for name in signed {
        headers.remove(name);
    }
}

fn is_signature(name: &str) -> bool {
    use wire::SignedHeaders as Signed;
    [
        Signed::TENANT,
        Signed::TIMESTAMP,
        Signed::BODY_SHA256,
        Signed::NONCE,
        Signed::USER,
        Signed::KEY_ID,
        Signed::SIGNATURE,
    ]
    .contains(&name)
}

/// The routes whose answers have a project's `path`, of both generations.
fn names_folders(path: &str) -> bool {
    path.starts_with("/projects/")
        || path.starts_with("/v2/projects")
            && !path.contains("/knowledge/")
            && !path.contains("/resource")
            && !path.contains("/search")
            && !path.contains("/memory/")
        || path.ends_with("/project/item")
        || path.ends_with("/project/info")
}

fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("application/json"))
}

/// Replaces our folder at the start of JSON strings by the one that clients expect: newer ones
/// make the prefix in the bucket from it.
fn with_shown_root(json: &Bytes, data: &Path) -> Bytes {
    let (Some(data), Ok(text)) = (data.to_str(), std::str::from_utf8(json)) else {
        return json.clone();
    };
    if data == SHOWN_ROOT || !text.contains(data) {
        return json.clone();
    }
    let text = text
        .replace(&format!("\"{data}/"), &format!("\"{SHOWN_ROOT}/"))
        .replace(&format!("\"{data}\""), &format!("\"{SHOWN_ROOT}\""));
    Bytes::from(text)
}

/// Answers that nothing can be had now.
pub(crate) fn unavailable(words: &str) -> Response {
    let mut answer = refusal(StatusCode::SERVICE_UNAVAILABLE, "starting", words);
    answer
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_see_one_root_wherever_the_files_are() {
        let seen = |text: &str| {
            let bytes = with_shown_root(&Bytes::from(text.to_owned()), Path::new("/srv/t/data"));
            String::from_utf8(bytes.to_vec()).unwrap()
        };
        assert_eq!(
            seen(r#"{"path":"/srv/t/data/main","root":"/srv/t/data"}"#),
            r#"{"path":"/app/data/main","root":"/app/data"}"#
        );
        let other = r#"{"text":"see /srv/t/data/main","path":"/srv/t/database"}"#;
        assert_eq!(seen(other), other);
    }

    #[test]
    fn only_answers_about_projects_are_read() {
        for path in [
            "/projects/projects",
            "/v2/projects/",
            "/v2/projects/7",
            "/main/project/item",
        ] {
            assert!(names_folders(path), "{path}");
        }
        for path in [
            "/v2/projects/7/knowledge/entities/1",
            "/main/search/",
            "/v2/search/",
        ] {
            assert!(!names_folders(path), "{path}");
        }
    }

    #[test]
    fn the_signature_ends_here() {
        let mut headers = HeaderMap::new();
        for name in [
            "x-bm-tenant",
            "x-bm-signature",
            "connection",
            "accept",
            "x-bm-local-file-path",
        ] {
            headers.insert(name, HeaderValue::from_static("1"));
        }
        strip(&mut headers);
        let mut left: Vec<_> = headers.keys().map(|name| name.as_str()).collect();
        left.sort_unstable();
        assert_eq!(left, ["accept", "x-bm-local-file-path"]);
    }
}
