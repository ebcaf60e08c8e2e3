//! The payment provider's address, and what its deliveries open and close at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use axum::Router;
use axum::body::{self, Body};
use axum::http::{HeaderMap, Request, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use tower::ServiceExt;

use super::{Fixture, NOW_MS};
use crate::api::router;
use crate::app::App;
use crate::idp::CLIENT_ID;
use crate::polar::Products;
use crate::polar::tests::payload::{Said, time};
use crate::polar::tests::{SECRET, polar, polar_of};
use crate::principal::{AdminSettings, Admins};
use crate::store::{PostgresSettings, PostgresStore, Store};
use crate::token::{MembershipError, Memberships};

const PATH: &str = "/api/webhooks/polar";

fn signed(id: &str, timestamp_s: i64, body: &str) -> HeaderMap {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(format!("{id}.{timestamp_s}.{body}").as_bytes());
    let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    let mut headers = HeaderMap::new();
    headers.insert("webhook-id", id.parse().unwrap());
    headers.insert("webhook-timestamp", timestamp_s.into());
    headers.insert("webhook-signature", signature.parse().unwrap());
    headers
}

async fn send(app: &App, headers: HeaderMap, body: &str) -> (StatusCode, Value) {
    let mut request = Request::post(PATH)
        .header(header::HOST, "localhost")
        .body(Body::from(body.to_owned()))
        .unwrap();
    request.headers_mut().extend(headers);
    let router: Router = router(app.clone());
    let answer = router.oneshot(request).await.unwrap();
    let status = answer.status();
    let bytes = body::to_bytes(answer.into_body(), 65_536).await.unwrap();
    (
        status,
        serde_json::from_slice(&bytes).unwrap_or(Value::Null),
    )
}

async fn deliver(app: &App, id: &str, body: &str) -> StatusCode {
    let now_s = app.now() / 1000;
    send(app, signed(id, now_s, body), body).await.0
}

async fn fixture() -> Fixture {
    let mut fixture = Fixture::new().await;
    let app = &mut fixture.app;
    app.polar = Some(polar(Arc::clone(&app.store), Arc::clone(&app.clock), None));
    fixture
}

#[tokio::test]
async fn only_a_signed_delivery_has_an_effect() {
    let fixture = fixture().await;
    let app = &fixture.app;
    let body = Said::new("subscription.active", "active", 1).body();
    let now_s = NOW_MS / 1000;
    let with = |name: &'static str, value: &str| {
        let mut headers = signed("e1", now_s, &body);
        headers.insert(name, value.parse().unwrap());
        headers
    };
    let changed_body = body.replace("user_1", "user_2");
    let wrong = "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    for (case, headers, body) in [
        ("no headers", HeaderMap::new(), &body),
        ("another body", signed("e1", now_s, &body), &changed_body),
        ("too old", signed("e1", now_s - 301, &body), &body),
        ("too new", signed("e1", now_s + 301, &body), &body),
        ("another signature", with("webhook-signature", wrong), &body),
        ("another id", with("webhook-id", "e2"), &body),
    ] {
        let (status, answer) = send(app, headers, body).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{case}");
        assert_eq!(answer["error"], "unauthenticated", "{case}");
        assert!(!answer.to_string().contains(SECRET));
    }
    let counts = app.store.count_inbox_events().await.unwrap();
    assert_eq!(counts.queued + counts.parked + counts.unreadable, 0);
    assert_eq!(
        app.store.standing("user_1").await.unwrap().subscription,
        None
    );
    assert_eq!(deliver(app, "e1", &body).await, StatusCode::ACCEPTED);
    assert_eq!(deliver(app, "e1", &body).await, StatusCode::ACCEPTED);
    let standing = app.store.standing("user_1").await.unwrap();
    assert_eq!(standing.subscription.unwrap().status, "active");
}

#[tokio::test]
async fn a_large_delivery_is_taken_and_an_endless_one_is_not() {
    let fixture = fixture().await;
    let whole = Said::new("subscription.active", "active", 1).body();
    let padded = |bytes: usize| {
        let padding = " ".repeat(bytes - whole.len());
        format!("{whole}{padding}")
    };
    let large = padded(1024 * 1024);
    assert_eq!(
        deliver(&fixture.app, "e1", &large).await,
        StatusCode::ACCEPTED
    );
    let endless = padded(1024 * 1024 + 1);
    let headers = signed("e2", NOW_MS / 1000, &endless);
    let (status, answer) = send(&fixture.app, headers, &endless).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(answer["error"], "too_large");
}

#[tokio::test]
async fn without_a_payment_provider_there_is_no_such_address() {
    let fixture = Fixture::new().await;
    let body = Said::new("subscription.active", "active", 1).body();
    let headers = signed("e1", NOW_MS / 1000, &body);
    let (status, answer) = send(&fixture.app, headers, &body).await;
    assert_eq!(
        (status, &answer["error"]),
        (StatusCode::NOT_FOUND, &json!("not_found"))
    );
}

#[tokio::test]
async fn a_delivery_that_cannot_be_kept_is_not_acknowledged() {
    let fixture = fixture().await;
    let body = Said::new("subscription.active", "active", 1).body();
    fixture.app.store.leave().await;
    let headers = signed("e1", NOW_MS / 1000, &body);
    let (status, answer) = send(&fixture.app, headers, &body).await;
    assert_eq!(
        (status, &answer["error"]),
        (StatusCode::INTERNAL_SERVER_ERROR, &json!("internal"))
    );
}

#[tokio::test]
async fn the_person_is_told_what_was_bought_and_when_it_ends() {
    let fixture = fixture().await;
    fixture.member("user_1").await;
    let (status, before) = fixture.send("user_1", "GET", "/subscription").await;
    assert_eq!((status, &before["details"]), (StatusCode::OK, &Value::Null));
    let said = Said::new("subscription.canceled", "active", 1).canceling();
    deliver(&fixture.app, "e1", &said.body()).await;
    let (_, told) = fixture.send("user_1", "GET", "/subscription").await;
    assert_eq!(told["current"], true);
    assert_eq!(told["status"], "active");
    assert_eq!(told["plan"], "Basic Memory Cloud");
    assert_eq!(told["current_period_end"], time(said.end));
    assert_eq!(told["details"]["cancel_at_period_end"], true);
    assert_eq!(told["details"]["past_due_at"], Value::Null);

    for status in [
        "incomplete",
        "incomplete_expired",
        "trialing",
        "past_due",
        "canceled",
        "unpaid",
        "paused",
    ] {
        let said = Said::new("subscription.updated", status, 2).of(status);
        let subject = format!("user_1{status}");
        fixture.member(&subject).await;
        deliver(&fixture.app, &format!("e-{status}"), &said.body()).await;
        let (_, told) = fixture.send(&subject, "GET", "/subscription").await;
        assert_eq!(told["current"], false, "{status}");
        assert_eq!(told["status"], status);
        let (denied, _) = fixture.send(&subject, "GET", "/proxy/health").await;
        assert_eq!(denied, StatusCode::FORBIDDEN, "{status}");
    }
}

#[tokio::test]
async fn only_a_paid_subscription_lets_anybody_in() {
    const FREE: &str = "5b1f7c80-9d5e-4a0c-8a55-0d7e6f1a2b3c";
    let mut fixture = Fixture::new().await;
    let app = &mut fixture.app;
    let paid = Said::new("subscription.active", "active", 1);
    let products = Products::of([paid.product]).unwrap();
    let store = Arc::clone(&app.store);
    app.polar = Some(polar_of(store, Arc::clone(&app.clock), products, None));
    let origin = Fixture::origin();
    let made = fixture.app.store.ensure_profile("user_1", None, &origin);
    made.await.unwrap();
    let free = |status, version| {
        let mut said = Said::new("subscription.updated", status, version).of_product(FREE);
        said.subscription = "sub_free".to_owned();
        said
    };
    let downgraded = Said::new("subscription.updated", "active", 2).of_product(FREE);
    let upgraded = Said::new("subscription.updated", "active", 3);
    for (id, said, status) in [
        ("free", free("active", 1), StatusCode::FORBIDDEN),
        ("paid", paid, StatusCode::OK),
        ("free again", free("active", 2), StatusCode::OK),
        ("free no more", free("canceled", 3), StatusCode::OK),
        ("downgraded", downgraded, StatusCode::FORBIDDEN),
        ("upgraded", upgraded, StatusCode::OK),
    ] {
        let taken = deliver(&fixture.app, &id.replace(' ', "-"), &said.body()).await;
        assert_eq!(taken, StatusCode::ACCEPTED, "{id}");
        let (found, answer) = fixture.send("user_1", "GET", "/proxy/health").await;
        assert_eq!(found, status, "{id}");
        if status == StatusCode::FORBIDDEN {
            assert_eq!(answer["error"], "subscription_required", "{id}");
        }
    }
}

/// Two replicas over one database, each with connections of its own.
async fn replicas(database: &testkit::Postgres) -> (Fixture, Fixture, Arc<AtomicI64>) {
    let now = Arc::new(AtomicI64::new(NOW_MS));
    let one = Fixture::new().await;
    let mut two = Fixture::new().await;
    two.key = Arc::clone(&one.key);
    two.app.verifier = Arc::clone(&one.app.verifier);
    let mut both = [one, two];
    for replica in &mut both {
        let settings = PostgresSettings {
            url: database.url.clone().into(),
            max_connections: 4,
        };
        let store: Arc<dyn Store> = Arc::new(PostgresStore::open(&settings).await.unwrap());
        let shared = Arc::clone(&now);
        replica.app.clock = Arc::new(move || shared.load(Ordering::SeqCst));
        replica.app.polar = Some(polar(
            Arc::clone(&store),
            Arc::clone(&replica.app.clock),
            None,
        ));
        replica.app.store = store;
    }
    let [one, two] = both;
    (one, two, now)
}

#[tokio::test]
async fn expiry_blocks_and_renewal_opens_the_very_next_request_on_every_replica() {
    let database = testkit::postgres().await;
    let (one, two, now) = replicas(&database).await;
    one.app
        .store
        .ensure_profile("user_1", Some("ana@example.org"), &Fixture::origin())
        .await
        .unwrap();
    let health = async |replica: &Fixture| replica.send("user_1", "GET", "/proxy/health").await.0;
    assert_eq!(health(&one).await, StatusCode::FORBIDDEN);
    assert_eq!(health(&two).await, StatusCode::FORBIDDEN);

    let mut end = NOW_MS + 1_000;
    for round in 0..10 {
        let (here, there) = if round % 2 == 0 {
            (&one, &two)
        } else {
            (&two, &one)
        };
        let renewed = Said::new("subscription.cycled", "active", 2 * round).until(end);
        let taken = deliver(&here.app, &format!("cycled-{round}"), &renewed.body()).await;
        assert_eq!(taken, StatusCode::ACCEPTED);
        assert_eq!(health(there).await, StatusCode::OK);
        assert_eq!(health(here).await, StatusCode::OK);
        if round % 3 == 0 {
            let revoked = Said::new("subscription.revoked", "canceled", 2 * round + 1).until(end);
            deliver(&there.app, &format!("revoked-{round}"), &revoked.body()).await;
        } else {
            now.store(end + 1, Ordering::SeqCst);
        }
        assert_eq!(health(here).await, StatusCode::FORBIDDEN);
        assert_eq!(health(there).await, StatusCode::FORBIDDEN);
        end += 1_000;
    }
}

/// Calls one person an administrator.
struct OneAdmin;

#[async_trait]
impl Memberships for OneAdmin {
    async fn roles(&self, subject: &str, _: &str) -> Result<Vec<String>, MembershipError> {
        Ok(match subject {
            "user_admin" => vec!["admin".to_owned()],
            _ => Vec::new(),
        })
    }
}

#[tokio::test]
async fn administrators_see_what_is_parked_and_nobody_else_does() {
    let mut fixture = fixture().await;
    fixture.app.admins = Some(Arc::new(Admins {
        settings: AdminSettings {
            organization: "org_1".to_owned(),
            role: "admin".to_owned(),
            client: Some(CLIENT_ID.to_owned()),
        },
        directory: Some(Arc::new(OneAdmin)),
    }));
    let mut said = Said::new("subscription.active", "active", 1);
    said.external_id = None;
    deliver(&fixture.app, "e1", &said.body()).await;
    fixture.member("user_1").await;
    let path = "/admin/inbox/parked";
    let (status, _) = fixture.send("user_1", "GET", path).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let (status, mut parked) = fixture.send("user_admin", "GET", path).await;
    assert_eq!(status, StatusCode::OK);
    parked["events"][0]["id"] = json!("an id of ours");
    assert_eq!(
        parked,
        json!({ "events": [{
            "id": "an id of ours",
            "provider": "polar",
            "delivery_id": "e1",
            "kind": "subscription.active",
            "customer_id": "cus_1",
            "subscription_id": "sub_1",
            "received_at": time(NOW_MS),
        }] })
    );
    said.external_id = Some("user_2".to_owned());
    said.version = 2;
    let told = said.body_with_customer_changed_at(NOW_MS);
    deliver(&fixture.app, "e2", &told).await;
    let (_, parked) = fixture.send("user_admin", "GET", path).await;
    assert_eq!(parked, json!({ "events": [] }));
}
