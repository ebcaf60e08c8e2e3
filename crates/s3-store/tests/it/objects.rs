use aws_sigv4::http_request::SignableBody;
use md5::{Digest, Md5};
use reqwest::Method;

use crate::served::fresh;

#[tokio::test]
async fn an_object_comes_back_with_its_headers() {
    let (_folder, _served, client) = fresh().await;
    let headers = [
        ("content-type", "text/markdown"),
        ("cache-control", "no-cache"),
        ("x-amz-meta-mtime", "1700000000.123456789"),
    ];
    let put = client.put("a.md", b"hello", &headers).await.ok();
    assert_eq!(put.etag(), "\"5d41402abc4b2a76b9719d911017c592\"");
    let get = client.get("a.md", &[]).await.ok();
    let head = client.head("a.md").await.ok();
    for answer in [&get, &head] {
        assert_eq!(answer.etag(), put.etag());
        assert_eq!(answer.header("content-length"), "5");
        assert_eq!(
            answer.header("x-amz-version-id"),
            put.header("x-amz-version-id")
        );
        for (name, value) in headers {
            assert_eq!(answer.header(name), value);
        }
    }
    assert_eq!(get.text(), "hello");
    assert_eq!(head.body, b"");
}

#[tokio::test]
async fn any_key_up_to_1024_bytes_is_kept_apart() {
    let (_folder, _served, client) = fresh().await;
    let long = "k".repeat(1024);
    let keys = [
        "plain.md",
        "with space.md",
        "Zażółć gęślą.md",
        "日本語/ノート.md",
        "plus+plus.md",
        "100%.md",
        "%20.md",
        "quote\"'.md",
        "a//b",
        "a/",
        "semi;colon&amp=?.md",
        "back\\slash",
        "new\nline",
        "CASE.md",
        "case.md",
        "~tilde!*()",
        &long,
    ];
    for key in keys {
        client.put(key, key.as_bytes(), &[]).await.ok();
    }
    for key in keys {
        assert_eq!(client.get(key, &[]).await.ok().text(), key);
    }
    let listed = client.list("list-type=2&encoding-type=url").await.ok();
    let mut expected: Vec<String> = keys.iter().copied().map(crate::client::encode).collect();
    let mut found = listed.all("Key");
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
    let too_long = client.put(&"k".repeat(1025), b"", &[]).await;
    assert_eq!(too_long.refusal(), (400, "KeyTooLongError".to_owned()));
}

#[tokio::test]
async fn keys_with_dot_segments_are_only_names() {
    let (folder, _served, client) = fresh().await;
    let keys = [
        "..",
        "a/./b",
        "../../../etc/passwd",
        "/etc/passwd",
        "a/../store.db",
    ];
    for key in keys {
        let path = format!("/notes/{key}");
        let put = client
            .send_uncleaned(Method::PUT, &path, key.as_bytes())
            .await;
        assert!(put.starts_with("HTTP/1.1 200"), "{put}");
        let get = client.send_uncleaned(Method::GET, &path, b"").await;
        assert!(get.ends_with(&format!("\r\n\r\n{key}")), "{get}");
    }
    assert_eq!(
        client.list("list-type=2").await.ok().all("Key").len(),
        keys.len()
    );
    assert_eq!(
        std::fs::read_dir(folder.path().join("blobs"))
            .unwrap()
            .count(),
        keys.len()
    );
}

#[tokio::test]
async fn ranges_are_served_from_small_and_large_objects() {
    let (_folder, _served, client) = fresh().await;
    let large: Vec<u8> = (0..3_000_000_u32)
        .map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[1])
        .collect();
    for (key, body) in [("small", b"0123456789".to_vec()), ("large", large)] {
        let put = client.put(key, &body, &[]).await.ok();
        assert_eq!(
            put.etag(),
            format!("\"{}\"", hex::encode(Md5::digest(&body)))
        );
        assert_eq!(client.get(key, &[]).await.ok().body, body);
        let end = body.len() - 1;
        for (range, from, to) in [
            ("bytes=0-0".to_owned(), 0, 1),
            ("bytes=3-".to_owned(), 3, body.len()),
            ("bytes=-4".to_owned(), body.len() - 4, body.len()),
            (format!("bytes=2-{end}"), 2, body.len()),
            ("bytes=5-99999999".to_owned(), 5, body.len()),
        ] {
            let part = client.get(key, &[("range", &range)]).await;
            assert_eq!(part.status, 206, "{range}");
            assert!(part.body == body[from..to], "{key} {range}");
            let shown = format!("bytes {from}-{}/{}", to - 1, body.len());
            assert_eq!(part.header("content-range"), shown);
        }
        let outside = format!("bytes={}-", body.len());
        let refused = client.get(key, &[("range", &outside)]).await;
        assert_eq!(refused.refusal(), (416, "InvalidRange".to_owned()));
    }
}

#[tokio::test]
async fn an_empty_object_is_an_object() {
    let (_folder, _served, client) = fresh().await;
    client.put("empty", b"", &[]).await.ok();
    let get = client.get("empty", &[]).await.ok();
    assert_eq!(
        (get.body.as_slice(), get.header("content-length")),
        (b"".as_slice(), "0")
    );
}

#[tokio::test]
async fn a_body_that_breaks_a_promise_is_refused_and_changes_nothing() {
    let (folder, _served, client) = fresh().await;
    client
        .put(
            "a.md",
            b"hello",
            &[("content-md5", "XUFAKrxLKna5cZ2REBfFkg==")],
        )
        .await
        .ok();
    for (headers, expected) in [
        ([("content-md5", "XUFAKrxLKna5cZ2REBfFkg==")], "BadDigest"),
        ([("content-md5", "nonsense")], "InvalidDigest"),
        ([("x-amz-checksum-crc32", "AAAAAA==")], "BadDigest"),
        ([("x-amz-checksum-sha256", "AAAA")], "BadDigest"),
    ] {
        let refused = client.put("a.md", b"other", &headers).await;
        assert_eq!(refused.refusal(), (400, expected.to_owned()), "{headers:?}");
    }
    let checked = [("x-amz-checksum-crc32", "NhCmhg==")];
    assert_eq!(
        client
            .put("b.md", b"hello", &checked)
            .await
            .ok()
            .header(checked[0].0),
        checked[0].1
    );
    assert_eq!(client.get("a.md", &[]).await.text(), "hello");
    assert_eq!(
        std::fs::read_dir(folder.path().join("blobs"))
            .unwrap()
            .count(),
        2
    );
}

#[tokio::test]
async fn copies_keep_or_replace_metadata() {
    let (folder, _served, client) = fresh().await;
    let put = client
        .put("a b.md", b"one", &[("x-amz-meta-color", "red")])
        .await
        .ok();
    let copy = client.copy("a b.md", "kept.md", &[]).await.ok();
    assert_eq!(copy.one("ETag"), put.etag());
    assert_eq!(
        client.head("kept.md").await.header("x-amz-meta-color"),
        "red"
    );
    let replace = [
        ("x-amz-metadata-directive", "REPLACE"),
        ("x-amz-meta-color", "blue"),
    ];
    client.copy("a b.md", "a b.md", &replace).await.ok();
    let head = client.head("a b.md").await;
    assert_eq!(
        (head.header("x-amz-meta-color"), head.etag()),
        ("blue", put.etag())
    );
    let same = client.copy("a b.md", "a b.md", &[]).await;
    assert_eq!(same.refusal(), (400, "InvalidRequest".to_owned()));
    let missing = client.copy("none.md", "x.md", &[]).await;
    assert_eq!(missing.refusal(), (404, "NoSuchKey".to_owned()));
    assert_eq!(
        std::fs::read_dir(folder.path().join("blobs"))
            .unwrap()
            .count(),
        1
    );
}

#[tokio::test]
async fn what_is_missing_is_404_and_what_is_not_built_is_501() {
    let (_folder, _served, client) = fresh().await;
    assert_eq!(
        client.get("none", &[]).await.refusal(),
        (404, "NoSuchKey".to_owned())
    );
    assert_eq!(client.head("none").await.status, 404);
    assert_eq!(
        client.list("acl").await.refusal(),
        (501, "NotImplemented".to_owned())
    );
    assert_eq!(
        client.list("versioning").await.ok().one("Status"),
        "Enabled"
    );
    assert_eq!(client.list("location").await.status, 200);
}

#[tokio::test]
async fn unsigned_and_chunked_bodies_are_taken_and_their_trailers_checked() {
    let (_folder, _served, client) = fresh().await;
    let unsigned = SignableBody::UnsignedPayload;
    client
        .put_framed("plain.md", unsigned, &[], b"hello")
        .await
        .ok();
    let headers = [
        ("content-encoding", "aws-chunked"),
        ("x-amz-decoded-content-length", "5"),
        ("x-amz-trailer", "x-amz-checksum-crc32"),
    ];
    let framed = async |key: &str, sum: &str| {
        let body = format!("5\r\nhello\r\n0\r\nx-amz-checksum-crc32:{sum}\r\n\r\n");
        let framing = SignableBody::StreamingUnsignedPayloadTrailer;
        client
            .put_framed(key, framing, &headers, body.as_bytes())
            .await
    };
    framed("chunked.md", "NhCmhg==").await.ok();
    let refused = framed("wrong.md", "AAAAAA==").await;
    assert_eq!(refused.refusal(), (400, "BadDigest".to_owned()));
    for key in ["plain.md", "chunked.md"] {
        let get = client.get(key, &[]).await.ok();
        assert_eq!(
            (get.text().as_str(), get.header("content-encoding")),
            ("hello", "")
        );
    }
    assert_eq!(client.get("wrong.md", &[]).await.status, 404);
    let lie = SignableBody::Precomputed("0".repeat(64));
    assert_eq!(
        client.put_framed("lie.md", lie, &[], b"hello").await.status,
        400
    );
    assert_eq!(client.get("lie.md", &[]).await.status, 404);
}

#[tokio::test]
async fn promises_the_store_cannot_keep_are_refused() {
    let (_folder, _served, client) = fresh().await;
    for header in [
        ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
        ("x-amz-object-lock-mode", "COMPLIANCE"),
        ("x-amz-tagging", "a=b"),
        ("if-none-match", "\"00\""),
    ] {
        assert_eq!(
            client.put("a.md", b"x", &[header]).await.status,
            501,
            "{header:?}"
        );
    }
    assert_eq!(client.get("a.md", &[]).await.status, 404);
}
