use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use subtle::{Choice, ConstantTimeEq};

use super::{Policy, Principal, bearer};
use crate::app::App;
use crate::error::ApiError;
use crate::events::token_hash;

/// The object store on behalf of one tenant's bucket, known by that tenant's webhook token.
pub(crate) struct TenantWebhook {
    pub(crate) tenant_id: String,
    pub(crate) bucket: String,
}

impl Principal for TenantWebhook {
    const POLICY: Policy = Policy::TenantWebhook;
}

impl FromRequestParts<App> for TenantWebhook {
    type Rejection = ApiError;

    /// Answers the same to a wrong token and for a tenant that is not there.
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let hash = match bearer(&parts.headers) {
            Ok(token) => token_hash(token),
            Err(_) => return Err(ApiError::WebhookRejected),
        };
        let tenant_id = RawPathParams::from_request_parts(parts, app)
            .await
            .ok()
            .and_then(|params| {
                let id = params.iter().find(|(name, _)| *name == "tenant_id");
                id.map(|(_, id)| id.to_owned())
            })
            .ok_or(ApiError::NotFound)?;
        let hook = app.store.find_hook(&tenant_id).await?;
        let hook = hook.ok_or(ApiError::WebhookRejected)?;
        let matches = hook
            .token_hashes
            .iter()
            .fold(Choice::from(0), |found, known| {
                found | known.as_bytes().ct_eq(hash.as_bytes())
            });
        if !bool::from(matches) {
            return Err(ApiError::WebhookRejected);
        }
        Ok(Self {
            tenant_id,
            bucket: hook.bucket,
        })
    }
}
