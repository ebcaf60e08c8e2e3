//! What roles a person has in an organization, asked of `WorkOS`: Connect tokens say none.
//!
//! Nothing is remembered: a role that was taken away must count at once, and few ask.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::{StatusCode, header, redirect};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

const CONNECT_DEADLINE: Duration = Duration::from_secs(3);
const DEADLINE: Duration = Duration::from_secs(5);
const MAX_BYTES: usize = 64 * 1024;
/// One pair of person and organization has one membership; more would be a surprise.
const PAGE: &str = "10";

/// Why nothing could be found out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MembershipError {
    #[error("the directory could not be reached")]
    Unreachable(#[source] reqwest::Error),
    #[error("the directory asks to wait")]
    Busy { retry_after_s: u64 },
    #[error("the directory refused our key")]
    KeyRefused,
    #[error("the directory answered with status {0}")]
    Status(u16),
    #[error("the directory's answer has another form than documented")]
    Malformed,
}

/// Tells who belongs where.
#[async_trait]
pub(crate) trait Memberships: Send + Sync {
    /// Lists the roles of an active member; empty if the person is none.
    async fn roles(
        &self,
        user_id: &str,
        organization_id: &str,
    ) -> Result<Vec<String>, MembershipError>;
}

/// `WorkOS`, by its organization memberships (`GET /user_management/organization_memberships`).
pub(crate) struct WorkosDirectory {
    client: reqwest::Client,
    url: Url,
    api_key: SecretString,
}

#[derive(Deserialize)]
struct Page {
    data: Vec<Membership>,
}

#[derive(Deserialize)]
struct Membership {
    user_id: String,
    organization_id: String,
    status: String,
    role: Option<Role>,
    #[serde(default)]
    roles: Vec<Role>,
}

#[derive(Deserialize)]
struct Role {
    slug: String,
}

impl WorkosDirectory {
    /// `base` is `https://api.workos.com` but in tests.
    pub(crate) fn new(base: &Url, api_key: SecretString) -> Result<Self, reqwest::Error> {
        let mut url = base.clone();
        url.set_path("/user_management/organization_memberships");
        Ok(Self {
            client: reqwest::Client::builder()
                .redirect(redirect::Policy::none())
                .no_proxy()
                .connect_timeout(CONNECT_DEADLINE)
                .timeout(DEADLINE)
                .user_agent("bm-server")
                .build()?,
            url,
            api_key,
        })
    }

    async fn page(&self, user_id: &str, organization_id: &str) -> Result<Page, MembershipError> {
        let mut url = self.url.clone();
        url.query_pairs_mut()
            .append_pair("user_id", user_id)
            .append_pair("organization_id", organization_id)
            .append_pair("statuses", "active")
            .append_pair("limit", PAGE);
        let mut answer = self
            .client
            .get(url)
            .bearer_auth(self.api_key.expose_secret())
            .send()
            .await
            .map_err(MembershipError::Unreachable)?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::TOO_MANY_REQUESTS => {
                return Err(MembershipError::Busy {
                    retry_after_s: retry_after(answer.headers()),
                });
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                return Err(MembershipError::KeyRefused);
            }
            other => return Err(MembershipError::Status(other.as_u16())),
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(MembershipError::Unreachable)? {
            if body.len() + chunk.len() > MAX_BYTES {
                return Err(MembershipError::Malformed);
            }
            body.extend_from_slice(&chunk);
        }
        serde_json::from_slice(&body).map_err(|_| MembershipError::Malformed)
    }
}

#[async_trait]
impl Memberships for WorkosDirectory {
    async fn roles(
        &self,
        user_id: &str,
        organization_id: &str,
    ) -> Result<Vec<String>, MembershipError> {
        let page = match self.page(user_id, organization_id).await {
            // Asking changes nothing there, so a moment's fault may be asked over, once.
            Err(MembershipError::Unreachable(error)) if !error.is_timeout() => {
                tracing::debug!(%error, "the directory is asked once more");
                self.page(user_id, organization_id).await?
            }
            Err(MembershipError::Status(500..=599)) => self.page(user_id, organization_id).await?,
            other => other?,
        };
        // What was asked for is checked in the answer: a filter that is not understood is
        // commonly passed over in silence.
        let roles = page
            .data
            .into_iter()
            .filter(|found| {
                found.user_id == user_id
                    && found.organization_id == organization_id
                    && found.status == "active"
            })
            .flat_map(|found| found.role.into_iter().chain(found.roles))
            .map(|role| role.slug)
            .collect();
        Ok(roles)
    }
}

/// Seconds to wait, as far as the answer says so sensibly.
fn retry_after(headers: &header::HeaderMap) -> u64 {
    headers
        .get(header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .unwrap_or(10)
        .clamp(1, 60)
}

#[cfg(test)]
mod tests;
