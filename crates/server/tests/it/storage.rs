use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use reqwest::StatusCode;
use serde_json::{Value, json};
use wire::{MountCredentials, MountInfo, TenantSetup};

use crate::support::{FAR_AWAY, Server};

/// Sends one signed S3 request; its status and body.
pub(crate) async fn s3(
    keys: &MountCredentials,
    method: &str,
    bucket: &str,
    object: &str,
    body: &str,
) -> (StatusCode, String) {
    let url = format!("{}/{bucket}/{object}", keys.endpoint_url);
    let identity = Credentials::new(&keys.access_key, &keys.secret_key, None, None, "test").into();
    #[expect(
        clippy::disallowed_methods,
        reason = "the store checks signatures by the real clock"
    )]
    let time = SystemTime::now();
    let mut settings = SigningSettings::default();
    settings.payload_checksum_kind = aws_sigv4::http_request::PayloadChecksumKind::XAmzSha256;
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(&keys.region)
        .name("s3")
        .time(time)
        .settings(settings)
        .build()
        .unwrap()
        .into();
    let headers = std::iter::empty();
    let signable =
        SignableRequest::new(method, &url, headers, SignableBody::Bytes(body.as_bytes())).unwrap();
    let (instructions, _) = sign(signable, &params).unwrap().into_parts();
    let mut request = http::Request::builder()
        .method(method)
        .uri(&url)
        .body(body.to_owned())
        .unwrap();
    instructions.apply_to_request_http1x(&mut request);
    let request: reqwest::Request = request.try_into().unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.execute(request).await.unwrap();
    (answer.status(), answer.text().await.unwrap())
}

pub(crate) async fn new_keys(server: &Server, token: &str) -> MountCredentials {
    let (status, body) = server
        .call(token, "POST", "/tenant/mount/credentials")
        .await;
    assert_eq!(status, StatusCode::OK, "{body}");
    serde_json::from_value(body).unwrap()
}

async fn info(server: &Server, token: &str) -> MountInfo {
    let (status, body) = server.call(token, "GET", "/tenant/mount/info").await;
    assert_eq!(status, StatusCode::OK, "{body}");
    serde_json::from_value(body).unwrap()
}

async fn list(server: &Server, token: &str) -> Vec<Value> {
    let (status, body) = server.call(token, "GET", "/tenant/mount/credentials").await;
    assert_eq!(status, StatusCode::OK, "{body}");
    body.as_array().unwrap().clone()
}

#[tokio::test]
async fn setups_at_once_give_one_tenant() {
    let server = Server::start().await;
    let token = server.sign_in("ana@example.org").await.access;
    server
        .subscribe("ana@example.org", "active", FAR_AWAY)
        .await;
    let setup = || server.call(&token, "POST", "/tenants/setup");
    let (a, b, c, d) = tokio::join!(setup(), setup(), setup(), setup());
    let setups: Vec<TenantSetup> = [a, b, c, d]
        .into_iter()
        .map(|(status, body)| {
            assert_eq!(status, StatusCode::OK, "{body}");
            serde_json::from_value(body).unwrap()
        })
        .collect();
    let first = &setups[0];
    assert!(setups.iter().all(|setup| setup == first), "{setups:?}");
    assert_eq!(first.status, "ready");
    assert_eq!(
        first.bucket_name,
        format!("basic-memory-{}", &first.tenant_id[..8])
    );
    let found = info(&server, &token).await;
    assert_eq!(
        (found.tenant_id, found.bucket_name),
        (first.tenant_id.clone(), first.bucket_name.clone())
    );
    assert!(!found.has_credentials);
    assert_eq!(found.credentials_created_at, None);
}

#[tokio::test]
async fn keys_open_the_own_bucket_and_no_other() {
    let server = Server::start().await;
    let ana = server.ready_member("ana@example.org").await;
    let ben = server.ready_member("ben@example.org").await;
    let anas = new_keys(&server, &ana).await;
    let bens = new_keys(&server, &ben).await;
    assert_ne!(anas.bucket_name, bens.bucket_name);
    assert_eq!(anas.endpoint_url, server.s3);
    assert!(!anas.secret_key.contains('%'));

    let (status, body) = s3(&anas, "PUT", &anas.bucket_name, "note.md", "hers").await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let read = s3(&anas, "GET", &anas.bucket_name, "note.md", "").await;
    assert_eq!(read, (StatusCode::OK, "hers".to_owned()));
    for (method, body) in [("GET", ""), ("PUT", "his"), ("DELETE", "")] {
        let (status, _) = s3(&bens, method, &anas.bucket_name, "note.md", body).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{method}");
    }
    let read = s3(&anas, "GET", &anas.bucket_name, "note.md", "").await;
    assert_eq!(read, (StatusCode::OK, "hers".to_owned()));
}

#[tokio::test]
async fn keys_are_listed_without_secrets_and_revoked_by_their_owner_only() {
    let server = Server::start().await;
    let ana = server.ready_member("ana@example.org").await;
    let ben = server.ready_member("ben@example.org").await;
    let first = new_keys(&server, &ana).await;
    let second = new_keys(&server, &ana).await;
    assert_ne!(first.access_key, second.access_key);
    let keys = list(&server, &ana).await;
    assert_eq!(keys.len(), 2);
    assert_eq!(keys[0]["access_key"], json!(first.access_key));
    assert_eq!(keys[0]["description"], "CLI mount credentials");
    let text = json!(keys).to_string();
    assert!(!text.contains(&first.secret_key) && !text.contains(&second.secret_key));
    let found = info(&server, &ana).await;
    assert!(found.has_credentials);
    assert_eq!(
        found.credentials_created_at.map(Value::from),
        Some(keys[1]["created_at"].clone())
    );

    let path = format!(
        "/tenant/mount/credentials/{}",
        keys[0]["id"].as_str().unwrap()
    );
    let (status, body) = server.call(&ben, "DELETE", &path).await;
    assert_eq!(
        (status, &body["error"]),
        (StatusCode::NOT_FOUND, &json!("not_found"))
    );
    assert_eq!(list(&server, &ben).await, Vec::<Value>::new());
    assert_eq!(
        s3(&first, "PUT", &first.bucket_name, "a.md", "a").await.0,
        StatusCode::OK
    );

    for _ in 0..2 {
        let (status, _) = server.call(&ana, "DELETE", &path).await;
        assert_eq!(status, StatusCode::NO_CONTENT);
    }
    assert_eq!(
        s3(&first, "GET", &first.bucket_name, "a.md", "").await.0,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        s3(&second, "GET", &first.bucket_name, "a.md", "").await.0,
        StatusCode::OK
    );
    assert_eq!(list(&server, &ana).await, keys[1..]);
}

#[tokio::test]
async fn a_restart_keeps_everything() {
    let server = Server::start().await;
    let (url, endpoint) = (server.url.clone(), server.s3.clone());
    let ana = server.ready_member("ana@example.org").await;
    let signed_in = server.sign_in("ana@example.org").await;
    let keys = new_keys(&server, &ana).await;
    let before = info(&server, &ana).await;
    assert_eq!(
        s3(&keys, "PUT", &keys.bucket_name, "a.md", "kept").await.0,
        StatusCode::OK
    );
    let (device_code, user_code) = server.begin().await;

    let server = server.restart().await;
    assert_eq!((&server.url, &server.s3), (&url, &endpoint));
    assert_eq!(info(&server, &ana).await, before);
    assert_eq!(server.refresh(&signed_in.refresh).await.0, StatusCode::OK);
    let read = s3(&keys, "GET", &keys.bucket_name, "a.md", "").await;
    assert_eq!(read, (StatusCode::OK, "kept".to_owned()));
    assert_eq!(
        server.approve(&user_code, "ana@example.org").await.0,
        StatusCode::OK
    );
    let (status, _) = server.poll(&device_code, crate::support::VERIFIER).await;
    assert_eq!(status, StatusCode::OK);
}
