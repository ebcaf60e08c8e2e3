use axum::Json;
use axum::extract::State;
use wire::TenantSetup;

use crate::app::App;
use crate::error::ApiError;
use crate::principal::ActiveMember;
use crate::provisioning;
use crate::routes::Routes;

/// Gives the caller a tenant with a bucket. Repeating it answers the same.
async fn setup(
    member: ActiveMember,
    State(app): State<App>,
) -> Result<Json<TenantSetup>, ApiError> {
    let origin = member.origin(&app);
    let tenant =
        provisioning::provision(&*app.store, &*app.buckets, &member.profile, &origin).await?;
    Ok(Json(TenantSetup {
        tenant_id: tenant.id,
        bucket_name: tenant.reserved_bucket_name,
        status: "ready".to_owned(),
    }))
}

pub(super) fn routes() -> Routes {
    Routes::default().post("/tenants/setup", setup)
}
