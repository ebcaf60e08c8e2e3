//! A configured server as operators meet it: a process with a configuration, probes and signals.

use std::path::Path;
use std::time::Duration;

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::{Child, program};

use crate::support::read;

const SOON: Duration = Duration::from_secs(20);

/// A configuration that is complete, with everything on this machine.
const EMBEDDED: &str = r#"
mode = "development"
public_url = "http://localhost"
[listen]
address = "127.0.0.1:0"
hosts = ["127.0.0.1"]
[storage]
address = "127.0.0.1:0"
endpoint_url = "http://127.0.0.1:9000"
[sign_in]
issuer = "http://127.0.0.1:1"
client_id = "client_1"
device_authorization_endpoint = "http://127.0.0.1:1/device"
token_endpoint = "http://127.0.0.1:1/token"
[[sign_in.issuers]]
kind = "connect"
names = ["http://127.0.0.1:1"]
keys_url = "http://127.0.0.1:1/jwks"
audiences = ["client_1"]
[metrics]
address = "127.0.0.1:0"
"#;

/// A running server, where it is, and its folder.
struct Running {
    child: Child,
    url: String,
    metrics: String,
    _folder: TempDir,
}

fn start(folder: &Path, extra: &[(&str, &str)]) -> Child {
    configured(folder, &["serve", "--config"], extra)
}

fn configured(folder: &Path, arguments: &[&str], extra: &[(&str, &str)]) -> Child {
    let file = folder.join("bm-server.toml");
    std::fs::write(&file, EMBEDDED).unwrap();
    let mut program = program(env!("CARGO_BIN_EXE_bm-server"))
        .args(arguments)
        .arg(&file)
        .env("BM_SERVER__STATE__FOLDER", folder.join("state"));
    for (name, value) in extra {
        program = program.env(name, value);
    }
    program.spawn()
}

async fn serve(extra: &[(&str, &str)]) -> Running {
    let folder = tempfile::tempdir().unwrap();
    let mut child = start(folder.path(), extra);
    let ready = child.json_line(SOON).await;
    let at = |name: &str| format!("http://{}", ready[name].as_str().unwrap());
    Running {
        child,
        url: at("address"),
        metrics: format!("{}/metrics", at("metrics_address")),
        _folder: folder,
    }
}

async fn get(url: &str) -> (StatusCode, Value) {
    let client = Client::builder().no_proxy().build().unwrap();
    read(client.get(url).send().await.unwrap()).await
}

async fn text(url: &str) -> String {
    let client = Client::builder().no_proxy().build().unwrap();
    client.get(url).send().await.unwrap().text().await.unwrap()
}

#[tokio::test]
async fn the_check_and_the_start_warn_that_every_product_opens_an_account() {
    let secret = (
        "BM_SERVER__POLAR__WEBHOOK_SECRET",
        "polar_whs_1234567890abcdef",
    );
    let product = "c3f9a1de-0a67-4a0e-9a52-2f3c4a5b6c7d";
    let warning = "polar.products is empty, so every active subscription of the Polar organization";
    for (extra, warned) in [
        (vec![secret], true),
        (vec![secret, ("BM_SERVER__POLAR__PRODUCTS", product)], false),
        (vec![], false),
    ] {
        let mut server = serve(&extra).await;
        server.child.terminate();
        assert!(server.child.exit(SOON).await.success());
        let said = server.child.stderr();
        assert_eq!(said.contains(warning), warned, "{said}");

        let folder = tempfile::tempdir().unwrap();
        let mut check = configured(folder.path(), &["config", "check", "--config"], &extra);
        assert!(check.exit(SOON).await.success());
        let said = check.stdout();
        assert!(
            said.starts_with("The configuration has no problem."),
            "{said}"
        );
        let warning = "\nwarning: polar.products: is empty";
        assert_eq!(said.contains(warning), warned, "{said}");
    }
}

#[tokio::test]
async fn a_configured_server_serves_counts_and_stops_when_told() {
    let mut server = serve(&[]).await;
    let (status, _) = get(&format!("{}/healthz", server.url)).await;
    assert_eq!(status, StatusCode::OK);
    let (status, body) = get(&format!("{}/proxy/health", server.url)).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED, "{body}");
    let (status, _) = get(&format!("{}/idp/dev/user?email=a@b.c", server.url)).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "no built-in sign-in here");
    let (_, about) = get(&format!("{}/.well-known/basic-memory-cloud", server.url)).await;
    assert_eq!(about["client_id"], "client_1");

    let page = text(&server.metrics).await;
    for line in [
        r#"bm_http_requests_total{method="GET",route="/proxy/health",status="401"} 1"#,
        r#"bm_http_refusals_total{code="unauthenticated"} 1"#,
        r#"bm_http_request_duration_seconds_bucket{route="/healthz",le="10"} 1"#,
    ] {
        assert!(page.contains(line), "{line}\nin\n{page}");
    }
    testkit::wait_until(SOON, async || {
        text(&server.metrics)
            .await
            .contains("bm_database_reachable 1")
    })
    .await;
    let client = Client::builder().no_proxy().build().unwrap();
    let elsewhere = client.get(format!("{}/healthz/metrics", server.url));
    assert_eq!(
        elsewhere.send().await.unwrap().status(),
        StatusCode::NOT_FOUND
    );

    server.child.terminate();
    assert!(server.child.exit(SOON).await.success());
    let log = server.child.stderr();
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}")))
        .collect();
    let answered = lines
        .iter()
        .find(|line| line["message"] == "answered" && line["status"] == 401)
        .unwrap_or_else(|| panic!("no line about the refusal in\n{log}"));
    assert_eq!(answered["code"], "unauthenticated");
    assert_eq!(answered["span"]["path"], "/proxy/health");
    assert!(answered["span"]["request.id"].is_string());
}

#[tokio::test]
async fn replicas_on_one_postgresql_are_ready_until_it_is_gone() {
    let database = testkit::postgres().await;
    let extra = [
        ("BM_SERVER__DATABASE__KIND", "postgres"),
        ("BM_SERVER__DATABASE__URL", database.url.as_str()),
    ];
    let (one, two) = tokio::join!(serve(&extra), serve(&extra));
    for server in [&one, &two] {
        let (status, body) = get(&format!("{}/readyz", server.url)).await;
        assert_eq!(body["database"], "ok", "{status}");
    }
}

#[tokio::test]
async fn a_server_that_drains_says_so_while_it_still_answers() {
    let extra = [("BM_SERVER__LISTEN__DRAIN_DELAY_S", "300")];
    let mut server = serve(&extra).await;
    let ready = format!("{}/readyz", server.url);
    server.child.terminate();
    testkit::wait_until(SOON, async || {
        let (status, body) = get(&ready).await;
        status == StatusCode::SERVICE_UNAVAILABLE && body["status"] == "draining"
    })
    .await;
    let (status, _) = get(&format!("{}/healthz", server.url)).await;
    assert_eq!(status, StatusCode::OK);
    // A second signal ends the waiting.
    server.child.terminate();
    assert!(server.child.exit(SOON).await.success());
}

#[tokio::test]
async fn requests_for_other_names_are_refused() {
    let server = serve(&[]).await;
    let client = Client::builder().no_proxy().build().unwrap();
    let ask = |path: &str, host: &'static str| {
        let request = client
            .get(format!("{}{path}", server.url))
            .header("host", host);
        async { read(request.send().await.unwrap()).await }
    };
    let about = "/.well-known/basic-memory-cloud";
    assert_eq!(ask(about, "localhost").await.0, StatusCode::OK);
    let (status, body) = ask(about, "evil.example").await;
    assert_eq!(
        (status, &body["error"]),
        (StatusCode::BAD_REQUEST, &json!("invalid_request"))
    );
    assert_eq!(
        ask("/healthz", "10.1.2.3").await.0,
        StatusCode::OK,
        "probes"
    );
}

#[tokio::test]
async fn one_kind_of_deployment_never_opens_the_others_state() {
    let folder = tempfile::tempdir().unwrap();
    let mut served = start(folder.path(), &[]);
    served.json_line(SOON).await;
    served.terminate();
    assert!(served.exit(SOON).await.success());
    let state = folder.path().join("state");
    let mut dev = program(env!("CARGO_BIN_EXE_bm-server"))
        .args(["dev", "--port", "0", "--state"])
        .arg(&state)
        .spawn();
    assert!(!dev.exit(SOON).await.success());
    assert!(
        dev.stderr().contains("belongs to `bm-server serve`"),
        "{}",
        dev.stderr()
    );

    let other = tempfile::tempdir().unwrap();
    let state = other.path().join("state");
    let mut dev = program(env!("CARGO_BIN_EXE_bm-server"))
        .args(["dev", "--port", "0", "--state"])
        .arg(&state)
        .spawn();
    dev.json_line(SOON).await;
    dev.terminate();
    assert!(dev.exit(SOON).await.success());
    std::fs::remove_file(state.join("deployment")).unwrap();
    let mut served = start(other.path(), &[]);
    assert!(!served.exit(SOON).await.success());
    assert!(
        served.stderr().contains("belongs to `bm-server dev`"),
        "{}",
        served.stderr()
    );
}
