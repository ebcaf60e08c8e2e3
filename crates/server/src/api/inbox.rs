//! What waits in the inbox for a person.

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use crate::app::App;
use crate::clock::rfc3339;
use crate::error::ApiError;
use crate::principal::Admin;
use crate::routes::Routes;
use crate::store::ParkedEvent;

/// How many events are shown; more are only counted by the metrics.
const MOST: i64 = 200;

/// Deliveries about subscriptions of whom nobody knows, oldest first.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ParkedOut {
    events: Vec<ParkedEventOut>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ParkedEventOut {
    id: String,
    provider: String,
    delivery_id: String,
    kind: String,
    customer_id: Option<String>,
    subscription_id: Option<String>,
    /// RFC 3339, UTC.
    received_at: Option<String>,
}

impl From<ParkedEvent> for ParkedEventOut {
    fn from(event: ParkedEvent) -> Self {
        Self {
            id: event.id,
            provider: event.provider,
            delivery_id: event.delivery_id,
            kind: event.kind,
            customer_id: event.customer_id,
            subscription_id: event.subscription_id,
            received_at: rfc3339(event.received_at),
        }
    }
}

/// Lists what is parked until its customer has an external id.
async fn parked(_: Admin, State(app): State<App>) -> Result<Json<ParkedOut>, ApiError> {
    let events = app.store.list_parked_events(MOST).await?;
    Ok(Json(ParkedOut {
        events: events.into_iter().map(ParkedEventOut::from).collect(),
    }))
}

pub(super) fn routes() -> Routes {
    Routes::default().get("/admin/inbox/parked", parked)
}
