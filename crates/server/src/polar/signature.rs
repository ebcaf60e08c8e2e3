//! Who signed a delivery: Standard Webhooks with both of Polar's key derivations.
//!
//! The signed text is `{webhook-id}.{webhook-timestamp}.{raw body}`, the algorithm HMAC-SHA256,
//! and the signature header a list of `v1,<base64>`. Since 2026-09-08 Polar's key is what
//! `whsec_` stands before, decoded; older secrets and those that merchants chose are keys as
//! they are written, prefix included. Which one applies is not told, so both are tried.

use axum::http::HeaderMap;
use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};

const ID: &str = "webhook-id";
const TIMESTAMP: &str = "webhook-timestamp";
const SIGNATURE: &str = "webhook-signature";
/// How far a delivery's time may be from ours, both ways, in seconds (Standard Webhooks).
const TOLERANCE_S: i64 = 300;
const PREFIX: &str = "whsec_";
const SHORTEST_SECRET: usize = 16;
const LONGEST_ID: usize = 128;
const MOST_SIGNATURES: usize = 16;
const LONGEST_SIGNATURES: usize = 2048;

/// Reads base64 as web platforms do: padding and trailing bits do not matter.
const FORGIVING: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Why a webhook secret cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SecretError {
    #[error("no webhook secret is given")]
    None,
    #[error("a webhook secret is shorter than {SHORTEST_SECRET} characters")]
    TooShort,
}

/// Why a delivery is not believed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum SignatureRefusal {
    #[error("the header {0} is missing, repeated or not text")]
    Header(&'static str),
    #[error("the delivery's id is malformed")]
    Id,
    #[error("the delivery's time is malformed")]
    Timestamp,
    #[error("the delivery is older than {TOLERANCE_S} seconds")]
    TooOld,
    #[error("the delivery is more than {TOLERANCE_S} seconds in the future")]
    TooNew,
    #[error("the delivery has too many signatures")]
    TooManySignatures,
    #[error("no signature matches")]
    NoMatch,
}

/// What a delivery says of itself in its headers, before any of it is believed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SignedHeaders<'a> {
    pub(crate) id: &'a str,
    timestamp: &'a str,
    signatures: &'a str,
}

impl<'a> SignedHeaders<'a> {
    /// Reads the three headers and compares the time with `now_s`, in Unix seconds.
    pub(crate) fn read(headers: &'a HeaderMap, now_s: i64) -> Result<Self, SignatureRefusal> {
        let id = only(headers, ID)?;
        let timestamp = only(headers, TIMESTAMP)?;
        let signatures = only(headers, SIGNATURE)?;
        // A dot would make two readings of one signed text possible.
        let well_formed = |byte: u8| byte.is_ascii_graphic() && byte != b'.';
        if id.is_empty() || id.len() > LONGEST_ID || !id.bytes().all(well_formed) {
            return Err(SignatureRefusal::Id);
        }
        let sent_at = unix_seconds(timestamp).ok_or(SignatureRefusal::Timestamp)?;
        if now_s - sent_at > TOLERANCE_S {
            return Err(SignatureRefusal::TooOld);
        }
        if sent_at - now_s > TOLERANCE_S {
            return Err(SignatureRefusal::TooNew);
        }
        if signatures.len() > LONGEST_SIGNATURES || signatures.split(' ').count() > MOST_SIGNATURES
        {
            return Err(SignatureRefusal::TooManySignatures);
        }
        Ok(Self {
            id,
            timestamp,
            signatures,
        })
    }
}

fn only<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a str, SignatureRefusal> {
    let mut values = headers.get_all(name).iter();
    match (values.next().map(|value| value.to_str()), values.next()) {
        (Some(Ok(value)), None) => Ok(value),
        _ => Err(SignatureRefusal::Header(name)),
    }
}

/// Reads plain decimal digits; other libraries' leniencies (signs, spaces, fractions) are not.
fn unix_seconds(text: &str) -> Option<i64> {
    let digits = (1..=12).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && !text.starts_with('0');
    if digits { text.parse().ok() } else { None }
}

/// The keys that deliveries may be signed with.
#[derive(Debug)]
pub(crate) struct SigningKeys(Vec<SecretSlice<u8>>);

impl SigningKeys {
    /// Derives both keys of every secret. Several secrets are for the time of a rotation.
    pub(crate) fn new(secrets: &[SecretString]) -> Result<Self, SecretError> {
        if secrets.is_empty() {
            return Err(SecretError::None);
        }
        let mut keys: Vec<SecretSlice<u8>> = Vec::new();
        for secret in secrets {
            let text = secret.expose_secret();
            let encoded = encoded(secret)?;
            keys.push(text.as_bytes().to_vec().into());
            if let Ok(decoded) = FORGIVING.decode(encoded) {
                keys.push(decoded.into());
            }
        }
        Ok(Self(keys))
    }

    /// Compares every signature with every key, in the same time wherever they differ.
    pub(crate) fn verify(
        &self,
        headers: &SignedHeaders<'_>,
        body: &[u8],
    ) -> Result<(), SignatureRefusal> {
        let given: Vec<Vec<u8>> = headers
            .signatures
            .split(' ')
            .filter_map(|signature| signature.strip_prefix("v1,"))
            .filter_map(|encoded| STANDARD.decode(encoded).ok())
            .collect();
        let mut matches = Choice::from(0);
        for key in &self.0 {
            let expected = sign(key.expose_secret(), headers.id, headers.timestamp, body);
            for signature in &given {
                matches |= expected.as_slice().ct_eq(signature);
            }
        }
        if bool::from(matches) {
            Ok(())
        } else {
            Err(SignatureRefusal::NoMatch)
        }
    }
}

/// Whether deliveries can be verified with this secret.
///
/// # Errors
/// If it is too short to be one.
pub(crate) fn check_secret(secret: &SecretString) -> Result<(), SecretError> {
    encoded(secret).map(drop)
}

/// The part of a secret that chance has made.
fn encoded(secret: &SecretString) -> Result<&str, SecretError> {
    let text = secret.expose_secret();
    let encoded = text.strip_prefix(PREFIX).unwrap_or(text);
    if encoded.len() < SHORTEST_SECRET {
        return Err(SecretError::TooShort);
    }
    Ok(encoded)
}

fn sign(key: &[u8], id: &str, timestamp: &str, body: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of every length");
    for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests;
