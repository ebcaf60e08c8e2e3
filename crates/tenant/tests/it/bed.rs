//! A bucket, and instances beside it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use guard::{Bucket, BucketConfig, Credentials, Precondition};
use reqwest::{Client, Method, StatusCode};
use s3_store::Store;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tenant::RequestKey;
use testkit::{BasicMemory, Child, StoreProxy, basic_memory, program, wait_for, wait_until};
use tokio_util::sync::CancellationToken;
use wire::{InstanceHealth, InstanceStatus, SignedHeaders, canonical_message};

pub(crate) const TENANT: &str = "434252dd-d83b-4b20-bf70-8a950ff875c4";
const BUCKET: &str = "basic-memory-test";
/// Two Pythons import for seconds each, on two busy cores for longer.
pub(crate) const LATE: Duration = Duration::from_secs(120);
pub(crate) const SOON: Duration = Duration::from_secs(30);

#[expect(clippy::disallowed_methods, reason = "tests run by the real clock")]
fn now() -> SystemTime {
    SystemTime::now()
}

fn seconds() -> u64 {
    now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// The embedded store behind a real socket, and a proxy before it that fails the test if anything
/// unconditional comes by.
pub(crate) struct Cloud {
    pub(crate) store: Store,
    pub(crate) endpoint: String,
    _proxy: StoreProxy,
    _stop: tokio_util::sync::DropGuard,
    _root: TempDir,
}

impl Cloud {
    pub(crate) async fn start() -> Self {
        let root = tempfile::tempdir().unwrap();
        let ms = || i64::try_from(now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
        let store = Store::open(root.path(), Arc::new(ms)).unwrap();
        store.create_bucket(BUCKET).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let behind = format!("http://{}", listener.local_addr().unwrap());
        let proxy = StoreProxy::start(&behind).await;
        let stop = CancellationToken::new();
        let serving = store.clone().serve(listener, stop.clone());
        tokio::spawn(async move { serving.await.unwrap() });
        Self {
            store,
            endpoint: proxy.url.clone(),
            _proxy: proxy,
            _stop: stop.drop_guard(),
            _root: root,
        }
    }

    pub(crate) fn bucket(&self) -> Bucket {
        let (access_key, secret_key) = self.store.create_key(BUCKET).unwrap();
        let config = BucketConfig {
            endpoint: self.endpoint.parse().unwrap(),
            region: "auto".into(),
            bucket: BUCKET.into(),
            credentials: Credentials {
                access_key,
                secret_key,
            },
        };
        Bucket::new(config, Arc::new(now)).unwrap()
    }

    /// The variables by which an instance is given its bucket.
    fn variables(&self) -> [(&'static str, String); 5] {
        let (access_key, secret_key) = self.store.create_key(BUCKET).unwrap();
        [
            ("BM_TENANT_S3_ENDPOINT", self.endpoint.clone()),
            ("BM_TENANT_S3_REGION", "auto".to_owned()),
            ("BM_TENANT_S3_BUCKET", BUCKET.to_owned()),
            ("BM_TENANT_S3_ACCESS_KEY_ID", access_key),
            (
                "BM_TENANT_S3_SECRET_ACCESS_KEY",
                secret_key.expose_secret().to_owned(),
            ),
        ]
    }
}

/// A person's device, as far as the bucket can tell.
#[derive(Clone)]
pub(crate) struct Laptop {
    pub(crate) bucket: Bucket,
}

impl Laptop {
    /// Saves a note that is new; its version.
    pub(crate) async fn create(&self, key: &str, text: &str) -> String {
        self.put(key, text, Precondition::Absent).await.unwrap()
    }

    /// As [`Self::create`], for what is no text.
    pub(crate) async fn create_raw(&self, key: &str, bytes: &[u8]) {
        let body = guard::Body::from(bytes.to_vec());
        self.bucket
            .put(key, body, Precondition::Absent, &[])
            .await
            .unwrap();
    }

    pub(crate) async fn put(
        &self,
        key: &str,
        text: &str,
        when: Precondition,
    ) -> Result<String, guard::BucketError> {
        let body = guard::Body::from(text.as_bytes().to_vec());
        self.bucket.put(key, body, when, &[]).await
    }

    pub(crate) async fn read(&self, key: &str) -> Option<String> {
        let download = self.bucket.get(key, None).await.ok()?;
        let bytes = download.into_bytes(1 << 20).await.ok()?;
        String::from_utf8(bytes.to_vec()).ok()
    }

    /// All notes, with their text.
    pub(crate) async fn notes(&self) -> BTreeMap<String, String> {
        let mut notes = BTreeMap::new();
        for object in self.bucket.sweep().await.unwrap() {
            if !object.key.starts_with(".basic-memory-")
                && let Some(text) = self.read(&object.key).await
            {
                notes.insert(object.key, text);
            }
        }
        notes
    }
}

/// How an instance is started.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) driver: &'static str,
    pub(crate) memory: Option<BasicMemory>,
}

/// A state folder with at most one instance on it.
pub(crate) struct Home {
    folder: TempDir,
    plan: Plan,
    variables: Vec<(&'static str, String)>,
}

impl Home {
    /// Below a hidden folder, as a program of a person keeps its own.
    pub(crate) fn new(cloud: &Cloud, plan: Plan) -> Self {
        Self::at(tempfile::tempdir().unwrap(), cloud, plan)
    }

    pub(crate) fn at(folder: TempDir, cloud: &Cloud, plan: Plan) -> Self {
        let keys = folder.path().join("keys");
        fs::write(&keys, format!("k1 {}\n", "5a".repeat(32))).unwrap();
        fs::set_permissions(&keys, fs::Permissions::from_mode(0o600)).unwrap();
        Self {
            folder,
            plan,
            variables: cloud.variables().to_vec(),
        }
    }

    pub(crate) fn set(&mut self, name: &'static str, value: &str) {
        self.variables.push((name, value.to_owned()));
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("state/data")
    }

    pub(crate) fn spawn(&self) -> Child {
        let mut child = program(testkit::bin("bm-tenant"))
            .env("BM_TENANT_KEY_FILE", self.folder.path().join("keys"))
            .env("BM_TENANT_RCLONE", testkit::rclone())
            .env("BM_TENANT_STATE", self.folder.path().join("state"))
            .env("RUST_LOG", "info,tenant=debug,engine=debug")
            .args(["--tenant", TENANT, "--driver", self.plan.driver]);
        for (name, value) in &self.variables {
            child = child.env(name, value);
        }
        if let Some(memory) = self.plan.memory {
            child = child
                .arg("--basic-memory")
                .arg(basic_memory(memory))
                .args(["--generation", memory.generation()]);
        }
        child.spawn()
    }

    /// Starts an instance and does not wait until all of it is there.
    pub(crate) async fn start(&self) -> Running {
        let mut child = self.spawn();
        let line = child.json_line(SOON).await;
        Running {
            url: line["url"].as_str().unwrap().to_owned(),
            child,
            memory: self.plan.memory,
            http: Client::builder().no_proxy().build().unwrap(),
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let data = self.data();
        if data.to_str().is_none_or(|data| !table.contains(data)) {
            return;
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "a drop cannot wait for a child of the testkit"
        )]
        let taken = std::process::Command::new("fusermount3")
            .arg("-uz")
            .arg(&data)
            .status();
        drop(taken);
    }
}

pub(crate) struct Running {
    pub(crate) url: String,
    pub(crate) child: Child,
    memory: Option<BasicMemory>,
    http: Client,
}

impl Running {
    pub(crate) async fn health(&self) -> Option<InstanceHealth> {
        let answer = self
            .http
            .get(format!("{}/health", self.url))
            .send()
            .await
            .ok()?;
        let status = answer.status();
        let health: InstanceHealth = serde_json::from_slice(&answer.bytes().await.ok()?).ok()?;
        assert_eq!(
            status == StatusCode::OK,
            health.status == InstanceStatus::Ok
        );
        Some(health)
    }

    /// Waits until all is well and nothing waits.
    pub(crate) async fn settled(&self) -> InstanceHealth {
        wait_for(LATE, async || {
            let health = self.health().await?;
            (health.status == InstanceStatus::Ok && health.lag.pending == 0).then_some(health)
        })
        .await
    }

    /// Asks as the server's proxy does.
    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Option<(StatusCode, Value)> {
        let (status, bytes) = self.ask_raw(method, path, body).await?;
        Some((
            status,
            serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        ))
    }

    async fn ask_raw(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Option<(StatusCode, Vec<u8>)> {
        static NONCES: AtomicU64 = AtomicU64::new(0);
        let nonce = format!("n-{}", NONCES.fetch_add(1, Ordering::Relaxed));
        let timestamp = seconds().to_string();
        let text = body.map(Value::to_string).unwrap_or_default();
        let digest = hex::encode(Sha256::digest(&text));
        let key = RequestKey::from_hex(&"5a".repeat(32)).unwrap();
        let message =
            canonical_message(TENANT, &timestamp, method, path, &digest, &nonce, "user_1");
        let answer = self
            .http
            .request(
                Method::from_bytes(method.as_bytes()).unwrap(),
                format!("{}{path}", self.url),
            )
            .header(SignedHeaders::TENANT, TENANT)
            .header(SignedHeaders::TIMESTAMP, timestamp)
            .header(SignedHeaders::BODY_SHA256, digest)
            .header(SignedHeaders::NONCE, nonce)
            .header(SignedHeaders::USER, "user_1")
            .header(SignedHeaders::KEY_ID, "k1")
            .header(SignedHeaders::SIGNATURE, key.sign(&message))
            .header("content-type", "application/json")
            .body(text)
            .send()
            .await
            .ok()?;
        let status = answer.status();
        Some((status, answer.bytes().await.ok()?.to_vec()))
    }

    /// Has these paths looked at.
    pub(crate) async fn hint(&self, paths: &[&str]) {
        let changes: Vec<Value> = paths
            .iter()
            .map(|path| json!({ "path": path, "kind": "written", "etag": null }))
            .collect();
        let body = json!({ "changes": changes });
        let (status, answer) = self.ask("POST", "/sync", Some(&body)).await.unwrap();
        assert_eq!(status, StatusCode::ACCEPTED);
        assert_eq!(answer["accepted"], paths.len());
    }

    /// The project of notes below `main/`, as requests name it.
    async fn main(&self) -> Option<String> {
        match self.memory? {
            BasicMemory::V0_15_2 => Some("/main".to_owned()),
            BasicMemory::V0_24_1 => {
                let (_, listed) = self.ask("GET", "/v2/projects/", None).await?;
                let projects = listed["projects"].as_array()?;
                let main = projects.iter().find(|project| project["name"] == "main")?;
                Some(format!("/v2/projects/{}", main["external_id"].as_str()?))
            }
        }
    }

    /// The paths, below `main/`, of the notes that a search for `text` finds.
    pub(crate) async fn search(&self, text: &str) -> Option<Vec<String>> {
        let method = match self.memory? {
            BasicMemory::V0_15_2 => "POST",
            BasicMemory::V0_24_1 => "QUERY",
        };
        let path = format!("{}/search/", self.main().await?);
        let (status, found) = self
            .ask(method, &path, Some(&json!({ "text": text })))
            .await?;
        if !status.is_success() {
            return None;
        }
        let results = found["results"].as_array()?;
        let path = |result: &Value| Some(result["file_path"].as_str()?.to_owned());
        Some(results.iter().filter_map(path).collect())
    }

    /// Where requests have the text of a note below `main/`, as soon as it is known.
    pub(crate) async fn resource(&self, path: &str) -> Option<String> {
        let main = self.main().await?;
        match self.memory? {
            BasicMemory::V0_15_2 => Some(format!("{main}/resource/{path}")),
            BasicMemory::V0_24_1 => {
                let wanted = json!({ "identifier": path, "strict": true });
                let resolve = format!("{main}/knowledge/resolve");
                let (_, found) = self.ask("QUERY", &resolve, Some(&wanted)).await?;
                Some(format!(
                    "{main}/resource/{}",
                    found["external_id"].as_str()?
                ))
            }
        }
    }

    /// The text that [`Self::resource`] has.
    pub(crate) async fn text(&self, resource: &str) -> Option<String> {
        let (status, bytes) = self.ask_raw("GET", resource, None).await?;
        String::from_utf8(bytes)
            .ok()
            .filter(|_| status.is_success())
    }

    pub(crate) async fn finds(&self, text: &str, path: &str) {
        wait_until(LATE, async || {
            let found = self.search(text).await.unwrap_or_default();
            found.iter().any(|one| one == path)
        })
        .await;
    }

    /// Writes a note the way an agent does; whether it was accepted.
    pub(crate) async fn write(&self, title: &str, folder: &str, content: &str) -> bool {
        let Some(main) = self.main().await else {
            return false;
        };
        let (method, path, folder_name) = match self.memory.unwrap() {
            BasicMemory::V0_15_2 => {
                let permalink = format!("{folder}/{}", title.to_lowercase().replace(' ', "-"));
                (
                    "PUT",
                    format!("{main}/knowledge/entities/{permalink}"),
                    "folder",
                )
            }
            BasicMemory::V0_24_1 => ("POST", format!("{main}/knowledge/entities"), "directory"),
        };
        let body = json!({
            "title": title,
            folder_name: folder,
            "content": content,
            "entity_type": "note",
            "note_type": "note",
            "content_type": "text/markdown",
        });
        match self.ask(method, &path, Some(&body)).await {
            Some((status, _)) => status.is_success(),
            None => false,
        }
    }

    /// Asks it to end, and makes sure that nothing is left of it.
    pub(crate) async fn end(mut self, home: &Home) {
        let children = children_of(self.child.pid());
        self.child.terminate();
        let status = self.child.exit(Duration::from_secs(15)).await;
        assert!(status.success(), "{status}: {}", self.child.stderr());
        nothing_left(home, &children).await;
    }
}

/// The processes that this one started.
pub(crate) fn children_of(pid: u32) -> Vec<(u32, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(child) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        let Some((_, rest)) = stat.rsplit_once(") ") else {
            continue;
        };
        let parent = rest
            .split(' ')
            .nth(1)
            .and_then(|parent| parent.parse().ok());
        if parent == Some(pid) {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            found.push((child, String::from_utf8_lossy(&line).replace('\0', " ")));
        }
    }
    found
}

/// Waits until these processes and the home's mount are gone.
pub(crate) async fn nothing_left(home: &Home, children: &[(u32, String)]) {
    wait_until(SOON, async || {
        children
            .iter()
            .all(|(pid, line)| line_of(*pid).is_none_or(|now| now != *line))
    })
    .await;
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let data = home.data();
    let data = data.to_str().unwrap();
    assert!(!table.contains(data), "a mount was left");
}

fn line_of(pid: u32) -> Option<String> {
    let line = fs::read(Path::new("/proc").join(pid.to_string()).join("cmdline")).ok()?;
    Some(String::from_utf8_lossy(&line).replace('\0', " ")).filter(|line| !line.is_empty())
}
