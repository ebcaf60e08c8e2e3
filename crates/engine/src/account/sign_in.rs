use std::time::SystemTime;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use wire::{SignInConfig, SubscriptionOut};

use crate::api::{Api, ApiError, may_talk_to, plain, server_url};
use crate::proxy::ChosenProxy;
use crate::secrets::{FileLock, SecretStore, TOKENS};
use crate::{Clock, Places, SignInKeep};

use super::oauth::{Pending, Provider, Tokens};
use super::secrets::AccountSecrets;
use super::{Account, AccountRecord, AuthError, LOCK_PATIENCE, REFRESH_TOKEN, SignInError};

/// What a sign-in needs of its surroundings.
#[derive(Clone, Debug)]
pub(crate) struct SignIn {
    pub(crate) places: Places,
    pub(crate) clock: Clock,
    pub(crate) secrets: SecretStore,
    pub(crate) proxy: ChosenProxy,
    pub(crate) keep: SignInKeep,
    /// Accounts that have a folder or a drive here: their sign-in is kept at once.
    pub(crate) at_work: Vec<String>,
}

/// The steps of a sign-in, for whoever shows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SignInEvent {
    /// The server is asked for a code.
    Asking { server_url: String },
    /// A person has to enter the code in a browser.
    Code {
        user_code: String,
        url: String,
        /// With the code already in it, where the provider offers that.
        url_complete: Option<String>,
        expires_at: SystemTime,
    },
    /// The person consented and the account is kept here, or is in memory.
    Approved {
        user_id: String,
        email: Option<String>,
        cloud_mode: bool,
    },
}

/// A finished sign-in.
#[derive(Debug)]
pub(crate) struct SignedIn {
    pub(crate) account: Account,
    pub(crate) subscription: SubscriptionOut,
}

impl SignIn {
    /// Signs in on `server`, as typed by a person, by the device flow. Until the person consents
    /// nothing is written and `cancel` undoes all. Another account that was signed in here is
    /// signed out. A missing subscription is no failure, it leaves cloud mode off. Where nobody is
    /// known yet the sign-in is as provisional as was asked for.
    pub(crate) async fn run(
        &self,
        server: &str,
        events: &mpsc::Sender<SignInEvent>,
        cancel: &CancellationToken,
    ) -> Result<SignedIn, SignInError> {
        let result = self.begin(server, events, cancel).await;
        if let Err(error) = &result {
            tracing::info!(code = error.code(), %error, "a sign-in ended without a session");
        }
        result
    }

    async fn begin(
        &self,
        server: &str,
        events: &mpsc::Sender<SignInEvent>,
        cancel: &CancellationToken,
    ) -> Result<SignedIn, SignInError> {
        let api = Api::new(server_url(server)?)?.behind(&self.proxy);
        let asking = SignInEvent::Asking {
            server_url: api.server().to_owned(),
        };
        events.send(asking).await.ok();
        let consent = async {
            let (config, store) = tokio::join!(api.sign_in_config(), self.secrets.ready());
            let config = config?;
            store?;
            let provider =
                Provider::new(&config.issuer, &config.client_id, &config.token_endpoint)?;
            provider.follow(&self.proxy);
            let pending = provider.begin(&config).await?;
            events.send(self.shown(&pending)?).await.ok();
            let tokens = provider.finish(&pending).await?;
            Ok::<_, SignInError>((config, provider, tokens))
        };
        let (config, provider, tokens) = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(SignInError::Canceled),
            consent = consent => consent?,
        };
        let signed_in = if cancel.is_cancelled() {
            Err(SignInError::Canceled)
        } else {
            self.adopt(&api, &config, &tokens).await
        };
        // Nothing of a provisional one is written down, so that it can still be taken back.
        let signed_in = signed_in.and_then(|signed_in| match signed_in.account.kept() {
            SignInKeep::WithSetUp if cancel.is_cancelled() => Err(SignInError::Canceled),
            SignInKeep::WithSetUp | SignInKeep::Now => Ok(signed_in),
        });
        match signed_in {
            Ok(signed_in) => {
                events
                    .send(approved(&signed_in.account.record()))
                    .await
                    .ok();
                Ok(signed_in)
            }
            Err(error) => {
                if let Some(refresh) = &tokens.refresh {
                    provider.revoke(refresh).await.ok();
                }
                Err(error)
            }
        }
    }

    fn shown(&self, pending: &Pending) -> Result<SignInEvent, ApiError> {
        let answer = &pending.answer;
        let url = answer.verification_uri().url();
        if !may_talk_to(url) {
            return Err(ApiError::BadUrl {
                url: plain(url.as_str()),
                what: "a sign-in page must use https".to_owned(),
            });
        }
        let complete = answer
            .verification_uri_complete()
            .and_then(|complete| url::Url::parse(complete.secret()).ok())
            .filter(may_talk_to);
        Ok(SignInEvent::Code {
            user_code: plain(answer.user_code().secret()),
            url: url.to_string(),
            url_complete: complete.map(|url| url.to_string()),
            expires_at: self.clock.now() + pending.lasts(),
        })
    }

    async fn adopt(
        &self,
        api: &Api,
        config: &SignInConfig,
        tokens: &Tokens,
    ) -> Result<SignedIn, SignInError> {
        let subscription = api.subscription(&tokens.access).await?;
        let cloud_mode = match api.health(&tokens.access).await {
            Ok(_) => true,
            Err(error) => {
                tracing::info!(code = error.code(), %error, "signed in without cloud mode");
                false
            }
        };
        let record = AccountRecord {
            server_url: api.server().to_owned(),
            issuer: config.issuer.clone(),
            client_id: config.client_id.clone(),
            token_endpoint: config.token_endpoint.clone(),
            user_id: subscription.account.id.clone(),
            email: subscription.account.email.clone(),
            cloud_mode,
            tenant_id: None,
            bucket: None,
            endpoint_url: None,
            region: None,
            access_key: None,
            credential_id: None,
            device: None,
        };
        let account = self.keep(record, tokens).await?;
        Ok(SignedIn {
            account,
            subscription,
        })
    }

    async fn keep(&self, mut record: AccountRecord, tokens: &Tokens) -> Result<Account, AuthError> {
        let Some(refresh) = &tokens.refresh else {
            return Err(AuthError::Provider {
                code: "no_refresh_token".to_owned(),
                message: "it gave no lasting sign-in".to_owned(),
            });
        };
        let before = Account::load(&self.places, &self.clock, &self.secrets)
            .unwrap_or_default()
            .map(|before| before.behind(&self.proxy));
        let mut replaced = None;
        let key = record.key();
        let secrets = if before.is_none() && self.may_wait(&key) {
            AccountSecrets::in_memory(&key, &self.secrets, REFRESH_TOKEN, refresh.clone())
        } else {
            let _lock = FileLock::acquire(&self.places.state.join(TOKENS), LOCK_PATIENCE).await?;
            if let Some(before) = before.as_ref().filter(|before| before.key() == key) {
                record = record.with_bucket_of(before.record());
                replaced = self.secrets.get(before.key(), REFRESH_TOKEN).await?;
            }
            self.secrets.set(&key, REFRESH_TOKEN, refresh).await?;
            record.save(&self.places)?;
            AccountSecrets::in_store(&key, &self.secrets)
        };
        let account = Account::new(record, &self.places, &self.clock, secrets)?.behind(&self.proxy);
        let mut session = account.0.session.lock().await;
        account.cache(&mut session, tokens.access.clone(), tokens.expires_in);
        drop(session);
        match (before, replaced) {
            (Some(before), _) if before.key() != account.key() => before.retire().await?,
            (Some(before), Some(token)) => before.revoke(&token).await,
            (Some(_) | None, _) => {}
        }
        Ok(account)
    }

    fn may_wait(&self, account: &str) -> bool {
        match self.keep {
            SignInKeep::Now => false,
            SignInKeep::WithSetUp => !self.at_work.iter().any(|at_work| at_work == account),
        }
    }
}

fn approved(record: &AccountRecord) -> SignInEvent {
    SignInEvent::Approved {
        user_id: record.user_id.clone(),
        email: record.email.clone(),
        cloud_mode: record.cloud_mode,
    }
}
