//! Where the payment provider delivers.

use axum::http::StatusCode;

use crate::error::ApiError;
use crate::polar::PolarDelivery;
use crate::routes::Routes;

/// Takes a delivery in. A repeated one is answered alike and changes nothing.
async fn deliver(delivery: PolarDelivery) -> Result<StatusCode, ApiError> {
    delivery.polar.take(&delivery.id, &delivery.body).await?;
    Ok(StatusCode::ACCEPTED)
}

pub(super) fn routes() -> Routes {
    Routes::default().post("/api/webhooks/polar", deliver)
}
