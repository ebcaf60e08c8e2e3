//! Who may vouch for people, and on which terms.

use std::sync::Arc;

use super::TokenRefusal;
use super::key_cache::KeyCache;
use super::key_set::KeySet;
use super::key_state::Found;

/// The two kinds of issuer, which differ in what their tokens say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IssuerKind {
    /// One client's people: no `aud` as a rule, but a key set for each client; says organization
    /// and role.
    UserManagement,
    /// Many clients' people: `aud` is the client or a resource; says no role.
    Connect,
}

/// What a token of an issuer must fulfil besides its signature.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) kind: IssuerKind,
    /// For whom tokens may be meant.
    pub(crate) audiences: Vec<String>,
    /// Clients, which are no people.
    pub(crate) client_ids: Vec<String>,
    pub(crate) max_life_s: i64,
    /// How far this issuer's clock may be from ours.
    pub(crate) leeway_s: i64,
}

/// An issuer whose tokens are accepted.
pub(crate) struct Issuer {
    /// Every `iss` it uses, to be met exactly.
    pub(crate) names: Vec<String>,
    pub(crate) terms: Terms,
    pub(crate) keys: IssuerKeys,
}

#[cfg(test)]
impl Issuer {
    pub(crate) fn for_tests(name: &str, client_id: &str, key: &crate::idp::SigningKey) -> Self {
        let keys = KeySet::parse(key.key_set().to_string().as_bytes()).unwrap();
        Self {
            names: vec![name.to_owned()],
            terms: Terms {
                kind: IssuerKind::Connect,
                audiences: vec![client_id.to_owned()],
                client_ids: vec![client_id.to_owned()],
                max_life_s: 3_600,
                leeway_s: 5,
            },
            keys: IssuerKeys::Fixed(Arc::new(keys)),
        }
    }
}

/// Where an issuer's keys come from.
pub(crate) enum IssuerKeys {
    /// The issuer is part of this deployment.
    Fixed(Arc<KeySet>),
    Fetched(Arc<KeyCache>),
}

impl IssuerKeys {
    pub(super) async fn find(&self, key_id: &str) -> Result<Found, TokenRefusal> {
        match self {
            Self::Fixed(set) => match set.get(key_id) {
                Some(key) => Ok(Found {
                    key: key.clone(),
                    generation: 0,
                }),
                None => Err(TokenRefusal::UnknownKey),
            },
            Self::Fetched(cache) => cache.find(key_id).await,
        }
    }

    /// Names the keys that are good now; another name means other keys.
    pub(super) fn generation(&self) -> Option<u64> {
        match self {
            Self::Fixed(_) => Some(0),
            Self::Fetched(cache) => cache.generation(),
        }
    }
}
