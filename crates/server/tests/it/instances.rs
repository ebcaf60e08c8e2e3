//! Tenants' instances as the server runs them: real processes of `bm-tenant`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::{Client, StatusCode};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use testkit::{scratch, wait_for, wait_until};
use wire::{MountCredentials, SignedHeaders, canonical_message};

use crate::deployment::sign_in;
use crate::proxy::{StandIn, exchange_with, host, member_with_instance, standin_sees, status};
use crate::storage::s3;
use crate::support::{read, text};

const SOON: Duration = Duration::from_secs(60);

/// Instances that a killed server leaves; they end with this.
pub(crate) struct Strays(PathBuf);

impl Strays {
    /// Those whose folders are in a server's state.
    pub(crate) fn below(state: &Path) -> Self {
        Self(state.to_owned())
    }
}

impl Drop for Strays {
    fn drop(&mut self) {
        let mark = format!("BM_TENANT_STATE={}", self.0.display());
        for pid in processes() {
            let environment = fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero()));
            let ours = environment.is_ok_and(|bytes| {
                let mut variables = bytes.split(|byte| *byte == 0);
                variables.any(|variable| variable.starts_with(mark.as_bytes()))
            });
            if ours {
                // It may be gone by now, which is as good.
                kill_process(pid, Signal::KILL).ok();
            }
        }
    }
}

/// A server that runs instances, and whatever of them outlives it.
struct Embedded {
    server: Option<testkit::Server>,
    _strays: Strays,
    state: TempDir,
    http: Client,
}

struct Person {
    token: String,
    tenant: String,
}

/// What a person made, by which others may try to reach it.
struct Ids {
    credential: String,
    key: String,
    snapshot: String,
}

impl Embedded {
    async fn start(flags: &[&str]) -> Self {
        let state = scratch();
        let flags = [&["--instances", "local"], flags].concat();
        let server = testkit::Server::start_with(state.path(), &flags).await;
        Self {
            server: Some(server),
            _strays: Strays::below(state.path()),
            state,
            http: Client::builder().no_proxy().build().unwrap(),
        }
    }

    fn server(&self) -> &testkit::Server {
        self.server.as_ref().unwrap()
    }

    /// Kills the server (SIGKILL) and starts another one on its state.
    async fn restart(&mut self) {
        let server = self.server.take().unwrap();
        self.server = Some(server.restart().await);
    }

    /// Ends it as a signal does.
    async fn stop(&self) {
        let pid = Pid::from_raw(self.server().pid().cast_signed()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        wait_until(SOON, async || !runs(pid)).await;
    }

    async fn person(&self, email: &str) -> Person {
        let server = self.server();
        let token = sign_in(&server.url, async |code| server.approve(&code, email).await).await;
        server.activate(email).await;
        let ready = wait_for(SOON, async || {
            let (_, body) = self.call(&token, "POST", "/tenants/setup").await;
            (body["status"] == "ready").then_some(body)
        });
        Person {
            tenant: text(&ready.await, "tenant_id"),
            token,
        }
    }

    async fn call(&self, token: &str, method: &str, path: &str) -> (StatusCode, Value) {
        let url = format!("{}{path}", self.server().url);
        let request = self.http.request(method.parse().unwrap(), url);
        read(request.bearer_auth(token).send().await.unwrap()).await
    }

    fn of(&self, tenant: &str) -> PathBuf {
        self.state.path().join("instances").join(tenant)
    }

    fn pid(&self, tenant: &str) -> Option<Pid> {
        let text = fs::read_to_string(self.of(tenant).join("process.json")).ok()?;
        let record: Value = serde_json::from_str(&text).ok()?;
        Pid::from_raw(i32::try_from(record["pid"].as_i64()?).ok()?)
    }

    fn address(&self, tenant: &str) -> String {
        let text = fs::read_to_string(self.of(tenant).join("announcement")).unwrap();
        let line: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        line["url"].as_str().unwrap().to_owned()
    }

    fn spec(&self, tenant: &str) -> Value {
        let text = fs::read_to_string(self.of(tenant).join("spec.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    fn secrets(&self, tenant: &str) -> BTreeMap<String, String> {
        let text = fs::read_to_string(self.of(tenant).join("secrets.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    /// Makes what a person can have beside notes.
    async fn ids(&self, token: &str) -> Ids {
        let post = async |path: &str, body: Value| {
            let url = format!("{}{path}", self.server().url);
            let request = self.http.post(url).bearer_auth(token).json(&body);
            let (status, made) = read(request.send().await.unwrap()).await;
            assert!(status.is_success(), "{path}: {status} {made}");
            made
        };
        let credentials = "/tenant/mount/credentials";
        let (status, made) = self.call(token, "POST", credentials).await;
        assert!(status.is_success(), "{status} {made}");
        let (_, keys) = self.call(token, "GET", credentials).await;
        let key = post("/api/keys", json!({ "name": "agent" })).await;
        let snapshot = post("/api/bucket-snapshots", json!({})).await;
        Ids {
            credential: text(&keys[0], "id"),
            key: text(&key, "id"),
            snapshot: text(&snapshot, "id"),
        }
    }

    /// Tries the addresses of what another tenant has, and those that climb out of one's own.
    async fn no_path_leads_to(&self, theirs: &Ids, tenant: &str, token: &str) {
        let Ids {
            credential,
            key,
            snapshot,
        } = theirs;
        for (method, path) in [
            ("DELETE", format!("/tenant/mount/credentials/{credential}")),
            ("DELETE", format!("/api/keys/{key}")),
            ("GET", format!("/api/bucket-snapshots/{snapshot}")),
            ("GET", format!("/api/bucket-snapshots/{snapshot}/browse")),
            ("DELETE", format!("/api/bucket-snapshots/{snapshot}")),
        ] {
            let (status, body) = self.call(token, method, &path).await;
            assert_eq!(status, StatusCode::NOT_FOUND, "{method} {path}: {body}");
        }
        for path in [
            format!("/proxy/../{tenant}/x"),
            format!("/proxy/..%2f{tenant}/x"),
            format!("/proxy/%2e%2e/{tenant}/x"),
            format!("/proxy/%252e%252e/{tenant}/x"),
            format!("/proxy/x/..%5c{tenant}"),
            format!("/proxy/webdav/../../{tenant}/a.md"),
        ] {
            let status = self.as_written(token, &path).await;
            assert_eq!(status, 400, "{path}");
        }
    }

    /// Asks for a path that clients would make another one of.
    async fn as_written(&self, token: &str, path: &str) -> u16 {
        let host = host(&self.server().url).to_owned();
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n\
             connection: close\r\n\r\n"
        );
        status(&exchange_with(&self.server().url, request).await)
    }

    /// Asks an instance itself, signed with one tenant's key in the name of another.
    async fn ask_past_the_proxy(&self, at: &str, key_of: &str, in_name_of: &str) -> StatusCode {
        let master = fs::read(self.state.path().join("keys/instance.secret")).unwrap();
        let mut key = [0; 32];
        let info = format!("bm-tenant v2\0{key_of}\0dev-1");
        Hkdf::<Sha256>::new(None, &master)
            .expand(info.as_bytes(), &mut key)
            .unwrap();
        let time = time::OffsetDateTime::now_utc().unix_timestamp().to_string();
        let digest = hex::encode(Sha256::digest(b""));
        let nonce = hex::encode(rand::random::<[u8; 16]>());
        let message = canonical_message(in_name_of, &time, "GET", "/x", &digest, &nonce, "u");
        let mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        let signature = mac.chain_update(message.as_bytes()).finalize().into_bytes();
        let request = self
            .http
            .get(format!("{}/x", self.address(at)))
            .header(SignedHeaders::TENANT, in_name_of)
            .header(SignedHeaders::TIMESTAMP, time)
            .header(SignedHeaders::BODY_SHA256, digest)
            .header(SignedHeaders::NONCE, nonce)
            .header(SignedHeaders::USER, "u")
            .header(SignedHeaders::KEY_ID, "dev-1")
            .header(SignedHeaders::SIGNATURE, hex::encode(signature));
        request.send().await.unwrap().status()
    }
}

fn processes() -> Vec<Pid> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_string_lossy().parse().ok());
    numbers.filter_map(Pid::from_raw).collect()
}

fn runs(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    test_kill_process(pid).is_ok() && !stat.is_ok_and(|stat| stat.contains(") Z "))
}

fn resident_kb(pid: Pid) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn printed(file: &Path) -> String {
    String::from_utf8_lossy(&fs::read(file).unwrap()).replace('\0', "\n")
}

/// Let in by the instance, which may have nothing to say.
fn is_let_in(status: StatusCode) -> bool {
    !matches!(
        status,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::BAD_GATEWAY
    )
}

#[tokio::test]
async fn ten_tenants_on_one_machine_do_not_reach_each_other() {
    const PEOPLE: usize = 10;
    let embedded = Embedded::start(&[]).await;
    let people: Vec<Person> = futures::future::join_all(
        (0..PEOPLE).map(async |number| embedded.person(&format!("p{number}@example.org")).await),
    )
    .await;
    let ids = people.iter().map(|person| embedded.ids(&person.token));
    let ids = futures::future::join_all(ids).await;
    let mut memory = Vec::new();
    for person in &people {
        let (status, body) = embedded.call(&person.token, "GET", "/proxy/x").await;
        assert!(is_let_in(status), "{status}: {body}");
        memory.push(resident_kb(embedded.pid(&person.tenant).unwrap()));
    }
    let most = memory.iter().max().unwrap();
    println!("memory of an idle instance, without Basic Memory: {memory:?} kB, at most {most}");
    assert!(*most < 64 * 1024, "{memory:?}");

    for (at, person) in people.iter().enumerate() {
        let other = &people[(at + 1) % PEOPLE];
        let (own, others) = (&person.tenant, &other.tenant);
        embedded
            .no_path_leads_to(&ids[(at + 1) % PEOPLE], others, &person.token)
            .await;
        let proc = PathBuf::from(format!(
            "/proc/{}",
            embedded.pid(own).unwrap().as_raw_nonzero()
        ));
        let (environment, line) = (
            printed(&proc.join("environ")),
            printed(&proc.join("cmdline")),
        );
        let secrets = embedded.secrets(own);
        for foreign in [
            others.as_str(),
            embedded.spec(others)["bucket"].as_str().unwrap(),
        ] {
            assert!(!environment.contains(foreign) && !line.contains(foreign));
        }
        for foreign in embedded.secrets(others).values() {
            assert!(!environment.contains(foreign.trim()));
        }
        let bucket_secret = &secrets["BM_TENANT_S3_SECRET_ACCESS_KEY"];
        assert!(environment.contains(bucket_secret) && !line.contains(bucket_secret));

        for (key, name, expected) in [
            (own, own, true),
            (others, own, false),
            (others, others, false),
            (own, others, false),
        ] {
            let status = embedded.ask_past_the_proxy(own, key, name).await;
            assert_eq!(is_let_in(status), expected, "{status}");
        }
        let url = format!("{}/x", embedded.address(own));
        let unsigned = embedded.http.get(url).send().await.unwrap();
        assert_eq!(unsigned.status(), StatusCode::FORBIDDEN);

        let url = format!("{}/proxy/x", embedded.server().url);
        let request = embedded.http.get(url).bearer_auth(&person.token);
        let named = request
            .header("x-workspace-id", others)
            .send()
            .await
            .unwrap();
        assert_eq!(named.status(), StatusCode::FORBIDDEN);

        let keys = |bucket: &Value| MountCredentials {
            tenant_id: own.clone(),
            bucket_name: bucket.as_str().unwrap().to_owned(),
            access_key: secrets["BM_TENANT_S3_ACCESS_KEY_ID"].clone(),
            secret_key: bucket_secret.clone(),
            endpoint_url: embedded.server().s3_endpoint.clone(),
            region: "auto".to_owned(),
        };
        for (tenant, expected) in [(own, StatusCode::OK), (others, StatusCode::FORBIDDEN)] {
            let keys = keys(&embedded.spec(tenant)["bucket"]);
            let (status, _) = s3(&keys, "PUT", &keys.bucket_name, "a.md", "text").await;
            assert_eq!(status, expected);
        }
        let (_, listed) = embedded
            .call(&person.token, "GET", "/tenant/mount/credentials")
            .await;
        let listed: Vec<&Value> = listed.as_array().unwrap().iter().collect();
        assert_eq!(listed.len(), 1, "an instance's key is shown: {listed:?}");
        assert_eq!(
            listed[0]["id"], ids[at].credential,
            "it is the person's own"
        );
    }
    let pids: Vec<Pid> = people
        .iter()
        .map(|person| embedded.pid(&person.tenant).unwrap())
        .collect();
    embedded.stop().await;
    assert!(
        !pids.into_iter().any(runs),
        "an instance outlived its server"
    );
}

#[tokio::test]
async fn an_idle_instance_sleeps_and_is_back_for_the_next_request() {
    let embedded = Embedded::start(&["--instance-idle", "2"]).await;
    let ana = embedded.person("ana@example.org").await;
    let first = embedded.pid(&ana.tenant).unwrap();
    wait_until(SOON, async || !runs(first)).await;
    wait_until(SOON, async || embedded.pid(&ana.tenant).is_none()).await;

    let (status, _) = embedded.call(&ana.token, "GET", "/proxy/health").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(embedded.pid(&ana.tenant), None, "it was woken for nothing");

    let calls = (0..10).map(|_| embedded.call(&ana.token, "GET", "/proxy/x"));
    for (status, body) in futures::future::join_all(calls).await {
        assert!(is_let_in(status), "{status}: {body}");
    }
    let second = embedded.pid(&ana.tenant).unwrap();
    assert_ne!(first, second);
    embedded.stop().await;
    assert!(!runs(second));
}

#[tokio::test]
async fn a_killed_server_is_followed_by_one_that_has_the_same_instances() {
    let mut embedded = Embedded::start(&[]).await;
    let ana = embedded.person("ana@example.org").await;
    let first = embedded.pid(&ana.tenant).unwrap();
    embedded.restart().await;
    let (status, body) = embedded.call(&ana.token, "GET", "/proxy/x").await;
    assert!(is_let_in(status), "{status}: {body}");
    assert_eq!(embedded.pid(&ana.tenant), Some(first));

    kill_process(first, Signal::KILL).unwrap();
    wait_until(SOON, async || {
        is_let_in(embedded.call(&ana.token, "GET", "/proxy/x").await.0)
            && embedded.pid(&ana.tenant).is_some_and(|pid| pid != first)
    })
    .await;
    embedded.stop().await;
}

#[tokio::test]
async fn what_changes_in_a_bucket_is_told_to_its_instance_at_once() {
    let instance = StandIn::always_ok();
    let address = format!("http://{}", instance.address);
    let (server, token) = member_with_instance(&address).await;
    let changes = json!({ "changes": [
        { "path": "main/a.md", "kind": "put", "etag": "\"e1\"" },
        { "path": "main/b.md", "kind": "delete" },
    ] });
    let request = server
        .request("POST", "/tenant/changes")
        .bearer_auth(&token);
    let answer = request.json(&changes).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let seen = wait_for(SOON, async || {
        standin_sees(&instance, "POST /sync HTTP/1.1")
    })
    .await;
    assert_eq!(seen.values("host"), [host(&address)]);
    assert_eq!(seen.values(SignedHeaders::USER), ["system"]);
    let body: Value = serde_json::from_slice(&seen.body).unwrap();
    let expected = json!({ "full": false, "changes": [
        { "path": "main/a.md", "kind": "written", "etag": "e1" },
        { "path": "main/b.md", "kind": "removed", "etag": null },
    ] });
    assert_eq!(body, expected);
    let digest = hex::encode(Sha256::digest(&seen.body));
    assert_eq!(seen.values(SignedHeaders::BODY_SHA256), [digest.as_str()]);
}
