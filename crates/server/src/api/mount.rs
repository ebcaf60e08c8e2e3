//! The caller's bucket, and the keys that open it.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use wire::{MountCredentials, MountInfo};

use crate::app::App;
use crate::clock::rfc3339;
use crate::error::ApiError;
use crate::extract::{PathValue, QueryValues};
use crate::principal::ActiveMember;
use crate::routes::Routes;
use crate::store::{Credential, Leaving};

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
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    state: CredentialStateOut,
}

/// Whether a key opens the bucket.
#[derive(Clone, Copy, Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CredentialStateOut {
    Active,
    /// Revoked; the object store has not confirmed it yet.
    Revoking,
    /// Revoked; the object store did not take it back, and is asked again.
    RevokeFailed,
}

#[derive(Debug, Deserialize)]
struct ListQuery {
    include: Option<Included>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Included {
    /// Also revoked keys that the object store may still have.
    Revoked,
}

/// What a new key is for.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub(crate) struct NewCredentialIn {
    /// 1 to 64 letters: the device or program that gets it.
    name: String,
}

/// What keys of clients that do not name them are called.
const UNNAMED: &str = "CLI mount credentials";
const LONGEST_NAME: usize = 64;

/// The name in a body that may be empty or `null`.
fn named(body: &[u8]) -> Result<String, ApiError> {
    if body.trim_ascii().is_empty() {
        return Ok(UNNAMED.to_owned());
    }
    let invalid = |what: &str| ApiError::InvalidRequest(what.to_owned());
    let asked: Option<NewCredentialIn> =
        serde_json::from_slice(body).map_err(|_| invalid("The body is no JSON with a name."))?;
    let Some(NewCredentialIn { name }) = asked else {
        return Ok(UNNAMED.to_owned());
    };
    let name = name.trim();
    let long = name.chars().count() > LONGEST_NAME;
    if name.is_empty() || long || name.chars().any(char::is_control) {
        return Err(invalid("A name has 1 to 64 letters."));
    }
    Ok(name.to_owned())
}

impl CredentialOut {
    fn new(credential: Credential, state: CredentialStateOut) -> Self {
        Self {
            id: credential.id,
            access_key: credential.access_key,
            description: credential.description,
            created_at: rfc3339(credential.created_at),
            last_used_at: credential.last_used_at.and_then(rfc3339),
            expires_at: credential.expires_at.and_then(rfc3339),
            state,
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
    body: Bytes,
) -> Result<Json<MountCredentials>, ApiError> {
    let tenant = member.tenant()?;
    let name = named(&body)?;
    let key = app.keys.issue(&tenant, &name, &member.origin(&app)).await?;
    Ok(Json(MountCredentials {
        tenant_id: tenant.id().to_owned(),
        bucket_name: tenant.bucket().to_owned(),
        access_key: key.access_key,
        secret_key: key.secret.expose_secret().to_owned(),
        endpoint_url: app.buckets.endpoint_url().to_owned(),
        region: app.buckets.region().to_owned(),
    }))
}

async fn list(
    member: ActiveMember,
    State(app): State<App>,
    QueryValues(query): QueryValues<ListQuery>,
) -> Result<Json<Vec<CredentialOut>>, ApiError> {
    let tenant = member.tenant()?;
    let live = app.store.list_credentials(&tenant).await?;
    let mut listed: Vec<CredentialOut> = live
        .into_iter()
        .map(|live| CredentialOut::new(live, CredentialStateOut::Active))
        .collect();
    if let Some(Included::Revoked) = query.include {
        let leaving = app.store.leaving_credentials(&tenant).await?;
        listed.extend(leaving.into_iter().map(|(credential, leaving)| {
            let state = match leaving {
                Leaving::Pending => CredentialStateOut::Revoking,
                Leaving::Failed => CredentialStateOut::RevokeFailed,
            };
            CredentialOut::new(credential, state)
        }));
    }
    Ok(Json(listed))
}

/// Revokes a key. Repeating it succeeds; a key of another tenant is not there.
async fn revoke(
    member: ActiveMember,
    State(app): State<App>,
    PathValue(id): PathValue<String>,
) -> Result<StatusCode, ApiError> {
    let tenant = member.tenant()?;
    app.keys.revoke(&tenant, &id, &member.origin(&app)).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/tenant/mount/info", info)
        .post("/tenant/mount/credentials", create)
        .get("/tenant/mount/credentials", list)
        .delete("/tenant/mount/credentials/{id}", revoke)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_called_what_the_client_says_or_what_keys_are_called() {
        assert_eq!(named(b"").unwrap(), UNNAMED);
        assert_eq!(named(b"null").unwrap(), UNNAMED);
        assert_eq!(named(br#"{"name": " laptop "}"#).unwrap(), "laptop");
        for body in [&b"x"[..], b"{}", br#"{"name": ""}"#, br#"{"name": "a\nb"}"#] {
            assert!(named(body).is_err(), "{body:?}");
        }
    }
}
