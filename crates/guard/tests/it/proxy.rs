//! The way to a bucket through a proxy that a person chose.

use std::sync::Arc;
use std::time::SystemTime;

use guard::{Bucket, BucketConfig, Credentials};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::cloud::BUCKET;

async fn once(listener: &TcpListener, answer: &str) -> String {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    stream.write_all(answer.as_bytes()).await.unwrap();
    let head = String::from_utf8(head).unwrap();
    head.lines().next().unwrap().to_owned()
}

fn bucket(endpoint: &str) -> Bucket {
    let config = BucketConfig {
        endpoint: endpoint.parse().unwrap(),
        region: "auto".into(),
        bucket: BUCKET.into(),
        credentials: Credentials {
            access_key: "AK".into(),
            secret_key: "secret".into(),
        },
    };
    Bucket::new(config, Arc::new(|| SystemTime::UNIX_EPOCH)).unwrap()
}

const MISSING: &str = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn a_bucket_elsewhere_is_reached_through_it_and_one_here_is_not() {
    let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", proxy.local_addr().unwrap());
    let address = address.parse().unwrap();

    let far = bucket("http://store.test");
    far.set_proxy(Some(&address)).unwrap();
    let (line, found) = tokio::join!(once(&proxy, MISSING), far.head("a.md"));
    assert_eq!(
        line,
        format!("HEAD http://store.test/{BUCKET}/a.md HTTP/1.1")
    );
    assert_eq!(found.unwrap(), None);

    let near = bucket(&format!("http://{}", here.local_addr().unwrap()));
    near.set_proxy(Some(&address)).unwrap();
    let (line, found) = tokio::join!(once(&here, MISSING), near.head("a.md"));
    assert_eq!(line, format!("HEAD /{BUCKET}/a.md HTTP/1.1"));
    assert_eq!(found.unwrap(), None);
}
