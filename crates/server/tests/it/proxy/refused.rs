//! What gets nowhere, and what the caller is told.

use std::net::TcpListener;

use reqwest::StatusCode;
use serde_json::json;

use super::instance::{Instance, Reply};
use super::{exchange_with, member_with_instance, place_instance, status, tenant_of};
use crate::support::read;

#[tokio::test]
async fn what_cannot_be_passed_on_is_a_400_and_never_leaves() {
    let instance = Instance::always_ok();
    let (server, token) = member_with_instance(&instance.address.to_string()).await;
    let auth = format!("Authorization: Bearer {token}\r\n");
    let host = "Host: localhost\r\n";
    let get =
        |target: &str| format!("GET {target} HTTP/1.1\r\n{host}{auth}Connection: close\r\n\r\n");
    let with = |extra: &str| {
        format!("POST /proxy/a HTTP/1.1\r\n{host}{auth}Connection: close\r\n{extra}\r\n")
    };
    for (request, expected) in [
        (get("/proxy/../tenants"), 400),
        (get("/proxy/%2e%2e/x"), 400),
        (get("/proxy/%252e%252e/x"), 400),
        (get("/proxy/a%2f..%2fb"), 400),
        (get("/proxy/a%5cb"), 400),
        (get("/proxy/a%00"), 400),
        (get("/proxy/a%0d%0aX:y"), 400),
        (get("/proxy/a\\b"), 400),
        (get("/proxy/a//b"), 400),
        (get("/proxy//a"), 400),
        (get("/proxy/a%"), 400),
        (get("/proxy/\u{e4}"), 400),
        (get("http://evil.example/proxy/a"), 400),
        (get("http://localhost/proxy/a"), 200),
        (with("Host: localhost\r\n"), 400),
        (with(&auth), 401),
        (
            with("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"),
            400,
        ),
        (with("Transfer-Encoding: gzip\r\n"), 400),
        (with("Content-Length: 3\r\nContent-Length: 4\r\n"), 400),
        (with("Content-Length: -3\r\n"), 400),
        (
            with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
            400,
        ),
        (get("/proxy/a").replace("GET", "TRACE"), 405),
        (get("/proxy/a").replace("GET", "PROPFIND"), 405),
        (get("/proxy/a").replace("GET", "get"), 405),
        (get("/proxy/a").replace("HTTP/1.1", "HTTP/1.0"), 200),
    ] {
        let answer = exchange_with(&server.url, request.clone()).await;
        assert_eq!(status(&answer), expected, "{request}\n{answer}");
    }
    let lines: Vec<String> = instance.seen().into_iter().map(|seen| seen.line).collect();
    assert_eq!(lines, ["GET /a HTTP/1.1", "GET /a HTTP/1.1"]);
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_the_callers_fault() {
    let instance = Instance::always_ok();
    let (server, token) = member_with_instance(&instance.address.to_string()).await;
    let head =
        format!("PUT /proxy/a HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n");
    for body in [
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nZZ\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
    ] {
        let answer = exchange_with(&server.url, format!("{head}{body}")).await;
        assert_eq!(status(&answer), 400, "{answer}");
        assert!(answer.contains("\"error\":\"invalid_request\""), "{answer}");
    }
    let told = format!("{head}Content-Length: 99999999999\r\n\r\n");
    let answer = exchange_with(&server.url, told).await;
    assert_eq!(status(&answer), 413, "{answer}");
    assert!(instance.seen().is_empty());
}

#[tokio::test]
async fn without_an_instance_the_caller_is_told_to_come_back() {
    let instance = Instance::always_ok();
    let (server, token) = member_with_instance(&instance.address.to_string()).await;
    let tenant = tenant_of(&server, &token).await;
    let state = server.folder.path();
    for condition in ["starting", "stopped"] {
        place_instance(state, &tenant, &instance.address.to_string(), condition).await;
        let request = server.request("GET", "/proxy/a").bearer_auth(&token);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.headers()["retry-after"], "2");
        let (status, body) = read(answer).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        let text = "Your workspace is starting. Try again in 2 seconds.";
        assert_eq!(
            body,
            json!({ "error": "starting", "message": text, "detail": text })
        );
    }
    assert!(instance.seen().is_empty());
}

#[tokio::test]
async fn an_instance_that_cannot_be_reached_or_understood_is_a_502() {
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let (server, token) = member_with_instance(&closed.to_string()).await;
    let tenant = tenant_of(&server, &token).await;
    let ask = async || {
        let request = server.request("POST", "/proxy/a").bearer_auth(&token);
        read(request.send().await.unwrap()).await
    };
    let text = "Your workspace could not be reached. Try again.";
    let expected = json!({ "error": "upstream_failed", "message": text, "detail": text });
    assert_eq!(ask().await, (StatusCode::BAD_GATEWAY, expected.clone()));
    place_instance(server.folder.path(), &tenant, "no address", "ready").await;
    assert_eq!(ask().await, (StatusCode::BAD_GATEWAY, expected.clone()));

    let many: String = (0..200).map(|n| format!("x-{n}: 1\r\n")).collect();
    let long = format!("x-long: {}\r\n", "x".repeat(400_000));
    for (case, answer) in [
        ("no HTTP", "gibberish\r\n\r\n".to_owned()),
        ("cut off", "HTTP/1.1 200 OK\r\ncontent-len".to_owned()),
        ("nothing", String::new()),
        (
            "many headers",
            format!("HTTP/1.1 200 OK\r\n{many}content-length: 0\r\n\r\n"),
        ),
        (
            "long header",
            format!("HTTP/1.1 200 OK\r\n{long}content-length: 0\r\n\r\n"),
        ),
        (
            "two lengths",
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab".to_owned(),
        ),
        (
            "upgrade",
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"
                .to_owned(),
        ),
    ] {
        let instance = Instance::start(move |_, _| Reply::Last(answer.clone().into_bytes()));
        let address = instance.address.to_string();
        place_instance(server.folder.path(), &tenant, &address, "ready").await;
        assert_eq!(
            ask().await,
            (StatusCode::BAD_GATEWAY, expected.clone()),
            "{case}"
        );
        assert_eq!(instance.seen().len(), 1, "{case}: asked once");
    }
}

#[tokio::test]
async fn a_request_that_may_have_had_its_effect_is_not_sent_again() {
    let instance = Instance::start(|number, _| match number {
        1 => Reply::ok(),
        _ => Reply::Last(Vec::new()),
    });
    let (server, token) = member_with_instance(&instance.address.to_string()).await;
    let ask = async || {
        let request = server.request("POST", "/proxy/a").bearer_auth(&token);
        request.body("x").send().await.unwrap().status()
    };
    assert_eq!(ask().await, StatusCode::OK);
    // The kept connection takes the second request and dies with it.
    assert_eq!(ask().await, StatusCode::BAD_GATEWAY);
    assert_eq!(instance.seen().len(), 2);
}

#[tokio::test]
async fn a_connection_that_was_closed_meanwhile_costs_nobody_an_answer() {
    let instance = Instance::start(|_, _| {
        Reply::Last(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_vec())
    });
    let (server, token) = member_with_instance(&instance.address.to_string()).await;
    for number in 1..=20 {
        let request = server.request("POST", "/proxy/a").bearer_auth(&token);
        let status = request.body("x").send().await.unwrap().status();
        // The instance closes at the moment of its answer; what was written into that is lost.
        assert!(status == StatusCode::OK || status == StatusCode::BAD_GATEWAY);
        assert!(instance.seen().len() <= number, "nothing arrived twice");
    }
}
