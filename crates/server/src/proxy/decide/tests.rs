use axum::http::Request;
use proptest::prelude::*;

use super::*;

fn head(method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

const HOST: (&str, &str) = ("host", "cloud.example");

fn verdict(method: &str, uri: &str, headers: &[(&str, &str)]) -> Result<String, Refusal> {
    decide(head(method, uri, headers)).map(|forward| forward.path_and_query.as_str().to_owned())
}

#[test]
fn passes_on_what_stands_behind_the_prefix_as_it_arrived() {
    for (uri, expected) in [
        ("/proxy/", "/"),
        ("/proxy/a", "/a"),
        ("/proxy/a/?b=c%2f..&d", "/a/?b=c%2f..&d"),
        ("/proxy/a%20b?", "/a%20b?"),
        ("/proxy/proxy/a", "/proxy/a"),
        ("http://cloud.example/proxy/a?b", "/a?b"),
        ("http://CLOUD.example/proxy/a", "/a"),
    ] {
        assert_eq!(
            verdict("GET", uri, &[HOST]),
            Ok(expected.to_owned()),
            "{uri}"
        );
    }
}

#[test]
fn takes_the_methods_that_clients_use_and_no_other() {
    for method in [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY",
    ] {
        assert!(verdict(method, "/proxy/a", &[HOST]).is_ok(), "{method}");
    }
    for method in ["TRACE", "CONNECT", "PROPFIND", "get", "TRACK", "PURGE"] {
        assert_eq!(
            verdict(method, "/proxy/a", &[HOST]),
            Err(Refusal::Method),
            "{method}"
        );
    }
}

#[test]
fn refuses_a_head_that_two_readers_could_read_apart() {
    let other = ("host", "evil.example");
    let auth = ("authorization", "Bearer a");
    let length = ("content-length", "3");
    let chunked = ("transfer-encoding", "chunked");
    for (uri, headers, refusal) in [
        ("/proxy/a", vec![], Refusal::Host),
        ("/proxy/a", vec![HOST, other], Refusal::Host),
        ("/proxy/a", vec![HOST, HOST], Refusal::Host),
        ("http://evil.example/proxy/a", vec![HOST], Refusal::Host),
        ("http://a@cloud.example/proxy/a", vec![HOST], Refusal::Host),
        ("http://a@cloud.example/proxy/a", vec![], Refusal::Host),
        ("/proxy/a", vec![HOST, auth, auth], Refusal::Authorization),
        ("/proxy/a", vec![HOST, length, chunked], Refusal::Framing),
        ("/proxy/a", vec![HOST, length, length], Refusal::Framing),
        ("/proxy/a", vec![HOST, chunked, chunked], Refusal::Framing),
        (
            "/proxy/a",
            vec![HOST, ("transfer-encoding", "gzip, chunked")],
            Refusal::Framing,
        ),
        ("/proxied/a", vec![HOST], Refusal::Elsewhere),
        ("/proxy", vec![HOST], Refusal::Elsewhere),
        ("/proxy?a", vec![HOST], Refusal::Elsewhere),
        (
            "/proxy/../a",
            vec![HOST],
            Refusal::Path(PathFault::DotSegment),
        ),
        (
            "/proxy//a",
            vec![HOST],
            Refusal::Path(PathFault::EmptySegment),
        ),
    ] {
        assert_eq!(
            verdict("POST", uri, &headers),
            Err(refusal),
            "{uri} {headers:?}"
        );
    }
    let long = format!("/proxy/{}", "a".repeat(MAX_TARGET_BYTES));
    assert_eq!(verdict("GET", &long, &[HOST]), Err(Refusal::TooLong));
}

#[test]
fn collapses_leading_slashes_only() {
    let collapsed =
        |text: &str| collapse_leading_slashes(&text.parse().unwrap()).map(|uri| uri.to_string());
    assert_eq!(
        collapsed("//proxy/health"),
        Some("/proxy/health".to_owned())
    );
    assert_eq!(
        collapsed("///oauth2//x?a=//b"),
        Some("/oauth2//x?a=//b".to_owned())
    );
    assert_eq!(collapsed("//"), Some("/".to_owned()));
    assert_eq!(
        collapsed("http://h//proxy"),
        Some("http://h/proxy".to_owned())
    );
    assert_eq!(collapsed("/proxy//x"), None);
    assert_eq!(collapsed("/"), None);
    assert_eq!(collapsed("*"), None);
}

proptest! {
    #[test]
    fn accepted_bytes_are_passed_on_untouched(tail in "[!-~]{0,40}") {
        let uri = format!("/proxy/{tail}");
        if let Ok(parsed) = uri.parse::<Uri>() {
            let seen = parsed.path_and_query().unwrap().as_str().to_owned();
            if let Ok(forward) = decide(head("GET", &uri, &[HOST])) {
                let whole = format!("/proxy{}", forward.path_and_query);
                prop_assert_eq!(whole, seen);
            }
        }
    }

    #[test]
    fn no_header_of_the_caller_counts_as_ours(
        name in "([xX][-_][bB][mM][-_][a-zA-Z]{1,8}|[xX][-_]Forwarded[-_][a-z]{1,6}|Proxy[-_][a-z]{1,6})",
        value in "[ -~]{0,12}",
    ) {
        let forward = decide(head("GET", "/proxy/a", &[HOST, (&name, &value)])).unwrap();
        prop_assert!(forward.headers.is_empty());
    }

    #[test]
    fn a_second_host_authorization_or_framing_is_always_refused(
        extra in prop_oneof![
            Just(("host", "cloud.example")), Just(("host", "x")), Just(("authorization", "Bearer b")),
            Just(("content-length", "0")), Just(("transfer-encoding", "chunked")),
        ],
        at in 0_usize..4,
    ) {
        let mut headers = vec![HOST, ("authorization", "Bearer a"), ("content-length", "0")];
        headers.insert(at.min(headers.len()), extra);
        prop_assert!(decide(head("POST", "/proxy/a", &headers)).is_err());
    }
}
