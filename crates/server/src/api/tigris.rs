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
