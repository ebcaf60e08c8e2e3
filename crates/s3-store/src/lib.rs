//! The embedded S3 store: the S3 API over plain files and one `SQLite` database.
//!
//! Object bytes are files in `blobs/`, named by random ids; what they mean (keys, versions, uploads, access keys) is rows in
//! `store.db`. Bytes are durable before the row that names them, so a crash at any moment leaves the previous version.
//! Every bucket is versioned. Conditional writes are decided and applied in one savepoint of the only writer;
//! writers that arrive together share one flush of the disk.
//! An access key works on exactly one bucket; unknown, deleted and foreign keys are refused with 403.
//! Whoever serves the store may refuse changes to a bucket for a while ([`Permits`]); reads go on.
//! It removes no version by itself; whoever runs it says which ones go ([`Store::remove_versions`]).
//!
//! ```text
//! hyper ─▶ s3s (SigV4, XML) ─▶ gate (one key, one bucket) ─▶ api ─▶ store (transactions) ─▶ store.db, blobs/
//! ```
//!
//! `If-Match` on a missing key is 404 `NoSuchKey` for writes and 412 for deletes; any other failed condition is 412.
//! This crate must not know tenants, users, subscriptions or sync: buckets, keys and changes are its whole world.
//! Not implemented and refused with 501: ACLs, tagging, lifecycle, encryption keys, form uploads, `UploadPartCopy`.

mod api;
mod attributes;
mod blobs;
mod change;
mod condition;
mod database;
mod error;
mod gate;
mod keys;
mod listing;
mod named;
mod objects;
mod receive;
mod serve;
mod store;
mod uploads;
mod versions;

pub use change::{Change, ChangeKind};
pub use error::StoreError;
pub use gate::{Permission, Permits};
pub use named::{NamedBlob, named_blobs};
pub use store::{Clock, KeyRecord, Store};
pub use versions::{
    VersionAge, VersionKind, VersionMark, VersionRecord, VersionRemoval, VersionsPage, versions_in,
};
