use std::time::Duration;

use reqwest::StatusCode;
use serde_json::json;
use server::{Policy, Route, route_table};

use crate::support::{FAR_AWAY, Server};

const REFUSAL: &str = r#"{"error":"subscription_required","message":"Active subscription required for CLI access","subscribe_url":"https://basicmemory.com/subscribe"}"#;
const ANA: &str = "ana@example.org";

fn path(route: &Route) -> String {
    route
        .path
        .replace("{*file}", "index.html")
        .replace("{id}", "0190a0a0-0000-7000-8000-000000000000")
        .replace("{*path}", "main/health")
        .replace("{project}", "main")
        .replace("{token}", "0")
}

fn routes_for(wanted: &[Policy]) -> Vec<Route> {
    let routes: Vec<Route> = route_table()
        .into_iter()
        .filter(|route| wanted.contains(&route.policy))
        .collect();
    assert!(!routes.is_empty());
    routes
}

async fn refused_for_subscription(server: &Server, token: &str, case: &str) {
    for route in routes_for(&[Policy::ActiveMember]) {
        let request = server
            .request(route.method.as_str(), &path(&route))
            .bearer_auth(token);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{case}: {route:?}");
        assert_eq!(answer.headers()["content-type"], "application/json");
        assert_eq!(answer.text().await.unwrap(), REFUSAL, "{case}: {route:?}");
    }
}

#[test]
fn the_contract_is_in_the_route_table_with_its_policies() {
    let table = route_table();
    for (method, path, policy) in [
        ("GET", "/.well-known/basic-memory-cloud", Policy::Public),
        ("GET", "/healthz", Policy::Public),
        ("GET", "/proxy/health", Policy::ActiveMember),
        ("GET", "/proxy/{*path}", Policy::ActiveMember),
        ("POST", "/proxy/{*path}", Policy::ActiveMember),
        ("PUT", "/proxy/{*path}", Policy::ActiveMember),
        ("PATCH", "/proxy/{*path}", Policy::ActiveMember),
        ("DELETE", "/proxy/{*path}", Policy::ActiveMember),
        ("OPTIONS", "/proxy/{*path}", Policy::ActiveMember),
        ("QUERY", "/proxy/{*path}", Policy::ActiveMember),
        ("GET", "/tenant/mount/info", Policy::ActiveMember),
        ("POST", "/tenant/mount/credentials", Policy::ActiveMember),
        ("GET", "/tenant/mount/credentials", Policy::ActiveMember),
        (
            "DELETE",
            "/tenant/mount/credentials/{id}",
            Policy::ActiveMember,
        ),
        ("POST", "/tenants/setup", Policy::ActiveMember),
        ("POST", "/tenants", Policy::Admin),
        ("GET", "/tenants", Policy::Admin),
        ("GET", "/tenants/{id}", Policy::Admin),
        ("DELETE", "/tenants/{id}", Policy::Admin),
        ("POST", "/tenants/{id}/provision", Policy::Admin),
        ("POST", "/tenant/changes", Policy::ActiveMember),
        ("GET", "/tenant/events", Policy::ActiveMember),
        (
            "POST",
            "/webhooks/tigris/{tenant_id}",
            Policy::TenantWebhook,
        ),
        ("GET", "/subscription", Policy::Member),
        ("POST", "/dev/subscriptions", Policy::Development),
    ] {
        let found = table
            .iter()
            .find(|r| r.method.as_str() == method && r.path == path);
        assert_eq!(
            found.map(|route| route.policy),
            Some(policy),
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn no_protected_route_answers_without_a_good_token() {
    let server = Server::start().await;
    let elsewhere = Server::start().await;
    let expired = server.sign_in(ANA).await.access;
    server.put_clock_forward(Duration::from_secs(3601));
    let good = server.ready_member(ANA).await;
    let foreign = elsewhere.ready_member(ANA).await;
    let (signed_part, _) = good.rsplit_once('.').unwrap();
    let cases = [
        ("none", None),
        ("garbage", Some("garbage".to_owned())),
        ("unsigned", Some(format!("{signed_part}."))),
        ("expired", Some(expired)),
        ("another issuer's", Some(foreign)),
    ];
    for route in routes_for(&[Policy::Member, Policy::ActiveMember, Policy::Admin]) {
        for (case, token) in &cases {
            let mut request = server.request(route.method.as_str(), &path(&route));
            if let Some(token) = token {
                request = request.bearer_auth(token);
            }
            let answer = request.send().await.unwrap();
            assert_eq!(
                answer.status(),
                StatusCode::UNAUTHORIZED,
                "{case}: {route:?}"
            );
            let challenge = answer.headers()["www-authenticate"].to_str().unwrap();
            assert!(challenge.starts_with("Bearer"), "{challenge}");
            let text = "Invalid JWT token. Authentication required.";
            let body = json!({ "error": "unauthenticated", "message": text, "detail": text });
            assert_eq!(answer.json::<serde_json::Value>().await.unwrap(), body);
        }
    }
}

#[tokio::test]
async fn routes_for_anybody_need_no_token() {
    let server = Server::start().await;
    for route in routes_for(&[Policy::Public, Policy::Development]) {
        let answer = server
            .request(route.method.as_str(), &path(&route))
            .send()
            .await
            .unwrap();
        let status = answer.status();
        assert!(
            status != StatusCode::UNAUTHORIZED && !status.is_server_error(),
            "{route:?}"
        );
        assert!(status != StatusCode::NOT_FOUND, "{route:?}");
    }
}

#[tokio::test]
async fn without_a_subscription_every_protected_route_says_where_to_get_one() {
    let server = Server::start().await;
    let token = server.sign_in(ANA).await.access;
    refused_for_subscription(&server, &token, "never had one").await;
    let (status, body) = server.call(&token, "GET", "/subscription").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        (&body["current"], &body["status"]),
        (&json!(false), &json!("none"))
    );
    assert_eq!(body["subscribe_url"], "https://basicmemory.com/subscribe");
}

#[tokio::test]
async fn access_follows_the_subscription_at_once_with_the_same_token() {
    let server = Server::start().await;
    let token = server.ready_member(ANA).await;
    for (status, end) in [
        ("active", "2001-01-01T00:00:00Z"),
        ("cancelled", FAR_AWAY),
        ("past_due", FAR_AWAY),
        ("trialing", FAR_AWAY),
    ] {
        server.subscribe(ANA, status, end).await;
        refused_for_subscription(&server, &token, status).await;
        let (_, body) = server.call(&token, "GET", "/subscription").await;
        assert_eq!(
            (&body["current"], &body["status"]),
            (&json!(false), &json!(status))
        );

        server.subscribe(ANA, "active", FAR_AWAY).await;
        let (_, body) = server.call(&token, "GET", "/subscription").await;
        assert_eq!(body["current"], true);
        assert_eq!(body["current_period_end"], FAR_AWAY);
        for route in routes_for(&[Policy::ActiveMember]) {
            let request = server.request(route.method.as_str(), &path(&route));
            // Only the head: the body of the change stream has no end.
            let answer = request.bearer_auth(&token).send().await.unwrap();
            let (method, webdav) = (route.method.as_str(), route.path.contains("/webdav/"));
            let expected = match route.path {
                // Nobody wrote a note.
                _ if webdav && method == "OPTIONS" => 204,
                path if path.ends_with("{project}") || path.ends_with("{project}/") => {
                    if method == "PROPFIND" { 207 } else { 404 }
                }
                _ if webdav && method == "PUT" => 204,
                _ if webdav && method == "DELETE" => 204,
                _ if webdav => 404,
                path if path.starts_with("/api/shares") => 404,
                // They take a body.
                "/api/keys" | "/api/bucket-snapshots" if method == "POST" => 400,
                path if path.ends_with("/browse") => 404,
                path if path.ends_with("/restore") => 400,
                path if path.ends_with("{id}") => 404,
                // Nobody made an instance.
                "/proxy/" | "/proxy/{*path}" => 503,
                // Nothing is reported.
                "/tenant/changes" => 400,
                _ => 200,
            };
            assert_eq!(answer.status().as_u16(), expected, "{route:?}");
        }
    }
}

#[tokio::test]
async fn a_period_ends_by_the_clock_alone() {
    let server = Server::start().await;
    let token = server.sign_in(ANA).await.access;
    server.subscribe(ANA, "active", FAR_AWAY).await;
    let (_, health) = server.call(&token, "GET", "/proxy/health").await;
    let health: wire::Health = serde_json::from_value(health).unwrap();
    assert_eq!(health.version, env!("CARGO_PKG_VERSION"));
    server.subscribe(ANA, "active", &health.timestamp).await;
    assert_eq!(
        server.call(&token, "GET", "/proxy/health").await.0,
        StatusCode::OK
    );
    server.put_clock_forward(Duration::from_millis(1));
    refused_for_subscription(&server, &token, "the period ended a moment ago").await;
}
