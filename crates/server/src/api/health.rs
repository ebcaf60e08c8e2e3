use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use wire::Health;

use crate::app::App;
use crate::clock::rfc3339;
use crate::principal::{ActiveMember, Public};
use crate::routes::Routes;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Says that the caller may use the cloud. Wakes no tenant.
async fn member_health(_: ActiveMember, State(app): State<App>) -> Json<Health> {
    Json(Health {
        status: "ok".to_owned(),
        version: VERSION.to_owned(),
        timestamp: rfc3339(app.now()).unwrap_or_default(),
    })
}

/// Says that the process serves.
async fn liveness(_: Public) -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/proxy/health", member_health)
        .get("/healthz", liveness)
}
