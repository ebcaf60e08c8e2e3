//! What Tigris tells about the objects in a tenant's bucket.

use axum::body::{self, Body};
use axum::extract::State;
use axum::http::StatusCode;

use crate::app::App;
use crate::error::ApiError;
use crate::events::{Delivered, DeliveryRefusal, delivered};
use crate::principal::TenantWebhook;
use crate::routes::Routes;

/// Above this, a delivery is not read: readers look at the bucket themselves.
const MAX_DELIVERY_BYTES: usize = 1024 * 1024;

/// Records a delivery. Tigris takes nothing but 200 for received, and gives up after three tries.
async fn deliver(
    hook: TenantWebhook,
    State(app): State<App>,
    body: Body,
) -> Result<StatusCode, ApiError> {
    let delivery = match body::to_bytes(body, MAX_DELIVERY_BYTES).await {
        Ok(bytes) => delivered(&bytes, &hook.bucket, app.now()),
        Err(_) => Ok(Delivered::TooMany),
    };
    match delivery {
        Ok(Delivered::Changes(changes)) => {
            app.events.append(&hook.tenant_id, &changes).await?;
        }
        Ok(Delivered::TooMany) => app.events.ask_to_look(Some(&hook.tenant_id)).await?,
        Err(refusal @ DeliveryRefusal::Malformed) => {
            return Err(ApiError::InvalidRequest(refusal.to_string()));
        }
        Err(DeliveryRefusal::ForeignBucket) => {
            tracing::warn!(
                tenant.id = hook.tenant_id,
                "a delivery names another bucket"
            );
            return Err(ApiError::Forbidden);
        }
    }
    Ok(StatusCode::OK)
}

pub(super) fn routes() -> Routes {
    Routes::default().post("/webhooks/tigris/{tenant_id}", deliver)
}

#[cfg(test)]
mod tests {
    use axum::http::{Request, header};
    use serde_json::{Value, json};
    use tower::ServiceExt as _;

    use super::*;
    use crate::api::router;
    use crate::api::tests::Fixture;
    use crate::events::token_hash;
    use crate::principal::TenantScope;
    use crate::store::EventPage;
    use crate::store::tests::origin;

    const TOKEN: &str = "th_of-this-tenant";

    /// A tenant with a webhook token, and another one beside it.
    async fn fixture() -> Fixture {
        let fixture = Fixture::new().await;
        let store = &fixture.app.store;
        for (tenant, token) in [("t1", TOKEN), ("t2", "th_of-another")] {
            let profile = store
                .ensure_profile(tenant, Some("a@b.c"), &origin(1))
                .await
                .unwrap();
            let bucket = format!("bucket-{tenant}");
            let claimed = store
                .claim_tenant(&profile, tenant, &bucket, &origin(1))
                .await
                .unwrap();
            store.record_bucket(&claimed, &origin(1)).await.unwrap();
            store
                .offer_hook_token(tenant, &token_hash(token), 1)
                .await
                .unwrap();
        }
        fixture
    }

    async fn deliver(
        fixture: &Fixture,
        tenant: &str,
        authorization: Option<&str>,
        body: impl Into<Body>,
    ) -> (StatusCode, Value) {
        let mut request = Request::post(format!("/webhooks/tigris/{tenant}"))
            .header(header::HOST, "localhost")
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(value) = authorization {
            request = request.header(header::AUTHORIZATION, value);
        }
        let request = request.body(body.into()).unwrap();
        let answer = router(fixture.app.clone()).oneshot(request).await.unwrap();
        let status = answer.status();
        let bytes = body::to_bytes(answer.into_body(), 65_536).await.unwrap();
        let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        (status, body["error"].clone())
    }

    async fn log(fixture: &Fixture, tenant: &str) -> EventPage {
        let scope = TenantScope::for_tests(tenant, "bucket");
        let store = &fixture.app.store;
        store.events_after(&scope, 0, 10_000).await.unwrap()
    }

    fn event(bucket: &str, key: &str, time: &str) -> Value {
        json!({
            "eventVersion": "1", "eventSource": "tigris", "eventName": "OBJECT_CREATED_PUT",
            "eventTime": time, "bucket": bucket,
            "object": { "key": key, "size": 5, "eTag": "abc" },
        })
    }

    const BEARER: &str = "Bearer th_of-this-tenant";

    #[tokio::test]
    async fn a_delivery_is_recorded_once_however_often_it_comes() {
        let fixture = fixture().await;
        let events = json!({ "events": [
            event("bucket-t1", "b.md", "2026-11-14T22:13:21Z"),
            event("bucket-t1", "a.md", "2026-11-14T22:13:20Z"),
            event("bucket-t1", "a.md", "2026-11-14T22:13:20Z"),
        ] });
        for _ in 0..2 {
            let answer = deliver(&fixture, "t1", Some(BEARER), events.to_string()).await;
            assert_eq!(answer, (StatusCode::OK, Value::Null));
        }
        let page = log(&fixture, "t1").await;
        let paths: Vec<_> = page
            .events
            .iter()
            .map(|event| event.path.as_str())
            .collect();
        assert_eq!(paths, ["a.md", "b.md"]);
        assert_eq!(log(&fixture, "t2").await, EventPage::default());
    }

    #[tokio::test]
    async fn nobody_without_the_tenants_own_token_has_any_effect() {
        let fixture = fixture().await;
        let body = json!({ "events": [event("bucket-t1", "a.md", "")] }).to_string();
        let refused = (StatusCode::UNAUTHORIZED, json!("unauthenticated"));
        for (tenant, authorization) in [
            ("t1", None),
            ("t1", Some("Bearer ")),
            ("t1", Some("Bearer th_of-another")),
            ("t1", Some("Bearer th_of-this-tenan")),
            ("t1", Some("Basic th_of-this-tenant")),
            ("t2", Some(BEARER)),
            ("t3", Some(BEARER)),
        ] {
            let answer = deliver(&fixture, tenant, authorization, body.clone()).await;
            assert_eq!(answer, refused, "{tenant} {authorization:?}");
        }
        for tenant in ["t1", "t2"] {
            assert_eq!(log(&fixture, tenant).await, EventPage::default());
        }
    }

    #[tokio::test]
    async fn a_delivery_about_another_bucket_has_no_effect() {
        let fixture = fixture().await;
        let events = json!({ "events": [
            event("bucket-t1", "a.md", ""),
            event("bucket-t2", "b.md", ""),
        ] });
        let answer = deliver(&fixture, "t1", Some(BEARER), events.to_string()).await;
        assert_eq!(answer, (StatusCode::FORBIDDEN, json!("forbidden")));
        let answer = deliver(&fixture, "t1", Some(BEARER), "{").await;
        assert_eq!(answer, (StatusCode::BAD_REQUEST, json!("invalid_request")));
        for tenant in ["t1", "t2"] {
            assert_eq!(log(&fixture, tenant).await, EventPage::default());
        }
    }

    #[tokio::test]
    async fn what_is_too_much_to_read_makes_readers_look() {
        let fixture = fixture().await;
        let huge = vec![b' '; MAX_DELIVERY_BYTES + 1];
        let answer = deliver(&fixture, "t1", Some(BEARER), huge).await;
        assert_eq!(answer, (StatusCode::OK, Value::Null));
        let page = log(&fixture, "t1").await;
        assert_eq!((page.head, page.floor, page.events.len()), (1, 1, 0));
    }
}
