use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{CHALLENGE, CLIENT, Server, VERIFIER, read, text, tokens};

fn refused(code: &str) -> (StatusCode, Value) {
    (StatusCode::BAD_REQUEST, json!(code))
}

fn outcome((status, body): (StatusCode, Value)) -> (StatusCode, Value) {
    (status, body["error"].clone())
}

#[tokio::test]
async fn signs_a_device_in_after_consent() {
    let server = Server::start().await;
    let answer = server
        .request("GET", "/.well-known/basic-memory-cloud")
        .send()
        .await
        .unwrap();
    let config: wire::SignInConfig = answer.json().await.unwrap();
    assert!(config.pkce);
    assert_eq!(config.client_id, CLIENT);
    assert_eq!(config.issuer, format!("{}/idp", server.url));
    assert_eq!(
        config.token_endpoint,
        format!("{}/idp/oauth2/token", server.url)
    );

    let (device_code, user_code) = server.begin().await;
    assert_eq!(
        outcome(server.poll(&device_code, VERIFIER).await),
        refused("authorization_pending")
    );
    let (status, user) = server
        .approve(&user_code.to_lowercase(), "Ana@Example.org")
        .await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(user["email"], "ana@example.org");
    assert_eq!(user["id"], server.user_id("ana@example.org").await);

    let (status, body) = server.poll(&device_code, VERIFIER).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["expires_in"], 3600);
    let (status, account) = server
        .call(&tokens(&body).access, "GET", "/subscription")
        .await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        account["account"],
        json!({ "id": user["id"], "email": "ana@example.org" })
    );

    assert_eq!(
        outcome(server.poll(&device_code, VERIFIER).await),
        refused("invalid_grant")
    );
}

#[tokio::test]
async fn tokens_verify_against_the_published_keys() {
    let server = Server::start().await;
    let token = server.sign_in("ana@example.org").await.access;
    let header = jsonwebtoken::decode_header(&token).unwrap();
    let answer = server
        .request("GET", "/idp/oauth2/jwks")
        .send()
        .await
        .unwrap();
    let keys: jsonwebtoken::jwk::JwkSet = answer.json().await.unwrap();
    let jwk = keys.find(&header.kid.unwrap()).unwrap();
    let key = jsonwebtoken::DecodingKey::from_jwk(jwk).unwrap();
    let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
    rules.set_audience(&[CLIENT]);
    rules.set_issuer(&[format!("{}/idp", server.url)]);
    let claims = jsonwebtoken::decode::<Value>(&token, &key, &rules)
        .unwrap()
        .claims;
    for claim in ["sub", "sid", "jti", "iat", "exp", "email"] {
        assert!(!claims[claim].is_null(), "{claim} is missing");
    }
}

#[tokio::test]
async fn a_device_without_its_proof_gets_nothing_and_spoils_nothing() {
    let server = Server::start().await;
    let (device_code, user_code) = server.begin().await;
    server.approve(&user_code, "ana@example.org").await;
    let wrong = "x".repeat(43);
    assert_eq!(
        outcome(server.poll(&device_code, &wrong).await),
        refused("invalid_grant")
    );
    assert_eq!(
        outcome(server.poll("dc_unknown", VERIFIER).await),
        refused("invalid_grant")
    );
    assert_eq!(server.poll(&device_code, VERIFIER).await.0, StatusCode::OK);
}

#[tokio::test]
async fn only_s256_proofs_are_taken() {
    let server = Server::start().await;
    let path = "/idp/oauth2/device_authorization";
    for form in [
        vec![("client_id", CLIENT), ("code_challenge", CHALLENGE)],
        vec![
            ("client_id", CLIENT),
            ("code_challenge", VERIFIER),
            ("code_challenge_method", "plain"),
        ],
        vec![
            ("client_id", CLIENT),
            ("code_challenge", "x"),
            ("code_challenge_method", "S256"),
        ],
        vec![],
    ] {
        assert_eq!(
            outcome(server.post_form(path, &form).await),
            refused("invalid_request")
        );
    }
    let (status, body) = server.post_form(path, &[("client_id", "somebody")]).await;
    assert_eq!(
        (status, &body["error"]),
        (StatusCode::UNAUTHORIZED, &json!("invalid_client"))
    );
}

#[tokio::test]
async fn a_hasty_device_is_slowed_down() {
    let server = Server::start().await;
    let (device_code, _) = server.begin().await;
    assert_eq!(
        outcome(server.poll(&device_code, VERIFIER).await),
        refused("authorization_pending")
    );
    assert_eq!(
        outcome(server.poll(&device_code, VERIFIER).await),
        refused("slow_down")
    );
    server.put_clock_forward(Duration::from_secs(2));
    assert_eq!(
        outcome(server.poll(&device_code, VERIFIER).await),
        refused("slow_down")
    );
    server.put_clock_forward(Duration::from_secs(30));
    assert_eq!(
        outcome(server.poll(&device_code, VERIFIER).await),
        refused("authorization_pending")
    );
}

#[tokio::test]
async fn a_refusal_and_an_expired_code_are_told_apart() {
    let server = Server::start().await;
    let (device_code, user_code) = server.begin().await;
    let body = json!({ "user_code": user_code });
    assert_eq!(
        server.post_json("/idp/dev/deny", &body).await.0,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        outcome(server.poll(&device_code, VERIFIER).await),
        refused("access_denied")
    );

    let (device_code, user_code) = server.begin().await;
    server.put_clock_forward(Duration::from_secs(601));
    assert_eq!(
        outcome(server.poll(&device_code, VERIFIER).await),
        refused("expired_token")
    );
    assert_eq!(
        server.approve(&user_code, "ana@example.org").await.0,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn a_refresh_token_rotates_and_repeats_its_answer_for_a_moment() {
    let server = Server::start().await;
    let first = server.sign_in("ana@example.org").await;
    server.put_clock_forward(Duration::from_secs(60));
    let (status, body) = server.refresh(&first.refresh).await;
    assert_eq!(status, StatusCode::OK);
    let second = tokens(&body);
    assert_ne!(first, second);

    server.put_clock_forward(Duration::from_secs(10));
    let (status, body) = server.refresh(&first.refresh).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(tokens(&body), second);
    assert_eq!(body["expires_in"], 3600 - 10);
    assert_eq!(
        server.call(&second.access, "GET", "/subscription").await.0,
        StatusCode::OK
    );
}

#[tokio::test]
async fn refreshes_at_once_get_the_same_pair() {
    let server = Server::start().await;
    let first = server.sign_in("ana@example.org").await;
    let refresh = || server.refresh(&first.refresh);
    let (a, b, c) = tokio::join!(refresh(), refresh(), refresh());
    assert_eq!(a.0, StatusCode::OK);
    assert_eq!(tokens(&a.1), tokens(&b.1));
    assert_eq!(tokens(&a.1), tokens(&c.1));
}

#[tokio::test]
async fn a_used_refresh_token_that_comes_back_late_ends_the_session() {
    let server = Server::start().await;
    let first = server.sign_in("ana@example.org").await;
    let other_device = server.sign_in("ana@example.org").await;
    let second = tokens(&server.refresh(&first.refresh).await.1);
    server.put_clock_forward(Duration::from_millis(10_001));
    assert_eq!(
        outcome(server.refresh(&first.refresh).await),
        refused("invalid_grant")
    );
    assert_eq!(
        outcome(server.refresh(&second.refresh).await),
        refused("invalid_grant")
    );
    assert_eq!(
        server.refresh(&other_device.refresh).await.0,
        StatusCode::OK
    );
}

#[tokio::test]
async fn signing_out_ends_the_refresh_token() {
    let server = Server::start().await;
    let tokens = server.sign_in("ana@example.org").await;
    for _ in 0..2 {
        let form = [("token", tokens.refresh.as_str()), ("client_id", CLIENT)];
        assert_eq!(
            server.post_form("/idp/oauth2/revoke", &form).await.0,
            StatusCode::OK
        );
    }
    assert_eq!(
        outcome(server.refresh(&tokens.refresh).await),
        refused("invalid_grant")
    );
    assert_eq!(
        outcome(server.refresh("rt_unknown").await),
        refused("invalid_grant")
    );
}

#[tokio::test]
async fn codes_cannot_be_found_by_trying() {
    let server = Server::start().await;
    let (_, user_code) = server.begin().await;
    for _ in 0..20 {
        let (status, _) = server.approve("BBBB-BBBB", "eve@example.org").await;
        assert_eq!(status, StatusCode::NOT_FOUND);
    }
    let body = json!({ "user_code": user_code, "email": "eve@example.org" });
    let answer = server
        .request("POST", "/idp/dev/approve")
        .json(&body)
        .send()
        .await
        .unwrap();
    let wait: u64 = answer.headers()["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=60).contains(&wait));
    let (status, body) = read(answer).await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(text(&body, "error"), "rate_limited");
    server.put_clock_forward(Duration::from_secs(wait));
    assert_eq!(
        server.approve(&user_code, "ana@example.org").await.0,
        StatusCode::OK
    );
}
