use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::routing::any;
use futures::{StreamExt, stream};
use http_body_util::BodyExt;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use wire::SignedHeaders;

use super::*;
use crate::error::ApiError;

const TENANT: &str = "434252dd-d83b-4b20-bf70-8a950ff875c4";
const SHORT: Duration = Duration::from_millis(100);
const SOON: Duration = Duration::from_secs(10);

async fn serve(routes: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    address
}

fn tenant(address: &str, key_id: &str) -> TenantScope {
    TenantScope::for_tests(TENANT, "bucket").with_instance(Instance {
        address: address.to_owned(),
        key_id: key_id.to_owned(),
        state: READY.to_owned(),
    })
}

fn proxy(settings: ProxySettings) -> Proxy {
    let [old, new]: [SecretString; 2] = ["11", "22"].map(|digits| digits.repeat(32).into());
    let keys = SigningKeys::from_hex("new", [("old", &old), ("new", &new)]).unwrap();
    let instances = Arc::new(crate::instances::NoInstances);
    Proxy::new(
        settings,
        Arc::new(keys),
        instances,
        CancellationToken::new(),
    )
}

fn get() -> Request {
    let request = axum::http::Request::get("/proxy/a").header("host", "localhost");
    request.body(Body::empty()).unwrap()
}

fn code(passed: Result<Response, ProxyError>) -> &'static str {
    ApiError::from(passed.unwrap_err()).code()
}

#[tokio::test]
async fn each_instance_gets_the_signature_of_the_key_its_row_names() {
    let routes = Router::new().fallback(any(async |request: Request| {
        let header = |name: &str| request.headers()[name].to_str().unwrap().to_owned();
        let names = [
            SignedHeaders::KEY_ID,
            SignedHeaders::TIMESTAMP,
            SignedHeaders::BODY_SHA256,
            SignedHeaders::NONCE,
            SignedHeaders::SIGNATURE,
        ];
        names.map(header).join(" ")
    }));
    let address = serve(routes).await;
    let proxy = proxy(ProxySettings::default());
    for key_id in ["old", "new"] {
        let tenant = tenant(&address, key_id);
        let answer = proxy.pass(&tenant, "user_1", 1_700_000_000, get()).await;
        let body = answer.unwrap().into_body().collect().await.unwrap();
        let text = String::from_utf8(body.to_bytes().to_vec()).unwrap();
        let [key, timestamp, digest, nonce, signature] =
            text.split(' ').collect::<Vec<_>>().try_into().unwrap();
        assert_eq!((key, timestamp), (key_id, "1700000000"));
        let message =
            wire::canonical_message(TENANT, timestamp, "GET", "/a", digest, nonce, "user_1");
        let expected = proxy.keys.derive(TENANT, key_id).unwrap().sign(&message);
        assert_eq!(signature, expected);
    }
    let passed = proxy
        .pass(&tenant(&address, "gone"), "user_1", 0, get())
        .await;
    assert_eq!(code(passed), "upstream_failed");
}

#[tokio::test]
async fn an_instance_that_never_answers_is_given_up() {
    let routes = Router::new().fallback(any(async || std::future::pending::<()>().await));
    let address = serve(routes).await;
    let proxy = proxy(ProxySettings {
        answer: SHORT,
        ..ProxySettings::default()
    });
    let tenant = tenant(&address, "new");
    let passed = tokio::time::timeout(SOON, proxy.pass(&tenant, "u", 0, get()));
    let passed = passed.await.expect("it does not wait forever");
    assert!(
        matches!(passed, Err(ProxyError::Transport(TransportError::TooSlow))),
        "{passed:?}"
    );
}

#[tokio::test]
async fn an_upload_that_moves_may_take_longer_than_an_answer() {
    let routes = Router::new().fallback(any(async |body: Bytes| body.len().to_string()));
    let address = serve(routes).await;
    let proxy = proxy(ProxySettings {
        answer: Duration::from_millis(400),
        ..ProxySettings::default()
    });
    let pieces = stream::iter(0..10).then(async |_| {
        tokio::time::sleep(SHORT).await;
        Ok::<_, std::io::Error>(Bytes::from_static(b"x"))
    });
    let request = axum::http::Request::put("/proxy/a").header("host", "localhost");
    let request = request.body(Body::from_stream(pieces)).unwrap();
    let answer = proxy.pass(&tenant(&address, "new"), "u", 0, request).await;
    let body = answer.unwrap().into_body().collect().await.unwrap();
    assert_eq!(body.to_bytes(), "10");
}

#[tokio::test]
async fn an_instance_that_falls_silent_in_its_answer_is_cut_off() {
    let routes = Router::new().fallback(any(async || {
        let first = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"a"))]);
        Body::from_stream(first.chain(stream::pending()))
    }));
    let address = serve(routes).await;
    let proxy = proxy(ProxySettings {
        answer_idle: SHORT,
        ..ProxySettings::default()
    });
    let answer = proxy.pass(&tenant(&address, "new"), "u", 0, get()).await;
    let whole = tokio::time::timeout(SOON, answer.unwrap().into_body().collect());
    assert!(whole.await.expect("it does not wait forever").is_err());
}

#[tokio::test]
async fn a_tenant_that_has_enough_under_way_waits_and_others_do_not() {
    let go_on = Arc::new(Notify::new());
    let wait = Arc::clone(&go_on);
    let routes = Router::new().fallback(any(async move || {
        let first = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"a"))]);
        let rest = stream::once(async move {
            wait.notified().await;
            Ok(Bytes::from_static(b"b"))
        });
        Body::from_stream(first.chain(rest))
    }));
    let address = serve(routes).await;
    let proxy = proxy(ProxySettings {
        under_way_per_tenant: 1,
        ..ProxySettings::default()
    });
    let tenant = tenant(&address, "new");
    let first = proxy.pass(&tenant, "u", 0, get()).await.unwrap();
    let second = proxy.pass(&tenant, "u", 0, get()).await;
    assert_eq!(code(second), "rate_limited");
    go_on.notify_one();
    assert_eq!(first.into_body().collect().await.unwrap().to_bytes(), "ab");
    assert!(proxy.pass(&tenant, "u", 0, get()).await.is_ok());
}

#[tokio::test]
async fn event_streams_end_when_the_server_drains_and_other_answers_go_on() {
    let routes = Router::new()
        .route(
            "/events",
            any(async || {
                let kind = [("content-type", "text/event-stream; charset=utf-8")];
                let first = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"a"))]);
                (kind, Body::from_stream(first.chain(stream::pending())))
            }),
        )
        .fallback(any(async || {
            let pieces = stream::iter(0..5).then(async |_| {
                tokio::time::sleep(SHORT).await;
                Ok::<_, std::io::Error>(Bytes::from_static(b"x"))
            });
            Body::from_stream(pieces)
        }));
    let address = serve(routes).await;
    let draining = CancellationToken::new();
    let keys = Arc::new(SigningKeys::single("new", [1; 32]));
    let instances = Arc::new(crate::instances::NoInstances);
    let proxy = Proxy::new(ProxySettings::default(), keys, instances, draining.clone());
    let tenant = tenant(&address, "new");
    let request = axum::http::Request::get("/proxy/events").header("host", "localhost");
    let request = request.body(Body::empty()).unwrap();
    let events = proxy.pass(&tenant, "u", 0, request).await.unwrap();
    let other = proxy.pass(&tenant, "u", 0, get()).await.unwrap();
    draining.cancel();
    let ended = tokio::time::timeout(SOON, events.into_body().collect());
    let ended = ended.await.expect("it ends").unwrap();
    assert_eq!(ended.to_bytes(), "a");
    assert_eq!(
        other.into_body().collect().await.unwrap().to_bytes(),
        "xxxxx"
    );
}
