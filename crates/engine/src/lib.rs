//! The client engine: account, pairs, cycles, conflicts, history and settings.
//!
//! Front ends send a [`Request`] and see a [`View`]; nothing else passes. The engine never prints,
//! never reads the environment, knows no window and no server internals. It reaches the bucket
//! through `guard` only and starts rclone through `rclone` only.

pub mod request;
pub mod view;

pub use request::{Refusal, Reply, Request, RunKind};
pub use view::View;
