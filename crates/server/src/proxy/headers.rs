//! Which headers are passed on, in both directions.

use axum::http::{HeaderMap, HeaderName, header};

const KEEP_ALIVE: &str = "keep-alive";
const OUR_PREFIX: &str = "x-bm-";

/// Removes what may not reach an instance: what belongs to the connection, what only we may say,
/// and what was meant for us.
pub(super) fn keep_for_instance(headers: &mut HeaderMap) {
    retain(headers, |name| {
        !belongs_to_connection(name) && !spoken_by_us(name)
    });
}

/// Removes what may not reach the caller: what belongs to the connection, what tells about the
/// instance's software, and what would speak for our whole origin.
///
/// Cookies are of that kind: every tenant's answers come from one origin.
pub(super) fn keep_for_caller(headers: &mut HeaderMap) {
    if headers.contains_key(header::TRANSFER_ENCODING) {
        headers.remove(header::CONTENT_LENGTH);
    }
    retain(headers, |name| {
        !belongs_to_connection(name) && !speaks_for_our_origin(name)
    });
}

fn retain(headers: &mut HeaderMap, keep: impl Fn(&HeaderName) -> bool) {
    for name in nominated(headers) {
        headers.remove(name);
    }
    // Most have few to remove or none; an empty list costs nothing.
    let unwanted: Vec<HeaderName> = headers.keys().filter(|name| !keep(name)).cloned().collect();
    for name in unwanted {
        headers.remove(name);
    }
}

/// The headers that `Connection` declares to be for this connection only.
fn nominated(headers: &HeaderMap) -> Vec<HeaderName> {
    headers
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        // By far the most frequent one names no header that is ever there.
        .filter(|name| !name.eq_ignore_ascii_case(KEEP_ALIVE.as_bytes()))
        .filter_map(|name| HeaderName::from_bytes(name).ok())
        .collect()
}

/// Names that belong to one connection (RFC 9110, 7.6.1), or that only the next hop may set.
fn belongs_to_connection(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection" | "te" | "trailer" | "transfer-encoding" | "upgrade" | KEEP_ALIVE
    ) || name.as_str().starts_with("proxy-")
}

/// Whether a receiver that reads `_` as `-`, as many do, could take this for a word of ours.
fn spoken_by_us(name: &HeaderName) -> bool {
    let text = name.as_str();
    if text.contains('_') {
        is_our_word(&text.replace('_', "-"))
    } else {
        is_our_word(text)
    }
}

fn is_our_word(name: &str) -> bool {
    matches!(
        name,
        "authorization"
            | "content-length"
            | "cookie"
            | "expect"
            | "forwarded"
            | "host"
            | "keep-alive"
            | "connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "x-http-method"
            | "x-http-method-override"
            | "x-method-override"
            | "x-original-url"
            | "x-real-ip"
            | "x-request-id"
            | "x-rewrite-url"
    ) || name.starts_with(OUR_PREFIX)
        || name.starts_with("x-forwarded-")
        || name.starts_with("proxy-")
}

fn speaks_for_our_origin(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "alt-svc"
            | "clear-site-data"
            | "server"
            | "service-worker-allowed"
            | "set-cookie"
            | "set-cookie2"
            | "strict-transport-security"
            | "x-powered-by"
    ) || name.as_str().starts_with(OUR_PREFIX)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn map(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    fn left(headers: &HeaderMap) -> Vec<(String, String)> {
        let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
        let mut all: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.to_string(), text(value)))
            .collect();
        all.sort();
        all
    }

    #[test]
    fn an_instance_hears_the_caller_and_not_what_the_caller_says_of_itself() {
        let mut headers = map(&[
            ("accept", "*/*"),
            ("accept", "text/html"),
            ("content-type", "application/json"),
            ("x-workspace-id", "w"),
            ("mcp-session-id", "m"),
            ("x_harmless", "1"),
            ("authorization", "Bearer a"),
            ("cookie", "a=b"),
            ("host", "h"),
            ("content-length", "3"),
            ("expect", "100-continue"),
            ("x-bm-tenant", "t"),
            ("X_BM_Signature", "s"),
            ("x-bm_user", "u"),
            ("x-forwarded-for", "1.2.3.4"),
            ("x_forwarded_proto", "https"),
            ("forwarded", "for=1"),
            ("x-real-ip", "1"),
            ("x-original-url", "/a"),
            ("x-rewrite-url", "/a"),
            ("x-http-method-override", "DELETE"),
            ("content_length", "9"),
            ("transfer_encoding", "chunked"),
            ("proxy-authorization", "x"),
            ("te", "trailers"),
            ("trailer", "x"),
            ("upgrade", "websocket"),
            ("keep-alive", "timeout=5"),
            ("connection", "close, X-Private ,, bad name"),
            ("x-private", "1"),
        ]);
        keep_for_instance(&mut headers);
        let expected = map(&[
            ("accept", "*/*"),
            ("accept", "text/html"),
            ("content-type", "application/json"),
            ("x-workspace-id", "w"),
            ("mcp-session-id", "m"),
            ("x_harmless", "1"),
        ]);
        assert_eq!(left(&headers), left(&expected));
    }

    #[test]
    fn a_caller_gets_the_answer_and_nothing_that_binds_our_origin() {
        let mut headers = map(&[
            ("content-type", "text/plain"),
            ("etag", "\"1\""),
            ("location", "/x"),
            ("www-authenticate", "Bearer"),
            ("content-length", "5"),
            ("server", "uvicorn"),
            ("set-cookie", "a=b; Domain=example.org"),
            ("set-cookie", "c=d"),
            ("strict-transport-security", "max-age=1"),
            ("clear-site-data", "\"*\""),
            ("alt-svc", "h2=\":1\""),
            ("x-bm-key-id", "k"),
            ("connection", "keep-alive, x-hop"),
            ("keep-alive", "timeout=5"),
            ("x-hop", "1"),
            ("proxy-authenticate", "Basic"),
        ]);
        keep_for_caller(&mut headers);
        let expected = map(&[
            ("content-type", "text/plain"),
            ("etag", "\"1\""),
            ("location", "/x"),
            ("www-authenticate", "Bearer"),
            ("content-length", "5"),
        ]);
        assert_eq!(left(&headers), left(&expected));
    }

    #[test]
    fn a_length_beside_an_encoding_is_not_passed_on() {
        let mut headers = map(&[("content-length", "5"), ("transfer-encoding", "chunked")]);
        keep_for_caller(&mut headers);
        assert!(headers.is_empty());
    }

    proptest! {
        #[test]
        fn no_spelling_of_our_words_gets_through(
            word in prop_oneof![
                Just("x-bm-tenant"), Just("x-bm-signature"), Just("x-bm-new"),
                Just("x-forwarded-host"), Just("authorization"), Just("cookie"),
                Just("content-length"), Just("transfer-encoding"), Just("x-real-ip"),
            ],
            spelling in any::<u32>(),
        ) {
            let spelled: String = word.chars().enumerate().map(|(at, c)| {
                let other = spelling & (1 << (at % 32)) != 0;
                match c {
                    '-' if other => '_',
                    c if other => c.to_ascii_uppercase(),
                    c => c,
                }
            }).collect();
            let mut headers = map(&[(&spelled, "x"), ("accept", "*/*")]);
            keep_for_instance(&mut headers);
            prop_assert_eq!(left(&headers), left(&map(&[("accept", "*/*")])));
        }

        #[test]
        fn whatever_connection_names_is_dropped(name in "[a-z][a-z0-9-]{0,12}") {
            let mut headers = map(&[(&name, "1"), ("connection", &name)]);
            keep_for_instance(&mut headers);
            prop_assert!(headers.is_empty());
        }
    }
}
