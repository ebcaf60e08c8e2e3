use std::sync::{Arc, Mutex};

use reqwest::Method;
use s3_store::{Permission, Permits, Store};

use crate::client::Client;
use crate::served::{Served, clock, fresh, scratch};

/// Answers for the bucket `notes` what it was last told.
struct Told(Mutex<Permission>);

#[async_trait::async_trait]
impl Permits for Told {
    async fn permission(&self, bucket: &str) -> Permission {
        match bucket {
            "notes" => *self.0.lock().unwrap(),
            _ => Permission::ReadWrite,
        }
    }
}

async fn changes(client: &Client) -> Vec<u16> {
    let delete = "<Delete><Object><Key>a.md</Key></Object></Delete>";
    let mut statuses = Vec::new();
    for (method, path, body) in [
        (Method::PUT, "/notes/new.md", "new"),
        (Method::DELETE, "/notes/a.md", ""),
        (Method::POST, "/notes?delete", delete),
        (Method::POST, "/notes/big.md?uploads", ""),
        (Method::PUT, "/notes/big.md?partNumber=1&uploadId=x", "x"),
        (Method::DELETE, "/notes/big.md?uploadId=x", ""),
    ] {
        let answer = client.send(method, path, &[], body.as_bytes()).await;
        statuses.push(answer.status.as_u16());
    }
    let copy = client.copy("a.md", "copy.md", &[]).await;
    statuses.push(copy.status.as_u16());
    statuses
}

#[tokio::test]
async fn a_bucket_without_permission_is_read_as_before_and_changed_by_nobody() {
    let folder = scratch();
    let told = Arc::new(Told(Mutex::new(Permission::ReadWrite)));
    let served = Served::start_permitted(folder.path(), told.clone()).await;
    let client = served.client("notes");
    let other = served.client("other");
    client.put("a.md", b"one", &[]).await.ok();

    *told.0.lock().unwrap() = Permission::ReadOnly;
    assert_eq!(changes(&client).await, [403; 7]);
    assert_eq!(client.get("a.md", &[]).await.text(), "one");
    client.head("a.md").await.ok();
    let listed = client.list("list-type=2").await.ok().all("Key");
    assert_eq!(listed, ["a.md"]);
    client.list("versions").await.ok();
    client.list("uploads").await.ok();
    other.put("b.md", b"two", &[]).await.ok();

    *told.0.lock().unwrap() = Permission::Unknown;
    assert_eq!(changes(&client).await, [503; 7]);
    assert_eq!(client.get("a.md", &[]).await.text(), "one");

    *told.0.lock().unwrap() = Permission::ReadWrite;
    client.put("a.md", b"three", &[]).await.ok();
}

#[tokio::test]
async fn a_repeated_name_replaces_the_key_that_had_it() {
    let (_folder, served, unnamed) = fresh().await;
    let (first, secret) = served.store.create_named_key("notes", "laptop").unwrap();
    let first = Client::new(&served.endpoint, "notes", &first, &secret);
    first.put("a.md", b"one", &[]).await.ok();
    let (second, secret) = served.store.create_named_key("notes", "laptop").unwrap();
    let second = Client::new(&served.endpoint, "notes", &second, &secret);
    assert_eq!(first.get("a.md", &[]).await.status, 403);
    second.get("a.md", &[]).await.ok();

    let records = served.store.access_keys().unwrap();
    let known: Vec<_> = records
        .iter()
        .map(|key| {
            (
                key.access_key.as_str(),
                key.name.as_deref(),
                key.bucket.as_str(),
            )
        })
        .collect();
    assert_eq!(
        known,
        [
            (unnamed.access_key.as_str(), None, "notes"),
            (second.access_key.as_str(), Some("laptop"), "notes"),
        ]
    );
    assert_eq!(records[0].last_used_ms, None);
    assert!(records[1].last_used_ms > Some(records[1].created_ms));

    assert!(served.store.delete_named_key("laptop").unwrap());
    assert!(!served.store.delete_named_key("laptop").unwrap());
    assert_eq!(second.get("a.md", &[]).await.status, 403);
    unnamed.get("a.md", &[]).await.ok();
}

#[tokio::test]
async fn a_store_of_the_first_schema_keeps_its_keys() {
    let folder = scratch();
    let (access_key, secret) = {
        let store = Store::open(folder.path(), clock()).unwrap();
        store.create_bucket("notes").unwrap();
        store.create_key("notes").unwrap()
    };
    let database = rusqlite::Connection::open(folder.path().join("store.db")).unwrap();
    database
        .execute_batch(
            "DROP INDEX access_keys_name; ALTER TABLE access_keys DROP COLUMN name;
             PRAGMA user_version = 1;",
        )
        .unwrap();
    drop(database);

    let served = Served::start(folder.path()).await;
    let client = Client::new(&served.endpoint, "notes", &access_key, &secret);
    client.put("a.md", b"one", &[]).await.ok();
    served.store.create_named_key("notes", "laptop").unwrap();
    assert_eq!(served.store.access_keys().unwrap().len(), 2);
}
