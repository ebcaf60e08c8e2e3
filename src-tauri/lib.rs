//! The tray app: a tray icon with a menu and one window over the client engine.
//!
//! Adapters only. Whatever has to be decided is decided in `engine`: this crate turns a
//! [`engine::View`] into a menu, an icon and window content, and clicks into
//! [`engine::Request`]s. It must not know servers, buckets, rclone or files.

mod app;
mod asked;
mod clipboard;
mod commands;
mod dock;
mod login;
#[cfg(target_os = "linux")]
mod markup;
mod notify;
mod once;
mod shell;
mod tray;
mod window;

pub use app::{Options, run};
pub use asked::Asked;
pub use tray::Looks;
