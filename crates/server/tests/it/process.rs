use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use reqwest::{Client, StatusCode};
use serde_json::Value;
use server::{DevServer, FolderError, ServerError};
use testkit::{Child, program};

use crate::support::{CLIENT, DEVICE_GRANT, FAR_AWAY, Server, config, read, text};

const SOON: Duration = Duration::from_secs(20);

fn bm_server(state: &Path, arguments: &[&str]) -> Child {
    program(env!("CARGO_BIN_EXE_bm-server"))
        .args(["dev", "--instances", "none", "--port", "0", "--state"])
        .arg(state)
        .args(arguments)
        .env("RUST_LOG", "trace")
        .spawn()
}

pub(crate) async fn post(url: &str, token: &str, kind: &str, body: &str) -> (StatusCode, Value) {
    let request = Client::builder().no_proxy().build().unwrap().post(url);
    let request = request
        .bearer_auth(token)
        .header("content-type", kind)
        .body(body.to_owned());
    read(request.send().await.unwrap()).await
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path))
        } else {
            found.push(path)
        }
    }
    found
}

fn contains(bytes: &[u8], secret: &str) -> bool {
    bytes
        .windows(secret.len())
        .any(|window| window == secret.as_bytes())
}

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

/// Signs Ana in; the two codes, her user id, and the token answer.
async fn sign_in(url: &str) -> (String, String, String, Value) {
    sign_in_as(url, "ana@example.org").await
}

pub(crate) async fn sign_in_as(url: &str, email: &str) -> (String, String, String, Value) {
    let idp = format!("{url}/idp");
    let device = format!("{idp}/oauth2/device_authorization");
    let (_, grant) = post(&device, "", FORM, &format!("client_id={CLIENT}")).await;
    let (device_code, user_code) = (text(&grant, "device_code"), text(&grant, "user_code"));
    let approval = format!(r#"{{"user_code":"{user_code}","email":"{email}"}}"#);
    let (_, user) = post(&format!("{idp}/dev/approve"), "", JSON, &approval).await;
    let redeem = format!("client_id={CLIENT}&grant_type={DEVICE_GRANT}&device_code={device_code}");
    let (status, tokens) = post(&format!("{idp}/oauth2/token"), "", FORM, &redeem).await;
    assert_eq!(status, StatusCode::OK);
    (device_code, user_code, text(&user, "id"), tokens)
}

/// Goes through a whole sign-in and setup, and gives every secret that came of it.
async fn secrets_of_a_whole_visit(url: &str) -> Vec<(&'static str, String)> {
    let (device_code, user_code, user, first) = sign_in(url).await;
    let used = text(&first, "refresh_token");
    let refresh = format!("client_id={CLIENT}&grant_type=refresh_token&refresh_token={used}");
    let (_, second) = post(&format!("{url}/idp/oauth2/token"), "", FORM, &refresh).await;
    let access = text(&second, "access_token");
    let subscription = format!(
        r#"{{"workos_user_id":"{user}","status":"active","current_period_end":"{FAR_AWAY}"}}"#
    );
    post(&format!("{url}/dev/subscriptions"), "", JSON, &subscription).await;
    post(&format!("{url}/tenants/setup"), &access, JSON, "").await;
    let (status, keys) = post(
        &format!("{url}/tenant/mount/credentials"),
        &access,
        JSON,
        "",
    )
    .await;
    assert_eq!(status, StatusCode::OK);
    vec![
        ("device code", device_code),
        ("user code", user_code),
        ("access token", text(&first, "access_token")),
        ("access token", access),
        ("refresh token", used),
        ("refresh token", text(&second, "refresh_token")),
        ("storage secret", text(&keys, "secret_key")),
    ]
}

#[tokio::test]
async fn secrets_are_in_no_log_and_no_file_of_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let ready_file = folder.path().join("ready.json");
    let state = folder.path().join("state");
    let mut child = bm_server(&state, &["--ready-file", ready_file.to_str().unwrap()]);
    let ready = child.json_line(SOON).await;
    let written: Value = serde_json::from_slice(&std::fs::read(&ready_file).unwrap()).unwrap();
    assert_eq!(written, ready);
    assert_eq!(ready["pid"], child.pid());

    let secrets = secrets_of_a_whole_visit(&text(&ready, "url")).await;
    let files = files_below(&state);
    assert!(files.len() >= 6, "{files:?}");
    // The bucket store has to know the secrets of its keys to check signatures.
    let store = state.join("buckets");
    for (name, secret) in &secrets {
        for file in &files {
            let known = *name == "storage secret" && file.starts_with(&store);
            let bytes = std::fs::read(file).unwrap();
            assert!(
                known || !contains(&bytes, secret),
                "the {name} is in {}",
                file.display()
            );
        }
    }
    let (_, storage_secret) = secrets.last().unwrap();
    let in_store = |file: &&PathBuf| file.starts_with(&store);
    let found = |file: &PathBuf| contains(&std::fs::read(file).unwrap(), storage_secret);
    assert!(
        files.iter().filter(in_store).any(found),
        "the search finds what is there"
    );
    child.terminate();
    assert!(child.exit(SOON).await.success());
    let log = child.stderr();
    assert!(
        log.contains("/tenant/mount/credentials"),
        "the log says what was asked"
    );
    for (name, secret) in &secrets {
        assert!(!log.contains(secret), "the {name} is in the log");
        let (_, tail) = secret.split_at(secret.len() / 2);
        assert!(!log.contains(tail), "half of the {name} is in the log");
    }
    for file in files_below(&state) {
        let bytes = std::fs::read(&file).unwrap();
        for (name, secret) in &secrets {
            let known = *name == "storage secret" && file.starts_with(&store);
            assert!(
                known || !contains(&bytes, secret),
                "the {name} is in {}",
                file.display()
            );
        }
    }
}

#[cfg(unix)]
#[tokio::test]
async fn what_the_server_keeps_is_for_its_user_only() {
    use std::os::unix::fs::PermissionsExt;
    let server = Server::start().await;
    server.ready_member("ana@example.org").await;
    for file in files_below(server.folder.path()) {
        let mode = std::fs::metadata(&file).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", file.display());
    }
    let mode = std::fs::metadata(server.folder.path())
        .unwrap()
        .permissions()
        .mode()
        & 0o777;
    assert_eq!(mode, 0o700);
}

#[tokio::test]
async fn two_servers_never_share_a_state_folder() {
    let server = Server::start().await;
    let second = DevServer::open(config(server.folder.path(), Arc::new(AtomicI64::new(0)))).await;
    assert!(
        matches!(
            &second,
            Err(ServerError::StateFolder(FolderError::InUse { .. }))
        ),
        "{:?}",
        second.err()
    );
}

#[tokio::test]
async fn a_taken_port_is_named_with_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let mut child = bm_server(folder.path(), &["--s3-port", &port]);
    assert!(!child.exit(SOON).await.success());
    assert!(
        child
            .stderr()
            .contains(&format!("port {port} is not free; choose another"))
    );
}

#[tokio::test]
async fn a_killed_server_comes_back_with_its_addresses() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = bm_server(folder.path(), &[]);
    let before = child.json_line(SOON).await;
    child.kill();
    let mut child = bm_server(folder.path(), &[]);
    let after = child.json_line(SOON).await;
    assert_eq!(
        (&before["url"], &before["s3_endpoint"]),
        (&after["url"], &after["s3_endpoint"])
    );
    child.terminate();
    assert!(child.exit(SOON).await.success());
}

#[tokio::test]
async fn an_access_token_lives_as_long_as_it_was_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = bm_server(folder.path(), &["--access-token-life", "1"]);
    let url = text(&child.json_line(SOON).await, "url");
    let (.., tokens) = sign_in(&url).await;
    assert!(tokens["expires_in"].as_i64().unwrap() <= 1, "{tokens}");
    let access = text(&tokens, "access_token");
    let client = Client::builder().no_proxy().build().unwrap();
    testkit::wait_until(SOON, async || {
        let request = client
            .get(format!("{url}/subscription"))
            .bearer_auth(&access);
        request.send().await.unwrap().status() == StatusCode::UNAUTHORIZED
    })
    .await;
}

#[tokio::test]
async fn a_damaged_database_is_named_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("server.db");
    std::fs::write(&file, "not a database ".repeat(100)).unwrap();
    let mut child = bm_server(folder.path(), &[]);
    assert!(!child.exit(SOON).await.success());
    let said = child.stderr();
    assert!(
        said.contains(&format!("{} could not be opened", file.display())),
        "{said}"
    );
    assert!(
        std::fs::read_to_string(&file)
            .unwrap()
            .starts_with("not a database")
    );
}
