//! Every secret that anybody was given is looked for in everything that is kept: database, logs at
//! their most talkative, and error bodies.

use std::path::Path;

use reqwest::{Client, Method};
use serde_json::json;
use testkit::{postgres_programs, program};

use crate::deployment::cloud::{self, Cloud, CloudOptions, deliver, subject};
use crate::deployment::{SOON, sign_in};
use crate::support::text;

/// Sends a request that is to fail; the whole answer.
async fn failure(url: &str, method: Method, token: &str, body: &str) -> String {
    let client = Client::builder().no_proxy().build().unwrap();
    let request = client.request(method, url).bearer_auth(token);
    let request = request.header("content-type", "application/json");
    let answer = request.body(body.to_owned()).send().await.unwrap();
    assert!(!answer.status().is_success(), "{url}");
    let headers = format!("{:?}", answer.headers());
    headers + &answer.text().await.unwrap()
}

async fn dump(url: &str) -> String {
    let mut dump = program(postgres_programs().join("pg_dump"))
        .args(["--inserts", url])
        .spawn();
    dump.success(SOON).await
}

/// Where a secret lies open, or in a form that gives it away.
fn leaks(secrets: &[(&str, String)], kept: &[(&str, String)]) -> Vec<String> {
    let mut found = Vec::new();
    for (name, secret) in secrets {
        assert!(secret.len() >= 16, "{name} is too short to look for");
        for (place, content) in kept {
            if content.contains(secret.as_str()) {
                let at = content.find(secret.as_str()).unwrap();
                let before: String = content[..at].chars().rev().take(120).collect();
                let before: String = before.chars().rev().collect();
                found.push(format!("{name} in {place} behind {before:?}"));
            }
        }
    }
    found
}

#[tokio::test]
async fn no_secret_is_kept_logged_or_told() {
    let mut cloud = Cloud::start(CloudOptions {
        log: "trace",
        ..CloudOptions::default()
    })
    .await;
    let email = "ana@example.org";
    let url = cloud.url.clone();
    cloud.subscribe(email).await;
    let token = sign_in(&url, async |code| {
        cloud.provider.approve(&code, &subject(email)).await;
    })
    .await;
    let web_token = cloud.web_token(email, &json!({})).await;
    let client = Client::builder().no_proxy().build().unwrap();
    let call = async |method: Method, path: &str| {
        let request = client.request(method, format!("{url}{path}"));
        let answer = request.bearer_auth(&token).send().await.unwrap();
        let status = answer.status();
        assert!(status.is_success(), "{path}: {status}");
        answer.text().await.unwrap()
    };
    testkit::wait_until(SOON, async || {
        call(Method::POST, "/tenants/setup").await.contains("ready")
    })
    .await;
    let mut secrets = vec![
        ("the device's token", token.clone()),
        ("the web's token", web_token.clone()),
        (
            "the payment provider's secret",
            cloud::POLAR_SECRET.to_owned(),
        ),
        ("the signing key", hex::encode(cloud::SIGNING_KEY)),
        ("the database's password", password(&cloud.database_url)),
    ];
    for _ in 0..2 {
        let made = call(Method::POST, "/tenant/mount/credentials").await;
        let made = serde_json::from_str(&made).unwrap();
        secrets.push(("a storage key's secret", text(&made, "secret_key")));
    }
    let listed = call(Method::GET, "/tenant/mount/credentials").await;
    let listed: Vec<serde_json::Value> = serde_json::from_str(&listed).unwrap();
    let revoked = text(&listed[0], "id");
    call(
        Method::DELETE,
        &format!("/tenant/mount/credentials/{revoked}"),
    )
    .await;

    let mut told = String::new();
    let truncated = &web_token[..web_token.len() - 4];
    for (method, path, token, body) in [
        (Method::GET, "/proxy/health", truncated, ""),
        (Method::GET, "/tenants", &token, ""),
        (Method::POST, "/tenant/changes", &token, "{\"no\":1}"),
        (Method::DELETE, "/tenant/mount/credentials/none", &token, ""),
        (Method::GET, "/proxy/%2e%2e/x", &token, ""),
        (Method::GET, "/nowhere", &token, ""),
    ] {
        told += &failure(&format!("{url}{path}"), method, token, body).await;
    }
    let odd = json!({ "type": "subscription.updated", "data": { "status": 1 } });
    deliver(url.clone(), "msg_odd".to_owned(), odd)
        .await
        .unwrap();
    cloud.kill();

    let log = cloud.log();
    assert!(
        log.contains("/tenant/mount/credentials"),
        "the log is silent"
    );
    let kept = [
        ("the database", dump(&cloud.database_url).await),
        ("the log", log),
        ("error bodies", told),
        ("the process's arguments and files", files(&cloud)),
    ];
    // The store itself has to check signatures; it is no part of what the server keeps.
    let found = leaks(&secrets, &kept);
    assert!(found.is_empty(), "{found:#?}");
    let listing = listed.iter().map(ToString::to_string).collect::<String>();
    let found = leaks(&secrets, &[("the list of keys", listing)]);
    assert!(found.is_empty(), "{found:#?}");
}

fn password(url: &str) -> String {
    let url = url::Url::parse(url).unwrap();
    url.password().unwrap().to_owned()
}

/// What lies in the state folder, apart from the buckets.
fn files(cloud: &Cloud) -> String {
    let mut all = String::new();
    let mut open = vec![cloud.folder.path().join("state")];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && path.file_name() != Some(Path::new("buckets").as_os_str()) {
                open.push(path);
            } else if path.is_file() {
                all += &String::from_utf8_lossy(&std::fs::read(path).unwrap());
            }
        }
    }
    all
}
