use reqwest::{Response, StatusCode};
use serde_json::json;

use crate::support::Server;

async fn shape(answer: Response) -> (u16, String) {
    let status = answer.status().as_u16();
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert!(answer.headers().contains_key("x-request-id"));
    let body = answer.bytes().await.unwrap();
    let body = wire::ApiErrorBody::parse(&body).unwrap();
    assert_eq!(body.detail, Some(body.message));
    (status, body.error)
}

fn expected(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[tokio::test]
async fn every_refusal_has_the_same_shape() {
    let server = Server::start().await;
    let get = |path: &'static str| server.request("GET", path).send();
    assert_eq!(
        shape(get("/nowhere").await.unwrap()).await,
        expected(404, "not_found")
    );
    assert_eq!(
        shape(get("/tenant/mount").await.unwrap()).await,
        expected(404, "not_found")
    );

    let answer = server
        .request("PUT", "/tenant/mount/info")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.headers()["allow"], "GET,HEAD");
    assert_eq!(shape(answer).await, expected(405, "method_not_allowed"));

    let post = |body: String, kind: &'static str| {
        server
            .request("POST", "/dev/subscriptions")
            .header("content-type", kind)
            .body(body)
            .send()
    };
    let json_type = "application/json";
    let wrong_time =
        json!({ "workos_user_id": "u", "status": "active", "current_period_end": "x" });
    let no_status = json!({ "workos_user_id": "u", "current_period_end": "2030-01-01T00:00:00Z" });
    for (body, kind) in [
        ("{".to_owned(), json_type),
        (wrong_time.to_string(), json_type),
        (no_status.to_string(), json_type),
        (wrong_time.to_string(), "text/plain"),
    ] {
        let answer = post(body.clone(), kind).await.unwrap();
        assert_eq!(
            shape(answer).await,
            expected(400, "invalid_request"),
            "{body}"
        );
    }
    let answer = post("x".repeat(70_000), json_type).await.unwrap();
    assert_eq!(shape(answer).await, expected(413, "too_large"));
}

#[tokio::test]
async fn answers_are_not_kept_by_anybody_on_the_way() {
    let server = Server::start().await;
    let answer = server.request("GET", "/healthz").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
}
