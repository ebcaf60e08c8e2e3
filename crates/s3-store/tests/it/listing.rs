use std::time::{Duration, Instant};

use crate::client::{Answer, Client};
use crate::served::fresh;

async fn pages(
    client: &Client,
    query: &str,
    continued: fn(&Answer) -> Option<String>,
) -> Vec<Answer> {
    let mut pages = vec![client.list(query).await.ok()];
    while let Some(more) = continued(pages.last().unwrap()) {
        pages.push(client.list(&format!("{query}&{more}")).await.ok());
        assert!(pages.len() < 100, "paging ends");
    }
    pages
}

fn v2(page: &Answer) -> Option<String> {
    let token = page.all("NextContinuationToken").pop();
    assert_eq!(page.one("IsTruncated"), token.is_some().to_string());
    token.map(|token| format!("continuation-token={token}"))
}

fn v1(page: &Answer) -> Option<String> {
    page.all("NextMarker")
        .pop()
        .map(|marker| format!("marker={}", crate::client::encode(&marker)))
}

async fn fill(client: &Client) {
    for key in ["a", "b/1", "b/2", "b/c/3", "d/4", "e", "ż/5", "ż6"] {
        client.put(key, key.as_bytes(), &[]).await.ok();
    }
    client.put("gone", b"", &[]).await.ok();
    client.delete("gone", &[]).await.ok();
}

#[tokio::test]
async fn every_page_size_shows_the_same_objects_and_prefixes() {
    let (_folder, _served, client) = fresh().await;
    fill(&client).await;
    for (query, keys, prefixes) in [
        (
            "",
            vec!["a", "b/1", "b/2", "b/c/3", "d/4", "e", "ż/5", "ż6"],
            vec![],
        ),
        ("delimiter=/", vec!["a", "e", "ż6"], vec!["b/", "d/", "ż/"]),
        ("delimiter=/&prefix=b/", vec!["b/1", "b/2"], vec!["b/c/"]),
        ("prefix=b", vec!["b/1", "b/2", "b/c/3"], vec![]),
        ("delimiter=/&prefix=b", vec![], vec!["b/"]),
        ("prefix=none", vec![], vec![]),
    ] {
        for size in [1, 2, 3, 7, 1000] {
            for (version, next) in [("list-type=2&", v2 as fn(&Answer) -> _), ("", v1)] {
                let query = format!("{version}{query}&max-keys={size}");
                let found = pages(&client, &query, next).await;
                let collect = |name| {
                    found
                        .iter()
                        .flat_map(|page| page.all(name))
                        .collect::<Vec<_>>()
                };
                let inner: Vec<String> = collect("CommonPrefixes")
                    .iter()
                    .map(|text| text.replace("<Prefix>", "").replace("</Prefix>", ""))
                    .collect();
                assert_eq!(collect("Key"), keys, "{query}");
                assert_eq!(inner, prefixes, "{query}");
                for page in &found {
                    assert!(page.all("Key").len() + page.all("CommonPrefixes").len() <= size);
                }
            }
        }
    }
}

#[tokio::test]
async fn a_list_tells_etag_size_and_time_like_head_does() {
    let (_folder, _served, client) = fresh().await;
    let etag = client.put("a.md", b"hello", &[]).await.ok().etag();
    let list = client.list("list-type=2").await.ok();
    assert_eq!((list.one("ETag"), list.one("Size")), (etag, "5".to_owned()));
    assert_eq!(list.one("KeyCount"), "1");
    let time = list.one("LastModified");
    assert!(
        time.starts_with("2023-11-14T22:") && time.ends_with(".000Z"),
        "{time}"
    );
}

#[tokio::test]
async fn start_after_skips_and_bad_arguments_are_refused() {
    let (_folder, _served, client) = fresh().await;
    fill(&client).await;
    let after = client.list("list-type=2&start-after=b/2").await.ok();
    assert_eq!(after.all("Key"), ["b/c/3", "d/4", "e", "ż/5", "ż6"]);
    for query in [
        "max-keys=-1",
        "continuation-token=%21",
        "encoding-type=gzip",
    ] {
        let refused = client.list(&format!("list-type=2&{query}")).await;
        assert_eq!(
            refused.refusal(),
            (400, "InvalidArgument".to_owned()),
            "{query}"
        );
    }
    assert_eq!(
        client
            .list("list-type=2&max-keys=0")
            .await
            .ok()
            .one("IsTruncated"),
        "false"
    );
}

#[tokio::test]
async fn a_thousand_objects_list_quickly_whatever_was_deleted_between_them() {
    let (_folder, _served, client) = fresh().await;
    let mut tasks = tokio::task::JoinSet::new();
    for worker in 0..8 {
        let client = client.clone();
        tasks.spawn(async move {
            for number in (worker..1200).step_by(8) {
                let key = format!("notes/{number:05}.md");
                client.put(&key, b"x", &[]).await.ok();
                if number % 6 == 0 {
                    client.delete(&key, &[]).await.ok();
                }
            }
        });
    }
    tasks.join_all().await;
    let start = Instant::now();
    let found = pages(&client, "list-type=2", v2).await;
    let took = start.elapsed();
    assert_eq!(
        found
            .iter()
            .map(|page| page.all("Key").len())
            .sum::<usize>(),
        1000
    );
    assert!(took < Duration::from_secs(2), "{took:?}");
}
