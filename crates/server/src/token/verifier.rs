//! Accepts or refuses a token, once by its signature and then for as long as nothing changed.

use std::sync::Arc;

use futures::future;
use jsonwebtoken::{Algorithm, crypto};
use moka::sync::Cache;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use super::claims::{self, Claims};
use super::fetch::FetchKeys;
use super::issuer::{Issuer, IssuerKeys, IssuerKind};
use super::settings::IssuerSettings;
use super::{TokenRefusal, shape};
use crate::clock::Clock;

/// How many verified tokens are remembered; each is about a kilobyte.
const REMEMBERED: u64 = 10_000;

/// A token that was accepted.
#[derive(Clone, Debug)]
pub(crate) struct Accepted {
    pub(crate) claims: Arc<Claims>,
    pub(crate) kind: IssuerKind,
}

#[derive(Clone)]
struct Remembered {
    claims: Arc<Claims>,
    issuer: usize,
    generation: u64,
}

pub(crate) struct Verifier {
    issuers: Vec<Issuer>,
    verified: Cache<[u8; 32], Remembered>,
}

impl Verifier {
    pub(crate) fn new(issuers: Vec<Issuer>) -> Self {
        Self {
            issuers,
            verified: Cache::new(REMEMBERED),
        }
    }

    /// A verifier for issuers elsewhere, whose keys `run` and the first tokens fetch.
    pub(crate) fn of_issuers(
        settings: &[IssuerSettings],
        fetcher: &Arc<dyn FetchKeys>,
        clock: &Clock,
    ) -> Self {
        let issuers = settings.iter();
        Self::new(
            issuers
                .map(|issuer| issuer.issuer(fetcher, clock))
                .collect(),
        )
    }

    /// Accepts or refuses a token at `now_s` (Unix seconds).
    pub(crate) async fn verify(&self, token: &str, now_s: i64) -> Result<Accepted, TokenRefusal> {
        if token.len() > shape::MAX_BYTES {
            return Err(TokenRefusal::TooLong);
        }
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        if let Some((known, issuer)) = self.recall(&digest) {
            claims::judge_times(&known.claims, &issuer.terms, now_s)?;
            return Ok(Accepted {
                claims: known.claims,
                kind: issuer.terms.kind,
            });
        }
        let unverified = shape::read(token)?;
        let (index, issuer) = self
            .issuers
            .iter()
            .enumerate()
            .find(|(_, issuer)| issuer.names.contains(&unverified.issuer))
            .ok_or(TokenRefusal::UnknownIssuer)?;
        let found = issuer.keys.find(&unverified.key_id).await?;
        let genuine = crypto::verify(
            unverified.signature,
            unverified.message,
            &found.key,
            Algorithm::RS256,
        );
        if !genuine.unwrap_or(false) {
            return Err(TokenRefusal::BadSignature);
        }
        let claims: Claims = serde_json::from_value(Value::Object(unverified.claims))
            .map_err(|_| TokenRefusal::ClaimsMalformed)?;
        claims::judge(&claims, &issuer.terms, now_s)?;
        let claims = Arc::new(claims);
        self.verified.insert(
            digest,
            Remembered {
                claims: Arc::clone(&claims),
                issuer: index,
                generation: found.generation,
            },
        );
        Ok(Accepted {
            claims,
            kind: issuer.terms.kind,
        })
    }

    /// Whether every issuer's keys are here.
    pub(crate) fn has_all_keys(&self) -> bool {
        self.issuers
            .iter()
            .all(|issuer| issuer.keys.generation().is_some())
    }

    /// Fetches keys at once and whenever they are due, until told to stop.
    pub(crate) async fn run(self: Arc<Self>, cancel: CancellationToken) {
        let caches = self.issuers.iter().filter_map(|issuer| match &issuer.keys {
            IssuerKeys::Fetched(cache) => Some(Arc::clone(cache)),
            IssuerKeys::Fixed(_) => None,
        });
        future::join_all(caches.map(|cache| cache.run(cancel.clone()))).await;
        // Without keys to fetch there is nothing to do, which is not the end.
        cancel.cancelled().await;
    }

    /// A token accepted before, if the keys are still those that it was accepted with.
    fn recall(&self, digest: &[u8; 32]) -> Option<(Remembered, &Issuer)> {
        let known = self.verified.get(digest)?;
        let issuer = self.issuers.get(known.issuer)?;
        (issuer.keys.generation() == Some(known.generation)).then_some((known, issuer))
    }
}
