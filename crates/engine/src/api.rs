//! The companion server as the client calls it: typed calls, bounded answers, no redirects.

mod address;
mod changes;
mod error;
mod frames;
mod transport;

use std::time::{Duration, SystemTime};

use http::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use url::Url;
use wire::{Health, MountCredentials, MountInfo, SignInConfig, SubscriptionOut, TenantSetup};

use crate::proxy::ChosenProxy;

pub(crate) use address::{may_talk_to, server_text, server_url};
pub(crate) use changes::{ChangeStream, Told};
pub(crate) use error::{ApiError, plain};
pub(crate) use transport::{Answer, Transport, TransportError};

/// How long a server is asked to wait with its answer; less than an answer may take.
const RENEWAL_WAIT: Duration = Duration::from_secs(15);

const SIGN_IN_CONFIG: &str = ".well-known/basic-memory-cloud";

/// A client of one companion server.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    base: Url,
    server: String,
    transport: Transport,
}

/// A live bucket key as the server lists it, without its secret. Times are RFC 3339.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct ListedCredential {
    pub(crate) id: String,
    pub(crate) access_key: String,
    #[serde(default)]
    pub(crate) description: String,
    #[serde(default)]
    pub(crate) created_at: Option<String>,
    #[serde(default)]
    pub(crate) last_used_at: Option<String>,
    #[serde(default)]
    pub(crate) expires_at: Option<String>,
    #[serde(default)]
    pub(crate) state: ListedState,
}

/// How a server lists a key; one that says nothing lists live ones only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ListedState {
    #[default]
    Active,
    Revoking,
    RevokeFailed,
}

impl Api {
    /// A client of the server at `base`; plain HTTP is for loopback addresses only.
    pub(crate) fn new(base: Url) -> Result<Self, ApiError> {
        let base = address::normal(base)?;
        let transport = Transport::to(&base)?;
        Ok(Self {
            server: server_text(&base),
            base,
            transport,
        })
    }

    /// Goes through the proxy that a person chose, as that changes.
    pub(crate) fn behind(self, proxy: &ChosenProxy) -> Self {
        self.transport.behind(proxy);
        self
    }

    /// The server's address as records and messages write it: without a slash at the end.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// Where and how people sign in; public.
    pub(crate) async fn sign_in_config(&self) -> Result<SignInConfig, ApiError> {
        let answer = self.call(Method::GET, SIGN_IN_CONFIG, None).await?;
        if answer.status.is_client_error() {
            let what = format!(
                "it answers {} for /{SIGN_IN_CONFIG}",
                answer.status.as_u16()
            );
            return Err(self.not_ours(what));
        }
        self.read(&answer)
    }

    /// The server's clock as its answers tell it; public.
    pub(crate) async fn time(&self) -> Result<Option<SystemTime>, ApiError> {
        let answer = self.call(Method::GET, SIGN_IN_CONFIG, None).await?;
        let date = answer.headers.get(http::header::DATE);
        let parsed = date
            .and_then(|date| date.to_str().ok())
            .and_then(|date| OffsetDateTime::parse(date, &Rfc2822).ok());
        Ok(parsed.map(SystemTime::from))
    }

    /// Whether the server lets this person in now.
    pub(crate) async fn health(&self, token: &SecretString) -> Result<Health, ApiError> {
        self.get("proxy/health", token).await
    }

    /// Who is signed in and what they have; needs no subscription.
    pub(crate) async fn subscription(
        &self,
        token: &SecretString,
    ) -> Result<SubscriptionOut, ApiError> {
        self.get("subscription", token).await
    }

    /// As [`Api::subscription`], once it is current, or after [`RENEWAL_WAIT`]; at once from a
    /// server that cannot wait.
    pub(crate) async fn renewal(&self, token: &SecretString) -> Result<SubscriptionOut, ApiError> {
        let wait_s = RENEWAL_WAIT.as_secs();
        self.get(
            &format!("subscription?current=false&wait_s={wait_s}"),
            token,
        )
        .await
    }

    /// Makes sure that the account has a bucket; repeating it is harmless.
    pub(crate) async fn tenant_setup(&self, token: &SecretString) -> Result<TenantSetup, ApiError> {
        let answer = self
            .call(Method::POST, "tenants/setup", Some(token))
            .await?;
        self.read(&answer)
    }

    pub(crate) async fn mount_info(&self, token: &SecretString) -> Result<MountInfo, ApiError> {
        self.get("tenant/mount/info", token).await
    }

    /// Makes a new bucket key, described by `name`; the older ones stay alive.
    pub(crate) async fn create_credentials(
        &self,
        token: &SecretString,
        name: Option<&str>,
    ) -> Result<MountCredentials, ApiError> {
        let mut request = self
            .transport
            .request(Method::POST, self.url("tenant/mount/credentials")?)
            .bearer_auth(token.expose_secret());
        if let Some(name) = name {
            request = request.json(&serde_json::json!({ "name": name }));
        }
        let sent = self.transport.send(request).await;
        self.read(&sent.map_err(|cause| cause.at(&self.server))?)
    }

    pub(crate) async fn list_credentials(
        &self,
        token: &SecretString,
    ) -> Result<Vec<ListedCredential>, ApiError> {
        self.get("tenant/mount/credentials", token).await
    }

    /// As [`Api::list_credentials`], with those that are revoked while the store still has them.
    pub(crate) async fn list_all_credentials(
        &self,
        token: &SecretString,
    ) -> Result<Vec<ListedCredential>, ApiError> {
        self.get("tenant/mount/credentials?include=revoked", token)
            .await
    }

    /// Revokes a bucket key; one that is gone already counts as revoked.
    pub(crate) async fn revoke_credential(
        &self,
        token: &SecretString,
        id: &str,
    ) -> Result<(), ApiError> {
        let id: String = url::form_urlencoded::byte_serialize(id.as_bytes()).collect();
        let path = format!("tenant/mount/credentials/{id}");
        let answer = self.call(Method::DELETE, &path, Some(token)).await?;
        if answer.status.is_success() || answer.status == http::StatusCode::NOT_FOUND {
            return Ok(());
        }
        Err(error::refusal(&self.server, &answer))
    }

    async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        token: &SecretString,
    ) -> Result<T, ApiError> {
        let answer = self.call(Method::GET, path, Some(token)).await?;
        self.read(&answer)
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        token: Option<&SecretString>,
    ) -> Result<Answer, ApiError> {
        let mut request = self.transport.request(method, self.url(path)?);
        if let Some(token) = token {
            request = request.bearer_auth(token.expose_secret());
        }
        self.transport
            .send(request)
            .await
            .map_err(|cause| cause.at(&self.server))
    }

    fn url(&self, path: &str) -> Result<Url, ApiError> {
        self.base.join(path).map_err(|cause| ApiError::BadUrl {
            url: self.server.clone(),
            what: cause.to_string(),
        })
    }

    fn read<T: DeserializeOwned>(&self, answer: &Answer) -> Result<T, ApiError> {
        if !answer.status.is_success() {
            return Err(error::refusal(&self.server, answer));
        }
        if answer.is_html() {
            return Err(self.not_ours("it answers with a web page".to_owned()));
        }
        serde_json::from_slice(&answer.body)
            .map_err(|_| self.not_ours("its answer is not the JSON we expect".to_owned()))
    }

    fn not_ours(&self, what: String) -> ApiError {
        ApiError::NotOurServer {
            server: self.server.clone(),
            what,
        }
    }
}
