use std::path::Path;

use reqwest::Method;
use s3_store::{
    ChangeKind, Store, StoreError, VersionAge, VersionKind, VersionRecord, VersionRemoval,
    versions_in,
};

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

fn listed(store: &Store) -> Vec<VersionRecord> {
    store
        .list_versions("notes", "", None, 1000)
        .unwrap()
        .versions
}

fn ids(store: &Store, key: &str) -> Vec<String> {
    let of_key = listed(store).into_iter().filter(|found| found.key == key);
    of_key.map(|found| found.version_id).collect()
}

fn removal(key: &str, newest: &str, versions: &[&String]) -> VersionRemoval {
    VersionRemoval {
        key: key.to_owned(),
        newest: newest.to_owned(),
        versions: versions.iter().map(|id| (*id).clone()).collect(),
    }
}

fn blobs(folder: &Path) -> usize {
    std::fs::read_dir(folder.join("blobs")).unwrap().count()
}

#[tokio::test]
async fn old_versions_go_for_good_and_readers_see_no_change() {
    let (folder, served, client) = fresh().await;
    for text in ["one", "two", "three"] {
        client.put("a.md", text.as_bytes(), &[]).await.ok();
    }
    // Shares its bytes with the oldest one.
    let oldest = ids(&served.store, "a.md").pop().unwrap();
    let source = format!("/notes/a.md?versionId={oldest}");
    let headers = [("x-amz-copy-source", source.as_str())];
    let copied = client.object(Method::PUT, "b.md", "", &headers, b"").await;
    copied.ok();
    let mut told = served.store.subscribe();
    let all = ids(&served.store, "a.md");
    let [newest, two, one] = all.as_slice() else {
        panic!("{all:?}");
    };
    let gone = removal("a.md", newest, &[two, one]);
    let remove = |removals: &[VersionRemoval]| served.store.remove_versions("notes", removals);
    assert_eq!(remove(std::slice::from_ref(&gone)).unwrap(), 2);
    assert_eq!(remove(&[gone]).unwrap(), 0);
    assert_eq!(ids(&served.store, "a.md"), std::slice::from_ref(newest));
    assert_eq!(client.get("a.md", &[]).await.text(), "three");
    assert_eq!(client.get("b.md", &[]).await.text(), "one");
    assert_eq!(blobs(folder.path()), 2);
    assert!(told.try_recv().is_err());
    let foreign = served.store.remove_versions("other", &[]);
    assert!(matches!(foreign, Err(StoreError::NoSuchBucket { .. })));
}

#[tokio::test]
async fn nothing_goes_from_a_key_that_was_written_meanwhile() {
    let (_folder, served, client) = fresh().await;
    client.put("a.md", b"one", &[]).await.ok();
    client.delete("a.md", &[]).await.ok();
    let before = ids(&served.store, "a.md");
    let [marker, one] = before.as_slice() else {
        panic!("{before:?}");
    };
    // The marker goes only with all that it hides.
    let unhides = removal("a.md", marker, &[marker]);
    assert_eq!(
        served.store.remove_versions("notes", &[unhides]).unwrap(),
        0
    );
    let remove = removal("a.md", marker, &[one]);
    client.put("a.md", b"two", &[]).await.ok();
    let removed = served.store.remove_versions("notes", &[remove]).unwrap();
    assert_eq!((removed, ids(&served.store, "a.md").len()), (0, 3));
}

#[tokio::test]
async fn a_key_goes_with_all_its_versions_and_that_is_told() {
    let (folder, served, client) = fresh().await;
    client.put("a.md", b"one", &[]).await.ok();
    client.put("a.md", b"two", &[]).await.ok();
    let mut told = served.store.subscribe();
    let all = ids(&served.store, "a.md");
    let every: Vec<&String> = all.iter().collect();
    let gone = removal("a.md", &all[0], &every);
    assert_eq!(served.store.remove_versions("notes", &[gone]).unwrap(), 2);
    assert_eq!(client.get("a.md", &[]).await.status.as_u16(), 404);
    assert_eq!((listed(&served.store).len(), blobs(folder.path())), (0, 0));
    let change = told.try_recv().unwrap();
    assert_eq!(
        (change.key.as_str(), change.kind),
        ("a.md", ChangeKind::Delete)
    );
}

#[tokio::test]
async fn whoever_runs_the_store_lists_versions_also_from_another_process() {
    let (folder, served, client) = fresh().await;
    for key in ["a", "b/x", "c"] {
        client.put(key, b"one", &[]).await.ok();
        client.put(key, b"two", &[]).await.ok();
    }
    client.delete("c", &[]).await.ok();
    let whole = listed(&served.store);
    let summary: Vec<(&str, VersionKind, VersionAge)> = whole
        .iter()
        .map(|found| (found.key.as_str(), found.kind, found.age))
        .collect();
    use VersionAge::{Newest, Older};
    use VersionKind::{Content, DeleteMarker};
    let expected = [
        ("a", Content, Newest),
        ("a", Content, Older),
        ("b/x", Content, Newest),
        ("b/x", Content, Older),
        ("c", DeleteMarker, Newest),
        ("c", Content, Older),
        ("c", Content, Older),
    ];
    assert_eq!(summary, expected);
    let database = folder.path().join("store.db");
    let (mut paged, mut after) = (Vec::new(), None);
    loop {
        let page = versions_in(&database, "notes", "", after.as_ref(), 2).unwrap();
        paged.extend(page.versions);
        after = page.next;
        if after.is_none() {
            break;
        }
        assert!(paged.len() <= whole.len(), "paging ends");
    }
    assert_eq!(paged, whole);
    let below = served
        .store
        .list_versions("notes", "b/", None, 1000)
        .unwrap();
    assert_eq!(below.versions, whole[2..4]);
    let mark = s3_store::VersionMark {
        key: "a".to_owned(),
        version_id: None,
    };
    let behind = served.store.list_versions("notes", "", Some(&mark), 1000);
    assert_eq!(behind.unwrap().versions, whole[2..]);
}
