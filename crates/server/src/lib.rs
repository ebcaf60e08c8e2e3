//! The companion server: tenants, bucket-scoped credentials, subscription checks.
//!
//! This crate is the embedded deployment as a library: one process on loopback that serves the
//! API, a development identity provider and an S3 store, with all state under one folder.
//! Handlers name their caller in their signature, decisions are functions over data, and what
//! the server remembers is behind one trait of domain verbs.
//!
//! It must not know the client engine or rclone, must keep no secret of a storage key, and reads
//! neither environment nor command line; that is for `main`.

#[cfg(windows)]
compile_error!(
    "the companion server is made for Linux; the client compiles here (docs/platforms.md)"
);

mod accept;
mod admin;
mod api;
mod app;
mod background;
mod backup;
mod buckets;
mod clock;
mod compose;
mod config;
mod credentials;
mod error;
mod events;
mod extract;
mod idp;
mod instances;
mod life;
mod limits;
mod metrics;
mod openapi;
mod polar;
mod ports;
mod principal;
mod provisioning;
mod proxy;
mod request;
mod retention;
mod routes;
mod serve;
mod server;
mod silence;
mod state_folder;
mod store;
mod token;
mod webdav;
mod workflow;
mod workspace;

pub use accept::TlsError;
pub use admin::{AdminError, OldVersions, TenantAdmin};
pub use api::route_table;
pub use backup::{BackupError, BackupReport, Replace, Restored, back_up, restore};
pub use clock::{Clock, system_clock};
pub use config::{
    ConfigError, DEFAULTS, Layers, Log, LogFormat, Origin, Problem, Settings, print as print_config,
};
pub use metrics::MetricsError;
pub use openapi::{document as openapi_document, markdown as openapi_markdown};
pub use polar::{
    PolarApiSettings, PolarError, PolarSettings, ProductError, Products, RetryPolicy, SecretError,
};
pub use ports::PortError;
pub use principal::Policy;
#[cfg(feature = "bench")]
pub use proxy::bare::serve_bare;
pub use proxy::{ProxySettings, SigningKeys, SigningKeysError};
pub use routes::Route;
pub use serve::{ServeError, Served, Server};
pub use server::{
    Announcement, DevConfig, DevInstances, DevLocal, DevServer, PortChoice, ServerError,
};
pub use state_folder::{Deployment, FolderError};
pub use workspace::WorkspaceKind;
