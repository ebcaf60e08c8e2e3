use axum::Json;
use serde_json::{Value, json};

use crate::principal::Public;
use crate::routes::Routes;

/// Says that the process serves.
async fn liveness(_: Public) -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

pub(super) fn routes() -> Routes {
    Routes::default().get("/healthz", liveness)
}
