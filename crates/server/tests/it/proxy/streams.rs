//! Answers and bodies that are passed on while they are made.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::header;
use axum::response::Response;
use axum::routing::any;
use futures::StreamExt;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};
use tokio_stream::wrappers::ReceiverStream;

use super::{SOON, member_with_instance};

type Piece = Result<Bytes, Infallible>;

/// Serves a handler as an instance; its address.
pub(super) async fn serve(routes: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    address.to_string()
}

fn piece(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

async fn next(
    stream: &mut (impl futures::Stream<Item = reqwest::Result<Bytes>> + Unpin),
) -> String {
    let next = tokio::time::timeout(SOON, stream.next()).await;
    let bytes = next.expect("it comes at once").unwrap().unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn events_arrive_one_by_one_as_they_are_made() {
    let (events, given) = mpsc::channel::<Piece>(1);
    let given = Arc::new(Mutex::new(Some(given)));
    let routes = Router::new().fallback(any(async move || {
        let stream = ReceiverStream::new(given.lock().await.take().unwrap());
        Response::builder()
            .header(header::CONTENT_TYPE, "text/event-stream")
            .body(Body::from_stream(stream))
            .unwrap()
    }));
    let (server, token) = member_with_instance(&serve(routes).await).await;
    let request = server.request("GET", "/proxy/mcp").bearer_auth(&token);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let mut stream = answer.bytes_stream();
    for event in ["data: 1\n\n", "data: 2\n\n", "data: 3\n\n"] {
        events.send(Ok(piece(event))).await.unwrap();
        assert_eq!(next(&mut stream).await, event);
    }
    drop(events);
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn a_caller_that_leaves_ends_the_answer_at_the_instance() {
    let (events, given) = mpsc::channel::<Piece>(1);
    let given = Arc::new(Mutex::new(Some(given)));
    let routes = Router::new().fallback(any(async move || {
        Body::from_stream(ReceiverStream::new(given.lock().await.take().unwrap()))
    }));
    let (server, token) = member_with_instance(&serve(routes).await).await;
    let request = server.request("GET", "/proxy/mcp").bearer_auth(&token);
    let mut stream = request.send().await.unwrap().bytes_stream();
    events.send(Ok(piece("a"))).await.unwrap();
    assert_eq!(next(&mut stream).await, "a");
    drop(stream);
    tokio::time::timeout(SOON, events.closed())
        .await
        .expect("the instance learns that nobody listens");
}

#[tokio::test]
async fn a_body_reaches_the_instance_while_it_is_sent() {
    let (arrived, mut arrivals) = mpsc::channel::<Bytes>(1);
    let routes = Router::new().fallback(any(async move |request: Request| {
        let mut stream = request.into_body().into_data_stream();
        while let Some(Ok(bytes)) = stream.next().await {
            arrived.send(bytes).await.unwrap();
        }
        "done"
    }));
    let (server, token) = member_with_instance(&serve(routes).await).await;
    let (pieces, given) = mpsc::channel::<Piece>(1);
    let body = reqwest::Body::wrap_stream(ReceiverStream::new(given));
    let request = server.request("POST", "/proxy/upload").bearer_auth(&token);
    let answer = tokio::spawn(request.body(body).send());
    for text in ["one", "two", "three"] {
        pieces.send(Ok(piece(text))).await.unwrap();
        let bytes = tokio::time::timeout(SOON, arrivals.recv()).await.unwrap();
        assert_eq!(bytes.unwrap(), text);
    }
    drop(pieces);
    assert_eq!(answer.await.unwrap().unwrap().text().await.unwrap(), "done");
}

#[tokio::test]
async fn an_answer_may_begin_before_the_body_has_ended() {
    let routes = Router::new().fallback(any(async |request: Request| {
        Body::from_stream(request.into_body().into_data_stream())
    }));
    let (server, token) = member_with_instance(&serve(routes).await).await;
    let (pieces, given) = mpsc::channel::<Piece>(1);
    pieces.send(Ok(piece("ping"))).await.unwrap();
    let body = reqwest::Body::wrap_stream(ReceiverStream::new(given));
    let request = server.request("POST", "/proxy/echo").bearer_auth(&token);
    let answer = request.body(body).send().await.unwrap();
    let mut stream = answer.bytes_stream();
    assert_eq!(next(&mut stream).await, "ping");
    pieces.send(Ok(piece("pong"))).await.unwrap();
    assert_eq!(next(&mut stream).await, "pong");
}
