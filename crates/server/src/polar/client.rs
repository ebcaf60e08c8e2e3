//! Questions to Polar's API. It is only ever read.

use std::error::Error as _;
use std::time::Duration;

use reqwest::header::{ACCEPT, RETRY_AFTER};
use reqwest::{Client, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;

use super::event::{self, EventError, Facts};
use super::retry::{Failure, RetryPolicy};
use super::{Chance, PolarApiSettings, PolarError};

/// The version of the API whose shapes are read here (Polar's `Polar-Version` header).
const VERSION: &str = "2026-10";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const MAX_ANSWER_BYTES: usize = 8 * 1024 * 1024;
/// How many subscriptions a page holds; Polar allows 100.
pub(super) const PAGE_SIZE: usize = 100;

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PolarApiError {
    #[error("Polar's API cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    #[error("Polar's API allows no more requests now")]
    RateLimited { retry_after: Option<Duration> },
    #[error("Polar's API answered {0}")]
    Status(StatusCode),
    #[error("Polar's API answered more than {MAX_ANSWER_BYTES} bytes")]
    TooLarge,
    #[error("Polar's API answered something else than JSON")]
    NotJson(#[source] serde_json::Error),
    #[error("Polar's API answered with a subscription that cannot be read")]
    Unreadable(#[source] EventError),
    #[error("Polar's API answered about another subscription")]
    Another,
}

impl PolarApiError {
    /// Whether another attempt can succeed.
    pub(crate) fn failure(&self) -> Failure {
        match self {
            Self::Unreachable(_) | Self::NotJson(_) => Failure::Transient,
            Self::RateLimited { retry_after } => Failure::RateLimited {
                retry_after: *retry_after,
            },
            Self::Status(status) if status.is_server_error() => Failure::Transient,
            Self::Status(_) | Self::TooLarge | Self::Unreadable(_) | Self::Another => {
                Failure::Lasting
            }
        }
    }
}

/// Some of the active subscriptions.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) found: Vec<Facts>,
    /// How many could not be read.
    pub(super) unreadable: usize,
    pub(super) is_last: bool,
}

pub(super) struct PolarClient {
    http: Client,
    base_url: Url,
    token: SecretString,
    retry: RetryPolicy,
    pace: Duration,
    chance: Chance,
}

#[derive(Deserialize)]
struct ListAnswer {
    items: Vec<Value>,
    pagination: Pagination,
}

#[derive(Deserialize)]
struct Pagination {
    max_page: u32,
}

impl PolarClient {
    pub(super) fn new(settings: PolarApiSettings, chance: Chance) -> Result<Self, PolarError> {
        let PolarApiSettings {
            base_url,
            token,
            retry,
            timeout,
            pace,
            sweep_every: _,
        } = settings;
        let is_loopback = matches!(
            base_url.host_str(),
            Some("127.0.0.1" | "[::1]" | "localhost")
        );
        if base_url.scheme() != "https" && !is_loopback {
            return Err(PolarError::NotHttps(base_url));
        }
        let mut builder = Client::builder()
            .user_agent(concat!("basic-memory-server/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(timeout);
        if is_loopback {
            builder = builder.no_proxy();
        }
        Ok(Self {
            http: builder.build().map_err(PolarError::Client)?,
            base_url,
            token,
            retry,
            pace,
            chance,
        })
    }

    /// How long to wait between questions.
    pub(super) fn pace(&self) -> Duration {
        self.pace
    }

    /// Looks a subscription up as it is `now`; `None` if Polar does not know it.
    pub(super) async fn find_subscription(
        &self,
        id: &str,
        now: i64,
    ) -> Result<Option<Facts>, PolarApiError> {
        let url = self.url(&["v1", "subscriptions", id]);
        let answer = match self.ask::<Value>(url).await {
            Err(PolarApiError::Status(StatusCode::NOT_FOUND)) => return Ok(None),
            answer => answer?,
        };
        let facts = event::subscription(answer, now).map_err(PolarApiError::Unreadable)?;
        match &facts.snapshot {
            Some(snapshot) if snapshot.id == id => Ok(Some(facts)),
            Some(_) | None => Err(PolarApiError::Another),
        }
    }

    /// Lists active subscriptions, those that end first first. Pages count from 1.
    pub(super) async fn list_active(&self, page: u32, now: i64) -> Result<Page, PolarApiError> {
        let mut url = self.url(&["v1", "subscriptions", ""]);
        url.query_pairs_mut()
            .append_pair("status", "active")
            .append_pair("sorting", "current_period_end")
            .append_pair("page", &page.to_string())
            .append_pair("limit", &PAGE_SIZE.to_string());
        let answer: ListAnswer = self.ask(url).await?;
        let is_last = answer.items.is_empty() || page >= answer.pagination.max_page;
        let mut found = Vec::new();
        let mut unreadable = 0;
        for item in answer.items {
            match event::subscription(item, now) {
                Ok(facts) => found.push(facts),
                Err(error) => {
                    tracing::warn!(%error, "a listed subscription cannot be read");
                    unreadable += 1;
                }
            }
        }
        Ok(Page {
            found,
            unreadable,
            is_last,
        })
    }

    fn url(&self, segments: &[&str]) -> Url {
        let mut url = self.base_url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }

    async fn ask<T: for<'de> Deserialize<'de>>(&self, url: Url) -> Result<T, PolarApiError> {
        let mut attempt = 1;
        loop {
            let error = match self.ask_once(url.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            metrics::counter!("bm_polar_api_failures_total").increment(1);
            let wait = self.retry.wait(attempt, error.failure(), (self.chance)());
            let Some(wait) = wait else { return Err(error) };
            tracing::debug!(%error, cause = ?error.source(), attempt, "Polar's API is asked again");
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }

    async fn ask_once<T: for<'de> Deserialize<'de>>(&self, url: Url) -> Result<T, PolarApiError> {
        let unreachable = |error: reqwest::Error| PolarApiError::Unreachable(error.without_url());
        let mut response = self
            .http
            .get(url)
            .bearer_auth(self.token.expose_secret())
            .header("polar-version", VERSION)
            .header(ACCEPT, "application/json")
            .send()
            .await
            .map_err(unreachable)?;
        let status = response.status();
        if status == StatusCode::TOO_MANY_REQUESTS {
            let retry_after = response
                .headers()
                .get(RETRY_AFTER)
                .and_then(|value| value.to_str().ok()?.trim().parse().ok())
                .map(Duration::from_secs);
            return Err(PolarApiError::RateLimited { retry_after });
        }
        if status != StatusCode::OK {
            return Err(PolarApiError::Status(status));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(PolarApiError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        serde_json::from_slice(&body).map_err(PolarApiError::NotJson)
    }
}
