use std::collections::BTreeMap;
use std::fmt;

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use secrecy::{ExposeSecret, SecretBox};
use sha2::{Digest, Sha256};
use wire::{SignedHeaders, canonical_message};

use crate::nonces::Nonces;

/// How far the signer's clock and ours may be apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Seconds for which a signature is good.
    pub(crate) behind_s: i64,
    /// Seconds by which a signer may be ahead of our clock.
    pub(crate) ahead_s: i64,
}

impl Window {
    /// A machine whose clock always goes.
    pub const STEADY: Self = Self {
        behind_s: 60,
        ahead_s: 60,
    };
    /// A machine that is suspended and resumed: its clock lags until it is set again.
    pub const RESUMED: Self = Self {
        behind_s: 60,
        ahead_s: 300,
    };

    fn has(self, signed_at: i64, now_s: i64) -> bool {
        (now_s - self.behind_s..=now_s + self.ahead_s).contains(&signed_at)
    }

    /// When a signature is good for nothing any more, by our clock.
    pub(crate) fn ends(self, signed_at: i64) -> i64 {
        signed_at + self.behind_s
    }
}

const MAX_NONCE_BYTES: usize = 64;

/// Why a request does not count as the proxy's. For logs; the sender learns only that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureRefusal {
    #[error("the request is not signed")]
    Unsigned,
    #[error("a header of the signature is missing, doubled or malformed")]
    Malformed,
    #[error("the signature's key is not one of ours")]
    UnknownKey,
    #[error("the request is for another tenant")]
    WrongTenant,
    #[error("the signature was made too long ago, or in the future")]
    OutsideWindow,
    #[error("the signature does not fit the request")]
    WrongSignature,
    #[error("the body is not the one that was signed")]
    WrongBody,
    #[error("the request was seen before")]
    Replayed,
}

/// A key for the requests to one tenant.
pub struct RequestKey(SecretBox<[u8; 32]>);

impl RequestKey {
    /// Takes the key from its 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut key = Box::new([0; 32]);
        hex::decode_to_slice(text, key.as_mut_slice()).ok()?;
        Some(Self(SecretBox::new(key)))
    }

    /// Signs a message of [`wire::canonical_message`]; 64 hexadecimal digits.
    pub fn sign(&self, message: &str) -> String {
        hex::encode(self.mac(message).finalize().into_bytes())
    }

    fn verify(&self, message: &str, signature: &str) -> bool {
        hex::decode(signature).is_ok_and(|bytes| self.mac(message).verify_slice(&bytes).is_ok())
    }

    fn mac(&self, message: &str) -> Hmac<Sha256> {
        Hmac::new_from_slice(self.0.expose_secret())
            .expect("HMAC takes keys of any length")
            .chain_update(message.as_bytes())
    }
}

impl fmt::Debug for RequestKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RequestKey(…)")
    }
}

/// Derives one tenant's key from the proxy's master key: HKDF-SHA256 over tenant and key id.
///
/// Instances are given the result, never the master key.
pub fn derive_key(master: &SecretBox<[u8; 32]>, tenant: &str, key_id: &str) -> RequestKey {
    let mut key = Box::new([0; 32]);
    let info = [
        b"bm-tenant v2".as_slice(),
        tenant.as_bytes(),
        key_id.as_bytes(),
    ]
    .join(&0);
    Hkdf::<Sha256>::new(None, master.expose_secret())
        .expand(&info, key.as_mut_slice())
        .expect("32 bytes are a length HKDF can give");
    RequestKey(SecretBox::new(key))
}

/// The keys that this instance accepts, by id; more than one while they rotate.
#[derive(Debug, Default)]
pub struct KeyRing(BTreeMap<String, RequestKey>);

impl KeyRing {
    /// Adds a key; false if there is one with this id.
    pub fn add(&mut self, id: &str, key: RequestKey) -> bool {
        if self.0.contains_key(id) {
            return false;
        }
        self.0.insert(id.to_owned(), key);
        true
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What a request says about itself, as it came over the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedRequest<'a> {
    pub method: &'a str,
    pub path_and_query: &'a str,
    pub tenant: &'a str,
    pub timestamp: &'a str,
    pub body_sha256: &'a str,
    pub nonce: &'a str,
    pub user: &'a str,
    pub key_id: &'a str,
    pub signature: &'a str,
}

impl<'a> SignedRequest<'a> {
    /// Takes the signature's headers, each of which must be there exactly once.
    pub fn read(
        method: &'a str,
        path_and_query: &'a str,
        headers: &'a HeaderMap,
    ) -> Result<Self, SignatureRefusal> {
        if !headers.contains_key(SignedHeaders::SIGNATURE) {
            return Err(SignatureRefusal::Unsigned);
        }
        let one = |name: &str| {
            let mut values = headers.get_all(name).iter();
            match (values.next(), values.next()) {
                (Some(value), None) => value.to_str().map_err(|_| SignatureRefusal::Malformed),
                _ => Err(SignatureRefusal::Malformed),
            }
        };
        Ok(Self {
            method,
            path_and_query,
            tenant: one(SignedHeaders::TENANT)?,
            timestamp: one(SignedHeaders::TIMESTAMP)?,
            body_sha256: one(SignedHeaders::BODY_SHA256)?,
            nonce: one(SignedHeaders::NONCE)?,
            user: one(SignedHeaders::USER)?,
            key_id: one(SignedHeaders::KEY_ID)?,
            signature: one(SignedHeaders::SIGNATURE)?,
        })
    }

    /// Whether the signer vouches for the body too; if not, it streams and needs no digest.
    pub fn signs_body(&self) -> bool {
        self.body_sha256 != SignedHeaders::UNSIGNED_BODY
    }
}

/// The body as far as it was read before the decision.
#[derive(Clone, Copy, Debug)]
pub enum Body<'a> {
    Whole(&'a [u8]),
    /// Still to come; acceptable only where the signer said so.
    Streaming,
}

/// Whose requests are accepted.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    pub tenant: &'a str,
    pub keys: &'a KeyRing,
    pub window: Window,
}

/// Accepts or refuses a request at `now_s` (Unix seconds).
///
/// An accepted request other than GET is remembered in `nonces` and accepted only once.
pub fn verify(
    request: &SignedRequest<'_>,
    body: Body<'_>,
    rules: Rules<'_>,
    now_s: i64,
    nonces: &mut Nonces,
) -> Result<(), SignatureRefusal> {
    let key = rules
        .keys
        .0
        .get(request.key_id)
        .ok_or(SignatureRefusal::UnknownKey)?;
    if request.tenant != rules.tenant {
        return Err(SignatureRefusal::WrongTenant);
    }
    if request.nonce.is_empty() || request.nonce.len() > MAX_NONCE_BYTES {
        return Err(SignatureRefusal::Malformed);
    }
    let signed_at = read_timestamp(request.timestamp).ok_or(SignatureRefusal::Malformed)?;
    if !rules.window.has(signed_at, now_s) {
        return Err(SignatureRefusal::OutsideWindow);
    }
    let message = canonical_message(
        request.tenant,
        request.timestamp,
        request.method,
        request.path_and_query,
        request.body_sha256,
        request.nonce,
        request.user,
    );
    if !key.verify(&message, request.signature) {
        return Err(SignatureRefusal::WrongSignature);
    }
    if !body_fits(request, body) {
        return Err(SignatureRefusal::WrongBody);
    }
    if request.method != "GET"
        && !nonces.remember(request.nonce, rules.window.ends(signed_at), now_s)
    {
        return Err(SignatureRefusal::Replayed);
    }
    Ok(())
}

fn body_fits(request: &SignedRequest<'_>, body: Body<'_>) -> bool {
    match body {
        Body::Whole(bytes) if request.signs_body() => {
            hex::encode(Sha256::digest(bytes)) == request.body_sha256
        }
        Body::Whole(_) => true,
        Body::Streaming => !request.signs_body(),
    }
}

/// Reads plain decimal digits: no sign, no space, nothing that two readers could read apart.
fn read_timestamp(text: &str) -> Option<i64> {
    let plain = (1..=12).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests;
