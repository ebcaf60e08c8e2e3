//! Keys with which programs act for the caller. Only a person who signed in makes or revokes one.

use std::fmt;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::app::App;
use crate::clock::rfc3339;
use crate::error::ApiError;
use crate::extract::{IdValue, JsonBody};
use crate::principal::{ActiveMember, Member, api_key_hash, new_api_key};
use crate::routes::Routes;
use crate::store::{ApiKey, ApiKeyCaps, KeyAdded, NewApiKey};

const LONGEST_NAME: usize = 64;
const LIVE_AT_MOST: i64 = 25;
const HOURLY_AT_MOST: i64 = 10;
const HOUR_MS: i64 = 60 * 60 * 1000;

#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub(crate) struct NewApiKeyIn {
    /// 1 to 64 letters: the program that gets it.
    name: String,
}

/// A new key, shown this once.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct NewApiKeyOut {
    id: String,
    name: String,
    /// `bmc_…`, to be sent as a bearer token.
    key: String,
    /// RFC 3339, UTC.
    #[schema(format = DateTime)]
    created_at: Option<String>,
}

impl fmt::Debug for NewApiKeyOut {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("NewApiKeyOut")
            .field("id", &self.id)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// A live key, which nobody can read any more.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ApiKeyOut {
    id: String,
    name: String,
    /// RFC 3339, UTC.
    #[schema(format = DateTime)]
    created_at: Option<String>,
    /// To the hour.
    #[schema(format = DateTime)]
    last_used_at: Option<String>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ApiKeysOut {
    keys: Vec<ApiKeyOut>,
}

impl From<ApiKey> for ApiKeyOut {
    fn from(key: ApiKey) -> Self {
        Self {
            id: key.id,
            name: key.name,
            created_at: rfc3339(key.created_at),
            last_used_at: key.last_used_at.and_then(rfc3339),
        }
    }
}

fn checked_name(name: &str) -> Result<String, ApiError> {
    let name = name.trim();
    let long = name.chars().count() > LONGEST_NAME;
    if name.is_empty() || long || name.chars().any(char::is_control) {
        let what = format!("A name has 1 to {LONGEST_NAME} letters.");
        return Err(ApiError::InvalidRequest(what));
    }
    Ok(name.to_owned())
}

async fn create(
    member: ActiveMember,
    State(app): State<App>,
    JsonBody(asked): JsonBody<NewApiKeyIn>,
) -> Result<(StatusCode, Json<NewApiKeyOut>), ApiError> {
    member.in_person()?;
    let name = checked_name(&asked.name)?;
    let origin = member.origin(&app);
    let secret = new_api_key();
    let key = NewApiKey {
        id: Uuid::now_v7().to_string(),
        name,
        hash: api_key_hash(secret.expose_secret()),
    };
    let caps = ApiKeyCaps {
        live: LIVE_AT_MOST,
        recent: HOURLY_AT_MOST,
        recent_since: origin.at.saturating_sub(HOUR_MS),
    };
    let added = app
        .store
        .add_api_key(member.subject(), &key, caps, &origin)
        .await?;
    match added {
        KeyAdded::Added => {}
        KeyAdded::ProfileMissing => return Err(ApiError::ProfileMissing),
        KeyAdded::TooManyLive => {
            return Err(ApiError::Conflict(format!(
                "There are {LIVE_AT_MOST} keys already. Revoke one that is not needed."
            )));
        }
        KeyAdded::TooManyRecent { earliest } => {
            let wait_ms = earliest.saturating_add(HOUR_MS).saturating_sub(origin.at);
            let seconds = u64::try_from(wait_ms).unwrap_or(0).div_ceil(1000);
            return Err(ApiError::RateLimited {
                retry_after_s: seconds.max(1),
            });
        }
    }
    let answer = NewApiKeyOut {
        id: key.id,
        name: key.name,
        key: secret.expose_secret().to_owned(),
        created_at: rfc3339(origin.at),
    };
    Ok((StatusCode::CREATED, Json(answer)))
}

async fn list(member: Member, State(app): State<App>) -> Result<Json<ApiKeysOut>, ApiError> {
    let keys = app.store.list_api_keys(&member.subject).await?;
    Ok(Json(ApiKeysOut {
        keys: keys.into_iter().map(ApiKeyOut::from).collect(),
    }))
}

/// Ends a key at once, also for somebody whose subscription has ended. Repeating it succeeds.
async fn revoke(
    member: Member,
    State(app): State<App>,
    IdValue(id): IdValue,
) -> Result<StatusCode, ApiError> {
    member.in_person()?;
    let origin = member.origin(&app);
    let known = app
        .store
        .revoke_api_key(&member.subject, &id, &origin)
        .await?;
    if known {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(ApiError::NotFound)
    }
}

pub(super) fn routes() -> Routes {
    Routes::default()
        .post("/api/keys", create)
        .get("/api/keys", list)
        .delete("/api/keys/{id}", revoke)
}
