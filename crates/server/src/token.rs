//! Decides whether a bearer token is one of ours to trust.
//!
//! What the library leaves out is checked here: the shape before it, the claims after it. An
//! issuer is found by exact comparison in a list, and its keys verify its tokens only.

mod shape;

use std::collections::HashMap;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;

/// Why a token was not accepted. For logs only; the caller learns that it was not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenRefusal {
    #[error("longer than a token can be")]
    TooLong,
    #[error("not a signed token")]
    Malformed,
    #[error("not signed with RS256")]
    WrongAlgorithm,
    #[error("names no key")]
    KeyMissing,
    #[error("its header asks for an extension")]
    ExtensionAsked,
    #[error("its type is not that of an access token")]
    WrongType,
    #[error("from an issuer that is not configured")]
    UnknownIssuer,
    #[error("signed with a key its issuer does not have")]
    UnknownKey,
    #[error("its signature is wrong")]
    BadSignature,
    #[error("a required claim is missing or has the wrong form")]
    ClaimsMalformed,
    #[error("an ID token, not an access token")]
    IdToken,
    #[error("expired")]
    Expired,
    #[error("not valid yet")]
    NotYetValid,
    #[error("issued in the future")]
    IssuedAhead,
    #[error("valid for longer than its issuer may say")]
    LivesTooLong,
    #[error("meant for another audience")]
    WrongAudience,
    #[error("speaks for a client, not for a person")]
    NotAPerson,
}

/// What an accepted token says.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Claims {
    iss: String,
    pub(crate) sub: String,
    sid: String,
    jti: String,
    exp: i64,
    iat: Option<i64>,
    nbf: Option<i64>,
    aud: Option<Audience>,
    nonce: Option<serde_json::Value>,
    pub(crate) email: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    fn contains(&self, wanted: &str) -> bool {
        match self {
            Self::One(name) => name == wanted,
            Self::Many(names) => names.iter().any(|name| name == wanted),
        }
    }
}

/// An issuer whose tokens are accepted, and on which terms.
pub(crate) struct Issuer {
    pub(crate) name: String,
    /// The client the tokens must be meant for, where the issuer says so.
    pub(crate) client_id: String,
    pub(crate) max_life_s: i64,
    /// How far this issuer's clock may be from ours.
    pub(crate) leeway_s: i64,
    pub(crate) keys: HashMap<String, DecodingKey>,
}

pub(crate) struct Verifier {
    issuers: Vec<Issuer>,
    validation: Validation,
}

impl Verifier {
    pub(crate) fn new(issuers: Vec<Issuer>) -> Self {
        let mut validation = Validation::new(Algorithm::RS256);
        // Claims are judged below, by the clock that the caller passes in.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        Self {
            issuers,
            validation,
        }
    }

    /// Accepts or refuses a token at `now_s` (Unix seconds).
    pub(crate) fn verify(&self, token: &str, now_s: i64) -> Result<Claims, TokenRefusal> {
        let unverified = shape::read(token)?;
        let issuer = self
            .issuers
            .iter()
            .find(|issuer| issuer.name == unverified.issuer)
            .ok_or(TokenRefusal::UnknownIssuer)?;
        let key = issuer
            .keys
            .get(&unverified.key_id)
            .ok_or(TokenRefusal::UnknownKey)?;
        let claims = jsonwebtoken::decode::<Claims>(token, key, &self.validation)
            .map_err(|error| {
                if matches!(error.kind(), ErrorKind::Json(_)) {
                    TokenRefusal::ClaimsMalformed
                } else {
                    TokenRefusal::BadSignature
                }
            })?
            .claims;
        judge(&claims, issuer, now_s)?;
        Ok(claims)
    }
}

fn judge(claims: &Claims, issuer: &Issuer, now_s: i64) -> Result<(), TokenRefusal> {
    if claims.iss != issuer.name || claims.sid.is_empty() || claims.jti.is_empty() {
        return Err(TokenRefusal::ClaimsMalformed);
    }
    if claims.nonce.is_some() {
        return Err(TokenRefusal::IdToken);
    }
    if claims.sub.is_empty() || claims.sub == issuer.client_id {
        return Err(TokenRefusal::NotAPerson);
    }
    if claims.exp <= now_s.saturating_sub(issuer.leeway_s) {
        return Err(TokenRefusal::Expired);
    }
    let latest = now_s.saturating_add(issuer.leeway_s);
    if claims.exp > latest.saturating_add(issuer.max_life_s) {
        return Err(TokenRefusal::LivesTooLong);
    }
    if claims.nbf.is_some_and(|nbf| nbf > latest) {
        return Err(TokenRefusal::NotYetValid);
    }
    if claims.iat.is_some_and(|iat| iat > latest) {
        return Err(TokenRefusal::IssuedAhead);
    }
    if !claims
        .aud
        .as_ref()
        .is_some_and(|aud| aud.contains(&issuer.client_id))
    {
        return Err(TokenRefusal::WrongAudience);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
