use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{ANA, BEN};
use crate::support::{ADMIN, FAR_AWAY, Server, read, text};

async fn create(server: &Server, token: &str, name: &str) -> (StatusCode, Value) {
    let request = server.request("POST", "/api/keys").bearer_auth(token);
    read(request.json(&json!({ "name": name })).send().await.unwrap()).await
}

async fn key(server: &Server, token: &str, name: &str) -> (String, String) {
    let (status, body) = create(server, token, name).await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
    (text(&body, "id"), text(&body, "key"))
}

#[tokio::test]
async fn a_key_does_what_its_owner_may_and_no_more() {
    let server = Server::start().await;
    let token = server.ready_member(ANA).await;
    let (id, key) = key(&server, &token, " laptop ").await;
    assert!(key.starts_with("bmc_") && !key.contains('%'), "{key}");
    for (method, path, status) in [
        ("GET", "/proxy/health", 200),
        ("GET", "/tenant/mount/info", 200),
        ("POST", "/tenant/mount/credentials", 200),
        ("GET", "/workspaces/", 200),
        ("GET", "/subscription", 200),
        ("PROPFIND", "/webdav/main", 207),
        ("GET", "/proxy/v2/projects/", 503),
        // Nothing that would outlive the key, and nothing of an administrator.
        ("DELETE", &format!("/api/keys/{id}"), 403),
        ("GET", "/tenants", 401),
    ] {
        let (found, body) = server.call(&key, method, path).await;
        assert_eq!(found.as_u16(), status, "{method} {path}: {body}");
    }
    let (status, body) = create(&server, &key, "another").await;
    assert_eq!(
        (status, &body["error"]),
        (StatusCode::FORBIDDEN, &json!("forbidden"))
    );

    server.subscribe(ANA, "past_due", FAR_AWAY).await;
    let (status, body) = server.call(&key, "GET", "/proxy/health").await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(body["error"], "subscription_required");
    assert!(body.get("detail").is_none(), "{body}");
    server.subscribe(ANA, "active", FAR_AWAY).await;
    let (status, _) = server.call(&key, "GET", "/proxy/health").await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn an_administrators_key_is_no_administrator() {
    let server = Server::start().await;
    let token = server.ready_member(ADMIN).await;
    let (_, key) = key(&server, &token, "tool").await;
    let (status, _) = server.call(&token, "GET", "/tenants").await;
    assert_eq!(status, StatusCode::OK);
    let (status, _) = server.call(&key, "GET", "/tenants").await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn keys_are_listed_without_what_makes_them_keys_and_revoked_by_their_owner() {
    let server = Server::start().await;
    let (ana, ben) = (
        server.ready_member(ANA).await,
        server.ready_member(BEN).await,
    );
    let (id, key) = key(&server, &ana, "laptop").await;
    let (_, listed) = server.call(&ana, "GET", "/api/keys").await;
    assert_eq!(listed["keys"][0]["name"], "laptop");
    assert_eq!(listed["keys"][0]["last_used_at"], Value::Null);
    assert!(!listed.to_string().contains("bmc_"), "{listed}");
    assert_eq!(server.call(&key, "GET", "/proxy/health").await.0, 200);
    let (_, listed) = server.call(&ana, "GET", "/api/keys").await;
    assert!(listed["keys"][0]["last_used_at"].is_string(), "{listed}");

    let path = format!("/api/keys/{id}");
    assert_eq!(server.call(&ben, "DELETE", &path).await.0, 404);
    assert_eq!(
        server.call(&ben, "GET", "/api/keys").await.1,
        json!({ "keys": [] })
    );
    assert_eq!(server.call(&key, "GET", "/proxy/health").await.0, 200);
    // Also without a subscription: nobody has to pay to close a door.
    server.subscribe(ANA, "canceled", FAR_AWAY).await;
    for _ in 0..2 {
        assert_eq!(server.call(&ana, "DELETE", &path).await.0, 204);
    }
    server.subscribe(ANA, "active", FAR_AWAY).await;
    for (method, path) in [("GET", "/proxy/health"), ("GET", "/workspaces/")] {
        assert_eq!(server.call(&key, method, path).await.0, 401, "{path}");
    }
    for wrong in [
        "bmc_",
        "bmc_x",
        &format!("{key}x"),
        &key.replace("bmc_", "bmx_"),
    ] {
        assert_eq!(server.call(wrong, "GET", "/proxy/health").await.0, 401);
    }
    let database = std::fs::read(server.folder.path().join("server.db")).unwrap();
    let secret = key.as_bytes();
    assert!(!database.windows(secret.len()).any(|part| part == secret));
}

#[tokio::test]
async fn only_so_many_keys_are_made_in_an_hour() {
    let server = Server::start().await;
    let token = server.ready_member(ANA).await;
    for number in 0..10 {
        key(&server, &token, &format!("program {number}")).await;
    }
    let (status, body) = create(&server, &token, "one more").await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS, "{body}");
    for name in ["", "a\nb", &"x".repeat(65)] {
        assert_eq!(create(&server, &token, name).await.0, 400, "{name:?}");
    }
}
