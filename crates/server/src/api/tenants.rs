//! Other people's tenants, for administrators.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use wire::{TenantDetail, TenantIn, TenantOut, TenantPage};

use crate::admin::{self, Made};
use crate::app::App;
use crate::error::ApiError;
use crate::extract::{JsonBody, PathValue, QueryValues};
use crate::principal::Admin;
use crate::routes::Routes;

const PAGE: u32 = 50;

#[derive(Deserialize)]
struct Pages {
    after: Option<String>,
    limit: Option<u32>,
}

/// Makes a tenant for somebody, and their profile if they never signed in; 200 if they have one.
async fn create(
    admin: Admin,
    State(app): State<App>,
    JsonBody(owner): JsonBody<TenantIn>,
) -> Result<(StatusCode, Json<TenantOut>), ApiError> {
    let origin = admin.origin(&app);
    let (id, made) = admin::create(&*app.store, &owner, &origin).await?;
    let status = match made {
        Made::Now => StatusCode::CREATED,
        Made::Before => StatusCode::OK,
    };
    let tenant = app.provisioner.wait_for(&id).await?;
    Ok((status, Json(admin::out(tenant))))
}

async fn list(
    _: Admin,
    State(app): State<App>,
    QueryValues(pages): QueryValues<Pages>,
) -> Result<Json<TenantPage>, ApiError> {
    let limit = pages.limit.unwrap_or(PAGE);
    if !(1..=admin::MAX_PAGE).contains(&limit) {
        let most = admin::MAX_PAGE;
        return Err(ApiError::InvalidRequest(format!(
            "limit is not in 1..={most}."
        )));
    }
    let page = admin::page(&*app.store, pages.after.as_deref(), limit).await?;
    Ok(Json(page))
}

async fn show(
    _: Admin,
    State(app): State<App>,
    PathValue(id): PathValue<String>,
) -> Result<Json<TenantDetail>, ApiError> {
    Ok(Json(admin::show(&*app.store, &id).await?))
}

/// Ends all access at once; what the tenant has is removed by a workflow. Repeating it is safe.
async fn delete(
    admin: Admin,
    State(app): State<App>,
    PathValue(id): PathValue<String>,
) -> Result<(StatusCode, Json<TenantOut>), ApiError> {
    let origin = admin.origin(&app);
    let kept = app.provisioner.bucket_kept();
    let tenant = admin::delete(&*app.store, &id, kept, &origin).await?;
    app.provisioner.wake();
    Ok((StatusCode::ACCEPTED, Json(tenant)))
}

async fn provision(
    admin: Admin,
    State(app): State<App>,
    PathValue(id): PathValue<String>,
) -> Result<(StatusCode, Json<TenantOut>), ApiError> {
    let origin = admin.origin(&app);
    let tenant = admin::provision(&*app.store, &id, &origin).await?;
    app.provisioner.wake();
    Ok((StatusCode::ACCEPTED, Json(tenant)))
}

pub(super) fn routes() -> Routes {
    Routes::default()
        .post("/tenants", create)
        .get("/tenants", list)
        .get("/tenants/{id}", show)
        .delete("/tenants/{id}", delete)
        .post("/tenants/{id}/provision", provision)
}
