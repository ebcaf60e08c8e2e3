//! A tenant whose instance is a Basic Memory of the client's generation.

use std::time::Duration;

use reqwest::StatusCode;
use tempfile::TempDir;
use testkit::{BasicMemory, Child, basic_memory, free_port, program, scratch, wait_for};

use crate::deployment::{Database, sign_in};
use crate::support::{read, text};

const PATIENCE: Duration = Duration::from_secs(120);

/// Somebody's tenant, and the server it is at.
pub(crate) struct Tenant {
    pub(crate) server: testkit::Server,
    pub(crate) token: String,
    _state: TempDir,
    _instance: Option<(Child, TempDir)>,
}

impl Tenant {
    /// A server at which nobody has anything yet.
    pub(crate) async fn nobody(flags: &[&str]) -> Self {
        let state = scratch();
        Self {
            server: testkit::Server::start_with(state.path(), flags).await,
            token: String::new(),
            _state: state,
            _instance: None,
        }
    }

    /// Gives the person a subscription, a tenant and an instance.
    pub(crate) async fn come_to_be(&mut self, email: &str, which: BasicMemory) {
        self.server.activate(email).await;
        let server = &self.server;
        let approve = async |code: String| server.approve(&code, email).await;
        self.token = sign_in(&server.url, approve).await;
        let ready = wait_for(PATIENCE, async || {
            let (_, body) = self.call("POST", "/tenants/setup").await;
            (body["status"] == "ready").then_some(body)
        });
        let id = text(&ready.await, "tenant_id");
        let (child, home, port) = start(which).await;
        let sql = format!(
            "insert into tenant_instance (tenant_id, address, key_id, state, created_at, updated_at) \
             values ('{id}', 'http://127.0.0.1:{port}', 'dev-1', 'ready', 0, 0)"
        );
        let database = Database::Sqlite(self._state.path().join("server.db"));
        assert_eq!(database.execute(&sql).await, 1);
        self._instance = Some((child, home));
    }

    pub(crate) async fn call(&self, method: &str, path: &str) -> (StatusCode, serde_json::Value) {
        read(self.request(method, path).send().await.unwrap()).await
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("{}{path}", self.server.url);
        let method: reqwest::Method = method.parse().unwrap();
        client.request(method, url).bearer_auth(&self.token)
    }

    /// Writes a note as another device of the person would.
    pub(crate) async fn put_note(&self, path: &str, text: &'static str) {
        let request = self.request("PUT", &format!("/webdav/{path}"));
        let answer = request.body(text).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NO_CONTENT, "{path}");
    }

    pub(crate) async fn new_api_key(&self) -> String {
        let request = self.request("POST", "/api/keys");
        let body = serde_json::json!({ "name": "laptop" });
        let (_, made) = read(request.json(&body).send().await.unwrap()).await;
        text(&made, "key")
    }

    /// The note as it is in the bucket.
    pub(crate) async fn note(&self, path: &str) -> Option<String> {
        let answer = self.request("GET", &format!("/webdav/{path}"));
        let answer = answer.send().await.unwrap();
        match answer.status() {
            StatusCode::OK => Some(answer.text().await.unwrap()),
            StatusCode::NOT_FOUND => None,
            status => panic!("{path}: {status}"),
        }
    }
}

/// Starts the API of Basic Memory as instances do; it answers nobody but this machine.
async fn start(which: BasicMemory) -> (Child, TempDir, u16) {
    let home = scratch();
    let data = home.path().join("data");
    std::fs::create_dir_all(data.join("main")).unwrap();
    let port = free_port();
    let child = program(basic_memory(which).join("bin/python"))
        .args(["-m", "uvicorn", "basic_memory.api.app:app"])
        .args(["--host", "127.0.0.1", "--port", &port.to_string()])
        .env_clear()
        .dir(home.path())
        .env("HOME", home.path())
        .env("PATH", "/usr/bin:/bin")
        .env("BASIC_MEMORY_PROJECT_ROOT", &data)
        .env("BASIC_MEMORY_HOME", data.join("main"))
        .env("BASIC_MEMORY_NO_PROMOS", "1")
        .env("BASIC_MEMORY_AUTO_UPDATE", "false")
        .spawn();
    let projects = match which {
        BasicMemory::V0_15_2 => "projects/projects",
        BasicMemory::V0_24_1 => "v2/projects/",
    };
    let url = format!("http://127.0.0.1:{port}/{projects}");
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    wait_for(PATIENCE, async || {
        let answer = client.get(&url).send().await.ok()?;
        (answer.status() == StatusCode::OK).then_some(())
    })
    .await;
    (child, home, port)
}
