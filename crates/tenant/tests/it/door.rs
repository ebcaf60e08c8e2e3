//! An instance without a bucket: who may come in.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::{Client, Method, StatusCode};
use tenant::RequestKey;
use testkit::{Child, Program, program, wait_until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wire::{SignedHeaders, canonical_message};

const TENANT: &str = "434252dd-d83b-4b20-bf70-8a950ff875c4";
const SOON: Duration = Duration::from_secs(20);

fn key_digits() -> String {
    "5a".repeat(32)
}

fn key_file(folder: &Path, mode: u32) -> PathBuf {
    let path = folder.join("keys");
    fs::write(&path, format!("k1 {}\n", key_digits())).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    path
}

fn bm_tenant(keys: &Path) -> Program {
    program(env!("CARGO_BIN_EXE_bm-tenant"))
        .env("BM_TENANT_KEY_FILE", keys)
        .args(["--tenant", TENANT])
}

struct Running {
    url: String,
    child: Child,
    _folder: tempfile::TempDir,
}

async fn running() -> Running {
    let folder = tempfile::tempdir().unwrap();
    let mut child = bm_tenant(&key_file(folder.path(), 0o600)).spawn();
    let ready = child.json_line(SOON).await;
    let url = ready["url"].as_str().unwrap().to_owned();
    Running {
        url,
        child,
        _folder: folder,
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the instance runs by the real clock"
)]
fn now() -> String {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
        .to_string()
}

/// What the proxy adds to a POST whose body it does not sign.
fn signature(path: &str, nonce: &str) -> [(&'static str, String); 7] {
    let timestamp = now();
    let key = RequestKey::from_hex(&key_digits()).unwrap();
    let unsigned = SignedHeaders::UNSIGNED_BODY;
    let message = canonical_message(TENANT, &timestamp, "POST", path, unsigned, nonce, "user_1");
    [
        (SignedHeaders::TENANT, TENANT.to_owned()),
        (SignedHeaders::TIMESTAMP, timestamp),
        (SignedHeaders::BODY_SHA256, unsigned.to_owned()),
        (SignedHeaders::NONCE, nonce.to_owned()),
        (SignedHeaders::USER, "user_1".to_owned()),
        (SignedHeaders::KEY_ID, "k1".to_owned()),
        (SignedHeaders::SIGNATURE, key.sign(&message)),
    ]
}

async fn signed(instance: &Running, path: &str, nonce: &str) -> StatusCode {
    let mut request = Client::new().request(Method::POST, format!("{}{path}", instance.url));
    for (name, value) in signature(path, nonce) {
        request = request.header(name, value);
    }
    request.send().await.unwrap().status()
}

#[tokio::test]
async fn tells_anybody_that_it_is_up() {
    let instance = running().await;
    let answer = reqwest::get(format!("{}/health", instance.url))
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
}

#[tokio::test]
async fn turns_strangers_away_whatever_they_ask() {
    let instance = running().await;
    for path in ["/", "/sync", "/projects/projects"] {
        let answer = Client::new()
            .post(format!("{}{path}", instance.url))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{path}");
        let body = answer.bytes().await.unwrap();
        assert_eq!(wire::ApiErrorBody::parse(&body).unwrap().error, "forbidden");
    }
}

#[tokio::test]
async fn lets_a_signed_request_through_once() {
    let instance = running().await;
    assert_eq!(
        signed(&instance, "/nothing?x=1", "n-1").await,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        signed(&instance, "/nothing?x=1", "n-1").await,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        signed(&instance, "/nothing?x=1", "n-2").await,
        StatusCode::NOT_FOUND
    );
    assert!(!instance.child.stderr().contains(&key_digits()));
}

#[tokio::test]
async fn refuses_a_key_file_that_others_can_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = bm_tenant(&key_file(folder.path(), 0o644)).spawn();
    assert!(!child.exit(SOON).await.success());
    assert!(child.stderr().contains("0600"), "{}", child.stderr());
}

#[tokio::test]
async fn refuses_to_listen_beyond_loopback() {
    let folder = tempfile::tempdir().unwrap();
    let keys = key_file(folder.path(), 0o600);
    let mut child = bm_tenant(&keys).args(["--listen", "0.0.0.0:0"]).spawn();
    assert!(!child.exit(SOON).await.success());
    assert!(
        child.stderr().contains("not a loopback address"),
        "{}",
        child.stderr()
    );
}

#[tokio::test]
async fn ends_when_asked() {
    let mut instance = running().await;
    instance.child.terminate();
    assert!(instance.child.exit(SOON).await.success());
}

#[tokio::test]
async fn a_request_under_way_is_answered_before_the_end() {
    const BODY: &str = "{\"changes\":[],\"full\":true}";
    let mut instance = running().await;
    let address = instance.url.strip_prefix("http://").unwrap().to_owned();
    let mut slow = TcpStream::connect(&address).await.unwrap();
    let mut head = format!("POST /sync HTTP/1.1\r\nhost: {address}\r\n");
    for (name, value) in signature("/sync", "n-1") {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let length = BODY.len();
    head.push_str(&format!(
        "content-length: {length}\r\nexpect: 100-continue\r\n\r\n"
    ));
    slow.write_all(head.as_bytes()).await.unwrap();
    // It asks for the body: the request was let in and is under way.
    let mut asked = [0; 25];
    slow.read_exact(&mut asked).await.unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");

    instance.child.terminate();
    wait_until(SOON, async || TcpStream::connect(&address).await.is_err()).await;
    slow.write_all(BODY.as_bytes()).await.unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    assert!(instance.child.exit(SOON).await.success());
}
