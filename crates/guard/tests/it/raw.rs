//! Requests that neither rclone nor our own client sends.

use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use guard::{GuardEvent, RefusedReason, Session};
use secrecy::ExposeSecret;

use crate::cloud::{Cloud, Machine, clock};

struct Answer {
    status: u16,
    text: String,
}

/// Sends a request with a signature over `signed` and the body `sent`.
async fn send(
    session: &Session,
    (method, target): (&str, &str),
    headers: &[(&str, &str)],
    (signed, sent): (SignableBody<'_>, &str),
) -> Answer {
    let url = format!("{}{target}", session.endpoint());
    let identity = aws_credential_types::Credentials::new(
        session.access_key(),
        session.secret_key().expose_secret(),
        None,
        None,
        "test",
    )
    .into();
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region("us-east-1")
        .name("s3")
        .time(clock()())
        .settings(settings)
        .build()
        .unwrap()
        .into();
    let request = SignableRequest::new(method, &url, headers.iter().copied(), signed).unwrap();
    let (instructions, _) = sign(request, &params).unwrap().into_parts();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut request = http
        .request(method.parse().unwrap(), &url)
        .body(sent.to_owned());
    for (name, value) in headers.iter().copied().chain(instructions.headers()) {
        request = request.header(name, value);
    }
    let answer = request.send().await.unwrap();
    Answer {
        status: answer.status().as_u16(),
        text: answer.text().await.unwrap(),
    }
}

async fn plain(session: &Session, method: &str, target: &str, headers: &[(&str, &str)]) -> Answer {
    send(
        session,
        (method, target),
        headers,
        (SignableBody::UnsignedPayload, ""),
    )
    .await
}

async fn with_hash(session: &Session, method: &str, target: &str, body: &str) -> Answer {
    let signed = SignableBody::Bytes(body.as_bytes());
    send(session, (method, target), &[], (signed, body)).await
}

#[tokio::test]
async fn a_batch_of_deletes_is_a_conditional_delete_of_each() {
    let cloud = Cloud::start().await;
    for key in ["a b", "lost", "kept"] {
        let _etag = cloud.write(key, "text").await;
    }
    let machine = Machine::new(cloud.bucket()).await;
    cloud.write("lost", "edited elsewhere").await;
    let body = "<Delete><Object><Key>a b</Key></Object><Object><Key>lost</Key></Object>\
                <Object><Key>unknown</Key></Object></Delete>";
    let answer = with_hash(&machine.session, "POST", "/notes?delete=", body).await;
    assert_eq!(answer.status, 200);
    let deleted =
        "<Deleted><Key>a b</Key></Deleted><Error><Key>lost</Key><Code>PreconditionFailed</Code>";
    assert!(answer.text.contains(deleted), "{}", answer.text);
    assert!(
        answer
            .text
            .contains("<Deleted><Key>unknown</Key></Deleted>"),
        "{}",
        answer.text
    );
    assert_eq!(cloud.read("a b").await, None);
    assert_eq!(
        cloud.read("lost").await.as_deref(),
        Some("edited elsewhere")
    );
    assert_eq!(cloud.read("kept").await.as_deref(), Some("text"));
    cloud.watcher.assert_all_conditional();
}

#[tokio::test]
async fn a_body_other_than_the_signed_one_is_never_stored() {
    let cloud = Cloud::start().await;
    let machine = Machine::new(cloud.bucket()).await;
    let session = &machine.session;
    assert_eq!(
        with_hash(session, "PUT", "/notes/good", "text")
            .await
            .status,
        200
    );
    let forged = (SignableBody::Bytes(b"text"), "tixt");
    let answer = send(session, ("PUT", "/notes/forged"), &[], forged).await;
    assert!(answer.status >= 400, "{}", answer.text);
    let forged = (
        SignableBody::Bytes(b"<Delete><Object><Key>b</Key></Object></Delete>"),
        "<Delete><Object><Key>good</Key></Object></Delete>",
    );
    let answer = send(session, ("POST", "/notes?delete="), &[], forged).await;
    assert_eq!(answer.status, 400, "{}", answer.text);
    assert_eq!(cloud.read("good").await.as_deref(), Some("text"));
    assert_eq!(cloud.read("forged").await, None);
}

#[tokio::test]
async fn what_is_not_done_is_refused_by_name_and_never_sent() {
    let cloud = Cloud::start().await;
    cloud.write("k", "text").await;
    let mut machine = Machine::new(cloud.bucket()).await;
    let before = cloud.watcher.seen().len();
    let session = &machine.session;
    for (method, target) in [
        ("PUT", "/notes"),
        ("DELETE", "/notes"),
        ("GET", "/notes?versions"),
        ("GET", "/notes/k?acl"),
        ("PUT", "/notes/k?tagging"),
        ("DELETE", "/notes/k?versionId=1"),
    ] {
        let answer = plain(session, method, target, &[]).await;
        assert_eq!(answer.status, 501, "{method} {target}: {}", answer.text);
        assert!(
            answer.text.contains("<Code>NotImplemented</Code>"),
            "{}",
            answer.text
        );
    }
    let chunked = plain(
        session,
        "PUT",
        "/notes/k",
        &[("content-encoding", "aws-chunked")],
    )
    .await;
    assert_eq!(chunked.status, 501, "{}", chunked.text);
    let foreign = [("x-amz-copy-source", "another/k")];
    let foreign = plain(session, "PUT", "/notes/new", &foreign).await;
    assert_eq!(foreign.status, 403, "{}", foreign.text);
    assert_eq!(cloud.watcher.seen().len(), before);
    let refused = GuardEvent::Refused {
        key: "/notes/k".into(),
        reason: RefusedReason::Unsupported,
    };
    assert!(machine.told().contains(&refused));
}

#[tokio::test]
async fn the_bucket_itself_is_answered_for_locally() {
    let cloud = Cloud::start().await;
    cloud.write("d/a", "text").await;
    cloud.write("d/b", "text").await;
    let machine = Machine::new(cloud.bucket()).await;
    let before = cloud.watcher.seen().len();
    let session = &machine.session;
    assert_eq!(plain(session, "HEAD", "/notes", &[]).await.status, 200);
    let location = plain(session, "GET", "/notes?location=", &[]).await;
    assert!(
        location.text.contains("<LocationConstraint"),
        "{}",
        location.text
    );
    let first = plain(session, "GET", "/notes?max-keys=1&prefix=d%2F", &[]).await;
    assert!(
        first.text.contains("<NextMarker>d/a</NextMarker>"),
        "{}",
        first.text
    );
    let second = plain(session, "GET", "/notes?marker=d%2Fa", &[]).await;
    assert!(second.text.contains("<Key>d/b</Key>"), "{}", second.text);
    assert!(!second.text.contains("<Key>d/a</Key>"), "{}", second.text);
    assert_eq!(cloud.watcher.seen().len(), before);
}

#[tokio::test]
async fn a_part_of_an_object_can_be_asked_for() {
    let cloud = Cloud::start().await;
    cloud.write("k", "0123456789").await;
    let machine = Machine::new(cloud.bucket()).await;
    let answer = plain(
        &machine.session,
        "GET",
        "/notes/k",
        &[("range", "bytes=2-4")],
    )
    .await;
    assert_eq!((answer.status, answer.text.as_str()), (206, "234"));
}
