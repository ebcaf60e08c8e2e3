use reqwest::Method;

use crate::client::Answer;
use crate::served::fresh;

#[tokio::test]
async fn old_versions_stay_readable_and_a_removed_marker_brings_the_object_back() {
    let (folder, _served, client) = fresh().await;
    let one = client.put("a.md", b"one", &[]).await.ok();
    let two = client.put("a.md", b"two", &[]).await.ok();
    let marker = client.delete("a.md", &[]).await.ok();
    assert_eq!(marker.header("x-amz-delete-marker"), "true");
    let hidden = client.get("a.md", &[]).await;
    assert_eq!(hidden.refusal(), (404, "NoSuchKey".to_owned()));
    assert_eq!(hidden.header("x-amz-delete-marker"), "true");
    let version = |answer: &Answer| format!("versionId={}", answer.header("x-amz-version-id"));
    let old = async |which| client.bare(Method::GET, "a.md", &version(which)).await;
    assert_eq!(old(&one).await.text(), "one");
    assert_eq!(old(&two).await.text(), "two");
    assert_eq!(
        old(&marker).await.refusal(),
        (405, "MethodNotAllowed".to_owned())
    );

    let listed = client.list("versions").await.ok();
    let expected: Vec<_> = [&two, &one]
        .iter()
        .map(|a| a.header("x-amz-version-id").to_owned())
        .collect();
    assert_eq!(listed.all("DeleteMarker").len(), 1);
    assert_eq!(listed.all("VersionId").len(), 3);
    for id in &expected {
        assert!(listed.all("VersionId").contains(id));
    }
    assert_eq!(
        listed
            .all("IsLatest")
            .iter()
            .filter(|text| *text == "true")
            .count(),
        1
    );

    let undelete = client
        .bare(Method::DELETE, "a.md", &version(&marker))
        .await
        .ok();
    assert_eq!(undelete.header("x-amz-delete-marker"), "true");
    assert_eq!(client.get("a.md", &[]).await.text(), "two");
    client
        .bare(Method::DELETE, "a.md", &version(&two))
        .await
        .ok();
    assert_eq!(client.get("a.md", &[]).await.text(), "one");
    assert_eq!(old(&two).await.refusal(), (404, "NoSuchVersion".to_owned()));
    assert_eq!(
        std::fs::read_dir(folder.path().join("blobs"))
            .unwrap()
            .count(),
        1
    );
}

#[tokio::test]
async fn a_version_can_be_copied_back_over_its_key() {
    let (_folder, _served, client) = fresh().await;
    let one = client.put("a.md", b"one", &[]).await.ok();
    client.put("a.md", b"two", &[]).await.ok();
    let source = format!("/notes/a.md?versionId={}", one.header("x-amz-version-id"));
    let headers = [("x-amz-copy-source", source.as_str())];
    client
        .object(Method::PUT, "a.md", "", &headers, b"")
        .await
        .ok();
    assert_eq!(client.get("a.md", &[]).await.text(), "one");
}

#[tokio::test]
async fn versions_page_without_loss_or_repetition() {
    let (_folder, _served, client) = fresh().await;
    for round in ["1", "2", "3"] {
        for key in ["a", "b/x", "b/y", "c"] {
            client.put(key, round.as_bytes(), &[]).await.ok();
        }
    }
    client.delete("c", &[]).await.ok();
    let whole = client.list("versions").await.ok();
    assert_eq!(whole.all("VersionId").len(), 13);
    let mut found = Vec::new();
    let mut markers = String::new();
    loop {
        let page = client
            .list(&format!("versions&max-keys=2{markers}"))
            .await
            .ok();
        found.extend(page.all("VersionId"));
        if page.one("IsTruncated") == "false" {
            break;
        }
        markers = format!(
            "&key-marker={}&version-id-marker={}",
            page.one("NextKeyMarker"),
            page.one("NextVersionIdMarker")
        );
        assert!(found.len() <= 13, "paging ends");
    }
    let mut expected = whole.all("VersionId");
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    let rolled = client.list("versions&delimiter=/").await.ok();
    assert_eq!(
        (
            rolled.all("CommonPrefixes").len(),
            rolled.all("VersionId").len()
        ),
        (1, 7)
    );
}
