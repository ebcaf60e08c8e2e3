use async_trait::async_trait;
use axum::Router;
use axum::body::Bytes;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{broadcast, mpsc};

use super::*;
use crate::events::Teller;
use crate::instances::{
    Address, Awake, InstanceSpec, ListedInstance, NoInstances, Readiness, SecretDelivery,
    WantedState,
};
use crate::proxy::{ProxySettings, SigningKeys};
use crate::store::Instance;
use crate::store::tests::{Fixture, origin};

const SOON: Duration = Duration::from_secs(60);
const TENANT: &str = "434252dd-d83b-4b20-bf70-8a950ff875c4";

fn event(kind: ChangeKind, path: &str, from: Option<&str>) -> NewEvent {
    NewEvent {
        kind,
        path: path.to_owned(),
        from: from.map(str::to_owned),
        etag: Some("e1".to_owned()),
        size: None,
        at: 0,
        teller: Teller::Bucket {
            mark: String::new(),
        },
    }
}

fn body(waiting: &Waiting) -> Value {
    serde_json::from_slice(&waiting.body().unwrap()).unwrap()
}

#[test]
fn what_happened_to_a_path_last_is_told() {
    let mut waiting = Waiting::default();
    waiting.add(&event(ChangeKind::Put, "main/a.md", None));
    waiting.add(&event(ChangeKind::Delete, "main/a.md", None));
    waiting.add(&event(ChangeKind::Rename, "main/c.md", Some("main/b.md")));
    let expected = json!({ "full": false, "changes": [
        { "path": "main/a.md", "kind": "removed", "etag": null },
        { "path": "main/b.md", "kind": "removed", "etag": null },
        { "path": "main/c.md", "kind": "written", "etag": "e1" },
    ] });
    assert_eq!(body(&waiting), expected);
}

#[test]
fn instead_of_a_long_list_everything_is_compared() {
    let everything = json!({ "full": true, "changes": [] });
    let mut many = Waiting::default();
    for number in 0..=MOST_PATHS {
        many.add(&event(ChangeKind::Put, &format!("{number}.md"), None));
    }
    many.add(&event(ChangeKind::Put, "late.md", None));
    assert_eq!(body(&many), everything);
    let mut long = Waiting::default();
    for number in 0..100 {
        let path = format!("{}{number}.md", "x".repeat(1000));
        long.add(&event(ChangeKind::Put, &path, None));
    }
    assert_eq!(body(&long), everything);
}

/// One that is awake and of which nothing is ever heard.
struct Quiet(Address);

#[async_trait]
impl Instances for Quiet {
    fn secret_delivery(&self) -> SecretDelivery {
        SecretDelivery::ByOperator
    }

    async fn ensure_app(&self, _: &str) -> Result<(), InstanceError> {
        Ok(())
    }

    async fn ensure_secrets(
        &self,
        _: &str,
        _: &BTreeMap<&'static str, SecretString>,
    ) -> Result<Option<i64>, InstanceError> {
        Ok(None)
    }

    async fn ensure_instance(&self, _: &InstanceSpec) -> Result<Option<Address>, InstanceError> {
        Ok(Some(self.0.clone()))
    }

    async fn wait_ready(&self, _: &str) -> Result<Readiness, InstanceError> {
        Ok(Readiness::Ready)
    }

    async fn set_state(&self, _: &str, _: WantedState) -> Result<(), InstanceError> {
        Ok(())
    }

    async fn destroy(&self, _: &str) -> Result<(), InstanceError> {
        Ok(())
    }

    async fn list(&self) -> Result<Vec<ListedInstance>, InstanceError> {
        Ok(Vec::new())
    }

    async fn wake(&self, _: &str, _: &Instance) -> Result<Awake, InstanceError> {
        Ok(Awake::always(&self.0.0))
    }

    async fn awake(&self, _: &str, _: &Instance) -> Result<Option<Address>, InstanceError> {
        Ok(Some(self.0.clone()))
    }

    fn all_awake(&self) -> Vec<String> {
        vec![TENANT.to_owned()]
    }
}

/// A tenant whose instance has been provisioned.
async fn tenant(address: &Address) -> Fixture {
    let fixture = Fixture::sqlite().await;
    let (store, at) = (&fixture.store, origin(1));
    let profile = store.ensure_profile("ana", None, &at).await.unwrap();
    let claimed = store.claim_tenant(&profile, TENANT, "bucket", &at);
    claimed.await.unwrap();
    let held = store.claim_workflow(&["provision"], 1, 100).await;
    let held = held.unwrap().unwrap();
    let instance = Instance {
        address: address.0.clone(),
        key_id: "k1".to_owned(),
        state: READY.to_owned(),
    };
    store.put_instance(&held, &instance, &at).await.unwrap();
    fixture
}

/// What is posted at the address, in its order.
async fn listen() -> (Address, mpsc::Receiver<(String, Value)>) {
    let (heard, posts) = mpsc::channel(64);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Address(format!("http://{}", listener.local_addr().unwrap()));
    let routes = Router::new().fallback(async move |uri: axum::http::Uri, body: Bytes| {
        let body = serde_json::from_slice(&body).unwrap();
        heard.send((uri.path().to_owned(), body)).await.ok();
    });
    tokio::spawn(async move { axum::serve(listener, routes).await });
    (address, posts)
}

#[tokio::test]
async fn an_instance_that_nobody_told_anything_is_told_to_compare_again_and_again() {
    let (address, mut posts) = listen().await;
    let fixture = tenant(&address).await;
    let key: SecretString = "11".repeat(32).into();
    let keys = SigningKeys::from_hex("k1", [("k1", &key)]).unwrap();
    let cancel = CancellationToken::new();
    let proxy = Proxy::new(
        ProxySettings::default(),
        Arc::new(keys),
        Arc::new(NoInstances),
        cancel.clone(),
    );
    let hints = Arc::new(Hints {
        store: Arc::clone(&fixture.store),
        instances: Arc::new(Quiet(address)),
        proxy: Arc::new(proxy),
        clock: Arc::new(|| 1_700_000_000_000),
        every: Duration::from_millis(50),
        waiting: Mutex::default(),
    });
    let (_nothing, changes) = broadcast::channel(1);
    let telling = tokio::spawn(hints.run(changes, cancel.clone()));
    let everything = ("/sync".to_owned(), json!({ "changes": [], "full": true }));
    for _ in 0..3 {
        let told = timeout(SOON, posts.recv()).await;
        assert_eq!(told.expect("in time"), Some(everything.clone()));
    }
    cancel.cancel();
    telling.await.unwrap();
}
