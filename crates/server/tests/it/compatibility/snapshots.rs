use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{ANA, BEN};
use crate::support::{Server, read, text};

async fn post(server: &Server, token: &str, path: &str, body: Value) -> (StatusCode, Value) {
    let request = server.request("POST", path).bearer_auth(token);
    read(request.json(&body).send().await.unwrap()).await
}

async fn put(server: &Server, token: &str, path: &str, body: &'static str) {
    let request = server.request("PUT", path).bearer_auth(token).body(body);
    assert_eq!(
        request.send().await.unwrap().status(),
        StatusCode::NO_CONTENT
    );
}

async fn get(server: &Server, token: &str, path: &str) -> String {
    let answer = server.request("GET", path).bearer_auth(token).send();
    answer.await.unwrap().text().await.unwrap()
}

#[tokio::test]
async fn notes_come_back_as_they_were_and_later_ones_stay() {
    let server = Server::start().await;
    let token = server.ready_member(ANA).await;
    for (path, body) in [
        ("/webdav/main/a.md", "a then"),
        ("/webdav/main/notes/b.md", "b then"),
        ("/webdav/main/notes/same.md", "same"),
        ("/webdav/main/notes-2/c.md", "c then"),
    ] {
        put(&server, &token, path, body).await;
    }
    let asked = json!({ "description": "before the move" });
    let (status, taken) = post(&server, &token, "/api/bucket-snapshots", asked).await;
    assert_eq!(status, StatusCode::CREATED, "{taken}");
    let id = text(&taken, "id");
    assert_eq!(taken["description"], "before the move");
    server.put_clock_forward(Duration::from_secs(1));
    for (path, body) in [
        ("/webdav/main/a.md", "a now"),
        ("/webdav/main/notes/b.md", "b now"),
        ("/webdav/main/notes/new.md", "new"),
        ("/webdav/main/notes-2/c.md", "c now"),
    ] {
        put(&server, &token, path, body).await;
    }
    let path = format!("/api/bucket-snapshots/{id}");
    let (_, listed) = server.call(&token, "GET", "/api/bucket-snapshots").await;
    assert_eq!(listed, json!({ "snapshots": [taken], "total": 1 }));
    let (_, shown) = server.call(&token, "GET", &path).await;
    assert_eq!(shown["snapshot_version"], taken["snapshot_version"]);
    let browse = format!("{path}/browse?prefix=main/notes/");
    let (_, seen) = server.call(&token, "GET", &browse).await;
    let keys: Vec<&str> = seen["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["key"].as_str().unwrap())
        .collect();
    assert_eq!(keys, ["main/notes/b.md", "main/notes/same.md"]);

    let asked = json!({ "path": "main/notes" });
    let (status, back) = post(&server, &token, &format!("{path}/restore"), asked.clone()).await;
    assert_eq!(status, StatusCode::OK, "{back}");
    assert_eq!(back["restored"], json!(["main/notes/b.md"]));
    for (path, body) in [
        ("/webdav/main/notes/b.md", "b then"),
        ("/webdav/main/notes/new.md", "new"),
        ("/webdav/main/notes-2/c.md", "c now"),
        ("/webdav/main/a.md", "a now"),
    ] {
        assert_eq!(get(&server, &token, path).await, body, "{path}");
    }
    let (_, again) = post(&server, &token, &format!("{path}/restore"), asked).await;
    assert_eq!(again["restored"], json!([]));

    let ben = server.ready_member(BEN).await;
    for method in ["GET", "DELETE"] {
        assert_eq!(server.call(&ben, method, &path).await.0, 404);
    }
    let asked = json!({ "path": "" });
    let (status, _) = post(&server, &ben, &format!("{path}/restore"), asked).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(server.call(&token, "DELETE", &path).await.0, 204);
    assert_eq!(server.call(&token, "GET", &path).await.0, 404);
}
