use reqwest::Method;
use s3_store::ChangeKind;
use tokio::sync::broadcast::error::TryRecvError;

use crate::served::fresh;

#[tokio::test]
async fn every_visible_change_is_told_once_and_in_order() {
    let (_folder, served, client) = fresh().await;
    let mut changes = served.store.subscribe();
    let put = client.put("a.md", b"one", &[]).await.ok();
    client.put("a.md", b"two", &[("if-none-match", "*")]).await;
    client.copy("a.md", "b.md", &[]).await.ok();
    let marker = client.delete("a.md", &[]).await.ok();
    client.delete("a.md", &[]).await.ok();
    client.get("b.md", &[]).await.ok();
    let query = format!("versionId={}", marker.header("x-amz-version-id"));
    client.bare(Method::DELETE, "a.md", &query).await.ok();

    let etag = put.etag().trim_matches('"').to_owned();
    let mut found = Vec::new();
    let end = loop {
        match changes.try_recv() {
            Ok(change) => found.push(change),
            Err(end) => break end,
        }
    };
    assert_eq!(end, TryRecvError::Empty);
    assert!(found.iter().all(|change| change.bucket == "notes"));
    assert!(found.is_sorted_by(|a, b| a.at_ms < b.at_ms));
    assert_eq!(found[0].version_id, put.header("x-amz-version-id"));
    assert_eq!(found[2].version_id, marker.header("x-amz-version-id"));
    let seen: Vec<_> = found
        .into_iter()
        .map(|change| (change.kind, change.key, change.etag, change.size))
        .collect();
    let expected = [
        (ChangeKind::Put, "a.md", Some(&etag), 3),
        (ChangeKind::Copy, "b.md", Some(&etag), 3),
        (ChangeKind::Delete, "a.md", None, 0),
        (ChangeKind::Put, "a.md", Some(&etag), 3),
    ];
    let expected: Vec<_> = expected
        .into_iter()
        .map(|(kind, key, etag, size)| (kind, key.to_owned(), etag.cloned(), size))
        .collect();
    assert_eq!(seen, expected);
}
