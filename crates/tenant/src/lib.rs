//! One tenant's instance: answers the server's proxy, and nobody else.
//!
//! Every request but `/health` must carry the proxy's signature (version 2), made with a key
//! that belongs to this tenant alone: a stolen instance cannot speak to its neighbors. The
//! verification is pure code over what a request says, the keys, the time, and the nonces seen.
//!
//! Today an instance proves that it is up and turns strangers away. Next, the person's notes
//! appear in it as files, agents search and edit them through it, and an edit made elsewhere
//! shows up here at once.
//!
//! This crate must not know other tenants, tokens, subscriptions, or any key but its own.

mod instance;
mod key_file;
mod nonces;
mod signature;

pub use instance::{Instance, UnixSeconds, router};
pub use key_file::{KeyFileError, read_keys};
pub use nonces::Nonces;
pub use signature::{
    Body, KeyRing, RequestKey, SignatureRefusal, SignedRequest, derive_key, verify,
};
