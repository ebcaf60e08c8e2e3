//! The caller's bucket, and the keys that open it.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use secrecy::ExposeSecret;
use serde::Serialize;
use uuid::Uuid;
use wire::{MountCredentials, MountInfo};

use crate::app::App;
use crate::clock::rfc3339;
use crate::error::{ApiError, chain};
use crate::extract::PathValue;
use crate::principal::ActiveMember;
use crate::routes::Routes;
use crate::store::{Credential, KeyRemoval, NewCredential, Revocation, StoreError};

/// One live key, without its secret.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct CredentialOut {
    id: String,
    access_key: String,
    description: String,
    /// RFC 3339, UTC.
    #[schema(format = DateTime)]
    created_at: Option<String>,
    #[schema(format = DateTime)]
    last_used_at: Option<String>,
}

impl From<Credential> for CredentialOut {
    fn from(credential: Credential) -> Self {
        Self {
            id: credential.id,
            access_key: credential.access_key,
            description: credential.description,
            created_at: rfc3339(credential.created_at),
            last_used_at: credential.last_used_at.and_then(rfc3339),
        }
    }
}

async fn info(member: ActiveMember, State(app): State<App>) -> Result<Json<MountInfo>, ApiError> {
    let tenant = member.tenant()?;
    let credentials = app.store.list_credentials(&tenant).await?;
    Ok(Json(MountInfo {
        tenant_id: tenant.id().to_owned(),
        bucket_name: tenant.bucket().to_owned(),
        has_credentials: !credentials.is_empty(),
        credentials_created_at: credentials
            .last()
            .and_then(|newest| rfc3339(newest.created_at)),
    }))
}

/// Makes a new key; the ones before it stay. Its secret leaves here and nowhere else.
async fn create(
    member: ActiveMember,
    State(app): State<App>,
) -> Result<Json<MountCredentials>, ApiError> {
    let tenant = member.tenant()?;
    let key = app
        .buckets
        .issue_key(tenant.bucket())
        .await
        .map_err(ApiError::CredentialFailed)?;
    let credential = NewCredential {
        id: Uuid::now_v7().to_string(),
        access_key: key.access_key.clone(),
        policy_arn: key.policy_arn,
    };
    let added = app
        .store
        .add_credential(&tenant, &credential, &member.origin(&app))
        .await;
    if let Err(error) = added {
        return Err(take_back(&app, &key.access_key, error).await);
    }
    Ok(Json(MountCredentials {
        tenant_id: tenant.id().to_owned(),
        bucket_name: tenant.bucket().to_owned(),
        access_key: key.access_key,
        secret_key: key.secret.expose_secret().to_owned(),
        endpoint_url: app.buckets.endpoint_url().to_owned(),
        region: app.buckets.region().to_owned(),
    }))
}

/// Removes a key that could not be recorded, and gives the error to answer with.
async fn take_back(app: &App, access_key: &str, error: StoreError) -> ApiError {
    if let Err(error) = app.buckets.revoke_key(access_key).await {
        tracing::error!(access_key, error = %chain(&error), "a key without a record stays");
    }
    ApiError::Store(error)
}

async fn list(
    member: ActiveMember,
    State(app): State<App>,
) -> Result<Json<Vec<CredentialOut>>, ApiError> {
    let credentials = app.store.list_credentials(&member.tenant()?).await?;
    Ok(Json(
        credentials.into_iter().map(CredentialOut::from).collect(),
    ))
}

/// Revokes a key. Repeating it succeeds; a key of another tenant is not there.
async fn revoke(
    member: ActiveMember,
    State(app): State<App>,
    PathValue(id): PathValue<String>,
) -> Result<StatusCode, ApiError> {
    let tenant = member.tenant()?;
    let origin = member.origin(&app);
    let revocation = app.store.revoke_credential(&tenant, &id, &origin).await?;
    match revocation.ok_or(ApiError::NotFound)? {
        Revocation::Done => {}
        Revocation::KeyRemains { access_key } => {
            let removed = app.buckets.revoke_key(&access_key).await;
            let removal = match &removed {
                Ok(()) => KeyRemoval::Completed,
                Err(_) => KeyRemoval::Failed,
            };
            app.store
                .record_key_removal(&tenant, &id, removal, &origin)
                .await?;
            removed.map_err(ApiError::CredentialFailed)?;
        }
    }
    Ok(StatusCode::NO_CONTENT)
}

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/tenant/mount/info", info)
        .post("/tenant/mount/credentials", create)
        .get("/tenant/mount/credentials", list)
        .delete("/tenant/mount/credentials/{id}", revoke)
}
