use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use reqwest::StatusCode;
use serde_json::{Value, json};
use wire::{ChangeEvent, ChangeKind};

use crate::process::{post, sign_in_as};
use crate::storage::{new_keys, s3};
use crate::support::{FAR_AWAY, Server, read, text};

const ANA: &str = "ana@example.org";
const SOON: Duration = Duration::from_secs(20);

/// A reader of a change stream, over a real socket.
struct Reader {
    body: BoxStream<'static, reqwest::Result<bytes::Bytes>>,
    text: String,
}

#[derive(Debug)]
struct Frame {
    id: Option<i64>,
    event: String,
    data: Value,
    retries: bool,
}

impl Reader {
    async fn open(server: &Server, token: &str, query: &str, last: Option<i64>) -> Self {
        let path = format!("/tenant/events{query}");
        let mut request = server.request("GET", &path).bearer_auth(token);
        if let Some(id) = last {
            request = request.header("last-event-id", id);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        assert_eq!(answer.headers()["cache-control"], "no-store");
        assert_eq!(answer.headers()["x-accel-buffering"], "no");
        Self {
            body: answer.bytes_stream().boxed(),
            text: String::new(),
        }
    }

    /// Gives the next frame; `None` at the end of the stream.
    async fn next(&mut self) -> Option<Frame> {
        while !self.text.contains("\n\n") {
            let bytes = tokio::time::timeout(SOON, self.body.next())
                .await
                .expect("the stream says something")?
                .ok()?;
            self.text.push_str(std::str::from_utf8(&bytes).unwrap());
        }
        let (frame, rest) = self.text.split_once("\n\n").unwrap();
        let field = |name: &str| frame.lines().find_map(|line| line.strip_prefix(name));
        let frame = Frame {
            id: field("id: ").map(|id| id.parse().unwrap()),
            event: field("event: ").unwrap_or_default().to_owned(),
            data: field("data: ").map_or(Value::Null, |data| serde_json::from_str(data).unwrap()),
            retries: field("retry: ").is_some(),
        };
        self.text = rest.to_owned();
        Some(frame)
    }

    async fn expect(&mut self, event: &str) -> Frame {
        loop {
            let frame = self.next().await.expect("the stream goes on");
            if frame.event == event {
                return frame;
            }
            assert!(frame.event.is_empty(), "{frame:?} instead of {event}");
        }
    }

    async fn change(&mut self) -> ChangeEvent {
        serde_json::from_value(self.expect("change").await.data).unwrap()
    }
}

async fn report(server: &Server, token: &str, body: &Value) -> (StatusCode, Value) {
    let request = server.request("POST", "/tenant/changes").bearer_auth(token);
    read(request.json(body).send().await.unwrap()).await
}

#[tokio::test]
async fn an_upload_is_one_event_whoever_tells_of_it() {
    let server = Server::start().await;
    let token = server.ready_member(ANA).await;
    let keys = new_keys(&server, &token).await;
    let mut reader = Reader::open(&server, &token, "?device=phone", None).await;
    let from = reader.expect("ready").await.id.unwrap();

    let (status, _) = s3(&keys, "PUT", &keys.bucket_name, "notes/a.md", "hello").await;
    assert_eq!(status, StatusCode::OK);
    let seen = reader.change().await;
    let etag = "5d41402abc4b2a76b9719d911017c592";
    assert_eq!(
        (
            seen.kind,
            seen.path.as_str(),
            seen.etag.as_deref(),
            seen.size
        ),
        (ChangeKind::Put, "notes/a.md", Some(etag), Some(5))
    );
    assert_eq!((seen.seq, seen.device), (from + 1, None));

    let told = json!({
        "device": "ana-laptop",
        "changes": [{ "path": "notes/a.md", "kind": "put", "etag": format!("\"{etag}\"") }],
    });
    for _ in 0..2 {
        let answer = report(&server, &token, &told).await;
        assert_eq!(answer, (StatusCode::OK, json!({ "seq": from + 1 })));
    }
    s3(&keys, "DELETE", &keys.bucket_name, "notes/a.md", "").await;
    let gone = reader.change().await;
    assert_eq!((gone.seq, gone.kind), (from + 2, ChangeKind::Delete));

    let mut again = Reader::open(&server, &token, "", Some(from)).await;
    again.expect("ready").await;
    let replayed = again.change().await;
    assert_eq!(replayed.device.as_deref(), Some("ana-laptop"));
    assert_eq!(again.change().await, gone);
}

#[tokio::test]
async fn a_report_without_an_upload_reaches_the_tenants_streams_and_no_others() {
    let server = Server::start().await;
    let ana = server.ready_member(ANA).await;
    let eve = server.ready_member("eve@example.org").await;
    let mut anas = Reader::open(&server, &ana, "?after=0", None).await;
    let mut eves = Reader::open(&server, &eve, "", None).await;
    anas.expect("ready").await;
    eves.expect("ready").await;
    for (token, path) in [(&ana, "ana.md"), (&eve, "eve.md")] {
        let told = json!({ "changes": [{ "path": path, "kind": "put" }] });
        assert_eq!(report(&server, token, &told).await.0, StatusCode::OK);
    }
    assert_eq!(eves.change().await.path, "eve.md");
    loop {
        let frame = anas.next().await.unwrap();
        if frame.event == "change" {
            assert_eq!(frame.data["path"], "ana.md");
            break;
        }
    }
}

#[tokio::test]
async fn a_stream_ends_with_the_token_it_began_with() {
    let server = Server::start().await;
    let token = server.ready_member(ANA).await;
    let mut reader = Reader::open(&server, &token, "", None).await;
    reader.expect("ready").await;
    server.put_clock_forward(Duration::from_secs(3601));
    let fresh = server.sign_in(ANA).await.access;
    let told = json!({ "changes": [{ "path": "a.md", "kind": "put" }] });
    assert_eq!(report(&server, &fresh, &told).await.0, StatusCode::OK);
    let end = reader.expect("end").await;
    assert_eq!(
        (end.id, &end.data["error"]),
        (None, &json!("unauthenticated"))
    );
    assert!(reader.next().await.is_none());
}

#[tokio::test]
async fn a_server_that_stops_sends_its_readers_away_at_once() {
    let server = Server::start().await;
    let token = server.ready_member(ANA).await;
    let mut reader = Reader::open(&server, &token, "", None).await;
    let last = reader.expect("ready").await.id;
    let started = tokio::time::Instant::now();
    let server = server.restart().await;
    assert!(
        started.elapsed() < Duration::from_secs(8),
        "nobody was waited for"
    );
    let parting = reader.next().await.unwrap();
    assert!(parting.retries && parting.event.is_empty(), "{parting:?}");
    assert!(reader.next().await.is_none());

    // What the store did while nobody recorded it is unknown after a start.
    let mut reader = Reader::open(&server, &token, "", last).await;
    reader.expect("ready").await;
    let resync = reader.expect("resync").await;
    assert!(resync.id > last);
}

#[tokio::test]
async fn a_request_that_is_wrong_is_refused_before_anything_streams() {
    let server = Server::start().await;
    let token = server.ready_member(ANA).await;
    for query in ["?after=-1", "?after=x", "?device=a%20b", "?device="] {
        let path = format!("/tenant/events{query}");
        let (status, body) = server.call(&token, "GET", &path).await;
        assert_eq!(
            (status, &body["error"]),
            (StatusCode::BAD_REQUEST, &json!("invalid_request")),
            "{query}"
        );
    }
    for body in [
        json!({}),
        json!({ "changes": [] }),
        json!({ "changes": [{ "path": "a.md", "kind": "shuffle" }] }),
        json!({ "changes": [{ "path": "a.md", "kind": "put", "tenant_id": "x" }] }),
    ] {
        let (status, answer) = report(&server, &token, &body).await;
        assert_eq!(
            (status, &answer["error"]),
            (StatusCode::BAD_REQUEST, &json!("invalid_request")),
            "{body}"
        );
    }
}

#[tokio::test]
async fn streams_have_a_cap_and_a_closed_one_makes_room() {
    let server = Server::start().await;
    let token = server.ready_member(ANA).await;
    let mut readers = Vec::new();
    let refused = loop {
        let request = server.request("GET", "/tenant/events").bearer_auth(&token);
        let answer = request.send().await.unwrap();
        if answer.status() != StatusCode::OK {
            break answer;
        }
        readers.push(answer);
        assert!(readers.len() < 1_000, "there is no cap");
    };
    assert_eq!(refused.headers()["retry-after"], "60");
    let (status, body) = read(refused).await;
    assert_eq!(
        (status, &body["error"]),
        (StatusCode::TOO_MANY_REQUESTS, &json!("rate_limited"))
    );
    readers.pop();
    testkit::wait_until(SOON, async || {
        let request = server.request("GET", "/tenant/events").bearer_auth(&token);
        request.send().await.unwrap().status() == StatusCode::OK
    })
    .await;
}

/// Kilobytes of a process that are its own.
#[cfg(target_os = "linux")]
fn own_memory_kb(pid: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("RssAnon:"));
    let kb = line.unwrap().trim().trim_end_matches(" kB");
    kb.parse().unwrap()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_idle_stream_costs_little() {
    const PEOPLE: usize = 16;
    const EACH: usize = 32;
    const MOST_KB: usize = 28;
    let folder = tempfile::tempdir().unwrap();
    let mut child = testkit::program(env!("CARGO_BIN_EXE_bm-server"))
        .args(["dev", "--instances", "none"])
        .args(["--port", "0", "--s3-port", "0", "--state"])
        .arg(folder.path())
        .spawn();
    let url = text(&child.json_line(SOON).await, "url");
    let mut tokens = Vec::new();
    for person in 0..PEOPLE {
        let tokens_of_person = sign_in_as(&url, &format!("p{person}@example.org")).await;
        let (_, _, user, answer) = tokens_of_person;
        let token = text(&answer, "access_token");
        let current = json!({
            "workos_user_id": user, "status": "active", "current_period_end": FAR_AWAY,
        });
        let subscriptions = format!("{url}/dev/subscriptions");
        post(&subscriptions, "", "application/json", &current.to_string()).await;
        post(
            &format!("{url}/tenants/setup"),
            &token,
            "application/json",
            "",
        )
        .await;
        tokens.push(token);
    }
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let before = own_memory_kb(child.pid());
    let mut open = Vec::new();
    for token in tokens
        .iter()
        .flat_map(|token| std::iter::repeat_n(token, EACH))
    {
        let request = client
            .get(format!("{url}/tenant/events"))
            .bearer_auth(token);
        let mut answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        let mut seen = String::new();
        while !seen.contains("event: ready") {
            let bytes = answer.chunk().await.unwrap().unwrap();
            seen.push_str(std::str::from_utf8(&bytes).unwrap());
        }
        open.push(answer);
    }
    let grown = own_memory_kb(child.pid()) - before;
    let each = grown / open.len();
    println!("{each} KB for each of {} streams", open.len());
    assert!(
        each <= MOST_KB,
        "{each} KB for each of {} streams",
        open.len()
    );
}
