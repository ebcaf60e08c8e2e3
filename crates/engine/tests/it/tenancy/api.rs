use std::time::Duration;

use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::super::storm::City;

pub(super) const LATE: Duration = Duration::from_secs(180);
pub(super) const PROJECTS: &str = "/v2/projects/";
const AGAIN: Duration = Duration::from_millis(50);

/// The tenant's Basic Memory, as a program reaches it through the server's proxy.
pub(super) struct Api {
    http: Client,
    url: String,
    token: String,
}

impl Api {
    pub(super) async fn of(city: &City) -> Self {
        Self {
            http: Client::builder().no_proxy().build().unwrap(),
            url: city.url.clone(),
            token: city.token().await,
        }
    }

    /// What is answered; nothing if something on the way is down.
    pub(super) async fn ask(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Option<Value> {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self
            .http
            .request(method, format!("{}/proxy{path}", self.url))
            .bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.ok()?;
        let status = answer.status();
        let text = answer.text().await.ok()?;
        assert!(
            status.is_success() || status.is_server_error(),
            "{path}: {status} {text}"
        );
        let body = serde_json::from_str(&text).ok();
        body.filter(|_| status.is_success())
    }

    /// How the project of the notes below `main/` is named.
    pub(super) async fn main(&self) -> String {
        let end = Instant::now() + LATE;
        loop {
            let listed = self.ask("GET", PROJECTS, None).await;
            if let Some(main) = listed.as_ref().and_then(main_of) {
                return main;
            }
            assert!(Instant::now() < end, "no project: {listed:?}");
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Waits until a search for `text` finds this note, named below `main/`.
    pub(super) async fn finds(&self, text: &str, note: &str) {
        let words = json!({ "text": text });
        // The other notes of a writer are alike.
        let path = format!("{}/search/?page_size=100", self.main().await);
        let end = Instant::now() + LATE;
        loop {
            let found = self.ask("QUERY", &path, Some(&words)).await;
            let results = found.as_ref().and_then(|found| found["results"].as_array());
            if results.is_some_and(|all| all.iter().any(|one| one["file_path"] == note)) {
                return;
            }
            assert!(Instant::now() < end, "{text} finds no {note}: {found:#?}");
            tokio::time::sleep(AGAIN).await;
        }
    }
}

fn main_of(listed: &Value) -> Option<String> {
    let projects = listed["projects"].as_array()?;
    let main = projects.iter().find(|project| project["name"] == "main")?;
    Some(format!("/v2/projects/{}", main["external_id"].as_str()?))
}
