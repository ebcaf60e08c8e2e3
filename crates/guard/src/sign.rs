//! Signature Version 4, both ways: checking what clients send with throw-away keys, signing what goes to the bucket.

pub(crate) mod incoming;
pub(crate) mod outgoing;

/// The payload hash that says "not signed": bodies are streamed and carry an MD5 of their own.
pub(crate) const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";
