//! The real instance judges the signature.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::Value;
use testkit::{Child, bin, program, wait_until};

use super::{ANA, SOON, place_instance, tenant_of};
use crate::support::{Server, read, text};

/// The key that the proxy's master key gives this tenant, derived by other means than ours.
fn key_of(server: &Server, tenant: &str) -> String {
    let master = std::fs::read(server.folder.path().join("keys/instance.secret")).unwrap();
    let info = format!("bm-tenant v2\0{tenant}\0dev-1");
    let salt = aws_lc_rs::hkdf::Salt::new(aws_lc_rs::hkdf::HKDF_SHA256, &[]);
    let mut key = [0; 32];
    salt.extract(&master)
        .expand(&[info.as_bytes()], aws_lc_rs::hkdf::HKDF_SHA256)
        .unwrap()
        .fill(&mut key)
        .unwrap();
    hex::encode(key)
}

/// Starts `bm-tenant` for this tenant with this key; the process and its address.
async fn start_instance(server: &Server, tenant: &str, key: &str) -> (Child, String) {
    use std::os::unix::fs::PermissionsExt;
    let file = server.folder.path().join(format!("{}.keys", &key[..8]));
    std::fs::write(&file, format!("dev-1 {key}\n")).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let mut child = program(bin("bm-tenant"))
        .args(["--tenant", tenant, "--key-file"])
        .arg(&file)
        .spawn();
    let ready: Value = child.json_line(SOON).await;
    let address = text(&ready, "url").replace("http://", "");
    (child, address)
}

#[tokio::test]
async fn an_instance_believes_what_the_proxy_signed_for_it_and_nobody_else() {
    let server = Server::start().await;
    let token = server.ready_member(ANA).await;
    let tenant = tenant_of(&server, &token).await;
    let key = key_of(&server, &tenant);
    let (child, address) = start_instance(&server, &tenant, &key).await;
    place_instance(server.folder.path(), &tenant, &address, "ready").await;

    // An instance without an API answers 404 to all that it believes.
    let long = "x".repeat(60_000);
    for (method, path, body) in [
        ("GET", "/proxy/main/project/item", ""),
        ("GET", "/proxy/?a=%2f&b=c+d", ""),
        ("HEAD", "/proxy/a", ""),
        ("POST", "/proxy/knowledge?full=1", "{\"a\":1}"),
        ("QUERY", "/proxy/v2/search/", "{}"),
        ("PUT", "/proxy/main/%C3%A4.md", &long),
        ("DELETE", "/proxy/a", ""),
    ] {
        let request = server.request(method, path).bearer_auth(&token);
        let answer = request.body(body.to_owned()).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{method} {path}");
    }
    let pieces = ["a", "b", "c"].map(Ok::<_, std::io::Error>);
    let stream = reqwest::Body::wrap_stream(futures::stream::iter(pieces));
    let request = server.request("PUT", "/proxy/streamed").bearer_auth(&token);
    let status = request.body(stream).send().await.unwrap().status();
    // It answers and closes without a look at the body, which can cost the answer.
    assert!(
        status == StatusCode::NOT_FOUND || status == StatusCode::BAD_GATEWAY,
        "{status}"
    );
    // Nor is it told at once that this way is closed.
    wait_until(SOON, async || {
        server.call(&token, "GET", "/proxy/a").await.0 == StatusCode::NOT_FOUND
    })
    .await;
    assert!(!child.stderr().contains("refused"), "{}", child.stderr());

    let direct = server.http.get(format!("http://{address}/a"));
    let (status, _) = read(direct.send().await.unwrap()).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn an_instance_of_another_tenant_refuses_what_was_not_signed_for_it() {
    let server = Server::start().await;
    let token = server.ready_member(ANA).await;
    let tenant = tenant_of(&server, &token).await;
    let other = "434252dd-d83b-4b20-bf70-8a950ff875c4";
    let (_by_name, by_name) = start_instance(&server, other, &key_of(&server, &tenant)).await;
    let (_by_key, by_key) = start_instance(&server, &tenant, &key_of(&server, other)).await;
    for address in [by_name, by_key] {
        place_instance(server.folder.path(), &tenant, &address, "ready").await;
        let (status, body) = server.call(&token, "GET", "/proxy/a").await;
        assert_eq!(status, StatusCode::FORBIDDEN);
        assert_eq!(
            body["message"],
            "This instance answers its own server only."
        );
    }
}

#[tokio::test]
async fn a_signature_is_worth_nothing_a_minute_later() {
    let server = Server::start().await;
    let token = server.ready_member(ANA).await;
    let tenant = tenant_of(&server, &token).await;
    let key = key_of(&server, &tenant);
    let (_child, address) = start_instance(&server, &tenant, &key).await;
    place_instance(server.folder.path(), &tenant, &address, "ready").await;
    server.put_clock_forward(Duration::from_secs(600));
    let (status, _) = server.call(&token, "GET", "/proxy/a").await;
    assert_eq!(status, StatusCode::FORBIDDEN);
}
