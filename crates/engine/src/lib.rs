//! The client engine: account, pairs, cycles, conflicts, history and settings.
//!
//! Front ends send a [`Request`] and see a [`View`]; nothing else passes. The engine never prints,
//! never reads the environment, knows no window and no server internals. It reaches the bucket
//! through `guard` only and starts rclone through `rclone` only.

mod account;
mod api;
mod brakes;
mod clock;
mod config;
mod conflict;
mod connection;
mod control;
mod cycle;
mod diagnostics;
mod disk;
mod doctor;
mod engine;
mod explain;
mod filters;
mod history;
mod lane;
mod memory;
mod metered;
#[doc(hidden)]
pub mod model_surface;
mod mounts;
mod naming;
mod notice;
mod places;
mod plan;
mod power;
mod private_file;
mod profile;
mod proxy;
mod rclone_config;
pub mod request;
mod secrets;
mod set_up;
mod settings;
mod state;
mod vault;
pub mod view;
mod wake;

pub use clock::Clock;
pub use config::{Config, Mode, Observer, Step, device_name};
pub use connection::Connection;
pub use engine::{Arrived, Engine, Replica, ReplicaSpec, ReplicaState, ReplicaTold, StartError};
pub use mounts::{Drive, DriveSpec, DriveState, DriveTold, conflict_copies};
pub use places::Places;
pub use request::{NewMount, Refusal, Reply, Request, RunKind, SignInKeep};
pub use secrets::SecretChoice;
pub use view::View;
