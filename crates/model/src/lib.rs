//! The model test: devices, a bucket, people and misfortune, simulated by the thousand around the
//! engine's and the guard's own decisions.
//!
//! A scenario is a list of events and a seed. An oracle knows every text that a person saved and
//! which of them a person replaced; after each event and after everything came to rest, the
//! invariants of `docs/reliability.md` must hold. Errors planted on purpose ([`Mutant`]) show that
//! the test would find them.
//!
//! For tests only; nothing depends on it.

mod apply;
mod bisync;
mod chance;
mod cloud;
mod cycle;
mod device;
mod event;
mod hold;
mod judge;
mod mutant;
mod oracle;
mod requests;
mod scenario;
mod trip;
mod world;

pub use engine::model_surface::Rules;
pub use event::{Event, What};
pub use mutant::Mutant;
pub use scenario::Scenario;
pub use world::{Broken, Invariant};
