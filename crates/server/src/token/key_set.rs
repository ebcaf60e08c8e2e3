//! A key set (RFC 7517) as an issuer publishes it, and the keys in it that may verify tokens.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::strict_json;

/// No issuer's key set is larger.
pub(crate) const MAX_BYTES: usize = 256 * 1024;
const MAX_KEYS: usize = 50;
const MAX_DEPTH: usize = 6;
const MODULUS_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeySetError {
    #[error("larger than a key set may be")]
    TooLarge,
    #[error("not a key set")]
    Malformed,
    #[error("more keys than a key set may have")]
    TooManyKeys,
    #[error("no key in it can verify a token")]
    NoUsableKey,
}

/// Keys by their ids.
pub(crate) struct KeySet {
    keys: BTreeMap<String, DecodingKey>,
    /// Equal for sets with the same keys.
    pub(super) fingerprint: [u8; 32],
}

impl KeySet {
    /// Reads a published key set; keys that cannot or may not verify RS256 are left out.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, KeySetError> {
        if bytes.len() > MAX_BYTES {
            return Err(KeySetError::TooLarge);
        }
        let document = strict_json::parse(bytes, MAX_DEPTH).map_err(|_| KeySetError::Malformed)?;
        let listed = document
            .get("keys")
            .and_then(Value::as_array)
            .ok_or(KeySetError::Malformed)?;
        if listed.len() > MAX_KEYS {
            return Err(KeySetError::TooManyKeys);
        }
        let mut parts: BTreeMap<&str, Option<RsaParts<'_>>> = BTreeMap::new();
        for key in listed.iter().filter_map(Value::as_object) {
            let Some(kid) = text(key, "kid").filter(|kid| !kid.is_empty()) else {
                continue;
            };
            // Two keys of one name: a token could not say which of them it means.
            parts
                .entry(kid)
                .and_modify(|known| *known = None)
                .or_insert_with(|| usable(key));
        }
        Self::from_parts(parts.into_iter().filter_map(|(kid, key)| Some((kid, key?))))
    }

    fn from_parts<'a>(
        parts: impl Iterator<Item = (&'a str, RsaParts<'a>)>,
    ) -> Result<Self, KeySetError> {
        let mut fingerprint = Sha256::new();
        let mut keys = BTreeMap::new();
        for (kid, RsaParts { n, e }) in parts {
            let Ok(key) = DecodingKey::from_rsa_components(n, e) else {
                continue;
            };
            for field in [kid, n, e] {
                fingerprint.update(field.len().to_be_bytes());
                fingerprint.update(field);
            }
            keys.insert(kid.to_owned(), key);
        }
        if keys.is_empty() {
            return Err(KeySetError::NoUsableKey);
        }
        Ok(Self {
            keys,
            fingerprint: fingerprint.finalize().into(),
        })
    }

    pub(super) fn get(&self, key_id: &str) -> Option<&DecodingKey> {
        self.keys.get(key_id)
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }
}

struct RsaParts<'a> {
    n: &'a str,
    e: &'a str,
}

/// The parts of a key that may verify signatures made with RS256.
fn usable(key: &Map<String, Value>) -> Option<RsaParts<'_>> {
    let for_signatures = text(key, "kty") == Some("RSA")
        && text(key, "use") == Some("sig")
        && (!key.contains_key("alg") || text(key, "alg") == Some("RS256"))
        && key.get("key_ops").is_none_or(may_verify);
    // A private key that everybody can read vouches for nobody.
    if !for_signatures || key.contains_key("d") {
        return None;
    }
    let n = text(key, "n")?;
    let e = text(key, "e")?;
    let sound = MODULUS_BITS.contains(&bits(n)?) && is_sound_exponent(e)?;
    sound.then_some(RsaParts { n, e })
}

fn may_verify(operations: &Value) -> bool {
    operations
        .as_array()
        .is_some_and(|list| list.iter().any(|name| name == "verify"))
}

fn text<'a>(key: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    key.get(name)?.as_str()
}

/// The length of a base64url number in bits.
fn bits(number: &str) -> Option<usize> {
    let bytes = URL_SAFE_NO_PAD.decode(number).ok()?;
    let first = bytes.iter().position(|&byte| byte != 0)?;
    let leading = usize::try_from(bytes[first].leading_zeros()).ok()?;
    Some((bytes.len() - first) * 8 - leading)
}

/// Odd, more than one, at most 32 bits.
fn is_sound_exponent(number: &str) -> Option<bool> {
    let bytes = URL_SAFE_NO_PAD.decode(number).ok()?;
    let odd = bytes.last().is_some_and(|last| last % 2 == 1);
    Some(odd && (2..=32).contains(&bits(number)?))
}
