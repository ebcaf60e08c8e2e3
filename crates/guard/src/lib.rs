//! The only way from this machine to a tenant's bucket.
//!
//! [`Bucket`] is a typed client for one bucket: every mutation carries a precondition, because the type that names it
//! ([`Precondition`]) has no unconditional variant. [`Guard`] is an S3 endpoint on loopback that stands between rclone and that
//! bucket. A [`Session`] hands out a throw-away key, answers listings from one consistent snapshot, and turns each mutation into a
//! compare-and-swap against that snapshot, so that no writer's change is overwritten unseen.
//!
//! The crate must not know folders, mirrors, conflicts, profiles or accounts: it sees keys, `ETag`s and streams of bytes. It never
//! decides what should be transferred, never repeats a mutation, and keeps the real keys in memory only.

mod body;
mod bucket;
mod decide;
mod encoding;
mod error;
mod forward;
mod gateway;
mod listing;
mod live;
mod metered;
#[doc(hidden)]
pub mod model_surface;
mod object;
mod pace;
mod reply;
mod request;
mod session;
mod sign;
mod snapshot;

pub use body::{Body, Download};
pub use bucket::{
    Bucket, BucketConfig, Capabilities, Clock, Credentials, ObjectVersion, RequestCounts, Support,
};
pub use error::BucketError;
pub use gateway::Guard;
pub use live::{CopyName, Held};
pub use object::{Object, Precondition};
pub use pace::Limits;
pub use session::{
    Access, GuardEvent, LiveSpec, Refused, RefusedReason, Rename, Session, SessionOutcome,
    SessionSpec, Stored, Visibility,
};
