use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::Method;
use secrecy::SecretString;
use testkit::{Child, program};
use tokio::net::TcpStream;

use crate::client::Client;
use crate::served::{Served, fresh, scratch};

const SOON: Duration = Duration::from_secs(20);

/// The example program, which cargo builds beside the tests.
fn serve_program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let built = test.parent().and_then(Path::parent).unwrap();
    built.join(format!("examples/serve{}", std::env::consts::EXE_SUFFIX))
}

async fn start(folder: &Path) -> (Child, Client) {
    let mut child = program(serve_program()).arg(folder).arg("notes").spawn();
    let line = child.line(SOON, |line| line.starts_with("http://")).await;
    let words: Vec<&str> = line.split(' ').collect();
    let client = Client::new(words[0], "notes", words[1], &SecretString::from(words[2]));
    (child, client)
}

/// A body that shows whether it is whole: its own version, repeated.
fn body(key: &str, version: u32) -> Vec<u8> {
    let length = 1 + (version as usize * 977) % 40_000;
    format!("{key}:{version};")
        .into_bytes()
        .into_iter()
        .cycle()
        .take(length.max(16))
        .collect()
}

fn version_of(key: &str, bytes: &[u8]) -> u32 {
    let text = String::from_utf8(bytes[..16.min(bytes.len())].to_vec()).unwrap();
    let version = text
        .strip_prefix(&format!("{key}:"))
        .unwrap()
        .split(';')
        .next()
        .unwrap();
    version.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_during_a_storm_of_writes_leaves_every_key_whole() {
    let folder = scratch();
    let mut confirmed: BTreeMap<String, u32> = BTreeMap::new();
    for round in 0..4_u32 {
        let (mut child, client) = start(folder.path()).await;
        for (key, version) in &confirmed {
            let found = client.get(key, &[]).await.ok().body;
            let now = version_of(key, &found);
            assert!(now >= *version, "{key} went back from {version} to {now}");
            assert!(found == body(key, now), "{key} is torn");
        }
        let blobs = fs::read_dir(folder.path().join("blobs")).unwrap();
        let mut partial = blobs.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        assert!(
            partial.all(|name| !name.ends_with(".part")),
            "partial files are swept"
        );

        let (sender, mut done) = tokio::sync::mpsc::channel(1024);
        let mut writers = Vec::new();
        for writer in 0..8_u32 {
            let (client, sender) = (client.clone(), sender.clone());
            writers.push(tokio::spawn(async move {
                let key = format!("k{writer}");
                for version in round * 10_000 + 1.. {
                    client.put(&key, &body(&key, version), &[]).await.ok();
                    sender.send((key.clone(), version)).await.unwrap();
                }
            }));
        }
        for _ in 0..(60 + round * 25) {
            let (key, version) = done.recv().await.unwrap();
            confirmed.insert(key, version);
        }
        child.kill();
        for writer in writers {
            assert!(
                writer.await.is_err(),
                "a writer ends when its server is gone"
            );
        }
        while let Ok((key, version)) = done.try_recv() {
            confirmed.insert(key, version);
        }
    }
    let (_child, client) = start(folder.path()).await;
    for (key, version) in &confirmed {
        let found = client.get(key, &[]).await.ok().body;
        assert!(
            version_of(key, &found) >= *version,
            "{key} lost a confirmed write"
        );
        assert!(found == body(key, version_of(key, &found)), "{key} is torn");
    }
}

#[tokio::test]
async fn a_restart_keeps_keys_objects_and_versions() {
    let folder = scratch();
    let served = Served::start(folder.path()).await;
    let before = served.client("notes");
    before
        .put("a.md", b"one", &[("x-amz-meta-color", "red")])
        .await
        .ok();
    let etag = before
        .put("a.md", b"two", &[("x-amz-meta-color", "red")])
        .await
        .ok()
        .etag();
    served.stop().await;
    for stray in ["unknown", "half.part"] {
        fs::write(folder.path().join("blobs").join(stray), "x").unwrap();
    }

    let served = Served::start(folder.path()).await;
    let after = Client::new(
        &served.endpoint,
        "notes",
        &before.access_key,
        &before.secret,
    );
    let get = after.get("a.md", &[]).await.ok();
    assert_eq!((get.text().as_str(), get.etag()), ("two", etag));
    assert_eq!(get.header("x-amz-meta-color"), "red");
    assert_eq!(after.list("versions").await.ok().all("VersionId").len(), 2);
    assert_eq!(
        fs::read_dir(folder.path().join("blobs")).unwrap().count(),
        2
    );
    served.store.delete_key(&before.access_key).unwrap();
    served.stop().await;

    let served = Served::start(folder.path()).await;
    let refused = Client::new(
        &served.endpoint,
        "notes",
        &before.access_key,
        &before.secret,
    );
    assert_eq!(refused.get("a.md", &[]).await.status, 403);
}

#[tokio::test]
async fn a_stop_lets_an_upload_finish_and_takes_no_more() {
    let (folder, served, client) = fresh().await;
    let blobs = folder.path().join("blobs");
    let body = vec![7; 6_000_000];
    let answer = client
        .send_in_two(Method::PUT, "/notes/a.bin", &body, async || {
            testkit::wait_until(SOON, async || fs::read_dir(&blobs).unwrap().count() == 1).await;
            served.begin_stop();
            let host = client.endpoint.strip_prefix("http://").unwrap();
            testkit::wait_until(SOON, async || TcpStream::connect(host).await.is_err()).await;
        })
        .await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    served.stop().await;
    let served = Served::start(folder.path()).await;
    let found = Client::new(
        &served.endpoint,
        "notes",
        &client.access_key,
        &client.secret,
    );
    assert!(found.get("a.bin", &[]).await.ok().body == body);
}
