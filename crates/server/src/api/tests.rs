//! The router without a socket: deployments and faults that a real server does not have.

use std::sync::Arc;

use axum::body::{self, Body};
use axum::http::{Request, StatusCode, header};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::router;
use crate::app::{App, Links};
use crate::buckets::ledger::{Fault, Ledger};
use crate::buckets::{AdminKey, Endpoint, History, ObjectKeys, Objects};
use crate::clock::Clock;
use crate::credentials::{CredentialSettings, Keys};
use crate::events::{EventSettings, Events};
use crate::idp::{CLIENT_ID, IdentityProvider, SigningKey};
use crate::limits::LimitSettings;
use crate::principal::Policy;
use crate::proxy::{Proxy, ProxySettings, SigningKeys};
use crate::store::{Origin, SqliteStore, Subscription};
use crate::token::{Issuer, Verifier};
use crate::workspace::WorkspaceKind;

mod polar;

pub(crate) const NOW_MS: i64 = 1_700_000_000_000;

pub(crate) struct Fixture {
    pub(crate) app: App,
    buckets: Arc<Ledger>,
    key: Arc<SigningKey>,
    _folder: tempfile::TempDir,
}

/// An object store that nobody listens for.
fn nowhere(clock: &Clock) -> Objects {
    let endpoint = Endpoint {
        url: "http://127.0.0.1:1".to_owned(),
        region: "auto".to_owned(),
    };
    let key = AdminKey {
        access_key: "nobody".to_owned(),
        secret: "nothing".into(),
    };
    let history = History::Unlisted;
    Objects::new(endpoint, ObjectKeys::Server(key), history, clock.clone()).unwrap()
}

impl Fixture {
    /// A cloud-like deployment: another party signs people in, and nothing is for development.
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("server.db"))
            .await
            .unwrap();
        let key = Arc::new(SigningKey::from_pkcs8(&SigningKey::generate().unwrap()).unwrap());
        let config = IdentityProvider::sign_in_config("http://idp.example");
        let issuer = Issuer::for_tests(&config.issuer, CLIENT_ID, &key);
        let buckets = Arc::new(Ledger::default());
        let store = Arc::new(store);
        let clock: Clock = Arc::new(|| NOW_MS);
        let provisioner =
            crate::provisioning::tests::running(store.clone(), buckets.clone(), &clock);
        let keys = Keys::new(
            store.clone(),
            buckets.clone(),
            clock.clone(),
            CredentialSettings::default(),
        );
        let app = App {
            events: Events::new(store.clone(), clock.clone(), EventSettings::default()),
            store,
            buckets: buckets.clone(),
            objects: Arc::new(nowhere(&clock)),
            provisioner,
            keys: Arc::new(keys),
            limits: Arc::new(crate::limits::Limits::new(LimitSettings::default())),
            verifier: Arc::new(Verifier::new(vec![issuer])),
            admins: None,
            clock,
            links: Arc::new(Links {
                subscribe_url: "https://basicmemory.com/subscribe".to_owned(),
                manage_url: None,
            }),
            workspace_kind: WorkspaceKind::Personal,
            hosts: Arc::new(crate::request::Hosts::loopback()),
            life: Arc::default(),
            proxy: Arc::new(Proxy::new(
                ProxySettings::default(),
                Arc::new(SigningKeys::single("k1", [1; 32])),
                Arc::new(crate::instances::NoInstances),
                tokio_util::sync::CancellationToken::new(),
            )),
            denials: Arc::default(),
            sign_in: Arc::new(config),
            polar: None,
            development: None,
        };
        Self {
            app,
            buckets,
            key,
            _folder: folder,
        }
    }

    fn origin() -> Origin {
        Origin {
            actor: "test".to_owned(),
            request_id: "test".to_owned(),
            at: NOW_MS,
        }
    }

    async fn subscribe(&self, subject: &str) {
        let subscription = Subscription {
            status: "active".to_owned(),
            plan: None,
            current_period_end: Some(NOW_MS + 1),
        };
        let store = &self.app.store;
        store
            .put_subscription(subject, &subscription, &Self::origin())
            .await
            .unwrap();
    }

    async fn member(&self, subject: &str) {
        self.subscribe(subject).await;
        self.app
            .store
            .ensure_profile(subject, Some("a@b.c"), &Self::origin())
            .await
            .unwrap();
    }

    async fn send(&self, subject: &str, method: &str, path: &str) -> (StatusCode, Value) {
        let claims = json!({
            "iss": "http://idp.example/idp", "aud": CLIENT_ID, "sub": subject, "sid": "s",
            "jti": "j", "exp": NOW_MS / 1000 + 60,
        });
        let token = self.key.sign(&claims).unwrap();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "localhost")
            .header(
                header::AUTHORIZATION,
                format!("Bearer {}", token.expose_secret()),
            )
            .body(Body::empty())
            .unwrap();
        let answer = router(self.app.clone()).oneshot(request).await.unwrap();
        let status = answer.status();
        let bytes = body::to_bytes(answer.into_body(), 65_536).await.unwrap();
        (
            status,
            serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        )
    }
}

#[tokio::test]
async fn development_routes_are_nowhere_else() {
    let fixture = Fixture::new().await;
    let routes = super::route_table();
    let development: Vec<_> = routes
        .iter()
        .filter(|r| r.policy == Policy::Development)
        .collect();
    assert!(development.len() >= 8, "{development:?}");
    for route in development {
        let (status, body) = fixture
            .send("user_1", route.method.as_str(), route.path)
            .await;
        assert_eq!(
            (status, &body["error"]),
            (StatusCode::NOT_FOUND, &json!("not_found")),
            "{route:?}"
        );
    }
}

#[tokio::test]
async fn somebody_without_a_profile_learns_of_their_subscription_and_nothing_else() {
    let fixture = Fixture::new().await;
    let (status, body) = fixture.send("user_1", "GET", "/subscription").await;
    assert_eq!((status, &body["status"]), (StatusCode::OK, &json!("none")));
    fixture.subscribe("user_1").await;
    let (status, body) = fixture.send("user_1", "GET", "/subscription").await;
    assert_eq!((status, &body["current"]), (StatusCode::OK, &json!(true)));
    let (status, body) = fixture.send("user_1", "GET", "/tenant/mount/info").await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert_eq!(body["error"], "unauthenticated");
    assert_eq!(body["message"], "User profile not found");
}

#[tokio::test]
async fn a_renewal_is_told_when_it_happens_to_who_waits_for_it() {
    let fixture = Fixture::new().await;
    let waiting = "/subscription?current=false&wait_s=15";
    let began = std::time::Instant::now();
    let (answer, ()) = tokio::join!(fixture.send("user_1", "GET", waiting), async {
        fixture.send("user_1", "GET", "/subscription").await;
        fixture.subscribe("user_1").await;
    });
    assert_eq!(answer.1["current"], true);
    assert!(began.elapsed() < std::time::Duration::from_secs(10));
    // It is not as the caller knows it already, and an answer at once is no wait.
    for path in [
        waiting,
        "/subscription?current=true",
        "/subscription?wait_s=15",
    ] {
        let (status, body) = fixture.send("user_1", "GET", path).await;
        assert_eq!((status, &body["current"]), (StatusCode::OK, &json!(true)));
    }
    let (status, _) = fixture
        .send("user_1", "GET", "/subscription?current=true&wait_s=16")
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn the_subscription_is_judged_before_the_profile() {
    let fixture = Fixture::new().await;
    let (status, body) = fixture.send("user_1", "GET", "/tenant/mount/info").await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(body["error"], "subscription_required");
}

#[tokio::test]
async fn a_setup_that_stops_halfway_is_completed_by_the_next_one() {
    let fixture = Fixture::new().await;
    fixture.member("user_1").await;
    fixture.buckets.break_with(Some(Fault::Before));
    let (status, body) = fixture.send("user_1", "POST", "/tenants/setup").await;
    assert_eq!(
        (status, &body["status"]),
        (StatusCode::ACCEPTED, &json!("provisioning"))
    );
    let claimed = fixture
        .app
        .store
        .standing("user_1")
        .await
        .unwrap()
        .tenant
        .unwrap();
    assert_eq!(claimed.bucket_name, None);
    for (method, path) in [
        ("GET", "/tenant/mount/info"),
        ("POST", "/tenant/mount/credentials"),
        ("GET", "/tenant/mount/credentials"),
        ("DELETE", "/tenant/mount/credentials/x"),
    ] {
        let (status, body) = fixture.send("user_1", method, path).await;
        assert_eq!(
            (status, &body["error"]),
            (StatusCode::FORBIDDEN, &json!("no_tenant")),
            "{path}"
        );
    }
    fixture.buckets.break_with(None);
    let (status, body) = fixture.send("user_1", "POST", "/tenants/setup").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(body["tenant_id"], claimed.id);
}

#[tokio::test]
async fn a_key_that_cannot_be_made_or_removed_is_said_so_and_can_be_retried() {
    let fixture = Fixture::new().await;
    fixture.member("user_1").await;
    fixture.send("user_1", "POST", "/tenants/setup").await;
    let (status, _) = fixture
        .send("user_1", "POST", "/tenant/mount/credentials")
        .await;
    assert_eq!(status, StatusCode::OK);
    let (_, list) = fixture
        .send("user_1", "GET", "/tenant/mount/credentials")
        .await;
    let one = format!(
        "/tenant/mount/credentials/{}",
        list[0]["id"].as_str().unwrap()
    );

    fixture.buckets.break_with(Some(Fault::Before));
    let failed = (
        StatusCode::INTERNAL_SERVER_ERROR,
        json!("credential_failed"),
    );
    let (status, body) = fixture
        .send("user_1", "POST", "/tenant/mount/credentials")
        .await;
    assert_eq!((status, body["error"].clone()), failed);
    let (status, body) = fixture.send("user_1", "DELETE", &one).await;
    assert_eq!((status, body["error"].clone()), failed);
    let (_, list) = fixture
        .send("user_1", "GET", "/tenant/mount/credentials")
        .await;
    assert_eq!(list, json!([]));
    let all = "/tenant/mount/credentials?include=revoked";
    let (_, list) = fixture.send("user_1", "GET", all).await;
    assert_eq!(list[0]["state"], "revoke_failed");

    fixture.buckets.break_with(None);
    for _ in 0..2 {
        let (status, _) = fixture.send("user_1", "DELETE", &one).await;
        assert_eq!(status, StatusCode::NO_CONTENT);
    }
    let (_, list) = fixture.send("user_1", "GET", all).await;
    assert_eq!(list, json!([]));
}

#[tokio::test]
async fn two_tenants_never_share_a_bucket_name() {
    let fixture = Fixture::new().await;
    let store = &fixture.app.store;
    let origin = Fixture::origin();
    let one = store
        .ensure_profile("user_1", Some("a@b.c"), &origin)
        .await
        .unwrap();
    let two = store
        .ensure_profile("user_2", Some("d@e.f"), &origin)
        .await
        .unwrap();
    store
        .claim_tenant(&one, "t-1", "bucket-1", &origin)
        .await
        .unwrap();
    let taken = store.claim_tenant(&two, "t-2", "bucket-1", &origin).await;
    assert!(
        matches!(&taken, Err(crate::store::StoreError::BucketNameTaken { name }) if name == "bucket-1"),
        "{taken:?}"
    );
    assert_eq!(store.standing("user_2").await.unwrap().tenant, None);
}
