//! Keys with which programs act for a person: `bmc_` and 256 random bits, known here by their hash.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::RngCore as _;
use secrecy::SecretString;
use sha2::{Digest, Sha256};

use super::{Caller, Proof};
use crate::app::App;
use crate::error::ApiError;

/// Published clients accept no other.
const PREFIX: &str = "bmc_";
const SECRET_BYTES: usize = 32;
/// What follows the prefix, in letters.
const SECRET_LETTERS: usize = 43;
/// A use is written down when the last one on record is this long ago.
const USE_EVERY_MS: i64 = 60 * 60 * 1000;

/// Makes a key. URL-safe letters only: no client gives one of them a meaning of its own.
pub(crate) fn new_api_key() -> SecretString {
    let mut bytes = [0_u8; SECRET_BYTES];
    rand::rng().fill_bytes(&mut bytes);
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)).into()
}

/// What is kept of a key. It has too many bits to be guessed, so a fast hash will do.
pub(crate) fn api_key_hash(key: &str) -> String {
    hex::encode(Sha256::digest(key))
}

/// Whether this is meant to be a key rather than a token.
pub(super) fn is_one(text: &str) -> bool {
    text.starts_with(PREFIX)
}

/// Finds whom the key speaks for at this moment.
pub(super) async fn holder(key: &str, app: &App) -> Result<Caller, ApiError> {
    if !is_well_formed(key) {
        return Err(ApiError::TokenRejected);
    }
    let hash = api_key_hash(key);
    let found = app.store.find_key_holder(&hash).await?;
    let found = found.ok_or(ApiError::TokenRejected)?;
    let now = app.now();
    if found
        .last_used_at
        .is_none_or(|at| at <= now.saturating_sub(USE_EVERY_MS))
    {
        app.store.record_api_key_use(&found.key_id, now).await?;
    }
    Ok(Caller {
        actor: format!("{} by key {}", found.subject, found.key_id),
        subject: found.subject,
        proof: Proof::ApiKey { hash },
    })
}

fn is_well_formed(key: &str) -> bool {
    key.strip_prefix(PREFIX).is_some_and(|secret| {
        secret.len() == SECRET_LETTERS
            && secret
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    })
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_new_key_has_the_form_that_is_accepted_and_no_percent_sign() {
        let (one, other) = (new_api_key(), new_api_key());
        for key in [&one, &other] {
            assert!(is_one(key.expose_secret()) && is_well_formed(key.expose_secret()));
            assert!(!key.expose_secret().contains('%'));
        }
        assert_ne!(one.expose_secret(), other.expose_secret());
    }

    #[test]
    fn what_has_another_form_is_not_looked_up() {
        let key = new_api_key();
        let text = key.expose_secret();
        for wrong in [
            PREFIX.to_owned(),
            text[..text.len() - 1].to_owned(),
            format!("{text}A"),
            text.replacen(char::is_alphanumeric, "%", 1),
            format!("{}%", &text[..text.len() - 1]),
        ] {
            assert!(!is_well_formed(&wrong), "{wrong}");
        }
    }
}
