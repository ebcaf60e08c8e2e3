//! The published command lines of Basic Memory, installed from their wheels, against the real
//! server, instance, rclone and Basic Memory.

mod client;
mod current;
mod first;
mod tenant;

pub(crate) use client::Client;
pub(crate) use tenant::Tenant;

const ANA: &str = "ana@example.org";
