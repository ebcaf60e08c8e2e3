//! The RSA key that signs access tokens.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::error::{KeyRejected, Unspecified};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

#[derive(Debug, thiserror::Error)]
pub(crate) enum SigningError {
    #[error("the signing key could not be made or used")]
    Failed(#[from] Unspecified),
    #[error("the stored signing key is damaged")]
    Damaged(#[from] KeyRejected),
}

pub(crate) struct SigningKey {
    pair: RsaKeyPair,
    id: String,
    modulus: String,
    exponent: String,
}

impl SigningKey {
    /// Makes a new key, in the form that [`SigningKey::from_pkcs8`] reads.
    pub(crate) fn generate() -> Result<Vec<u8>, SigningError> {
        let der: Pkcs8V1Der<'_> = RsaKeyPair::generate(KeySize::Rsa2048)?.as_der()?;
        Ok(der.as_ref().to_vec())
    }

    pub(crate) fn from_pkcs8(der: &[u8]) -> Result<Self, SigningError> {
        let pair = RsaKeyPair::from_pkcs8(der)?;
        let public = pair.public_key();
        let modulus = URL_SAFE_NO_PAD.encode(public.modulus().big_endian_without_leading_zero());
        let exponent = URL_SAFE_NO_PAD.encode(public.exponent().big_endian_without_leading_zero());
        // The thumbprint of RFC 7638: members in order, without spaces.
        let thumbprint = format!(r#"{{"e":"{exponent}","kty":"RSA","n":"{modulus}"}}"#);
        let id = URL_SAFE_NO_PAD.encode(Sha256::digest(thumbprint.as_bytes()));
        Ok(Self {
            pair,
            id,
            modulus,
            exponent,
        })
    }

    #[cfg(test)]
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// The public half as a key set (RFC 7517).
    pub(crate) fn key_set(&self) -> Value {
        json!({ "keys": [{
            "kty": "RSA", "use": "sig", "alg": "RS256",
            "kid": self.id, "n": self.modulus, "e": self.exponent,
        }] })
    }

    /// Signs the claims as a JWT with RS256, whose signatures are a function of the message.
    pub(crate) fn sign(&self, claims: &Value) -> Result<SecretString, SigningError> {
        let header = json!({ "alg": "RS256", "kid": self.id, "typ": "at+jwt" });
        self.sign_with_header(&header, claims)
    }

    pub(crate) fn sign_with_header(
        &self,
        header: &Value,
        claims: &Value,
    ) -> Result<SecretString, SigningError> {
        self.sign_texts(&header.to_string(), &claims.to_string())
    }

    /// Signs header and claims as they are written, be they JSON or not.
    pub(crate) fn sign_texts(
        &self,
        header: &str,
        claims: &str,
    ) -> Result<SecretString, SigningError> {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let message = format!("{}.{}", part(header), part(claims));
        let mut signature = vec![0; self.pair.public_modulus_len()];
        let random = SystemRandom::new();
        self.pair.sign(
            &RSA_PKCS1_SHA256,
            &random,
            message.as_bytes(),
            &mut signature,
        )?;
        Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)).into())
    }
}
