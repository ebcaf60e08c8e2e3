//! Large bodies, which are passed on and never held.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::routing::{get, put};
use futures::{StreamExt, stream};
use sha2::{Digest, Sha256};

use super::member_with_instance;
use super::streams::serve;

const PIECE: usize = 64 * 1024;
const PIECES: usize = 1_600;
/// Far below the hundred megabytes that pass, far above what connections need.
const ALLOWED_GROWTH_KB: u64 = 40_000;

fn piece(number: usize) -> Bytes {
    let mut bytes = vec![b'x'; PIECE];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    bytes.into()
}

fn pieces() -> impl futures::Stream<Item = Result<Bytes, std::io::Error>> {
    stream::iter(0..PIECES).map(|number| Ok(piece(number)))
}

fn expected_digest() -> String {
    let mut digest = Sha256::new();
    (0..PIECES).for_each(|number| digest.update(piece(number)));
    hex::encode(digest.finalize())
}

async fn digest_of<E: std::fmt::Debug>(
    stream: impl futures::Stream<Item = Result<Bytes, E>>,
) -> String {
    let add = async |mut digest: Sha256, bytes: Result<Bytes, E>| {
        digest.update(bytes.unwrap());
        digest
    };
    hex::encode(stream.fold(Sha256::new(), add).await.finalize())
}

fn memory_kb(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    let number = line.split_whitespace().nth(1).unwrap();
    number.parse().unwrap()
}

#[tokio::test]
async fn a_hundred_megabytes_pass_both_ways_in_a_few() {
    let routes = Router::new()
        .route(
            "/up",
            put(async |request: Request| digest_of(request.into_body().into_data_stream()).await),
        )
        .route("/down", get(async || Body::from_stream(pieces())))
        .layer(axum::extract::DefaultBodyLimit::disable());
    let (server, token) = member_with_instance(&serve(routes).await).await;
    let before = memory_kb("VmRSS");

    let body = reqwest::Body::wrap_stream(pieces());
    let request = server.request("PUT", "/proxy/up").bearer_auth(&token);
    let answer = request.body(body).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), expected_digest());

    let request = server.request("GET", "/proxy/down").bearer_auth(&token);
    let answer = request.send().await.unwrap();
    assert_eq!(digest_of(answer.bytes_stream()).await, expected_digest());

    let grown = memory_kb("VmHWM").saturating_sub(before);
    assert!(grown < ALLOWED_GROWTH_KB, "{grown} kB more at the peak");
}
