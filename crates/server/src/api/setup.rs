use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use wire::TenantSetup;

use crate::app::App;
use crate::error::ApiError;
use crate::principal::ActiveMember;
use crate::routes::Routes;
use crate::store::tenants::TenantState;

/// Gives the caller a tenant with a bucket. Repeating it is safe, and answers the same once the
/// tenant is ready; until then the answer is 202.
async fn setup(
    member: ActiveMember,
    State(app): State<App>,
) -> Result<(StatusCode, Json<TenantSetup>), ApiError> {
    let origin = member.origin(&app);
    let tenant = app.provisioner.set_up(&member.profile, &origin).await?;
    let state = tenant.state();
    let status = match state {
        TenantState::Ready => StatusCode::OK,
        TenantState::Provisioning => StatusCode::ACCEPTED,
        TenantState::Failed => return Err(ApiError::ProvisioningFailed),
        TenantState::Deleting => return Err(ApiError::NoTenant),
    };
    let answer = TenantSetup {
        tenant_id: tenant.id,
        bucket_name: tenant.reserved_bucket_name,
        status: state.as_str().to_owned(),
    };
    Ok((status, Json(answer)))
}

pub(super) fn routes() -> Routes {
    Routes::default().post("/tenants/setup", setup)
}
