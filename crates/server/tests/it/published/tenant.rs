//! A tenant whose instance is the real `bm-tenant` with a Basic Memory of the client's generation.

use std::time::Duration;

use reqwest::StatusCode;
use tempfile::TempDir;
use testkit::{BasicMemory, basic_memory, scratch, wait_for};

use crate::deployment::sign_in;
use crate::instances::Strays;
use crate::support::{read, text};

/// Two Pythons start, on two busy cores.
const PATIENCE: Duration = Duration::from_secs(180);

/// Somebody's tenant, and the server it is at.
pub(crate) struct Tenant {
    pub(crate) server: testkit::Server,
    pub(crate) token: String,
    _strays: Strays,
    _state: TempDir,
}

impl Tenant {
    /// A server at which nobody has anything yet.
    pub(crate) async fn nobody() -> Self {
        Self::on(&[]).await
    }

    /// The person has a subscription, a tenant, and an instance that answers.
    pub(crate) async fn of(email: &str, which: BasicMemory, flags: &[&str]) -> Self {
        let (memory, rclone) = (basic_memory(which), testkit::rclone());
        let own = [
            "--instances",
            "local",
            "--generation",
            which.generation(),
            "--basic-memory",
            memory.to_str().unwrap(),
            "--rclone",
            rclone.to_str().unwrap(),
        ];
        let mut tenant = Self::on(&[&own[..], flags].concat()).await;
        let server = &tenant.server;
        server.activate(email).await;
        let approve = async |code: String| server.approve(&code, email).await;
        tenant.token = sign_in(&server.url, approve).await;
        wait_for(PATIENCE, async || {
            let (_, body) = tenant.call("POST", "/tenants/setup").await;
            (body["status"] == "ready").then_some(())
        })
        .await;
        let projects = match which {
            BasicMemory::V0_15_2 => "/proxy/projects/projects",
            BasicMemory::V0_24_1 => "/proxy/v2/projects/",
        };
        wait_for(PATIENCE, async || {
            let (status, _) = tenant.call("GET", projects).await;
            (status == StatusCode::OK).then_some(())
        })
        .await;
        tenant
    }

    async fn on(flags: &[&str]) -> Self {
        let state = scratch();
        Self {
            server: testkit::Server::start_with(state.path(), flags).await,
            token: String::new(),
            _strays: Strays::below(state.path()),
            _state: state,
        }
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
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
    }

    pub(crate) async fn new_api_key(&self) -> String {
        let request = self.request("POST", "/api/keys");
        let body = serde_json::json!({ "name": "laptop" });
        let (_, made) = read(request.json(&body).send().await.unwrap()).await;
        text(&made, "key")
    }

    /// Waits until a note in the bucket ends like this. Basic Memory writes above it.
    pub(crate) async fn note_ends(&self, path: &str, text: &str) {
        wait_for(PATIENCE, async || {
            let note = self.note(path).await?;
            note.trim_end().ends_with(text).then_some(())
        })
        .await;
    }

    /// Waits until the instance has read a new note and said so above it, so that nobody but
    /// people changes it any more.
    pub(crate) async fn note_is_indexed(&self, path: &str) {
        wait_for(PATIENCE, async || {
            let note = self.note(path).await?;
            note.contains("permalink:").then_some(())
        })
        .await;
    }

    /// The note as it is in the bucket.
    async fn note(&self, path: &str) -> Option<String> {
        let answer = self.request("GET", &format!("/webdav/{path}"));
        let answer = answer.send().await.unwrap();
        match answer.status() {
            StatusCode::OK => Some(answer.text().await.unwrap()),
            StatusCode::NOT_FOUND => None,
            status => panic!("{path}: {status}"),
        }
    }
}
