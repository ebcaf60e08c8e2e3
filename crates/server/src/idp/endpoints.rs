//! The protocol's endpoints: RFC 8628, RFC 6749 (5.2, 6), RFC 7009 and RFC 7517.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::decisions::{Poll, first_interval_ms};
use super::ledger::{NewGrant, NewRefreshToken, PollRequest, Polled};
use super::opaque::{random_token, random_user_code};
use super::signing::SigningError;
use super::{
    CLIENT_ID, DEVICE_CODE_LIFE_MS, IdentityProvider, REFRESH_TOKEN_LIFE_MS, Refresh, SCOPES,
    Tokens,
};
use crate::app::App;
use crate::error::chain;
use crate::extract::FormBody;
use crate::principal::Development;
use crate::routes::Routes;
use crate::store::StoreError;

const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// The error answers of the protocols, whose form is theirs and not the API's.
#[derive(Debug, thiserror::Error)]
enum OauthError {
    #[error("{0}")]
    InvalidRequest(&'static str),
    #[error("No such client.")]
    InvalidClient,
    #[error("{0}")]
    InvalidGrant(&'static str),
    #[error("This grant type is not offered.")]
    UnsupportedGrantType,
    #[error("The person has not answered yet.")]
    AuthorizationPending,
    #[error("Wait longer between polls.")]
    SlowDown,
    #[error("The person refused.")]
    AccessDenied,
    #[error("The code has expired.")]
    ExpiredToken,
    #[error("The token could not be signed.")]
    Signing(#[from] SigningError),
    #[error("The server could not remember this.")]
    Store(#[from] StoreError),
}

impl OauthError {
    fn code(&self) -> &'static str {
        match self {
            Self::InvalidRequest(_) => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant(_) => "invalid_grant",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::AuthorizationPending => "authorization_pending",
            Self::SlowDown => "slow_down",
            Self::AccessDenied => "access_denied",
            Self::ExpiredToken => "expired_token",
            Self::Signing(_) | Self::Store(_) => "server_error",
        }
    }
}

impl IntoResponse for OauthError {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::InvalidClient => StatusCode::UNAUTHORIZED,
            Self::Signing(error) => {
                tracing::error!(error = %chain(error), "a token could not be signed");
                StatusCode::INTERNAL_SERVER_ERROR
            }
            Self::Store(error) => {
                tracing::error!(error = %chain(error), "the identity ledger failed");
                StatusCode::INTERNAL_SERVER_ERROR
            }
            Self::InvalidRequest(_)
            | Self::InvalidGrant(_)
            | Self::UnsupportedGrantType
            | Self::AuthorizationPending
            | Self::SlowDown
            | Self::AccessDenied
            | Self::ExpiredToken => StatusCode::BAD_REQUEST,
        };
        let body = json!({ "error": self.code(), "error_description": self.to_string() });
        (status, Json(body)).into_response()
    }
}

#[derive(Deserialize)]
struct DeviceForm {
    client_id: Option<String>,
    scope: Option<String>,
    code_challenge: Option<String>,
    code_challenge_method: Option<String>,
}

#[derive(Deserialize)]
struct TokenForm {
    grant_type: Option<String>,
    client_id: Option<String>,
    device_code: Option<String>,
    code_verifier: Option<String>,
    refresh_token: Option<SecretString>,
}

#[derive(Deserialize)]
struct RevokeForm {
    token: Option<SecretString>,
}

async fn device_authorization(
    Development { provider, .. }: Development,
    FormBody(form): FormBody<DeviceForm>,
) -> Result<Json<Value>, OauthError> {
    known_client(form.client_id.as_deref())?;
    let code_challenge =
        accept_challenge(form.code_challenge, form.code_challenge_method.as_deref())?;
    let now = provider.now();
    let device_code = random_token("dc_");
    let user_code = random_user_code();
    let interval_ms = first_interval_ms();
    provider
        .ledger
        .add_grant(&NewGrant {
            device_code_hash: provider.opaque.hash_device_code(&device_code),
            user_code_hash: provider.opaque.hash_user_code(&user_code),
            client_id: CLIENT_ID.to_owned(),
            scope: accept_scope(form.scope.as_deref()),
            code_challenge,
            interval_ms,
            created_at: now,
            expires_at: now + DEVICE_CODE_LIFE_MS,
        })
        .await?;
    let page = format!(
        "{}/device",
        IdentityProvider::issuer_url(&provider.base_url)
    );
    Ok(Json(json!({
        "device_code": device_code,
        "verification_uri_complete": format!("{page}?user_code={user_code}"),
        "user_code": user_code,
        "verification_uri": page,
        "expires_in": DEVICE_CODE_LIFE_MS / 1000,
        "interval": interval_ms / 1000,
    })))
}

fn known_client(client_id: Option<&str>) -> Result<(), OauthError> {
    match client_id {
        None => Err(OauthError::InvalidRequest("client_id is missing.")),
        Some(CLIENT_ID) => Ok(()),
        Some(_) => Err(OauthError::InvalidClient),
    }
}

fn accept_challenge(
    challenge: Option<String>,
    method: Option<&str>,
) -> Result<Option<String>, OauthError> {
    let Some(challenge) = challenge else {
        return Ok(None);
    };
    if method != Some("S256") {
        return Err(OauthError::InvalidRequest(
            "code_challenge_method must be S256.",
        ));
    }
    if challenge.len() != 43 {
        return Err(OauthError::InvalidRequest(
            "code_challenge is not a SHA-256 digest.",
        ));
    }
    Ok(Some(challenge))
}

fn accept_scope(asked: Option<&str>) -> String {
    let granted: Vec<&str> = match asked {
        Some(asked) => SCOPES
            .into_iter()
            .filter(|scope| asked.split_ascii_whitespace().any(|word| word == *scope))
            .collect(),
        None => SCOPES.to_vec(),
    };
    granted.join(" ")
}

async fn token(
    Development {
        provider,
        request_id,
    }: Development,
    State(app): State<App>,
    FormBody(form): FormBody<TokenForm>,
) -> Result<Json<Value>, OauthError> {
    known_client(form.client_id.as_deref())?;
    let tokens = match form.grant_type.as_deref() {
        Some(DEVICE_GRANT) => {
            let (tokens, email) = redeem(&provider, &form).await?;
            let subject = super::person::subject(&email);
            let origin = app.origin(&subject, &request_id);
            app.store
                .ensure_profile(&subject, Some(&email), &origin)
                .await?;
            tokens
        }
        Some("refresh_token") => refresh(&provider, form).await?,
        Some(_) => return Err(OauthError::UnsupportedGrantType),
        None => return Err(OauthError::InvalidRequest("grant_type is missing.")),
    };
    Ok(Json(json!({
        "access_token": tokens.access.expose_secret(),
        "token_type": "Bearer",
        "expires_in": tokens.expires_in_s,
        "refresh_token": tokens.refresh.expose_secret(),
        "scope": tokens.scope,
    })))
}

async fn redeem(
    provider: &IdentityProvider,
    form: &TokenForm,
) -> Result<(Tokens, String), OauthError> {
    let device_code = form
        .device_code
        .as_deref()
        .ok_or(OauthError::InvalidRequest("device_code is missing."))?;
    let now = provider.now();
    let refresh: SecretString = random_token("rt_").into();
    let polled = provider
        .ledger
        .poll(
            &PollRequest {
                device_code_hash: &provider.opaque.hash_device_code(device_code),
                client_id: CLIENT_ID,
                verifier: form.code_verifier.as_deref(),
                now,
            },
            &format!("session_{}", Uuid::now_v7()),
            &new_refresh_token(provider, &refresh, now),
        )
        .await?;
    match polled {
        Polled::Redeemed(session) => {
            let tokens = provider.tokens(&session, refresh, now)?;
            tracing::info!("a device was signed in");
            Ok((tokens, session.email))
        }
        Polled::Refused(poll) => Err(match poll {
            Poll::Pending => OauthError::AuthorizationPending,
            Poll::SlowDown { .. } => OauthError::SlowDown,
            Poll::Denied => OauthError::AccessDenied,
            Poll::Expired => OauthError::ExpiredToken,
            Poll::Invalid | Poll::Redeem => {
                OauthError::InvalidGrant("The device code or its proof is not valid.")
            }
        }),
    }
}

async fn refresh(provider: &IdentityProvider, form: TokenForm) -> Result<Tokens, OauthError> {
    const INVALID: OauthError = OauthError::InvalidGrant("The refresh token is not valid.");
    let used = form
        .refresh_token
        .ok_or(OauthError::InvalidRequest("refresh_token is missing."))?;
    let now = provider.now();
    let successor = provider.opaque.successor(&used);
    let (decision, session) = provider
        .ledger
        .refresh(
            &provider.opaque.hash_refresh_token(&used),
            CLIENT_ID,
            &new_refresh_token(provider, &successor, now),
            now,
        )
        .await?;
    let session = session.ok_or(INVALID)?;
    match decision {
        Refresh::Rotate => Ok(provider.tokens(&session, successor, now)?),
        Refresh::Repeat { rotated_at } => Ok(provider.tokens(&session, successor, rotated_at)?),
        Refresh::Reused => {
            tracing::warn!("a used refresh token came back; its session ended");
            Err(INVALID)
        }
        Refresh::Invalid => Err(INVALID),
    }
}

fn new_refresh_token(
    provider: &IdentityProvider,
    token: &SecretString,
    now: i64,
) -> NewRefreshToken {
    NewRefreshToken {
        hash: provider.opaque.hash_refresh_token(token),
        expires_at: now + REFRESH_TOKEN_LIFE_MS,
    }
}

/// Ends the session of a refresh token; other tokens are no secret worth an error (RFC 7009).
async fn revoke(
    Development { provider, .. }: Development,
    FormBody(form): FormBody<RevokeForm>,
) -> Result<StatusCode, OauthError> {
    let token = form
        .token
        .ok_or(OauthError::InvalidRequest("token is missing."))?;
    let hash = provider.opaque.hash_refresh_token(&token);
    provider.ledger.sign_out(&hash, provider.now()).await?;
    Ok(StatusCode::OK)
}

async fn key_set(Development { provider, .. }: Development) -> Json<Value> {
    Json(provider.key.key_set())
}

pub(super) fn routes() -> Routes {
    Routes::default()
        .post("/idp/oauth2/device_authorization", device_authorization)
        .post("/idp/oauth2/token", token)
        .post("/idp/oauth2/revoke", revoke)
        .get("/idp/oauth2/jwks", key_set)
}
