//! Other people's tenants over the API, as administrators see them.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use testkit::wait_until;

use crate::storage::{new_keys, s3};
use crate::support::{ADMIN, FAR_AWAY, Server, read, text};

const SOON: Duration = Duration::from_secs(60);
const ANA: &str = "ana@example.org";
const NOBODY: &str = "0190a0a0-0000-4000-8000-000000000000";

async fn create(server: &Server, token: &str, body: &Value) -> (StatusCode, Value) {
    let request = server.request("POST", "/tenants").bearer_auth(token);
    read(request.json(body).send().await.unwrap()).await
}

async fn admin(server: &Server) -> String {
    server.sign_in(ADMIN).await.access
}

#[tokio::test]
async fn an_administrator_needs_no_subscription_and_a_member_is_none() {
    let server = Server::start().await;
    let member = server.ready_member(ANA).await;
    let body = json!({ "workos_user_id": "user_1" });
    for (method, path) in [
        ("GET", "/tenants".to_owned()),
        ("GET", format!("/tenants/{NOBODY}")),
        ("DELETE", format!("/tenants/{NOBODY}")),
        ("POST", format!("/tenants/{NOBODY}/provision")),
    ] {
        let (status, answer) = server.call(&member, method, &path).await;
        assert_eq!(
            (status, &answer["error"]),
            (StatusCode::FORBIDDEN, &json!("forbidden")),
            "{method} {path}"
        );
    }
    let (status, _) = create(&server, &member, &body).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let admin = admin(&server).await;
    let (status, listed) = server.call(&admin, "GET", "/tenants").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(listed["tenants"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_tenant_made_for_somebody_is_theirs_when_they_sign_in() {
    let server = Server::start().await;
    let admin = admin(&server).await;
    let ana = server.user_id(ANA).await;
    let body = json!({ "workos_user_id": ana, "email": ANA });
    let (status, made) = create(&server, &admin, &body).await;
    assert_eq!(
        (status, &made["status"]),
        (StatusCode::CREATED, &json!("ready"))
    );
    let (status, again) = create(&server, &admin, &body).await;
    assert_eq!(
        (status, &again["tenant_id"]),
        (StatusCode::OK, &made["tenant_id"])
    );

    let token = server.sign_in(ANA).await.access;
    server.subscribe(ANA, "active", FAR_AWAY).await;
    let (_, info) = server.call(&token, "GET", "/tenant/mount/info").await;
    assert_eq!(info["tenant_id"], made["tenant_id"]);
    let (_, setup) = server.call(&token, "POST", "/tenants/setup").await;
    assert_eq!(
        (&setup["tenant_id"], &setup["status"]),
        (&made["tenant_id"], &json!("ready"))
    );
    let path = format!("/tenants/{}", text(&made, "tenant_id"));
    let (status, shown) = server.call(&admin, "GET", &path).await;
    let shown_id = &shown["tenant"]["tenant_id"];
    assert_eq!((status, shown_id), (StatusCode::OK, &made["tenant_id"]));
    assert_eq!(shown["steps"][0]["event"], "queued");

    for body in [
        json!({}),
        json!({ "workos_user_id": "" }),
        json!({ "workos_user_id": "a\u{0}b" }),
        json!({ "workos_user_id": "user_2", "email": "nobody" }),
    ] {
        let (status, answer) = create(&server, &admin, &body).await;
        assert_eq!(
            (status, &answer["error"]),
            (StatusCode::BAD_REQUEST, &json!("invalid_request")),
            "{body}"
        );
    }
}

#[tokio::test]
async fn tenants_are_listed_in_pages() {
    let server = Server::start().await;
    let admin = admin(&server).await;
    for number in 0..5 {
        let body = json!({ "workos_user_id": format!("user_{number}") });
        assert_eq!(create(&server, &admin, &body).await.0, StatusCode::CREATED);
    }
    let mut seen = Vec::new();
    let mut after = String::new();
    loop {
        let path = format!("/tenants?limit=2{after}");
        let (status, page) = server.call(&admin, "GET", &path).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        let tenants = page["tenants"].as_array().unwrap();
        seen.extend(tenants.iter().map(|tenant| text(tenant, "tenant_id")));
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 5);
    assert!(seen.is_sorted_by(|a, b| a < b));
    for query in ["limit=0", "limit=201", "limit=x", "after=x", "after=%00"] {
        let path = format!("/tenants?{query}");
        let (status, _) = server.call(&admin, "GET", &path).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{query}");
    }
}

#[tokio::test]
async fn a_deleted_tenant_loses_everything_at_once_and_its_owner_may_begin_anew() {
    let server = Server::start().await;
    let admin = admin(&server).await;
    let token = server.ready_member(ANA).await;
    let keys = new_keys(&server, &token).await;
    let put = s3(&keys, "PUT", &keys.bucket_name, "note.md", "hers").await;
    assert_eq!(put.0, StatusCode::OK);
    let path = format!("/tenants/{}", keys.tenant_id);

    let (status, deleted) = server.call(&admin, "DELETE", &path).await;
    assert_eq!(
        (status, &deleted["status"]),
        (StatusCode::ACCEPTED, &json!("deleting"))
    );
    let (status, body) = server.call(&token, "GET", "/tenant/mount/info").await;
    assert_eq!(
        (status, &body["error"]),
        (StatusCode::FORBIDDEN, &json!("no_tenant"))
    );
    wait_until(SOON, async || {
        let read = s3(&keys, "GET", &keys.bucket_name, "note.md", "").await;
        read.0 == StatusCode::FORBIDDEN
    })
    .await;
    let (status, again) = server.call(&admin, "DELETE", &path).await;
    assert_eq!(
        (status, &again["purge_at"]),
        (StatusCode::ACCEPTED, &deleted["purge_at"])
    );
    let (status, refused) = server
        .call(&admin, "POST", &format!("{path}/provision"))
        .await;
    assert_eq!(
        (status, &refused["error"]),
        (StatusCode::CONFLICT, &json!("conflict"))
    );

    let (status, anew) = server.call(&token, "POST", "/tenants/setup").await;
    assert_eq!((status, &anew["status"]), (StatusCode::OK, &json!("ready")));
    assert_ne!(anew["bucket_name"], json!(keys.bucket_name));
    let others = new_keys(&server, &token).await;
    let put = s3(&others, "PUT", &others.bucket_name, "note.md", "new").await;
    assert_eq!(put.0, StatusCode::OK);

    for path in [format!("/tenants/{NOBODY}"), "/tenants/%00".to_owned()] {
        for method in ["GET", "DELETE"] {
            let (status, _) = server.call(&admin, method, &path).await;
            assert_eq!(status, StatusCode::NOT_FOUND, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn provisioning_again_leaves_a_tenant_at_work() {
    let server = Server::start().await;
    let admin = admin(&server).await;
    let token = server.ready_member(ANA).await;
    let (_, info) = server.call(&token, "GET", "/tenant/mount/info").await;
    let path = format!("/tenants/{}", text(&info, "tenant_id"));
    let (status, again) = server
        .call(&admin, "POST", &format!("{path}/provision"))
        .await;
    assert_eq!(
        (status, &again["status"]),
        (StatusCode::ACCEPTED, &json!("ready"))
    );
    wait_until(SOON, async || {
        let (_, shown) = server.call(&admin, "GET", &path).await;
        shown["tenant"]["work"]["status"] == "done"
    })
    .await;
    assert_eq!(
        server.call(&token, "GET", "/tenant/mount/info").await.1,
        info
    );
}
