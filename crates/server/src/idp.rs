//! A small identity provider for development: device authorization (RFC 8628) with PKCE,
//! rotating refresh tokens, a key set, and one page on which a person consents.
//!
//! Whoever reaches it can be anybody: it asks for an e-mail address and no proof. It is part of
//! development deployments only, and knows nothing of tenants, buckets or subscriptions beyond
//! asking the store for a profile at sign-in.

mod attempts;
mod decisions;
mod endpoints;
mod helpers;
mod ledger;
mod opaque;
mod page;
mod person;
mod signing;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};

use secrecy::SecretString;

use crate::clock::Clock;
use crate::principal::AdminSettings;
use crate::routes::Routes;
use crate::store::StoreError;
use crate::token::{Issuer, IssuerKeys, IssuerKind, KeySet, Terms};

use attempts::Attempts;
use decisions::Refresh;
use ledger::{Ledger, Session};
use opaque::Opaque;
pub(crate) use signing::SigningKey;

/// The one client of this provider: every program that signs people in on a device.
pub(crate) const CLIENT_ID: &str = "client_basic_memory_dev";
pub(crate) const SCOPES: [&str; 4] = ["openid", "profile", "email", "offline_access"];

const ADMIN_ORGANIZATION: &str = "org_development";
const ADMIN_ROLE: &str = "admin";

const DEVICE_CODE_LIFE_MS: i64 = 10 * 60 * 1000;
const REFRESH_TOKEN_LIFE_MS: i64 = 30 * 24 * 60 * 60 * 1000;
/// How long a refresh token that was just used still gets the answer it got before: programs of
/// one person refresh at once, and answers get lost.
const REUSE_WINDOW_MS: i64 = 10_000;
const POLL_INTERVAL_MS: i64 = 1_000;
/// No access token lives longer, whatever it says.
const MAX_ACCESS_TOKEN_LIFE_S: i64 = 24 * 60 * 60;

/// What the provider is made from.
pub(crate) struct Setup {
    pub(crate) base_url: String,
    pub(crate) key: SigningKey,
    /// Keys every hash of an opaque id, and makes each refresh token's successor.
    pub(crate) secret: [u8; 32],
    pub(crate) access_token_life_s: i64,
    /// Addresses of the people who are administrators here.
    pub(crate) admins: Vec<String>,
    pub(crate) clock: Clock,
}

pub(crate) struct IdentityProvider {
    base_url: String,
    key: SigningKey,
    opaque: Opaque,
    ledger: Ledger,
    access_token_life_s: i64,
    admins: BTreeSet<String>,
    clock: Clock,
    wrong_codes: Mutex<Attempts>,
}

/// A pair of tokens, on its way to the person's device.
struct Tokens {
    access: SecretString,
    refresh: SecretString,
    expires_in_s: i64,
    scope: String,
}

impl IdentityProvider {
    /// Opens the provider's ledger at `file`.
    pub(crate) async fn open(file: &Path, setup: Setup) -> Result<Self, StoreError> {
        Ok(Self {
            base_url: setup.base_url,
            key: setup.key,
            opaque: Opaque::new(setup.secret),
            ledger: Ledger::open(file).await?,
            access_token_life_s: setup.access_token_life_s,
            admins: setup
                .admins
                .iter()
                .filter_map(|email| person::normalize_email(email))
                .collect(),
            clock: setup.clock,
            wrong_codes: Mutex::new(Attempts::default()),
        })
    }

    pub(crate) async fn close(&self) {
        self.ledger.close().await;
    }

    pub(crate) fn issuer_url(base_url: &str) -> String {
        format!("{base_url}/idp")
    }

    pub(crate) fn sign_in_config(base_url: &str) -> wire::SignInConfig {
        let issuer = Self::issuer_url(base_url);
        wire::SignInConfig {
            client_id: CLIENT_ID.to_owned(),
            device_authorization_endpoint: format!("{issuer}/oauth2/device_authorization"),
            token_endpoint: format!("{issuer}/oauth2/token"),
            scopes: SCOPES.iter().map(|&scope| scope.to_owned()).collect(),
            pkce: true,
            issuer,
        }
    }

    /// The terms on which the server accepts this provider's tokens.
    pub(crate) fn issuer(&self) -> Issuer {
        let document = self.key.key_set().to_string();
        let keys = KeySet::parse(document.as_bytes()).expect("our own key set is a sound one");
        Issuer {
            names: vec![Self::issuer_url(&self.base_url)],
            terms: Terms {
                kind: IssuerKind::UserManagement,
                audiences: vec![CLIENT_ID.to_owned()],
                client_ids: vec![CLIENT_ID.to_owned()],
                max_life_s: MAX_ACCESS_TOKEN_LIFE_S,
                leeway_s: 0,
            },
            keys: IssuerKeys::Fixed(Arc::new(keys)),
        }
    }

    /// What this provider's tokens say of the people who are administrators here.
    pub(crate) fn admin_settings() -> AdminSettings {
        AdminSettings {
            organization: ADMIN_ORGANIZATION.to_owned(),
            role: ADMIN_ROLE.to_owned(),
            client: None,
        }
    }

    fn now(&self) -> i64 {
        (self.clock)()
    }

    /// Signs the access token that goes with a refresh token.
    ///
    /// The same refresh token always gives the same access token, so that a repeated refresh
    /// can be answered as before without keeping any token.
    fn tokens(
        &self,
        session: &Session,
        refresh: SecretString,
        issued_at: i64,
    ) -> Result<Tokens, signing::SigningError> {
        let issued_s = issued_at / 1000;
        let expires_s = issued_s + self.access_token_life_s;
        let mut claims = serde_json::json!({
            "iss": Self::issuer_url(&self.base_url),
            "aud": session.client_id,
            "sub": person::subject(&session.email),
            "sid": session.sid,
            "jti": self.opaque.token_id(&refresh),
            "email": session.email,
            "scope": session.scope,
            "iat": issued_s,
            "exp": expires_s,
        });
        if self.admins.contains(&session.email) {
            claims["org_id"] = ADMIN_ORGANIZATION.into();
            claims["role"] = ADMIN_ROLE.into();
        }
        Ok(Tokens {
            access: self.key.sign(&claims)?,
            refresh,
            expires_in_s: (expires_s - self.now() / 1000).max(0),
            scope: session.scope.clone(),
        })
    }
}

pub(crate) fn routes() -> Routes {
    endpoints::routes()
        .and(page::routes())
        .and(helpers::routes())
}
