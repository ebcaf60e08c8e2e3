//! What members reach through us: their own tenant's instance, and word that they may.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::Response;
use wire::Health;

use crate::app::App;
use crate::clock::rfc3339;
use crate::error::ApiError;
use crate::principal::ActiveMember;
use crate::routes::Routes;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Says that the caller may use the cloud. Wakes no instance.
async fn health(_: ActiveMember, State(app): State<App>) -> Json<Health> {
    Json(Health {
        status: "ok".to_owned(),
        version: VERSION.to_owned(),
        timestamp: rfc3339(app.now()).unwrap_or_default(),
    })
}

/// Passes the request on to the caller's own instance.
async fn pass(
    member: ActiveMember,
    State(app): State<App>,
    request: Request,
) -> Result<Response, ApiError> {
    let tenant = member.tenant()?;
    let now_s = app.now() / 1000;
    let passed = app.proxy.pass(&tenant, member.subject(), now_s, request);
    match passed.await {
        Ok(answer) => Ok(answer),
        Err(error) => {
            let error = ApiError::from(error);
            let origin = member.origin(&app);
            app.denials.note(&*app.store, &origin, &error).await;
            Err(error)
        }
    }
}

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/proxy/health", health)
        .any("/proxy/", pass)
        .any("/proxy/{*path}", pass)
}
