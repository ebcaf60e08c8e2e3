//! What a token must look like before any cryptography, and before its claims mean anything.
//!
//! Keys are named by `kid` alone: `jku`, `jwk`, `x5u` and `x5c` may be there and are not read.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::{TokenRefusal, strict_json};

pub(super) const MAX_BYTES: usize = 8 * 1024;
const MAX_DEPTH: usize = 8;
const MAX_KEY_ID_BYTES: usize = 256;

/// A token in its parts, none of which is to be believed yet.
#[derive(Debug, PartialEq)]
pub(super) struct Unverified<'a> {
    pub(super) issuer: String,
    pub(super) key_id: String,
    pub(super) claims: Map<String, Value>,
    /// What was signed.
    pub(super) message: &'a [u8],
    pub(super) signature: &'a str,
}

pub(super) fn read(token: &str) -> Result<Unverified<'_>, TokenRefusal> {
    if token.len() > MAX_BYTES {
        return Err(TokenRefusal::TooLong);
    }
    let (message, signature) = token.rsplit_once('.').ok_or(TokenRefusal::Malformed)?;
    let (header, payload) = message.split_once('.').ok_or(TokenRefusal::Malformed)?;
    if ![header, payload, signature].into_iter().all(is_base64url) {
        return Err(TokenRefusal::Malformed);
    }
    let key_id = key_id(&decode(header)?)?;
    let claims = decode(payload)?;
    let issuer = claims
        .get("iss")
        .and_then(Value::as_str)
        .ok_or(TokenRefusal::Malformed)?
        .to_owned();
    Ok(Unverified {
        issuer,
        key_id,
        claims,
        message: message.as_bytes(),
        signature,
    })
}

/// Judges the header, and gives the key it names.
fn key_id(header: &Map<String, Value>) -> Result<String, TokenRefusal> {
    match header.get("alg") {
        Some(Value::String(alg)) if alg == "RS256" => {}
        Some(Value::String(_)) => return Err(TokenRefusal::WrongAlgorithm),
        _ => return Err(TokenRefusal::Malformed),
    }
    if ["crit", "b64", "zip", "cty"]
        .iter()
        .any(|name| header.contains_key(*name))
    {
        return Err(TokenRefusal::ExtensionAsked);
    }
    match header.get("typ") {
        None => {}
        Some(Value::String(typ)) if is_access_token_type(typ) => {}
        Some(Value::String(_)) => return Err(TokenRefusal::WrongType),
        Some(_) => return Err(TokenRefusal::Malformed),
    }
    match header.get("kid") {
        None => Err(TokenRefusal::KeyMissing),
        Some(Value::String(kid)) if kid.is_empty() => Err(TokenRefusal::KeyMissing),
        Some(Value::String(kid)) if kid.len() <= MAX_KEY_ID_BYTES => Ok(kid.clone()),
        Some(_) => Err(TokenRefusal::Malformed),
    }
}

/// RFC 7515, 4.1.9: media types compare without case, and `application/` may be left out.
fn is_access_token_type(typ: &str) -> bool {
    let typ = typ.to_ascii_lowercase();
    matches!(
        typ.strip_prefix("application/").unwrap_or(&typ),
        "jwt" | "at+jwt"
    )
}

fn is_base64url(part: &str) -> bool {
    !part.is_empty()
        && part
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn decode(part: &str) -> Result<Map<String, Value>, TokenRefusal> {
    let bytes = URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| TokenRefusal::Malformed)?;
    match strict_json::parse(&bytes, MAX_DEPTH) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) | Err(_) => Err(TokenRefusal::Malformed),
    }
}
