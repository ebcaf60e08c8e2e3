//! A tenant's instance: the real `bm-tenant` decides who may come in, and behind it a few of the
//! Basic Memory API's answers.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use hkdf::Hkdf;
use serde_json::{Value, json};
use sha2::Sha256;
use tempfile::TempDir;
use testkit::{Child, program, scratch};

use super::SOON;

pub(crate) struct NotesInstance {
    /// Where the server is told to find it.
    pub(crate) address: String,
    inside: Arc<Inside>,
}

#[derive(Default)]
struct Inside {
    door: Mutex<Option<Door>>,
    notes: Mutex<Vec<Value>>,
}

/// The running `bm-tenant`.
struct Door {
    url: String,
    _child: Child,
    _folder: TempDir,
}

impl NotesInstance {
    pub(crate) async fn start() -> Self {
        let inside = Arc::<Inside>::default();
        let behind = Arc::clone(&inside);
        let routes = Router::new().fallback(move |request| answer(behind, request));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(axum::serve(listener, routes).into_future());
        Self {
            address: format!("http://{address}"),
            inside,
        }
    }

    /// Starts `bm-tenant` for this tenant, with the key that the server signs its requests with.
    pub(crate) async fn belong_to(&self, tenant: &str, master: &[u8], key_id: &str) {
        let folder = scratch();
        let key_file = folder.path().join("keys");
        let mut key = [0; 32];
        let info = format!("bm-tenant v2\0{tenant}\0{key_id}");
        Hkdf::<Sha256>::new(None, master)
            .expand(info.as_bytes(), &mut key)
            .unwrap();
        std::fs::write(&key_file, format!("{key_id} {}\n", hex::encode(key))).unwrap();
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&key_file, private).unwrap();
        let mut child = program(testkit::bin("bm-tenant"))
            .args(["--tenant", tenant, "--key-file"])
            .arg(&key_file)
            .spawn();
        let ready = child.json_line(SOON).await;
        let door = Door {
            url: crate::support::text(&ready, "url"),
            _child: child,
            _folder: folder,
        };
        *self.inside.door.lock().unwrap() = Some(door);
    }

    /// What agents wrote through the proxy.
    pub(crate) fn notes(&self) -> Vec<Value> {
        self.inside.notes.lock().unwrap().clone()
    }
}

async fn answer(inside: Arc<Inside>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    if path == "/health" {
        return axum::Json(json!({ "status": "ok" })).into_response();
    }
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let door = inside
        .door
        .lock()
        .unwrap()
        .as_ref()
        .map(|door| door.url.clone());
    let Some(door) = door else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let target = parts.uri.path_and_query().unwrap().as_str();
    let (status, refusal) = ask(
        &format!("{door}{target}"),
        &parts.method,
        parts.headers,
        &body,
    )
    .await;
    // `bm-tenant` has nothing of its own there, but only who is let in hears that.
    if status != StatusCode::NOT_FOUND {
        let kind = [("content-type", "application/json")];
        return (status, kind, refusal).into_response();
    }
    let words: Vec<&str> = path.trim_matches('/').split('/').collect();
    match (parts.method.as_str(), words.as_slice()) {
        ("GET", [_, "health"]) => axum::Json(json!({ "status": "ok" })).into_response(),
        ("GET", ["projects", "projects"]) => {
            axum::Json(json!({ "projects": [{ "name": "main" }], "default_project": "main" }))
                .into_response()
        }
        ("POST", [_, "search"]) => axum::Json(json!({ "results": inside.notes() })).into_response(),
        ("POST", [_, "knowledge", "entities"]) => {
            let note: Value = serde_json::from_slice(&body).unwrap();
            inside.notes.lock().unwrap().push(note.clone());
            (StatusCode::CREATED, axum::Json(note)).into_response()
        }
        _ => {
            let body = json!({ "detail": "Not Found" });
            (StatusCode::NOT_FOUND, axum::Json(body)).into_response()
        }
    }
}

impl Inside {
    fn notes(&self) -> Vec<Value> {
        self.notes.lock().unwrap().clone()
    }
}

async fn ask(
    url: &str,
    method: &axum::http::Method,
    headers: HeaderMap,
    body: &Bytes,
) -> (StatusCode, Body) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client
        .request(method.clone(), url)
        .headers(headers)
        .body(body.clone());
    let answer = request.send().await.unwrap();
    let status = answer.status();
    (status, answer.bytes().await.unwrap().into())
}
