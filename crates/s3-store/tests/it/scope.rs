use std::time::Duration;

use reqwest::Method;
use secrecy::SecretString;

use crate::client::Client;
use crate::served::{Served, fresh, scratch};

const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_key_reaches_nothing_in_a_foreign_bucket() {
    let (_folder, served, theirs) = fresh().await;
    let mine = served.client("mine");
    mine.put("mine.md", b"mine", &[]).await.ok();
    let version = theirs.put("secret.md", b"secret", &[]).await.ok();
    let upload = theirs
        .bare(Method::POST, "secret.md", "uploads")
        .await
        .ok()
        .one("UploadId");
    let intruder = mine.for_bucket("notes");
    let version = format!("versionId={}", version.header("x-amz-version-id"));
    let upload = format!("uploadId={upload}");
    let part = format!("partNumber=1&{upload}");
    let delete = "<Delete><Object><Key>secret.md</Key></Object></Delete>";
    let complete = "<CompleteMultipartUpload></CompleteMultipartUpload>";
    for (method, path, body) in [
        (Method::GET, "/notes?list-type=2", ""),
        (Method::GET, "/notes", ""),
        (Method::GET, "/notes?versions", ""),
        (Method::GET, "/notes?uploads", ""),
        (Method::GET, "/notes?versioning", ""),
        (Method::GET, "/notes?location", ""),
        (Method::GET, "/notes?acl", ""),
        (Method::HEAD, "/notes", ""),
        (Method::PUT, "/notes", ""),
        (Method::PUT, "/other-bucket", ""),
        (Method::DELETE, "/notes", ""),
        (Method::POST, "/notes?delete", delete),
        (Method::GET, "/notes/secret.md", ""),
        (Method::GET, &format!("/notes/secret.md?{version}"), ""),
        (Method::HEAD, "/notes/secret.md", ""),
        (Method::PUT, "/notes/secret.md", "mine now"),
        (Method::DELETE, "/notes/secret.md", ""),
        (Method::DELETE, &format!("/notes/secret.md?{version}"), ""),
        (Method::POST, "/notes/secret.md?uploads", ""),
        (Method::PUT, &format!("/notes/secret.md?{part}"), "x"),
        (Method::GET, &format!("/notes/secret.md?{upload}"), ""),
        (
            Method::POST,
            &format!("/notes/secret.md?{upload}"),
            complete,
        ),
        (Method::DELETE, &format!("/notes/secret.md?{upload}"), ""),
    ] {
        let answer = intruder
            .send(method.clone(), path, &[], body.as_bytes())
            .await;
        assert_eq!(answer.status, 403, "{method} {path}");
        if method != Method::HEAD {
            assert_eq!(answer.refusal().1, "AccessDenied", "{method} {path}");
        }
    }
    // An upload's id is worth nothing in another bucket.
    assert_eq!(
        mine.bare(Method::GET, "secret.md", &upload).await.status,
        404
    );
    assert_eq!(
        mine.bare(Method::GET, "mine.md", &version).await.status,
        404
    );
    assert_eq!(theirs.get("secret.md", &[]).await.text(), "secret");
}

#[tokio::test]
async fn a_copy_crosses_buckets_in_neither_direction() {
    let (_folder, served, theirs) = fresh().await;
    let mine = served.client("mine");
    theirs.put("secret.md", b"secret", &[]).await.ok();
    mine.put("mine.md", b"mine", &[]).await.ok();
    for source in [
        "notes/secret.md",
        "/notes/secret.md",
        "%6Eotes/secret.md",
        "/notes%2Fsecret.md",
    ] {
        let headers = [("x-amz-copy-source", source)];
        let stolen = mine
            .object(Method::PUT, "stolen.md", "", &headers, b"")
            .await;
        assert_eq!(
            stolen.refusal(),
            (403, "AccessDenied".to_owned()),
            "{source}"
        );
        let query = "partNumber=1&uploadId=x";
        let part = mine
            .object(Method::PUT, "stolen.md", query, &headers, b"")
            .await;
        assert_eq!(part.status, 501, "{source}");
    }
    let headers = [("x-amz-copy-source", "/mine/mine.md")];
    let planted = mine
        .for_bucket("notes")
        .object(Method::PUT, "p.md", "", &headers, b"")
        .await;
    assert_eq!(planted.refusal(), (403, "AccessDenied".to_owned()));
    assert_eq!(mine.get("stolen.md", &[]).await.status, 404);
}

#[tokio::test]
async fn a_key_sees_only_its_own_bucket() {
    let (_folder, served, notes) = fresh().await;
    let other = served.client("other");
    for client in [&notes, &other] {
        let listed = client.send(Method::GET, "/", &[], b"").await.ok();
        assert_eq!(listed.all("Name"), [client.bucket.as_str()]);
    }
    assert_eq!(
        notes.send(Method::HEAD, "/notes", &[], b"").await.status,
        200
    );
    let again = notes.send(Method::PUT, "/notes", &[], b"").await;
    assert_eq!(again.refusal(), (409, "BucketAlreadyOwnedByYou".to_owned()));
}

#[tokio::test]
async fn unknown_keys_bad_signatures_and_anonymous_requests_are_refused() {
    let (_folder, _served, client) = fresh().await;
    client.put("a.md", b"one", &[]).await.ok();
    let secret = SecretString::from("tsec_wrong");
    let forged = Client::new(&client.endpoint, "notes", &client.access_key, &secret);
    assert_eq!(
        forged.get("a.md", &[]).await.refusal(),
        (403, "SignatureDoesNotMatch".to_owned())
    );
    let unknown = Client::new(&client.endpoint, "notes", "tid_unknown", &client.secret);
    assert_eq!(
        unknown.get("a.md", &[]).await.refusal(),
        (403, "InvalidAccessKeyId".to_owned())
    );
    for path in ["/", "/notes", "/notes/a.md"] {
        let url = format!("{}{path}", client.endpoint);
        let answer = reqwest::Client::builder()
            .no_proxy()
            .build()
            .unwrap()
            .get(url)
            .send();
        assert_eq!(answer.await.unwrap().status(), 403, "{path}");
    }
}

#[tokio::test]
async fn a_deleted_key_is_refused_at_once_and_others_live_on() {
    let (_folder, served, old) = fresh().await;
    let new = served.client("notes");
    old.put("a.md", b"one", &[]).await.ok();
    assert!(served.store.delete_key(&old.access_key).unwrap());
    assert!(!served.store.delete_key(&old.access_key).unwrap());
    assert_eq!(
        old.get("a.md", &[]).await.refusal(),
        (403, "InvalidAccessKeyId".to_owned())
    );
    assert_eq!(old.put("a.md", b"two", &[]).await.status, 403);
    assert_eq!(new.get("a.md", &[]).await.text(), "one");
}

#[tokio::test]
async fn a_key_deleted_during_an_upload_changes_nothing() {
    let (folder, served, client) = fresh().await;
    let blobs = folder.path().join("blobs");
    let count = || std::fs::read_dir(&blobs).unwrap().count();
    let body = vec![7; 6_000_000];
    let answer = client
        .send_in_two(Method::PUT, "/notes/a.md", &body, async || {
            testkit::wait_until(SOON, async || count() == 1).await;
            assert!(served.store.delete_key(&client.access_key).unwrap());
        })
        .await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    assert_eq!(count(), 0);
    let other = served.client("notes");
    assert_eq!(other.get("a.md", &[]).await.status, 404);
}

#[tokio::test]
async fn a_form_upload_is_refused_without_taking_its_body() {
    let (_folder, _served, client) = fresh().await;
    let boundary = "multipart/form-data; boundary=x";
    let file = "y".repeat(100_000);
    let body = format!(
        "--x\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\na.md\r\n\
         --x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n{file}\r\n--x--\r\n"
    );
    let request = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = request.post(format!("{}/notes", client.endpoint));
    let answer = request
        .header("content-type", boundary)
        .body(body)
        .send()
        .await
        .unwrap();
    assert!(answer.status().is_client_error(), "{}", answer.status());
    assert_eq!(client.get("a.md", &[]).await.status, 404);
}

#[tokio::test]
async fn a_deleted_bucket_takes_its_keys_and_bytes_along() {
    let (folder, served, client) = fresh().await;
    client.put("a.md", b"one", &[]).await.ok();
    client.bare(Method::POST, "b.md", "uploads").await.ok();
    assert!(served.store.delete_bucket("notes").unwrap());
    assert!(!served.store.delete_bucket("notes").unwrap());
    assert_eq!(client.get("a.md", &[]).await.status, 403);
    assert_eq!(served.store.buckets().unwrap(), [""; 0]);
    assert_eq!(
        std::fs::read_dir(folder.path().join("blobs"))
            .unwrap()
            .count(),
        0
    );
    let reborn = served.client("notes");
    assert_eq!(reborn.list("list-type=2").await.ok().all("Key"), [""; 0]);
    assert_eq!(client.get("a.md", &[]).await.status, 403);
}

#[tokio::test]
async fn names_and_folders_are_checked() {
    let folder = scratch();
    let served = Served::start(folder.path()).await;
    for name in ["", "UPPER", "a/b", "../x", "x"] {
        assert!(served.store.create_bucket(name).is_err(), "{name}");
    }
    assert!(served.store.create_key("none").is_err());
    let second = s3_store::Store::open(folder.path(), crate::served::clock());
    assert!(matches!(second, Err(s3_store::StoreError::InUse { .. })));
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_can_read_the_folder() {
    use std::os::unix::fs::PermissionsExt;

    let (folder, _served, client) = fresh().await;
    client.put("a.md", b"one", &[]).await.ok();
    let mode = |name: &str| {
        std::fs::metadata(folder.path().join(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!((mode(""), mode("blobs")), (0o700, 0o700));
    for name in ["store.db", "store.db-wal", "store.db-shm"] {
        assert_eq!(mode(name), 0o600, "{name}");
    }
}
