use reqwest::Method;

use crate::served::fresh;

#[tokio::test]
async fn one_of_fifty_racing_creations_wins() {
    let (_folder, _served, client) = fresh().await;
    let tasks: Vec<_> = (0..50)
        .map(|number| {
            let client = client.clone();
            tokio::spawn(async move {
                let body = format!("writer {number}");
                let answer = client
                    .put("race.md", body.as_bytes(), &[("if-none-match", "*")])
                    .await;
                (answer.status.as_u16(), body)
            })
        })
        .collect();
    let mut winners = Vec::new();
    for task in tasks {
        match task.await.unwrap() {
            (200, body) => winners.push(body),
            (status, _) => assert_eq!(status, 412),
        }
    }
    assert_eq!(winners.len(), 1);
    assert_eq!(client.get("race.md", &[]).await.text(), winners[0]);
}

#[tokio::test]
async fn one_of_many_racing_replacements_wins_each_round() {
    let (_folder, _served, client) = fresh().await;
    let mut etag = client.put("race.md", b"0", &[]).await.ok().etag();
    for round in 0..5 {
        let tasks: Vec<_> = (0..10)
            .map(|number| {
                let (client, etag) = (client.clone(), etag.clone());
                tokio::spawn(async move {
                    let body = format!("{round}/{number}");
                    client
                        .put("race.md", body.as_bytes(), &[("if-match", &etag)])
                        .await
                })
            })
            .collect();
        let mut winners = Vec::new();
        for task in tasks {
            let answer = task.await.unwrap();
            if answer.status == 200 {
                winners.push(answer.etag());
            } else {
                assert_eq!(answer.refusal(), (412, "PreconditionFailed".to_owned()));
            }
        }
        assert_eq!(winners.len(), 1);
        etag = winners.remove(0);
    }
}

#[tokio::test]
async fn put_honors_if_match() {
    let (_folder, _served, client) = fresh().await;
    let missing = client.put("a.md", b"x", &[("if-match", "\"00\"")]).await;
    assert_eq!(missing.refusal(), (404, "NoSuchKey".to_owned()));
    let first = client.put("a.md", b"one", &[]).await.ok().etag();
    let second = client
        .put("a.md", b"two", &[("if-match", &first)])
        .await
        .ok()
        .etag();
    let stale = client.put("a.md", b"three", &[("if-match", &first)]).await;
    assert_eq!(stale.refusal(), (412, "PreconditionFailed".to_owned()));
    assert_eq!(client.get("a.md", &[]).await.text(), "two");
    client.delete("a.md", &[]).await.ok();
    let gone = client.put("a.md", b"four", &[("if-match", &second)]).await;
    assert_eq!(gone.refusal(), (404, "NoSuchKey".to_owned()));
    client
        .put("a.md", b"five", &[("if-none-match", "*")])
        .await
        .ok();
}

#[tokio::test]
async fn a_refused_write_leaves_no_bytes_behind() {
    let (folder, _served, client) = fresh().await;
    client.put("a.md", b"one", &[]).await.ok();
    let refused = client
        .put("a.md", &vec![7; 3_000_000], &[("if-none-match", "*")])
        .await;
    assert_eq!(refused.status, 412);
    assert_eq!(
        std::fs::read_dir(folder.path().join("blobs"))
            .unwrap()
            .count(),
        1
    );
}

#[tokio::test]
async fn delete_honors_if_match() {
    let (_folder, _served, client) = fresh().await;
    let old = client.put("a.md", b"one", &[]).await.ok().etag();
    let new = client.put("a.md", b"two", &[]).await.ok().etag();
    let stale = client.delete("a.md", &[("if-match", &old)]).await;
    assert_eq!(stale.refusal(), (412, "PreconditionFailed".to_owned()));
    assert_eq!(client.get("a.md", &[]).await.text(), "two");
    assert_eq!(
        client.delete("a.md", &[("if-match", &new)]).await.status,
        204
    );
    assert_eq!(client.get("a.md", &[]).await.status, 404);
    assert_eq!(
        client.delete("a.md", &[("if-match", &new)]).await.status,
        412
    );
    assert_eq!(client.delete("a.md", &[]).await.status, 204);
}

#[tokio::test]
async fn delete_many_honors_etags_one_by_one() {
    let (_folder, _served, client) = fresh().await;
    let etag = client.put("a.md", b"one", &[]).await.ok().etag();
    client.put("b.md", b"two", &[]).await.ok();
    let body = format!(
        "<Delete><Object><Key>a.md</Key><ETag>{etag}</ETag></Object>\
         <Object><Key>b.md</Key><ETag>{etag}</ETag></Object></Delete>"
    );
    let answer = client
        .send(Method::POST, "/notes?delete", &[], body.as_bytes())
        .await
        .ok();
    assert_eq!(answer.all("Code"), ["PreconditionFailed"]);
    assert_eq!(client.get("a.md", &[]).await.status, 404);
    assert_eq!(client.get("b.md", &[]).await.text(), "two");
}

#[tokio::test]
async fn copy_honors_conditions_on_both_ends() {
    let (_folder, _served, client) = fresh().await;
    let source = client.put("from.md", b"one", &[]).await.ok().etag();
    let target = client.put("to.md", b"two", &[]).await.ok().etag();
    for headers in [
        [("if-none-match", "*")],
        [("if-match", source.as_str())],
        [("x-amz-copy-source-if-match", target.as_str())],
        [("x-amz-copy-source-if-none-match", source.as_str())],
    ] {
        let refused = client.copy("from.md", "to.md", &headers).await;
        assert_eq!(
            refused.refusal(),
            (412, "PreconditionFailed".to_owned()),
            "{headers:?}"
        );
    }
    assert_eq!(client.get("to.md", &[]).await.text(), "two");
    let both = [
        ("if-match", target.as_str()),
        ("x-amz-copy-source-if-match", source.as_str()),
    ];
    client.copy("from.md", "to.md", &both).await.ok();
    assert_eq!(client.get("to.md", &[]).await.text(), "one");
    client
        .copy("from.md", "new.md", &[("if-none-match", "*")])
        .await
        .ok();
    assert_eq!(client.get("new.md", &[]).await.text(), "one");
}

#[tokio::test]
async fn reads_honor_conditions() {
    let (_folder, _served, client) = fresh().await;
    let etag = client.put("a.md", b"one", &[]).await.ok().etag();
    let unchanged = client.get("a.md", &[("if-none-match", &etag)]).await;
    assert_eq!(
        (unchanged.status.as_u16(), unchanged.etag()),
        (304, etag.clone())
    );
    assert_eq!(
        client
            .get("a.md", &[("if-none-match", "\"other\"")])
            .await
            .text(),
        "one"
    );
    assert_eq!(
        client.get("a.md", &[("if-match", &etag)]).await.text(),
        "one"
    );
    assert_eq!(
        client
            .get("a.md", &[("if-match", "\"other\"")])
            .await
            .status,
        412
    );
}
