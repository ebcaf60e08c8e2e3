//! Every route of the server, and what all of them share.

mod development;
mod discovery;
mod health;
mod mount;
mod setup;
mod subscription;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;

use crate::app::App;
use crate::error::ApiError;
use crate::idp;
use crate::request;
use crate::routes::{Route, Routes};

const MAX_BODY_BYTES: usize = 64 * 1024;

fn routes() -> Routes {
    discovery::routes()
        .and(health::routes())
        .and(mount::routes())
        .and(setup::routes())
        .and(subscription::routes())
        .and(development::routes())
        .and(idp::routes())
}

/// Every documented route with what it asks of its caller.
pub fn route_table() -> Vec<Route> {
    routes().table
}

pub(crate) fn router(app: App) -> Router {
    routes()
        .router
        .fallback(async || ApiError::NotFound)
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::from_fn_with_state(app.clone(), request::limit))
        .layer(middleware::from_fn(request::describe))
        .with_state(app)
}

#[cfg(test)]
mod tests;
