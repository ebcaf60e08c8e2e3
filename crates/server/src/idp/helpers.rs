//! What scripts use instead of the page.

use axum::Json;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::ledger::Consent;
use super::{IdentityProvider, person};
use crate::error::ApiError;
use crate::extract::{JsonBody, QueryValues};
use crate::principal::Development;
use crate::routes::Routes;

#[derive(Deserialize)]
struct ApproveIn {
    user_code: String,
    email: String,
}

#[derive(Deserialize)]
struct DenyIn {
    user_code: String,
}

#[derive(Deserialize)]
struct UserQuery {
    email: String,
}

impl IdentityProvider {
    /// Records a person's answer to the request with this code.
    ///
    /// Fails with `NotFound` if no such request waits, and with `RateLimited` after too many
    /// such failures.
    pub(super) async fn consent(
        &self,
        user_code: &str,
        consent: &Consent<'_>,
    ) -> Result<(), ApiError> {
        let now = self.now();
        self.allow_attempt(now)?;
        let hash = self.opaque.hash_user_code(user_code);
        if self.ledger.decide(&hash, consent, now).await? {
            return Ok(());
        }
        self.record_wrong_code(now);
        Err(ApiError::NotFound)
    }

    fn allow_attempt(&self, now: i64) -> Result<(), ApiError> {
        let mut wrong_codes = self
            .wrong_codes
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        wrong_codes
            .check(now)
            .map_err(|retry_after_s| ApiError::RateLimited { retry_after_s })
    }

    fn record_wrong_code(&self, now: i64) {
        self.wrong_codes
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .record_wrong(now);
    }
}

fn accept_email(text: &str) -> Result<String, ApiError> {
    person::normalize_email(text)
        .ok_or_else(|| ApiError::InvalidRequest("That is not an e-mail address.".to_owned()))
}

async fn approve(
    Development { provider, .. }: Development,
    JsonBody(body): JsonBody<ApproveIn>,
) -> Result<Json<Value>, ApiError> {
    let email = accept_email(&body.email)?;
    provider
        .consent(&body.user_code, &Consent::Approve { email: &email })
        .await?;
    Ok(user_answer(&email))
}

async fn deny(
    Development { provider, .. }: Development,
    JsonBody(body): JsonBody<DenyIn>,
) -> Result<StatusCode, ApiError> {
    provider.consent(&body.user_code, &Consent::Deny).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn user(
    _: Development,
    QueryValues(query): QueryValues<UserQuery>,
) -> Result<Json<Value>, ApiError> {
    Ok(user_answer(&accept_email(&query.email)?))
}

fn user_answer(email: &str) -> Json<Value> {
    Json(json!({ "id": person::subject(email), "email": email }))
}

pub(super) fn routes() -> Routes {
    Routes::default()
        .post("/idp/dev/approve", approve)
        .post("/idp/dev/deny", deny)
        .get("/idp/dev/user", user)
}
