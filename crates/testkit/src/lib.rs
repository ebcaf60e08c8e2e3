//! Peers and helpers for tests: child processes that die with the test, polling with a deadline,
//! scratch folders, a private session bus with a keyring, the real `bm-server`, and the programs
//! of others that it is judged by.
//!
//! A dev-dependency only; it depends on none of our other crates and knows them by their binaries
//! alone. Whatever goes wrong in here panics with a message that says what to do, at the line of
//! the test that asked. Nothing listens beyond 127.0.0.1, and nothing outlives its test.

mod basic_memory;
mod binaries;
mod bus;
mod child;
mod http_relay;
mod judges;
mod moto;
mod mount_point;
mod nginx;
mod oidc_provider;
mod pg_relay;
#[cfg(unix)]
mod postgres;
mod scratch;
mod seaweedfs;
mod server;
mod small_disk;
mod store_proxy;
mod wait;

pub use basic_memory::{BasicMemory, basic_memory};
pub use binaries::{bin, rclone};
pub use bus::{Bus, Keyring, keyring, keyring_items, lock_keyring, private_bus};
pub use child::{Child, Program, program};
pub use http_relay::{Fate, HttpRelay, Seen};
pub use judges::{node, python, python_program};
pub use moto::{Moto, moto};
pub use mount_point::MountPoint;
pub use nginx::{Nginx, nginx};
pub use oidc_provider::{OidcProvider, Settings as OidcSettings, oidc_provider};
pub use pg_relay::{PgRelay, Stop};
#[cfg(unix)]
pub use postgres::{Postgres, postgres, postgres_programs};
pub use scratch::{free_port, scratch};
pub use seaweedfs::{SeaweedFs, seaweedfs};
pub use server::Server;
pub use small_disk::SmallDisk;
pub use store_proxy::{StoreProxy, Weather};
pub use wait::{wait_for, wait_until};
