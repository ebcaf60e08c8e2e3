use std::time::{Duration, Instant};

use guard::{Body, BucketError, GuardEvent, Object, Precondition, RefusedReason};

use crate::cloud::{Cloud, Machine, connect, through};

const ANY: Precondition = Precondition::Absent;

fn text(text: &str) -> Body {
    Body::from(text.as_bytes().to_vec())
}

#[tokio::test]
async fn a_lost_answer_to_an_upload_is_found_out_and_adopted() {
    let cloud = Cloud::start().await;
    cloud.write("old", "base").await;
    let machine = Machine::new(cloud.bucket()).await;
    let client = through(&machine.session);
    for key in ["new", "old"] {
        cloud.watcher.lose_the_next_answer_to("PUT");
        let etag = client.put(key, text("ours"), ANY, &[]).await.unwrap();
        assert_eq!(machine.session.outcome().uploaded[key].etag, etag);
        assert_eq!(cloud.read(key).await.as_deref(), Some("ours"));
    }
    assert_eq!(machine.session.outcome().refused, vec![]);
    assert_eq!(cloud.watcher.count("PUT"), 2, "nothing was sent twice");
}

#[tokio::test]
async fn an_upload_that_meets_its_own_content_is_done() {
    let cloud = Cloud::start().await;
    let machine = Machine::new(cloud.bucket()).await;
    let etag = cloud.write("note", "same").await;
    cloud.write("empty", "").await;
    let client = through(&machine.session);
    assert_eq!(
        client.put("note", text("same"), ANY, &[]).await.unwrap(),
        etag
    );
    client.put("empty", text(""), ANY, &[]).await.unwrap();
    client.put("note", text("next"), ANY, &[]).await.unwrap();
    assert_eq!(cloud.read("note").await.as_deref(), Some("next"));
    cloud.watcher.assert_all_conditional();
}

#[tokio::test]
async fn a_delete_that_was_done_already_is_done() {
    let cloud = Cloud::start().await;
    cloud.write("a", "text").await;
    let etag = cloud.write("b", "text").await;
    let machine = Machine::new(cloud.bucket()).await;
    let client = through(&machine.session);
    cloud.watcher.lose_the_next_answer_to("DELETE");
    let unknown = client.delete("a", "e").await.unwrap_err();
    assert!(unknown.is_transient(), "{unknown}");
    client.delete("a", "e").await.unwrap();
    cloud.elsewhere.delete("b", &etag).await.unwrap();
    client.delete("b", "e").await.unwrap();
    assert_eq!(machine.session.outcome().deleted.len(), 2);
    let lost = machine.session.outcome().refused;
    assert!(
        lost.iter()
            .all(|refused| refused.reason == RefusedReason::Unreachable),
        "{lost:?}"
    );
}

#[tokio::test]
async fn an_unreachable_bucket_is_said_at_once() {
    let nobody = format!("http://127.0.0.1:{}", testkit::free_port());
    let bucket = connect(&nobody, "a", &"b".into());
    let known = Object {
        key: "known".into(),
        size: 1,
        etag: "e".into(),
        last_modified_ms: 0,
        mtime_ms: None,
    };
    let mut machine = Machine::over(bucket, vec![known], |spec| spec).await;
    let client = through(&machine.session);
    let start = Instant::now();
    let silent = |error: BucketError| {
        let is_503 = matches!(&error, BucketError::Server { status: 503, code } if code == "ServiceUnavailable");
        assert!(is_503, "{error:?}");
    };
    silent(client.put("new", text("x"), ANY, &[]).await.unwrap_err());
    silent(client.get("known", None).await.unwrap_err());
    silent(client.delete("known", "e").await.unwrap_err());
    assert!(
        start.elapsed() < Duration::from_secs(15),
        "{:?}",
        start.elapsed()
    );
    assert!(machine.told().contains(&GuardEvent::Unreachable));
    assert_eq!(
        client.sweep().await.unwrap().len(),
        1,
        "the snapshot still answers"
    );
}

#[tokio::test]
async fn requests_of_no_concern_never_leave() {
    let cloud = Cloud::start().await;
    let machine = Machine::new(cloud.bucket()).await;
    let before = cloud.watcher.seen().len();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    for (method, path) in [
        ("GET", ""),
        ("PUT", "/notes"),
        ("GET", "/notes/k"),
        ("DELETE", "/notes/k"),
    ] {
        let url = format!("{}{path}", machine.session.endpoint());
        let answer = http
            .request(method.parse().unwrap(), url)
            .send()
            .await
            .unwrap();
        assert_eq!(
            answer.status().as_u16(),
            403,
            "{method} {path} without a signature"
        );
    }
    let strange = connect_to_other_bucket(&machine).sweep().await.unwrap_err();
    assert!(matches!(strange, BucketError::Refused { .. }), "{strange}");
    assert_eq!(cloud.watcher.seen().len(), before);
}

fn connect_to_other_bucket(machine: &Machine) -> guard::Bucket {
    let config = guard::BucketConfig {
        endpoint: machine.session.endpoint().parse().unwrap(),
        region: "us-east-1".into(),
        bucket: "another".into(),
        credentials: guard::Credentials {
            access_key: machine.session.access_key().into(),
            secret_key: machine.session.secret_key().clone(),
        },
    };
    guard::Bucket::new(config, crate::cloud::clock()).unwrap()
}
