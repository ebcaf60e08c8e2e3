//! A proxy between the guard and the store that sees every request, and loses answers when told to.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) status: u16,
}

/// What becomes of a request.
#[derive(Clone, Copy, Default)]
pub(crate) enum Line {
    #[default]
    Whole,
    /// The connection breaks.
    Cut,
    /// Nothing ever comes back.
    Silent,
    /// What is asked for comes, but nobody waits for so long.
    Slow,
}

#[derive(Default)]
struct Log {
    seen: Vec<Seen>,
    unconditional: Vec<String>,
    lose_next: Option<String>,
    line: Line,
}

pub(crate) struct Watcher {
    pub(crate) endpoint: String,
    log: Arc<Mutex<Log>>,
    task: AbortHandle,
}

impl Drop for Watcher {
    /// Nothing unconditional may have come by in any test.
    fn drop(&mut self) {
        self.task.abort();
        if !std::thread::panicking() {
            self.assert_all_conditional();
        }
    }
}

impl Watcher {
    pub(crate) async fn start(upstream: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let log = Arc::new(Mutex::new(Log::default()));
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let shared = log.clone();
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (upstream, client, log) = (upstream.clone(), client.clone(), shared.clone());
                let service = service_fn(move |request| {
                    pass(upstream.clone(), client.clone(), log.clone(), request)
                });
                tokio::spawn(async move {
                    let served =
                        http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                    served.await.ok();
                });
            }
        });
        Self {
            endpoint,
            log,
            task: task.abort_handle(),
        }
    }

    /// Lets the next request of this method (and with this text in its target, after a space) reach the store, and closes the connection in place of its answer.
    pub(crate) fn lose_the_next_answer_to(&self, method: &str) {
        self.log.lock().unwrap().lose_next = Some(method.to_owned());
    }

    pub(crate) fn make(&self, line: Line) {
        self.log.lock().unwrap().line = line;
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.log.lock().unwrap().seen.clone()
    }

    pub(crate) fn count(&self, method: &str) -> usize {
        self.seen()
            .iter()
            .filter(|seen| seen.method == method)
            .count()
    }

    #[track_caller]
    pub(crate) fn assert_all_conditional(&self) {
        let log = self.log.lock().unwrap();
        assert_eq!(log.unconditional, Vec::<String>::new());
    }
}

async fn pass(
    upstream: String,
    client: reqwest::Client,
    log: Arc<Mutex<Log>>,
    request: Request<Incoming>,
) -> Result<Response<UnsyncBoxBody<Bytes, reqwest::Error>>, String> {
    let line = log.lock().unwrap().line;
    match line {
        Line::Whole => {}
        Line::Cut => return Err("the line is cut".to_owned()),
        Line::Silent => std::future::pending().await,
        Line::Slow => tokio::time::sleep(Duration::from_secs(8)).await,
    }
    let (parts, body) = request.into_parts();
    let target = parts.uri.path_and_query().unwrap().as_str().to_owned();
    let is_multipart = target.contains("uploadId=");
    let mutates = match parts.method.as_str() {
        "PUT" | "DELETE" => !is_multipart,
        "POST" => is_multipart,
        _ => false,
    };
    let has = |name: &str| parts.headers.contains_key(name);
    let method = parts.method.as_str().to_owned();
    if mutates && !has("if-match") && !has("if-none-match") {
        let line = format!("{method} {target}");
        log.lock().unwrap().unconditional.push(line);
    }
    let answer = client
        .request(parts.method, format!("{upstream}{target}"))
        .headers(parts.headers)
        .body(reqwest::Body::wrap(body))
        .send()
        .await
        .map_err(|error| error.to_string())?;
    let lost = {
        let mut log = log.lock().unwrap();
        let status = answer.status().as_u16();
        log.seen.push(Seen {
            method: method.clone(),
            target: target.clone(),
            status,
        });
        let is_hit = log.lose_next.as_deref().is_some_and(|wanted| {
            let (verb, part) = wanted.split_once(' ').unwrap_or((wanted, ""));
            verb == method && target.contains(part)
        });
        if is_hit {
            log.lose_next = None;
        }
        is_hit
    };
    if lost {
        return Err("the answer is lost".to_owned());
    }
    let mut reply = Response::builder().status(answer.status());
    *reply.headers_mut().unwrap() = answer.headers().clone();
    let body = StreamBody::new(answer.bytes_stream().map_ok(Frame::data));
    Ok(reply.body(body.boxed_unsync()).unwrap())
}
