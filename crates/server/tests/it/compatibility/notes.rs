use reqwest::{RequestBuilder, Response, StatusCode};
use serde_json::Value;

use super::{ANA, BEN};
use crate::storage::{new_keys, s3};
use crate::support::Server;

/// MD5 of "hello" and of "other".
const HELLO: &str = "\"5d41402abc4b2a76b9719d911017c592\"";

async fn send(request: RequestBuilder) -> Response {
    request.send().await.unwrap()
}

struct Notes<'s> {
    server: &'s Server,
    token: String,
}

impl Notes<'_> {
    fn request(&self, method: &str, path: &str) -> RequestBuilder {
        self.server.request(method, path).bearer_auth(&self.token)
    }

    async fn put(&self, path: &str, body: &str) -> Response {
        send(self.request("PUT", path).body(body.to_owned())).await
    }

    async fn status(&self, method: &str, path: &str) -> u16 {
        send(self.request(method, path)).await.status().as_u16()
    }

    async fn listing(&self, path: &str) -> String {
        let request = self.request("PROPFIND", path).header("Depth", "infinity");
        let answer = send(request).await;
        assert_eq!(answer.status(), StatusCode::MULTI_STATUS);
        let kind = answer.headers()["content-type"].to_str().unwrap();
        assert!(kind.starts_with("application/xml"), "{kind}");
        answer.text().await.unwrap()
    }
}

#[tokio::test]
async fn a_note_is_written_listed_fetched_and_removed() {
    let server = Server::start().await;
    let notes = Notes {
        server: &server,
        token: server.ready_member(ANA).await,
    };
    let path = "/webdav/My%20Project/sub/a%20b%23%3F.md";
    let create = || {
        notes
            .request("PUT", path)
            .header("If-None-Match", "*")
            .header("X-OC-Mtime", "784111777")
            .body("hello")
    };
    let created = send(create()).await;
    assert_eq!(created.status(), StatusCode::CREATED);
    assert_eq!(created.headers()["etag"], HELLO);
    assert_eq!(created.headers()["x-oc-mtime"], "accepted");
    assert_eq!(
        send(create()).await.status(),
        StatusCode::PRECONDITION_FAILED
    );

    let listing = notes.listing("/webdav/My%20Project").await;
    for expected in [
        "<D:href>/webdav/My%20Project/</D:href>",
        "<D:href>/webdav/My%20Project/sub/</D:href>",
        "<D:href>/webdav/My%20Project/sub/a%20b%23%3F.md</D:href>",
        "<D:getetag>\"5d41402abc4b2a76b9719d911017c592\"</D:getetag>",
        "<D:getcontentlength>5</D:getcontentlength>",
    ] {
        assert!(listing.contains(expected), "{expected} in {listing}");
    }
    let fetched = send(notes.request("GET", path)).await;
    assert_eq!(
        fetched.headers()["last-modified"],
        "Sun, 06 Nov 1994 08:49:37 GMT"
    );
    assert_eq!(fetched.headers()["etag"], HELLO);
    assert_eq!(fetched.text().await.unwrap(), "hello");
    let part = send(notes.request("GET", path).header("Range", "bytes=1-2")).await;
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.text().await.unwrap(), "el");
    let known = send(notes.request("GET", path).header("If-None-Match", HELLO)).await;
    assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
    let beyond = send(notes.request("GET", path).header("Range", "bytes=9-")).await;
    assert_eq!(beyond.status(), StatusCode::RANGE_NOT_SATISFIABLE);

    // The same object by the folder's own name, and at the older address.
    let older = "/proxy/webdav/my-project/sub/a%20b%23%3F.md";
    let replaced = notes.put(older, "other").await;
    assert_eq!(replaced.status(), StatusCode::NO_CONTENT);
    assert_eq!(
        send(notes.request("GET", path)).await.text().await.unwrap(),
        "other"
    );
    let stale = notes.request("PUT", path).header("If-Match", HELLO);
    let stale = send(stale.body("late")).await;
    assert_eq!(stale.status(), StatusCode::PRECONDITION_FAILED);

    for (condition, known) in [("If-Match", HELLO), ("If-None-Match", "*")] {
        let late = send(notes.request("DELETE", path).header(condition, known)).await;
        assert_eq!(late.status(), StatusCode::PRECONDITION_FAILED);
    }
    let now = &replaced.headers()["etag"];
    let removed = send(notes.request("DELETE", path).header("If-Match", now)).await;
    assert_eq!(removed.status(), StatusCode::NO_CONTENT);
    assert_eq!(notes.status("GET", path).await, 404);
    assert_eq!(notes.put(path, "again").await.status(), 204);
    let any = send(notes.request("DELETE", path).header("If-Match", "*")).await;
    assert_eq!(any.status(), StatusCode::NO_CONTENT);
    assert_eq!(notes.status("DELETE", path).await, 404);
    assert_eq!(notes.status("PATCH", path).await, 405);
    let options = send(notes.request("OPTIONS", path)).await;
    assert!(
        options.headers()["allow"]
            .to_str()
            .unwrap()
            .contains("PROPFIND")
    );
}

#[tokio::test]
async fn a_project_and_a_single_note_are_listed_at_both_addresses() {
    let server = Server::start().await;
    let notes = Notes {
        server: &server,
        token: server.ready_member(ANA).await,
    };
    notes.put("/webdav/main/sub/a.md", "hello").await;
    notes.put("/webdav/main/sub/a.md2", "another").await;
    for root in ["/webdav/main", "/proxy/webdav/main"] {
        for address in [root.to_owned(), format!("{root}/")] {
            let whole = notes.listing(&address).await;
            let entries = ["/", "/sub/", "/sub/a.md", "/sub/a.md2"];
            for entry in entries {
                let href = format!("<D:href>{root}{entry}</D:href>");
                assert!(whole.contains(&href), "{href} in {whole}");
            }
            assert_eq!(whole.matches("<D:response>").count(), entries.len());
        }
        let one = notes.listing(&format!("{root}/sub/a.md")).await;
        assert_eq!(one.matches("<D:response>").count(), 1, "{one}");
        let href = format!("<D:href>{root}/sub/a.md</D:href>");
        assert!(
            one.contains(&href) && one.contains("5d41402abc4b2a76"),
            "{one}"
        );
        assert!(!one.contains("collection"), "{one}");
        for nothing in ["/sub/a.md/", "/sub/a.m", "/other"] {
            let path = format!("{root}{nothing}");
            assert_eq!(notes.status("PROPFIND", &path).await, 404, "{path}");
        }
    }
}

#[tokio::test]
async fn what_is_written_is_in_the_persons_bucket_with_what_it_replaced_and_is_told() {
    let server = Server::start().await;
    let notes = Notes {
        server: &server,
        token: server.ready_member(ANA).await,
    };
    let keys = new_keys(&server, &notes.token).await;
    notes.put("/webdav/main/a.md", "one").await;
    notes.put("/webdav/main/a.md", "two").await;
    let (status, body) = s3(&keys, "GET", &keys.bucket_name, "main/a.md", "").await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, "two"));
    let (_, versions) = s3(&keys, "GET", &keys.bucket_name, "?versions=", "").await;
    assert_eq!(versions.matches("<Version>").count(), 2, "{versions}");

    let stream = notes.request("GET", "/tenant/events?after=0");
    let mut stream = send(stream).await;
    let mut told = String::new();
    while told.matches("event: change").count() < 2 {
        told.push_str(std::str::from_utf8(&stream.chunk().await.unwrap().unwrap()).unwrap());
    }
    let paths: Vec<Value> = told
        .lines()
        .filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok())
        .filter(|event: &Value| event["path"] == "main/a.md")
        .collect();
    assert_eq!(paths.len(), 2, "{told}");
}

#[tokio::test]
async fn no_address_leads_to_another_projects_or_persons_notes() {
    let server = Server::start().await;
    let (ana, ben) = (
        server.ready_member(ANA).await,
        server.ready_member(BEN).await,
    );
    let ana = Notes {
        server: &server,
        token: ana,
    };
    let ben = Notes {
        server: &server,
        token: ben,
    };
    ana.put("/webdav/main/secret.md", "hers").await;
    assert_eq!(ben.status("GET", "/webdav/main/secret.md").await, 404);
    assert!(!ben.listing("/webdav/main").await.contains("secret"));
    for path in [
        "/webdav/other/%252e%252e/main/secret.md",
        "/webdav/other/..%2fmain/secret.md",
        "/webdav/other//main/secret.md",
        "/webdav/other%5c..%5cmain/secret.md",
    ] {
        for method in ["GET", "PUT", "DELETE", "PROPFIND"] {
            let status = ana.status(method, path).await;
            assert_eq!(status, 400, "{method} {path}");
        }
    }
    assert_eq!(ana.status("PUT", "/webdav/main").await, 404);
    assert_eq!(ana.status("PUT", "/webdav/main/folder/").await, 400);
    assert_eq!(ana.status("GET", "/webdav/%21%21/a.md").await, 404);
}

#[tokio::test]
async fn many_notes_are_listed_whole() {
    let server = Server::start().await;
    let notes = Notes {
        server: &server,
        token: server.ready_member(ANA).await,
    };
    // More than the store gives in one page.
    let puts = (0..1_050).map(|number| {
        let (notes, path) = (&notes, format!("/webdav/main/f{}/n{number}.md", number % 7));
        async move { notes.put(&path, "x").await.status() }
    });
    use futures::StreamExt;
    let done: Vec<StatusCode> = futures::stream::iter(puts).buffered(16).collect().await;
    assert!(done.iter().all(StatusCode::is_success));
    let listing = notes.listing("/webdav/main").await;
    assert_eq!(listing.matches("<D:getetag>").count(), 1_050);
    assert_eq!(listing.matches("<D:collection/>").count(), 8);
    assert!(listing.ends_with("</D:multistatus>\n"));
}
