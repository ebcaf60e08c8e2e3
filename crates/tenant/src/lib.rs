//! One tenant's instance: its bucket as files, a Basic Memory that works on them, and a door that
//! opens to the server's proxy alone.
//!
//! Every request but `/health` must carry the proxy's signature (version 2), made with a key
//! that belongs to this tenant alone: a stolen instance cannot speak to its neighbors. The
//! verification is pure code over what a request says, the keys, the time, and the nonces seen.
//!
//! The files come by one of three drivers ([`DriverChoice`]); Basic Memory is a child that is kept
//! alive and told what to index. Nothing outlives the instance but its state folder.
//!
//! This crate must not know other tenants, tokens, subscriptions, or any key but its own. It holds
//! no sync logic: drivers are the engine's.

#[cfg(windows)]
compile_error!("the instance is made for Linux; the client compiles here (docs/platforms.md)");

mod error;
mod files;
mod forward;
mod generation;
mod health;
mod index;
mod instance;
mod key_file;
mod life;
mod nonces;
mod signature;
mod upstream;

pub use error::{FilesError, LifeError};
pub use files::{DriverChoice, FilesSpec, UnknownDriver};
pub use generation::{Generation, UnknownGeneration, generation_of, installed_version};
pub use instance::{Instance, UnixSeconds, router};
pub use key_file::{KeyFileError, parse_keys, read_keys};
pub use life::{BasicMemorySpec, InstanceSpec, serve};
pub use nonces::Nonces;
pub use signature::{
    Body, KeyRing, RequestKey, Rules, SignatureRefusal, SignedRequest, Window, derive_key, verify,
};
