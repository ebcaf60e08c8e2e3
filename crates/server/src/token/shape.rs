//! What a token must look like before any cryptography, and before its claims mean anything.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::TokenRefusal;

const MAX_BYTES: usize = 8 * 1024;

/// What an unverified token claims, enough to look up the key that may verify it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unverified {
    pub(super) issuer: String,
    pub(super) key_id: String,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    #[serde(default, deserialize_with = "present")]
    crit: Option<Present>,
    #[serde(default, deserialize_with = "present")]
    b64: Option<Present>,
    #[serde(default, deserialize_with = "present")]
    zip: Option<Present>,
    #[serde(default, deserialize_with = "present")]
    cty: Option<Present>,
}

#[derive(Deserialize)]
struct Payload {
    iss: String,
}

/// The header has the field, whatever its value; `null` counts too.
struct Present;

fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Present>, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| Some(Present))
}

pub(super) fn read(token: &str) -> Result<Unverified, TokenRefusal> {
    if token.len() > MAX_BYTES {
        return Err(TokenRefusal::TooLong);
    }
    let mut parts = token.split('.');
    let (Some(header), Some(payload), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(TokenRefusal::Malformed);
    };
    if ![header, payload, signature].into_iter().all(is_base64url) {
        return Err(TokenRefusal::Malformed);
    }
    let header: Header = decode(header)?;
    if header.alg != "RS256" {
        return Err(TokenRefusal::WrongAlgorithm);
    }
    if [header.crit, header.b64, header.zip, header.cty]
        .iter()
        .any(Option::is_some)
    {
        return Err(TokenRefusal::ExtensionAsked);
    }
    if !matches!(header.typ.as_deref(), None | Some("JWT" | "at+jwt")) {
        return Err(TokenRefusal::WrongType);
    }
    let key_id = header
        .kid
        .filter(|kid| !kid.is_empty())
        .ok_or(TokenRefusal::KeyMissing)?;
    let payload: Payload = decode(payload)?;
    Ok(Unverified {
        issuer: payload.iss,
        key_id,
    })
}

fn is_base64url(part: &str) -> bool {
    !part.is_empty()
        && part
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn decode<T: for<'de> Deserialize<'de>>(part: &str) -> Result<T, TokenRefusal> {
    let bytes = URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| TokenRefusal::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| TokenRefusal::Malformed)
}
