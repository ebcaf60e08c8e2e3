//! The identity signed in on one server: its tokens, what the server lets it do, its bucket key.
//!
//! Who is signed in comes from the server's answer, never from an unverified token. Access tokens
//! live in memory only; the refresh token rotates, under a lock shared by all our processes, and
//! each new one is kept durably before anything of its answer is used. No network failure and no
//! locked keyring ever counts as signed out: only the provider's refusal does.
//!
//! A provisional sign-in, that of a set-up which is not finished, has all of this in memory.

mod bucket;
mod credentials;
mod error;
mod lasting;
mod oauth;
mod record;
mod secrets;
mod sign_in;
mod sign_out;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::{Arc, Mutex as StdMutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{Mutex, RwLock};
use tokio_util::sync::CancellationToken;
use wire::{ChangeIn, ChangesOut, Health, SubscriptionOut};

use crate::api::{Api, ApiError, ChangeStream, server_url};
use crate::proxy::ChosenProxy;
use crate::secrets::{FileLock, SecretStore, TOKENS};
use crate::{Clock, Places};

use self::oauth::{Provider, RefreshError, Tokens};
use self::secrets::AccountSecrets;

pub(crate) use bucket::BucketCredentials;
pub(crate) use error::{AuthError, SignInError, SignedOutReason};
pub(crate) use record::{AccountRecord, RecordError};
pub(crate) use sign_in::{SignIn, SignInEvent, SignedIn};

/// The name of the refresh token among an account's secrets.
const REFRESH_TOKEN: &str = "refresh-token";
/// The name of the bucket key among an account's secrets.
const BUCKET_KEY: &str = "bucket-key";
/// An access token is replaced this long before it ends.
const EARLY: Duration = Duration::from_secs(60);
/// Longer than a refresh with its one retry can take.
const LOCK_PATIENCE: Duration = Duration::from_secs(75);

/// A signed-in account. Cheap to clone; all clones are one.
#[derive(Clone)]
pub(crate) struct Account(Arc<Inner>);

struct Inner {
    key: String,
    places: Places,
    clock: Clock,
    secrets: AccountSecrets,
    api: Api,
    provider: Provider,
    record: StdMutex<AccountRecord>,
    session: Mutex<Session>,
    /// Held while this process works on its bucket key.
    bucket: Mutex<()>,
    /// Read by each look at the bucket until its key is taken back.
    looks: RwLock<()>,
    /// Ends the looks that are under way.
    looking: StdMutex<CancellationToken>,
    /// What keys made here are called.
    device: OnceLock<String>,
    proxy: OnceLock<ChosenProxy>,
}

#[derive(Default)]
struct Session {
    access: Option<AccessToken>,
    /// A rotated refresh token that the secret store did not take yet.
    unsaved: Option<SecretString>,
}

struct AccessToken {
    token: SecretString,
    expires_at: SystemTime,
}

/// What the server says to this account now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CloudAccess {
    Open,
    SubscriptionRequired,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_tuple("Account")
            .field(&self.record())
            .finish()
    }
}

impl Account {
    /// The account that was signed in here last; `None` if nobody is. Asks nobody, reads no
    /// secret: whether its session still holds, [`Account::access_token`] finds out.
    pub(crate) fn load(
        places: &Places,
        clock: &Clock,
        secrets: &SecretStore,
    ) -> Result<Option<Self>, AuthError> {
        let Some(record) = AccountRecord::load(places)? else {
            return Ok(None);
        };
        let secrets = AccountSecrets::in_store(&record.key(), secrets);
        Self::new(record, places, clock, secrets).map(Some)
    }

    fn new(
        record: AccountRecord,
        places: &Places,
        clock: &Clock,
        secrets: AccountSecrets,
    ) -> Result<Self, AuthError> {
        Ok(Self(Arc::new(Inner {
            key: record.key(),
            places: places.clone(),
            clock: clock.clone(),
            secrets,
            api: Api::new(server_url(&record.server_url)?)?,
            provider: Provider::new(&record.issuer, &record.client_id, &record.token_endpoint)?,
            record: StdMutex::new(record),
            session: Mutex::default(),
            bucket: Mutex::default(),
            looks: RwLock::default(),
            looking: StdMutex::default(),
            device: OnceLock::new(),
            proxy: OnceLock::new(),
        })))
    }

    /// Names the device that keys made from here on belong to; the first name stays.
    pub(crate) fn on_device(self, name: &str) -> Self {
        self.0.device.get_or_init(|| name.to_owned());
        self
    }

    /// Goes through the proxy that a person chose, as that changes; the first choice stays the one
    /// that is followed.
    pub(crate) fn behind(self, proxy: &ChosenProxy) -> Self {
        self.0.proxy.get_or_init(|| proxy.clone());
        self.0.api.clone().behind(proxy);
        self.0.provider.follow(proxy);
        self
    }

    /// The proxy that leads to this account's server and bucket.
    pub(crate) fn proxy(&self) -> ChosenProxy {
        self.0.proxy.get().cloned().unwrap_or_default()
    }

    /// What this device is called among those of the account, once somebody named it.
    pub(crate) fn device(&self) -> Option<String> {
        self.record()
            .device
            .or_else(|| self.0.device.get().cloned())
    }

    /// What is known about the account; holds no secret.
    pub(crate) fn record(&self) -> AccountRecord {
        self.0
            .record
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// `server_url|user_id`: what everything that belongs to the account is filed under.
    pub(crate) fn key(&self) -> &str {
        &self.0.key
    }

    /// A token good for at least a minute, or as long as the provider makes them. Once begun, a
    /// refresh runs to its end even if the caller goes away: half of one would lose the session.
    pub(crate) async fn access_token(&self) -> Result<SecretString, AuthError> {
        self.token_other_than(None).await
    }

    /// Who is signed in and what they have; works without a subscription.
    pub(crate) async fn subscription(&self) -> Result<SubscriptionOut, AuthError> {
        self.call(|api, token| async move { api.subscription(&token).await })
            .await
    }

    /// As [`Account::subscription`], once it is current, or after a while.
    pub(crate) async fn renewal(&self) -> Result<SubscriptionOut, AuthError> {
        self.call(|api, token| async move { api.renewal(&token).await })
            .await
    }

    /// Asks whether the server lets this account in, and remembers the first yes as cloud mode.
    pub(crate) async fn check_cloud(&self) -> Result<CloudAccess, AuthError> {
        match self
            .call(|api, token| async move { api.health(&token).await })
            .await
        {
            Ok(Health { version, .. }) => {
                tracing::debug!(version, "the server lets the account in");
                self.update(|record| record.cloud_mode = true)?;
                Ok(CloudAccess::Open)
            }
            Err(AuthError::Api(ApiError::SubscriptionRequired { .. })) => {
                Ok(CloudAccess::SubscriptionRequired)
            }
            Err(error) => Err(error),
        }
    }

    /// Opens the stream of what others change in the bucket.
    pub(crate) async fn change_stream(
        &self,
        device: &str,
        after: Option<i64>,
    ) -> Result<ChangeStream, AuthError> {
        self.call(|api, token| async move { api.change_stream(&token, device, after).await })
            .await
    }

    /// Tells the server what this device wrote to the bucket, so that others hear of it at once.
    pub(crate) async fn report_changes(
        &self,
        device: &str,
        changes: &[ChangeIn],
    ) -> Result<ChangesOut, AuthError> {
        self.call(
            |api, token| async move { api.report_changes(&token, device, changes.to_vec()).await },
        )
        .await
    }

    /// Calls the server; a token that it refuses is replaced once.
    async fn call<T, F>(&self, work: impl Fn(Api, SecretString) -> F) -> Result<T, AuthError>
    where
        F: Future<Output = Result<T, ApiError>>,
    {
        let token = self.access_token().await?;
        match work(self.0.api.clone(), token.clone()).await {
            Err(ApiError::Unauthenticated) => {
                let token = self.token_other_than(Some(token)).await?;
                Ok(work(self.0.api.clone(), token).await?)
            }
            result => Ok(result?),
        }
    }

    async fn token_other_than(
        &self,
        refused: Option<SecretString>,
    ) -> Result<SecretString, AuthError> {
        let account = self.clone();
        tokio::spawn(async move { account.current_token(refused).await })
            .await
            .unwrap_or(Err(AuthError::Stopping))
    }

    async fn current_token(
        &self,
        refused: Option<SecretString>,
    ) -> Result<SecretString, AuthError> {
        let mut session = self.0.session.lock().await;
        let soon = self.0.clock.now() + EARLY;
        if let Some(access) = &session.access
            && access.expires_at > soon
            && refused.is_none_or(|old| old.expose_secret() != access.token.expose_secret())
        {
            return Ok(access.token.clone());
        }
        session.access = None;
        self.refresh(&mut session).await
    }

    async fn refresh(&self, session: &mut Session) -> Result<SecretString, AuthError> {
        let _lock = self.tokens_lock().await?;
        if let Some(unsaved) = session.unsaved.take() {
            self.keep(session, unsaved).await?;
        }
        let stored = self.stored_token().await?;
        let tokens = match self.0.provider.refresh(&stored).await {
            Err(RefreshError::Refused { description }) => {
                tracing::warn!(
                    code = "signed_out",
                    description,
                    "the provider ended the session"
                );
                if let Err(error) = self.0.secrets.delete(REFRESH_TOKEN).await {
                    tracing::warn!(%error, "the dead token could not be deleted");
                }
                let reason = SignedOutReason::SessionEnded;
                return Err(AuthError::SignedOut { reason });
            }
            Err(RefreshError::Auth(error)) => return Err(error),
            Ok(tokens) => tokens,
        };
        let Tokens {
            access,
            refresh,
            expires_in,
        } = tokens;
        if let Some(refresh) = refresh
            && refresh.expose_secret() != stored.expose_secret()
        {
            self.keep(session, refresh).await?;
        }
        self.cache(session, access.clone(), expires_in);
        tracing::debug!(expires_in = expires_in.as_secs(), "a new access token");
        Ok(access)
    }

    fn cache(&self, session: &mut Session, token: SecretString, expires_in: Duration) {
        // A token shorter than our margin would be refreshed on every call.
        let lasts = expires_in.max(EARLY + Duration::from_secs(1));
        session.access = Some(AccessToken {
            token,
            expires_at: self.0.clock.now() + lasts,
        });
    }

    async fn keep(&self, session: &mut Session, token: SecretString) -> Result<(), AuthError> {
        let kept = self.0.secrets.set(REFRESH_TOKEN, &token).await;
        if kept.is_err() {
            session.unsaved = Some(token);
        }
        Ok(kept?)
    }

    async fn stored_token(&self) -> Result<SecretString, AuthError> {
        self.0
            .secrets
            .get(REFRESH_TOKEN)
            .await?
            .ok_or(AuthError::SignedOut {
                reason: SignedOutReason::NoToken,
            })
    }

    /// Of a provisional session no other process knows.
    async fn tokens_lock(&self) -> Result<Option<FileLock>, AuthError> {
        if !self.0.secrets.are_stored() {
            return Ok(None);
        }
        let lock = FileLock::acquire(&self.lock_path(), LOCK_PATIENCE).await?;
        Ok(Some(lock))
    }

    fn lock_path(&self) -> PathBuf {
        self.0.places.state.join(TOKENS)
    }

    fn update(&self, change: impl FnOnce(&mut AccountRecord)) -> Result<(), AuthError> {
        let mut record = self.0.record.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changed = record.clone();
        change(&mut changed);
        if changed != *record {
            if self.0.secrets.are_stored() {
                changed.save(&self.0.places)?;
            }
            *record = changed;
        }
        Ok(())
    }
}
