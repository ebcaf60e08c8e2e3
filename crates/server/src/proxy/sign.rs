//! The proxy's signature on a forwarded request (version 2): with it an instance knows that the
//! request was authorized, for which tenant and for whom.

use std::collections::BTreeMap;
use std::fmt;

use axum::http::header::InvalidHeaderValue;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretBox, SecretString};
use sha2::{Digest, Sha256};
use wire::{SignedHeaders, canonical_message};

/// Why a set of signing keys cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SigningKeysError {
    #[error("the current signing key `{0}` is not among the keys")]
    CurrentMissing(String),
    #[error("`{0}` is not a key id: 1 to 32 letters, digits, `-` or `_`")]
    BadKeyId(String),
    #[error("signing key `{0}` is not 64 hexadecimal digits")]
    BadKey(String),
}

/// The master keys that requests to instances are signed from, by key id.
///
/// To rotate: add a key and make it current, provision the instances anew, and remove the old
/// key when no instance's row names it.
pub struct SigningKeys {
    current: String,
    masters: BTreeMap<String, SecretBox<[u8; 32]>>,
}

impl SigningKeys {
    /// Takes keys as 64 hexadecimal digits each; `current` is what new instances are given.
    ///
    /// # Errors
    /// If a key or its id is malformed, or `current` is none of them.
    pub fn from_hex<'a>(
        current: &str,
        keys: impl IntoIterator<Item = (&'a str, &'a SecretString)>,
    ) -> Result<Self, SigningKeysError> {
        let mut masters = BTreeMap::new();
        for (id, digits) in keys {
            if !is_key_id(id) {
                return Err(SigningKeysError::BadKeyId(id.to_owned()));
            }
            let mut key = Box::new([0; 32]);
            hex::decode_to_slice(digits.expose_secret(), key.as_mut_slice())
                .map_err(|_| SigningKeysError::BadKey(id.to_owned()))?;
            masters.insert(id.to_owned(), SecretBox::new(key));
        }
        if !masters.contains_key(current) {
            return Err(SigningKeysError::CurrentMissing(current.to_owned()));
        }
        Ok(Self {
            current: current.to_owned(),
            masters,
        })
    }

    /// A ring of one key.
    pub fn single(id: &str, key: [u8; 32]) -> Self {
        Self {
            current: id.to_owned(),
            masters: BTreeMap::from([(id.to_owned(), SecretBox::new(Box::new(key)))]),
        }
    }

    /// The id of the key that new instances are given.
    pub fn current(&self) -> &str {
        &self.current
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        self.masters.keys().map(String::as_str)
    }

    /// Derives the key of one tenant's instance; `None` if there is no key of this id.
    pub(crate) fn derive(&self, tenant: &str, key_id: &str) -> Option<RequestKey> {
        let master = self.masters.get(key_id)?;
        let mut key = Box::new([0; 32]);
        let info: [&[u8]; 5] = [
            b"bm-tenant v2",
            b"\0",
            tenant.as_bytes(),
            b"\0",
            key_id.as_bytes(),
        ];
        Hkdf::<Sha256>::new(None, master.expose_secret())
            .expand_multi_info(&info, key.as_mut_slice())
            .expect("32 bytes are a length HKDF can give");
        Some(RequestKey(SecretBox::new(key)))
    }
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<&String> = self.masters.keys().collect();
        formatter
            .debug_struct("SigningKeys")
            .field("current", &self.current)
            .field("ids", &ids)
            .finish_non_exhaustive()
    }
}

fn is_key_id(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// The key for the requests to one tenant's instance.
pub(crate) struct RequestKey(SecretBox<[u8; 32]>);

impl RequestKey {
    /// The key in the form that an instance's key file has.
    pub(crate) fn to_hex(&self) -> SecretString {
        hex::encode(self.0.expose_secret()).into()
    }

    pub(super) fn sign(&self, message: &str) -> String {
        let mac = Hmac::<Sha256>::new_from_slice(self.0.expose_secret())
            .expect("HMAC takes keys of any length")
            .chain_update(message.as_bytes());
        hex::encode(mac.finalize().into_bytes())
    }
}

impl fmt::Debug for RequestKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RequestKey(…)")
    }
}

/// What of a body is signed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SignedBody<'a> {
    Whole(&'a [u8]),
    Streamed,
}

/// For whom and when a request is signed. Times are Unix seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signing<'a> {
    pub(crate) tenant: &'a str,
    pub(crate) user: &'a str,
    pub(crate) key_id: &'a str,
    pub(crate) now_s: i64,
    pub(crate) nonce: [u8; 16],
}

/// Adds the headers of the signature over exactly these method, path and body.
///
/// # Errors
/// If tenant, user or key id do not fit into a header; nothing is added then.
pub(crate) fn sign(
    headers: &mut HeaderMap,
    key: &RequestKey,
    signing: Signing<'_>,
    method: &Method,
    path_and_query: &str,
    body: SignedBody<'_>,
) -> Result<(), InvalidHeaderValue> {
    let timestamp = signing.now_s.to_string();
    let nonce = hex::encode(signing.nonce);
    let digest = match body {
        SignedBody::Whole(bytes) => hex::encode(Sha256::digest(bytes)),
        SignedBody::Streamed => SignedHeaders::UNSIGNED_BODY.to_owned(),
    };
    let signature = key.sign(&canonical_message(
        signing.tenant,
        &timestamp,
        method.as_str(),
        path_and_query,
        &digest,
        &nonce,
        signing.user,
    ));
    let values = [
        (
            SignedHeaders::TENANT,
            HeaderValue::from_str(signing.tenant)?,
        ),
        (SignedHeaders::USER, HeaderValue::from_str(signing.user)?),
        (
            SignedHeaders::KEY_ID,
            HeaderValue::from_str(signing.key_id)?,
        ),
        (SignedHeaders::TIMESTAMP, HeaderValue::try_from(timestamp)?),
        (SignedHeaders::BODY_SHA256, HeaderValue::try_from(digest)?),
        (SignedHeaders::NONCE, HeaderValue::try_from(nonce)?),
        (SignedHeaders::SIGNATURE, HeaderValue::try_from(signature)?),
    ];
    for (name, value) in values {
        headers.insert(HeaderName::from_static(name), value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: &str = "434252dd-d83b-4b20-bf70-8a950ff875c4";

    fn ring() -> SigningKeys {
        SigningKeys::single("k1", [9; 32])
    }

    fn signing(user: &str) -> Signing<'_> {
        Signing {
            tenant: TENANT,
            user,
            key_id: "k1",
            now_s: 1_700_000_000,
            nonce: [7; 16],
        }
    }

    /// The value was computed with Python's `hmac` and `hashlib` from the words of the protocol.
    #[test]
    fn derives_and_signs_as_the_protocol_says() {
        let key = ring().derive(TENANT, "k1").unwrap();
        let mut headers = HeaderMap::new();
        sign(
            &mut headers,
            &key,
            signing("user_1"),
            &Method::POST,
            "/sync?full=1",
            SignedBody::Whole(b"{}"),
        )
        .unwrap();
        let value = |name: &str| headers[name].to_str().unwrap();
        assert_eq!(value(SignedHeaders::TENANT), TENANT);
        assert_eq!(value(SignedHeaders::TIMESTAMP), "1700000000");
        assert_eq!(value(SignedHeaders::NONCE), "07".repeat(16));
        assert_eq!(value(SignedHeaders::SIGNATURE), EXPECTED_SIGNATURE);
        assert_eq!(key.to_hex().expose_secret(), EXPECTED_KEY);
        assert_eq!(headers.len(), 7);
    }

    const EXPECTED_KEY: &str = "975ca36436fde3cbf1dba33eeeb3ea878f027555643f76116e3478d421764614";
    const EXPECTED_SIGNATURE: &str =
        "d03380c0519f86bc56a6ed2d2ed6d34b66f30ea1b3800035e9b1a267aab18cfe";

    #[test]
    fn every_part_of_the_request_changes_the_signature() {
        let key = ring().derive(TENANT, "k1").unwrap();
        let signature = |method: &Method, path: &str, body: SignedBody<'_>, user: &str| {
            let mut headers = HeaderMap::new();
            sign(&mut headers, &key, signing(user), method, path, body).unwrap();
            headers[SignedHeaders::SIGNATURE].clone()
        };
        let base = signature(&Method::PUT, "/a", SignedBody::Whole(b"x"), "u");
        assert_eq!(
            base,
            signature(&Method::PUT, "/a", SignedBody::Whole(b"x"), "u")
        );
        assert_ne!(
            base,
            signature(&Method::POST, "/a", SignedBody::Whole(b"x"), "u")
        );
        assert_ne!(
            base,
            signature(&Method::PUT, "/a?", SignedBody::Whole(b"x"), "u")
        );
        assert_ne!(
            base,
            signature(&Method::PUT, "/a", SignedBody::Whole(b"y"), "u")
        );
        assert_ne!(
            base,
            signature(&Method::PUT, "/a", SignedBody::Streamed, "u")
        );
        assert_ne!(
            base,
            signature(&Method::PUT, "/a", SignedBody::Whole(b"x"), "v")
        );
    }

    #[test]
    fn a_subject_that_is_no_header_signs_nothing() {
        let key = ring().derive(TENANT, "k1").unwrap();
        let mut headers = HeaderMap::new();
        let body = SignedBody::Streamed;
        let signed = sign(&mut headers, &key, signing("a\nb"), &Method::GET, "/", body);
        assert!(signed.is_err());
        assert!(headers.is_empty());
    }

    #[test]
    fn keys_differ_by_tenant_key_id_and_master() {
        let keys: SecretString = "11".repeat(32).into();
        let more: SecretString = "22".repeat(32).into();
        let ring = SigningKeys::from_hex("b", [("a", &keys), ("b", &more)]).unwrap();
        assert_eq!(ring.current(), "b");
        let hex = |tenant: &str, id: &str| {
            let key = ring.derive(tenant, id).unwrap();
            key.to_hex().expose_secret().to_owned()
        };
        assert_eq!(hex("t", "a"), hex("t", "a"));
        assert_ne!(hex("t", "a"), hex("t", "b"));
        assert_ne!(hex("t", "a"), hex("u", "a"));
        assert!(ring.derive("t", "c").is_none());
    }

    #[test]
    fn refuses_keys_that_cannot_be_right() {
        let good: SecretString = "11".repeat(32).into();
        let short: SecretString = "11".into();
        let refusal = |current: &str, id: &str, key: &SecretString| {
            SigningKeys::from_hex(current, [(id, key)]).err()
        };
        assert_eq!(refusal("a", "a", &good), None);
        assert_eq!(
            refusal("b", "a", &good),
            Some(SigningKeysError::CurrentMissing("b".to_owned()))
        );
        assert_eq!(
            refusal("a", "a", &short),
            Some(SigningKeysError::BadKey("a".to_owned()))
        );
        assert_eq!(
            refusal("", "", &good),
            Some(SigningKeysError::BadKeyId(String::new()))
        );
    }

    #[test]
    fn keys_never_show_themselves() {
        let shown = format!("{:?} {:?}", ring(), ring().derive(TENANT, "k1"));
        assert_eq!(
            shown,
            "SigningKeys { current: \"k1\", ids: [\"k1\"], .. } Some(RequestKey(…))"
        );
    }
}
