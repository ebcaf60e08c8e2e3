//! Whom a request is about, and by what it proved that.

use crate::app::App;
use crate::error::ApiError;
use crate::token::Claims;

/// Whom a token or key is about, and who acts with it.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) subject: String,
    /// For audit events: names a key, and somebody who acts in the subject's name, too.
    pub(super) actor: String,
    pub(super) proof: Proof,
}

/// What a caller showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// Of a person who signed in. Unix seconds.
    Token { expires_at_s: i64 },
    /// Of a program that a person trusts.
    ApiKey { hash: String },
}

impl Caller {
    pub(super) fn of(claims: &Claims) -> Self {
        Self {
            subject: claims.sub.clone(),
            actor: match &claims.act {
                Some(actor) => format!("{} as {}", actor.sub, claims.sub),
                None => claims.sub.clone(),
            },
            proof: Proof::Token {
                expires_at_s: claims.exp,
            },
        }
    }

    /// Refuses programs: whoever holds a key must not be able to outlive its end.
    pub(super) fn in_person(&self) -> Result<(), ApiError> {
        match self.proof {
            Proof::Token { .. } => Ok(()),
            Proof::ApiKey { .. } => Err(ApiError::SignInNeeded),
        }
    }

    /// Looks again whether what the caller showed still counts.
    pub(super) async fn is_still_good(&self, app: &App) -> Result<(), ApiError> {
        let good = match &self.proof {
            Proof::Token { expires_at_s } => *expires_at_s > app.now() / 1000,
            Proof::ApiKey { hash } => app.store.find_key_holder(hash).await?.is_some(),
        };
        if good {
            Ok(())
        } else {
            Err(ApiError::TokenRejected)
        }
    }
}
