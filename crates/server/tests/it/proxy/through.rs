//! What arrives on either side when all is well.

use reqwest::StatusCode;
use serde_json::Value;

use super::instance::{Instance, Reply};
use super::{ANA, exchange_with, member_with_instance, status};
use crate::support::{Server, read};

#[tokio::test]
async fn a_request_arrives_as_it_was_sent_but_for_what_is_not_the_instances() {
    let instance = Instance::always_ok();
    let (server, token) = member_with_instance(&instance.address.to_string()).await;
    let answer = exchange_with(
        &server.url,
        format!(
            "QUERY /proxy/v2/projects/%C3%A4%20b/search?q=a%2Fb&q=..;%0a HTTP/1.1\r\n\
             Host: localhost\r\nAuthorization: bEaReR {token}\r\nConnection: close, X-Once\r\n\
             Content-Type: application/json\r\nAccept: a\r\nAccept: b\r\nX-Once: 1\r\n\
             Cookie: a=b\r\nX-BM-Tenant: other\r\nX_BM_User: other\r\nX-Forwarded-For: 1.2.3.4\r\n\
             Forwarded: for=1\r\nTE: trailers\r\nX-HTTP-Method-Override: DELETE\r\n\
             Mcp-Session-Id: m\r\nContent-Length: 7\r\n\r\n{{\"a\":1}}"
        ),
    )
    .await;
    assert_eq!(status(&answer), 200, "{answer}");
    let seen = instance.seen();
    assert_eq!(seen.len(), 1);
    let seen = &seen[0];
    assert_eq!(
        seen.line,
        "QUERY /v2/projects/%C3%A4%20b/search?q=a%2Fb&q=..;%0a HTTP/1.1"
    );
    assert_eq!(seen.body, b"{\"a\":1}");
    let expected = [
        "accept",
        "accept",
        "content-length",
        "content-type",
        "host",
        "mcp-session-id",
        "x-bm-body-sha256",
        "x-bm-key-id",
        "x-bm-nonce",
        "x-bm-signature",
        "x-bm-tenant",
        "x-bm-timestamp",
        "x-bm-user",
        "x-request-id",
    ];
    assert_eq!(seen.names(), expected);
    assert_eq!(seen.values("accept"), ["a", "b"]);
    assert_eq!(seen.values("host"), [instance.address.to_string()]);
    assert_eq!(seen.values("x-bm-user"), [server.user_id(ANA).await]);
    let id = seen.values("x-request-id")[0];
    assert!(
        answer.contains(&format!("x-request-id: {id}\r\n")),
        "{answer}"
    );
}

#[tokio::test]
async fn an_answer_arrives_as_it_was_given_but_for_what_is_not_the_callers() {
    let instance = Instance::start(|_, _| {
        Reply::Answer(
            b"HTTP/1.1 418 Teapot\r\nServer: uvicorn\r\nDate: Sun, 22 Nov 2026 00:00:00 GMT\r\n\
              Set-Cookie: a=b\r\nSet-Cookie: c=d; Domain=example.org\r\nETag: \"1\"\r\n\
              Connection: keep-alive, X-Hop\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\n\
              X-BM-Key-Id: k\r\nStrict-Transport-Security: max-age=1\r\nX-Kept: 1\r\nX-Kept: 2\r\n\
              Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nshort"
                .to_vec(),
        )
    });
    let (server, token) = member_with_instance(&instance.address.to_string()).await;
    let request = server.request("GET", "/proxy/pot").bearer_auth(&token);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::IM_A_TEAPOT);
    let mut names: Vec<String> = answer.headers().keys().map(ToString::to_string).collect();
    names.sort_unstable();
    let expected = [
        "cache-control",
        "content-length",
        "content-type",
        "date",
        "etag",
        "referrer-policy",
        "x-content-type-options",
        "x-kept",
        "x-request-id",
    ];
    assert_eq!(names, expected);
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert_eq!(answer.headers().get_all("x-kept").iter().count(), 2);
    assert_eq!(answer.text().await.unwrap(), "short");
}

#[tokio::test]
async fn every_method_gets_through_and_an_empty_answer_stays_empty() {
    let instance = Instance::start(|_, seen| {
        Reply::Answer(if seen.line.starts_with("HEAD") {
            b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n".to_vec()
        } else {
            b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()
        })
    });
    let (server, token) = member_with_instance(&instance.address.to_string()).await;
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"] {
        let request = server.request(method, "/proxy/a").bearer_auth(&token);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NO_CONTENT, "{method}");
        assert_eq!(answer.text().await.unwrap(), "");
    }
    let request = server.request("HEAD", "/proxy/a").bearer_auth(&token);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.headers()["content-length"], "1000");
    let lines: Vec<String> = instance.seen().into_iter().map(|seen| seen.line).collect();
    assert_eq!(lines.len(), 8);
    assert_eq!(lines[6], "QUERY /a HTTP/1.1");
}

#[tokio::test]
async fn a_redirect_is_passed_back_and_shows_no_inner_address() {
    let instance = Instance::start(|_, seen| {
        let location = match seen.line.split(' ').nth(1) {
            Some("/inner") => format!("http://{}/inner/?a=b", seen.values("host")[0]),
            Some("/path") => "/path/".to_owned(),
            _ => "https://elsewhere.example/x".to_owned(),
        };
        let head = "HTTP/1.1 307 Temporary Redirect\r\ncontent-length: 0\r\nlocation: ";
        Reply::Answer(format!("{head}{location}\r\n\r\n").into_bytes())
    });
    let (server, token) = member_with_instance(&instance.address.to_string()).await;
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    for (path, location) in [
        ("inner", "/proxy/inner/?a=b"),
        ("path", "/proxy/path/"),
        ("out", "https://elsewhere.example/x"),
    ] {
        let request = client.get(format!("{}/proxy/{path}", server.url));
        let answer = request.bearer_auth(&token).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::TEMPORARY_REDIRECT);
        assert_eq!(answer.headers()["location"], location);
    }
    assert_eq!(instance.seen().len(), 3, "nothing was followed");
}

#[tokio::test]
async fn a_host_with_a_closing_slash_works_and_opens_nothing() {
    let instance = Instance::always_ok();
    let (server, token) = member_with_instance(&instance.address.to_string()).await;
    for path in ["//proxy/a", "///proxy/health", "//tenant/mount/info"] {
        let without = server.request("GET", path).send().await.unwrap();
        assert_eq!(without.status(), StatusCode::UNAUTHORIZED, "{path}");
        let with = server.request("GET", path).bearer_auth(&token);
        assert_eq!(
            with.send().await.unwrap().status(),
            StatusCode::OK,
            "{path}"
        );
    }
    let form = [("client_id", crate::support::CLIENT)];
    let (status, body) = server
        .post_form("//idp/oauth2/device_authorization", &form)
        .await;
    assert!(
        status.is_success() || status == StatusCode::BAD_REQUEST,
        "{status} {body}"
    );
    assert_ne!(status, StatusCode::NOT_FOUND);
    assert_eq!(instance.seen().len(), 1);
    assert_eq!(instance.seen()[0].line, "GET /a HTTP/1.1");
}

#[tokio::test]
async fn health_is_answered_by_us_and_wakes_nothing() {
    let instance = Instance::always_ok();
    let (server, token) = member_with_instance(&instance.address.to_string()).await;
    let request = server.request("GET", "/proxy/health").bearer_auth(&token);
    let (status, body) = read(request.send().await.unwrap()).await;
    assert_eq!(status, StatusCode::OK);
    let Value::Object(fields) = &body else {
        panic!("{body}")
    };
    let names: Vec<&String> = fields.keys().collect();
    assert_eq!(names, ["status", "timestamp", "version"]);
    assert!(instance.seen().is_empty());
}

#[tokio::test]
async fn a_named_workspace_must_be_the_members_own() {
    let instance = Instance::always_ok();
    let (server, token) = member_with_instance(&instance.address.to_string()).await;
    let own = super::tenant_of(&server, &token).await;
    let send = async |workspace: &str| {
        let request = server.request("POST", "/proxy/a").bearer_auth(&token);
        read(
            request
                .header("x-workspace-id", workspace)
                .send()
                .await
                .unwrap(),
        )
        .await
    };
    assert_eq!(send(&own.to_uppercase()).await.0, StatusCode::OK);
    let (status, body) = send("434252dd-d83b-4b20-bf70-8a950ff875c4").await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(body["error"], "forbidden");
    assert_eq!(instance.seen().len(), 1);
}

#[tokio::test]
async fn a_request_under_way_is_answered_before_the_server_stops() {
    let instance = Instance::start(|_, _| {
        std::thread::park_timeout(std::time::Duration::from_millis(300));
        Reply::ok()
    });
    let (server, token) = member_with_instance(&instance.address.to_string()).await;
    let asked = server.request("GET", "/proxy/slow").bearer_auth(&token);
    let answer = tokio::spawn(asked.send());
    testkit::wait_until(super::SOON, async || !instance.seen().is_empty()).await;
    let again: Server = server.restart().await;
    assert_eq!(answer.await.unwrap().unwrap().status(), StatusCode::OK);
    drop(again);
}
