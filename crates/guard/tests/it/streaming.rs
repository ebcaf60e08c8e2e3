use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures::{StreamExt, stream};
use guard::{Body, Object, Precondition};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::cloud::{Cloud, Machine, connect, through};

const HUGE: u64 = 1 << 30;
/// What sockets and buffers on the way may hold; far less than the object.
const ON_THE_WAY: u64 = 64 << 20;
const STILL: std::time::Duration = std::time::Duration::from_millis(300);

/// Serves one endless object, counting what is taken of it, and swallows uploads without reading them.
async fn lazy_store(taken: Arc<AtomicU64>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let taken = taken.clone();
            let service = service_fn(move |request: Request<Incoming>| {
                let taken = taken.clone();
                async move {
                    if request.method() == "PUT" {
                        std::future::pending::<()>().await;
                    }
                    let chunk = Bytes::from(vec![0; 1 << 16]);
                    let chunks = stream::iter(0..HUGE >> 16).map(move |_| {
                        taken.fetch_add(1 << 16, Ordering::Relaxed);
                        Ok::<_, std::io::Error>(Frame::data(chunk.clone()))
                    });
                    Response::builder()
                        .header("etag", "\"e\"")
                        .header("content-length", HUGE)
                        .header("last-modified", "Sat, 21 Nov 2026 22:13:16 GMT")
                        .body(StreamBody::new(chunks))
                }
            });
            tokio::spawn(async move {
                let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                served.await.ok();
            });
        }
    });
    endpoint
}

async fn before_a_lazy_store(taken: Arc<AtomicU64>) -> Machine {
    let bucket = connect(&lazy_store(taken).await, "a", &"b".into());
    let huge = Object {
        key: "huge".into(),
        size: HUGE,
        etag: "e".into(),
        last_modified_ms: 0,
        mtime_ms: None,
    };
    Machine::over(bucket, vec![huge], |spec| spec).await
}

/// The value once it has stopped moving.
async fn settled(value: impl Fn() -> u64) -> u64 {
    let mut last = value();
    loop {
        tokio::time::sleep(STILL).await;
        let now = value();
        if now == last && now > 0 {
            return now;
        }
        last = now;
    }
}

#[tokio::test]
async fn a_download_that_is_not_read_is_not_piled_up() {
    let taken = Arc::new(AtomicU64::new(0));
    let machine = before_a_lazy_store(taken.clone()).await;
    let mut download = through(&machine.session).get("huge", None).await.unwrap();
    download.stream.next().await.unwrap().unwrap();
    let held = settled(|| taken.load(Ordering::Relaxed)).await;
    assert!(
        held < ON_THE_WAY,
        "{held} bytes were taken of an object that nobody reads"
    );
}

#[tokio::test]
async fn an_upload_that_is_not_taken_is_not_piled_up() {
    let machine = before_a_lazy_store(Arc::default()).await;
    let folder = testkit::scratch();
    let path = folder.path().join("huge");
    let file = std::fs::File::create(&path).unwrap();
    file.set_len(HUGE / 4).unwrap();
    let file = std::fs::File::open(&path).unwrap();
    let reading = file.try_clone().unwrap();
    let client = through(&machine.session);
    let upload = tokio::spawn(async move {
        client
            .put("new", Body::File(file), Precondition::Absent, &[])
            .await
    });
    // It moves while the file is hashed, and stands still only when the sending of it gets stuck.
    let position = || {
        use std::io::Seek;
        (&reading).stream_position().unwrap()
    };
    let held = settled(position).await;
    upload.abort();
    assert!(
        held < ON_THE_WAY,
        "{held} bytes were read for a store that takes none"
    );
}

#[tokio::test]
async fn a_large_file_passes_unchanged_both_ways() {
    let cloud = Cloud::start().await;
    let machine = Machine::new(cloud.bucket()).await;
    let client = through(&machine.session);
    let body: Vec<u8> = (0..16u32 << 20).map(|n| (n ^ (n >> 8)) as u8).collect();
    let body = Bytes::from(body);
    client
        .put(
            "large",
            Body::Bytes(body.clone()),
            Precondition::Absent,
            &[],
        )
        .await
        .unwrap();
    let download = client.get("large", None).await.unwrap();
    assert!(download.into_bytes(1 << 30).await.unwrap() == body);
}

#[tokio::test]
async fn a_limit_holds_both_ways_and_can_be_lifted() {
    let cloud = Cloud::start().await;
    let bucket = cloud.bucket();
    let limits = guard::Limits {
        upload: std::num::NonZeroU64::new(400_000),
        download: std::num::NonZeroU64::new(800_000),
    };
    let note = vec![b'x'; 400_000];
    let body = || Body::from(note.clone());
    bucket.set_limits(limits);
    assert_eq!(bucket.limits(), limits);
    let began = std::time::Instant::now();
    bucket
        .put("a", body(), Precondition::Absent, &[])
        .await
        .unwrap();
    let up = began.elapsed().as_secs_f64();
    assert!((0.8..10.0).contains(&up), "{up}");
    let began = std::time::Instant::now();
    let back = bucket.get("a", None).await.unwrap();
    assert_eq!(back.into_bytes(1 << 20).await.unwrap(), note);
    let down = began.elapsed().as_secs_f64();
    assert!((0.35..10.0).contains(&down), "{down}");

    bucket.set_limits(guard::Limits {
        upload: std::num::NonZeroU64::new(8192),
        download: None,
    });
    let slow = tokio::spawn({
        let (bucket, body) = (bucket.clone(), body());
        async move { bucket.put("b", body, Precondition::Absent, &[]).await }
    });
    tokio::time::sleep(STILL).await;
    assert!(!slow.is_finished(), "49 s are left");
    bucket.set_limits(guard::Limits::default());
    tokio::time::timeout(std::time::Duration::from_secs(20), slow)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}
