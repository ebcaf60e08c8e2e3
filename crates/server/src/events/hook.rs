//! The token by which a bucket's notifications are known, and setting the bucket up to send it.

use sha2::{Digest, Sha256};

/// What is kept of a token.
pub(crate) fn token_hash(token: &str) -> String {
    hex::encode(Sha256::digest(token))
}
