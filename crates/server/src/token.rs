//! Decides whether a bearer token is one of ours to trust.
//!
//! An issuer is found by exact comparison in a list, never by an address in a token, and its
//! keys vouch for its own tokens only. The order is: shape, issuer, key, signature, claims; no
//! claim but `iss` is looked at before the signature is known to be good. What is remembered of
//! a token spares its signature only: times are judged again, and who the person is to us is
//! for the database to say.

mod claims;
mod fetch;
mod issuer;
mod key_cache;
mod key_set;
mod key_state;
mod memberships;
mod settings;
mod shape;
mod strict_json;
mod verifier;

pub(crate) use claims::Claims;
pub(crate) use fetch::{FetchKeys, HttpKeys, KeyTransport};
pub(crate) use issuer::{Issuer, IssuerKeys, IssuerKind, Terms};
pub(crate) use key_set::KeySet;
pub(crate) use memberships::{MembershipError, Memberships, WorkosDirectory};
pub(crate) use settings::IssuerSettings;
pub(crate) use verifier::{Accepted, Verifier};

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
    #[error("its issuer's keys are not to be had now")]
    KeysUnavailable { retry_after_s: u64 },
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

#[cfg(test)]
mod tests;
