//! Every route of the server, and what all of them share.

mod development;
mod discovery;
mod events;
mod health;
mod inbox;
mod keys;
mod mount;
mod polar;
mod proxy;
mod setup;
mod shares;
mod snapshots;
mod subscription;
mod tenants;
mod tigris;
mod webdav;
mod workspaces;

pub(crate) use health::{Liveness, Readiness};
pub(crate) use inbox::ParkedOut;
pub(crate) use keys::{ApiKeysOut, NewApiKeyIn, NewApiKeyOut};
pub(crate) use mount::CredentialOut;
pub(crate) use snapshots::{
    NewSnapshotIn, RestoreIn, RestoredOut, SnapshotFilesOut, SnapshotOut, SnapshotsOut,
};
pub(crate) use workspaces::WorkspacesOut;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use tower::util::MapRequest;

use crate::app::App;
use crate::error::ApiError;
use crate::idp;
use crate::limits;
use crate::openapi;
use crate::proxy::with_one_leading_slash;
use crate::request;
use crate::routes::{Route, Routes};

const MAX_BODY_BYTES: usize = 64 * 1024;

fn routes() -> Routes {
    discovery::routes()
        .and(health::routes())
        .and(keys::routes())
        .and(mount::routes())
        .and(proxy::routes())
        .and(setup::routes())
        .and(shares::routes())
        .and(snapshots::routes())
        .and(subscription::routes())
        .and(tenants::routes())
        .and(polar::routes())
        .and(inbox::routes())
        .and(events::routes())
        .and(tigris::routes())
        .and(webdav::routes())
        .and(workspaces::routes())
        .and(development::routes())
        .and(idp::routes())
        .and(openapi::routes())
}

/// Every documented route with what it asks of its caller.
pub fn route_table() -> Vec<Route> {
    routes().table
}

pub(crate) fn router(app: App) -> Router {
    let router = routes()
        .router
        .fallback(async || ApiError::NotFound)
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::from_fn_with_state(app.clone(), limits::limit))
        .layer(middleware::from_fn_with_state(app.clone(), request::limit))
        .layer(middleware::from_fn(request::describe))
        .with_state(app);
    // Clients that were told a host with a closing slash ask for `//…`: one slash before routing.
    Router::new().fallback_service(MapRequest::new(router, with_one_leading_slash))
}

#[cfg(test)]
pub(crate) mod tests;
