//! Codes and tokens that mean nothing by themselves: made at random, kept as keyed hashes.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use rand::Rng;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// RFC 8628, 6.1: no vowels, so no words; no digits, so nothing to confuse with letters.
const USER_CODE_ALPHABET: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";

pub(super) struct Opaque {
    secret: [u8; 32],
}

impl Opaque {
    pub(super) fn new(secret: [u8; 32]) -> Self {
        Self { secret }
    }

    pub(super) fn hash_device_code(&self, code: &str) -> String {
        hex::encode(self.mac("device code", code))
    }

    /// Hashes a user code as typed: case, spaces and dashes do not matter.
    pub(super) fn hash_user_code(&self, typed: &str) -> String {
        let code: String = typed
            .chars()
            .filter(char::is_ascii_alphabetic)
            .map(|c| c.to_ascii_uppercase())
            .collect();
        hex::encode(self.mac("user code", &code))
    }

    pub(super) fn hash_refresh_token(&self, token: &SecretString) -> String {
        hex::encode(self.mac("refresh token", token.expose_secret()))
    }

    /// The refresh token that follows this one.
    pub(super) fn successor(&self, token: &SecretString) -> SecretString {
        let next = URL_SAFE_NO_PAD.encode(self.mac("successor", token.expose_secret()));
        format!("rt_{next}").into()
    }

    /// The `jti` of the access token that goes with this refresh token.
    pub(super) fn token_id(&self, token: &SecretString) -> String {
        hex::encode(&self.mac("token id", token.expose_secret())[..16])
    }

    /// What ties a form to the browser that got it.
    pub(super) fn form_token(&self, browser: &str) -> String {
        URL_SAFE_NO_PAD.encode(self.mac("form", browser))
    }

    pub(super) fn form_token_fits(&self, browser: &str, token: &str) -> bool {
        self.form_token(browser)
            .as_bytes()
            .ct_eq(token.as_bytes())
            .into()
    }

    fn mac(&self, label: &str, value: &str) -> [u8; 32] {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.secret).expect("HMAC takes keys of any length");
        mac.update(label.as_bytes());
        mac.update(&[0]);
        mac.update(value.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

pub(super) fn random_token(prefix: &str) -> String {
    let bytes: [u8; 32] = rand::rng().random();
    format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes))
}

/// Makes a code for people to type: `XXXX-XXXX`.
pub(super) fn random_user_code() -> String {
    let mut random = rand::rng();
    let mut letters = || -> String {
        (0..4)
            .map(|_| {
                char::from(USER_CODE_ALPHABET[random.random_range(0..USER_CODE_ALPHABET.len())])
            })
            .collect()
    };
    format!("{}-{}", letters(), letters())
}

/// Whether the verifier belongs to the S256 challenge (RFC 7636, 4.6).
pub(super) fn pkce_fits(challenge: &str, verifier: &str) -> bool {
    let digest = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
    digest.as_bytes().ct_eq(challenge.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_codes_are_found_however_they_are_typed() {
        let opaque = Opaque::new([7; 32]);
        let code = random_user_code();
        assert_eq!(code.len(), 9);
        let sloppy = format!(" {} ", code.to_lowercase().replace('-', " "));
        assert_eq!(opaque.hash_user_code(&code), opaque.hash_user_code(&sloppy));
        assert_ne!(
            opaque.hash_user_code(&code),
            opaque.hash_user_code("BBBB-BBBB")
        );
    }

    #[test]
    fn pkce_follows_the_example_of_its_rfc() {
        let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        assert!(pkce_fits(
            challenge,
            "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
        ));
        assert!(!pkce_fits(
            challenge,
            "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXl"
        ));
    }

    #[test]
    fn a_form_token_belongs_to_one_browser() {
        let opaque = Opaque::new([7; 32]);
        let token = opaque.form_token("mine");
        assert!(opaque.form_token_fits("mine", &token));
        assert!(!opaque.form_token_fits("theirs", &token));
    }
}
