use md5::{Digest, Md5};
use reqwest::Method;

use crate::client::{Answer, Client};
use crate::served::fresh;

async fn begin(client: &Client, key: &str) -> String {
    let headers = [("x-amz-meta-mtime", "1.5")];
    client
        .object(Method::POST, key, "uploads", &headers, b"")
        .await
        .ok()
        .one("UploadId")
}

async fn part(client: &Client, key: &str, upload: &str, number: u32, body: &[u8]) -> Answer {
    let query = format!("partNumber={number}&uploadId={upload}");
    client.object(Method::PUT, key, &query, &[], body).await
}

async fn complete(
    client: &Client,
    key: &str,
    upload: &str,
    parts: &[(u32, String)],
    headers: &[(&str, &str)],
) -> Answer {
    let parts: String = parts
        .iter()
        .map(|(number, etag)| {
            format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>")
        })
        .collect();
    let body = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
    client
        .object(
            Method::POST,
            key,
            &format!("uploadId={upload}"),
            headers,
            body.as_bytes(),
        )
        .await
}

#[tokio::test]
async fn parts_become_one_object_and_leave_nothing_else() {
    let (folder, _served, client) = fresh().await;
    let upload = begin(&client, "big.bin").await;
    let bodies = [vec![1_u8; 2_000_000], vec![2; 1_500_000], vec![3; 10]];
    let mut parts = Vec::new();
    for (number, body) in (1..).zip(&bodies) {
        part(&client, "big.bin", &upload, number, b"first try")
            .await
            .ok();
        let etag = part(&client, "big.bin", &upload, number, body)
            .await
            .ok()
            .etag();
        parts.push((number, etag));
    }
    let listed = client
        .bare(Method::GET, "big.bin", &format!("uploadId={upload}"))
        .await;
    assert_eq!(listed.all("PartNumber"), ["1", "2", "3"]);
    assert_eq!(
        client.list("uploads").await.ok().all("UploadId"),
        [upload.as_str()]
    );
    assert_eq!(client.get("big.bin", &[]).await.status, 404);

    let done = complete(&client, "big.bin", &upload, &parts, &[])
        .await
        .ok();
    let digests: Vec<u8> = bodies
        .iter()
        .flat_map(|body| Md5::digest(body).to_vec())
        .collect();
    let etag = format!("\"{}-3\"", hex::encode(Md5::digest(digests)));
    assert_eq!(done.one("ETag"), etag);
    let get = client.get("big.bin", &[]).await.ok();
    assert!(get.body == bodies.concat());
    assert_eq!(
        (get.etag(), get.header("x-amz-meta-mtime")),
        (etag.clone(), "1.5")
    );
    assert_eq!(client.list("uploads").await.ok().all("UploadId"), [""; 0]);
    assert_eq!(
        std::fs::read_dir(folder.path().join("blobs"))
            .unwrap()
            .count(),
        1
    );

    let again = complete(&client, "big.bin", &upload, &parts, &[])
        .await
        .ok();
    assert_eq!(again.one("ETag"), etag);
    assert_eq!(client.list("versions").await.all("VersionId").len(), 1);
}

#[tokio::test]
async fn a_single_part_is_enough() {
    let (folder, _served, client) = fresh().await;
    let upload = begin(&client, "a").await;
    let etag = part(&client, "a", &upload, 7, b"only").await.ok().etag();
    let done = complete(&client, "a", &upload, &[(7, etag)], &[])
        .await
        .ok();
    assert!(done.one("ETag").ends_with("-1\""));
    assert_eq!(client.get("a", &[]).await.text(), "only");
    assert_eq!(
        std::fs::read_dir(folder.path().join("blobs"))
            .unwrap()
            .count(),
        1
    );
}

#[tokio::test]
async fn a_completion_honors_conditions_and_can_be_tried_again() {
    let (_folder, _served, client) = fresh().await;
    let old = client.put("a", b"old", &[]).await.ok().etag();
    let upload = begin(&client, "a").await;
    let parts = [(1, part(&client, "a", &upload, 1, b"new").await.ok().etag())];
    for headers in [[("if-none-match", "*")], [("if-match", "\"other\"")]] {
        let refused = complete(&client, "a", &upload, &parts, &headers).await;
        assert_eq!(refused.refusal(), (412, "PreconditionFailed".to_owned()));
    }
    assert_eq!(client.get("a", &[]).await.text(), "old");
    complete(&client, "a", &upload, &parts, &[("if-match", &old)])
        .await
        .ok();
    assert_eq!(client.get("a", &[]).await.text(), "new");
}

#[tokio::test]
async fn wrong_parts_are_refused_and_an_abort_frees_them() {
    let (folder, _served, client) = fresh().await;
    let upload = begin(&client, "a").await;
    let one = part(&client, "a", &upload, 1, b"one").await.ok().etag();
    let two = part(&client, "a", &upload, 2, b"two").await.ok().etag();
    for (parts, code) in [
        (vec![(2, two.clone()), (1, one.clone())], "InvalidPartOrder"),
        (vec![(1, two.clone())], "InvalidPart"),
        (vec![(3, two.clone())], "InvalidPart"),
    ] {
        let refused = complete(&client, "a", &upload, &parts, &[]).await;
        assert_eq!(refused.refusal(), (400, code.to_owned()));
    }
    assert_eq!(part(&client, "a", &upload, 10_001, b"x").await.status, 400);
    let query = format!("uploadId={upload}");
    assert_eq!(client.bare(Method::DELETE, "b", &query).await.status, 404);
    assert_eq!(client.bare(Method::DELETE, "a", &query).await.status, 204);
    let late = part(&client, "a", &upload, 1, b"late").await;
    assert_eq!(late.refusal(), (404, "NoSuchUpload".to_owned()));
    assert_eq!(
        std::fs::read_dir(folder.path().join("blobs"))
            .unwrap()
            .count(),
        0
    );
}

#[tokio::test]
async fn uploads_end_by_their_age_and_leave_nothing() {
    let (folder, served, client) = fresh().await;
    let done = begin(&client, "done.bin").await;
    let etag = part(&client, "done.bin", &done, 1, b"whole").await.ok();
    let parts = [(1, etag.etag())];
    complete(&client, "done.bin", &done, &parts, &[]).await.ok();
    let left = begin(&client, "left.bin").await;
    part(&client, "left.bin", &left, 1, b"a part").await.ok();
    let store = &served.store;
    assert_eq!(store.end_uploads("notes", 0).unwrap(), 0);
    let blobs = || {
        let entries = std::fs::read_dir(folder.path().join("blobs"));
        entries.unwrap().count()
    };
    assert_eq!(blobs(), 2);
    assert_eq!(store.end_uploads("notes", i64::MAX).unwrap(), 1);
    assert_eq!(blobs(), 1);
    let object = client.get("done.bin", &[]).await;
    assert_eq!(object.ok().body, b"whole");
    store.end_uploads("other", 0).unwrap_err();
}
