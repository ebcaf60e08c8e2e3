use std::path::Path;
use std::time::Duration;

use reqwest::{Response, StatusCode};
use testkit::node;

use crate::support::{Server, VERIFIER, tokens};

struct Form {
    cookie: String,
    token: String,
    html: String,
}

async fn open(server: &Server, query: &str) -> Form {
    let answer = server
        .request("GET", &format!("/idp/device{query}"))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let cookie = answer.headers()["set-cookie"].to_str().unwrap();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"),
        "{cookie}"
    );
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let policy = answer.headers()["content-security-policy"]
        .to_str()
        .unwrap();
    assert!(
        policy.starts_with("default-src 'none'; style-src 'self'"),
        "{policy}"
    );
    // Otherwise browsers do not say where the form comes from.
    assert_eq!(answer.headers()["referrer-policy"], "same-origin");
    let html = answer.text().await.unwrap();
    let (_, rest) = html.split_once(r#"name="form_token" value=""#).unwrap();
    let token = rest.split('"').next().unwrap().to_owned();
    Form {
        cookie,
        token,
        html,
    }
}

async fn send(server: &Server, form: &Form, fields: &[(&str, &str)], origin: &str) -> Response {
    let mut all = vec![("form_token", form.token.as_str())];
    all.extend_from_slice(fields);
    server
        .form("/idp/device", &all)
        .header("cookie", &form.cookie)
        .header("origin", origin)
        .send()
        .await
        .unwrap()
}

#[tokio::test]
async fn a_person_approves_on_the_page() {
    let server = Server::start().await;
    let (device_code, user_code) = server.begin().await;
    let form = open(&server, &format!("?user_code={user_code}")).await;
    assert!(form.html.contains(&format!(r#"value="{user_code}""#)));
    assert!(!form.html.contains("<script") && !form.html.contains("style="));

    let fields = |email| {
        [
            ("user_code", user_code.as_str()),
            ("email", email),
            ("decision", "approve"),
        ]
    };
    let answer = send(&server, &form, &fields("nobody"), &server.url).await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    let html = answer.text().await.unwrap();
    assert!(html.contains(r#"role="alert""#) && html.contains(r#"value="nobody""#));

    let answer = send(&server, &form, &fields("ana@example.org"), &server.url).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(answer.text().await.unwrap().contains("App connected"));
    let (status, body) = server.poll(&device_code, VERIFIER).await;
    assert_eq!(status, StatusCode::OK);
    assert!(!tokens(&body).access.is_empty());

    let answer = send(&server, &form, &fields("ana@example.org"), &server.url).await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert!(
        answer
            .text()
            .await
            .unwrap()
            .contains("not waiting for an answer")
    );
}

#[tokio::test]
async fn a_person_refuses_on_the_page_without_saying_who_they_are() {
    let server = Server::start().await;
    let (device_code, user_code) = server.begin().await;
    let form = open(&server, "").await;
    let fields = [
        ("user_code", user_code.as_str()),
        ("email", ""),
        ("decision", "deny"),
    ];
    let answer = send(&server, &form, &fields, &server.url).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(
        server.poll(&device_code, VERIFIER).await.1["error"],
        "access_denied"
    );
}

#[tokio::test]
async fn another_site_cannot_consent_for_a_person() {
    let server = Server::start().await;
    let (device_code, user_code) = server.begin().await;
    let form = open(&server, "").await;
    let stranger = open(&server, "").await;
    let fields = [
        ("user_code", user_code.as_str()),
        ("email", "eve@example.org"),
        ("decision", "approve"),
    ];

    let no_cookie = Form {
        cookie: String::new(),
        ..open(&server, "").await
    };
    let crossed = Form {
        cookie: stranger.cookie.clone(),
        ..open(&server, "").await
    };
    for (form, origin) in [
        (&form, "http://evil.example"),
        (&form, "null"),
        (&no_cookie, server.url.as_str()),
        (&crossed, server.url.as_str()),
    ] {
        let answer = send(&server, form, &fields, origin).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{origin}");
    }
    assert_eq!(
        server.poll(&device_code, VERIFIER).await.1["error"],
        "authorization_pending"
    );
}

#[tokio::test]
async fn a_name_that_points_at_this_machine_is_not_answered() {
    let server = Server::start().await;
    let answer = server
        .request("GET", "/idp/device")
        .header("host", "evil.example")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_person_without_a_mouse_or_without_sight_can_answer() {
    let server = Server::start().await;
    let (device_code, user_code) = server.begin().await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ui/scripts/consent_page.mjs");
    let mut browser = node(&script, [&server.url, &user_code]).spawn();
    let said = browser.success(Duration::from_secs(120)).await;
    let looked: serde_json::Value = serde_json::from_str(said.trim()).unwrap();
    assert_eq!(looked["states"], 5, "{said}");
    let (status, body) = server.poll(&device_code, VERIFIER).await;
    assert_eq!(status, StatusCode::OK);
    assert!(!tokens(&body).access.is_empty());
}
