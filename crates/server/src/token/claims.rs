//! What a token says, and whether that is enough to be believed.

use serde::Deserialize;

use super::TokenRefusal;
use super::issuer::{IssuerKind, Terms};

/// What an accepted token says.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Claims {
    pub(crate) sub: String,
    pub(super) sid: String,
    pub(crate) jti: String,
    pub(crate) exp: i64,
    iat: Option<i64>,
    nbf: Option<i64>,
    pub(super) aud: Option<Audience>,
    client_id: Option<String>,
    azp: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) org_id: Option<String>,
    role: Option<String>,
    #[serde(default)]
    roles: Vec<String>,
    /// Who really acts, where somebody acts in this person's name (RFC 8693, 4.1).
    pub(crate) act: Option<Actor>,
    nonce: Option<serde_json::Value>,
    at_hash: Option<serde_json::Value>,
    c_hash: Option<serde_json::Value>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Actor {
    pub(crate) sub: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(super) enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    pub(super) fn names(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Many(names) => names,
        }
    }
}

impl Claims {
    pub(crate) fn has_role(&self, wanted: &str) -> bool {
        self.role.as_deref() == Some(wanted) || self.roles.iter().any(|role| role == wanted)
    }

    /// Whether the token is meant for this audience and for nobody else.
    pub(crate) fn is_for(&self, audience: &str) -> bool {
        self.aud
            .as_ref()
            .is_some_and(|aud| aud.names() == [audience])
    }
}

/// Judges the claims of a token whose signature is good, at `now_s` (Unix seconds).
pub(super) fn judge(claims: &Claims, terms: &Terms, now_s: i64) -> Result<(), TokenRefusal> {
    if claims.nonce.is_some() || claims.at_hash.is_some() || claims.c_hash.is_some() {
        return Err(TokenRefusal::IdToken);
    }
    if claims.sid.is_empty()
        || claims.jti.is_empty()
        || claims.act.as_ref().is_some_and(|act| act.sub.is_empty())
    {
        return Err(TokenRefusal::ClaimsMalformed);
    }
    if claims.sub.is_empty() || is_a_client(claims, terms) {
        return Err(TokenRefusal::NotAPerson);
    }
    judge_times(claims, terms, now_s)?;
    judge_audience(claims, terms)
}

/// A machine's own token has the client for its subject.
fn is_a_client(claims: &Claims, terms: &Terms) -> bool {
    let subject = Some(&claims.sub);
    claims.client_id.as_ref() == subject
        || claims.azp.as_ref() == subject
        || terms.client_ids.contains(&claims.sub)
        || terms.audiences.contains(&claims.sub)
}

/// Judges what changes as time goes by.
pub(super) fn judge_times(claims: &Claims, terms: &Terms, now_s: i64) -> Result<(), TokenRefusal> {
    if claims.exp <= now_s.saturating_sub(terms.leeway_s) {
        return Err(TokenRefusal::Expired);
    }
    let latest = now_s.saturating_add(terms.leeway_s);
    if claims.exp > latest.saturating_add(terms.max_life_s) {
        return Err(TokenRefusal::LivesTooLong);
    }
    if claims.nbf.is_some_and(|nbf| nbf > latest) {
        return Err(TokenRefusal::NotYetValid);
    }
    if claims.iat.is_some_and(|iat| iat > latest) {
        return Err(TokenRefusal::IssuedAhead);
    }
    Ok(())
}

fn judge_audience(claims: &Claims, terms: &Terms) -> Result<(), TokenRefusal> {
    let named = |aud: &Audience| {
        aud.names()
            .iter()
            .any(|name| terms.audiences.contains(name))
    };
    match (terms.kind, &claims.aud) {
        (_, Some(aud)) if named(aud) => Ok(()),
        // The issuer has a key set for each client, which says as much as an audience would.
        (IssuerKind::UserManagement, None) if terms.audiences.is_empty() => Ok(()),
        (IssuerKind::UserManagement | IssuerKind::Connect, _) => Err(TokenRefusal::WrongAudience),
    }
}
