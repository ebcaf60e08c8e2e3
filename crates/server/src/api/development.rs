//! What only a development deployment offers: subscriptions for the asking.

use axum::Json;
use axum::extract::State;
use wire::ActivateSubscriptionIn;

use crate::app::App;
use crate::clock::{parse_rfc3339, rfc3339};
use crate::error::ApiError;
use crate::extract::JsonBody;
use crate::principal::Development;
use crate::routes::Routes;
use crate::store::Subscription;

const PLAN: &str = "development";

/// Gives, changes or ends a person's subscription, at once.
async fn put_subscription(
    caller: Development,
    State(app): State<App>,
    JsonBody(body): JsonBody<ActivateSubscriptionIn>,
) -> Result<Json<ActivateSubscriptionIn>, ApiError> {
    let end = parse_rfc3339(&body.current_period_end).ok_or_else(|| {
        ApiError::InvalidRequest("current_period_end is not RFC 3339.".to_owned())
    })?;
    for (name, value) in [
        ("workos_user_id", &body.workos_user_id),
        ("status", &body.status),
    ] {
        if value.is_empty() || value.len() > 128 {
            return Err(ApiError::InvalidRequest(format!(
                "{name} is empty or too long."
            )));
        }
    }
    let subscription = Subscription {
        status: body.status,
        plan: Some(PLAN.to_owned()),
        current_period_end: Some(end),
    };
    let origin = app.origin("development", &caller.request_id);
    app.store
        .put_subscription(&body.workos_user_id, &subscription, &origin)
        .await?;
    Ok(Json(ActivateSubscriptionIn {
        workos_user_id: body.workos_user_id,
        status: subscription.status,
        current_period_end: rfc3339(end).unwrap_or(body.current_period_end),
    }))
}

pub(super) fn routes() -> Routes {
    Routes::default().post("/dev/subscriptions", put_subscription)
}
