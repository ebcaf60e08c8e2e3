//! The JSON that client and server exchange: requests, answers, and the one error body.
//!
//! Types only. This crate must not know how anything is sent, stored or shown, and depends on
//! nothing but serde. Field names are the contract; changing one breaks published clients.

mod admin;
mod errors;
mod events;
mod instance;
mod signed;
mod tenant;

pub use admin::{
    TenantDetail, TenantIn, TenantInstanceOut, TenantOut, TenantPage, TenantStepOut, TenantWorkOut,
};
pub use errors::{ApiErrorBody, SUBSCRIPTION_REQUIRED};
pub use events::{ChangeEvent, ChangeIn, ChangeKind, ChangesIn, ChangesOut, StreamPosition};
pub use instance::{
    FilesHealth, InstanceHealth, InstanceStatus, Lag, SyncChange, SyncIn, SyncKind, SyncOut,
    UpstreamHealth,
};
pub use signed::{SignedHeaders, canonical_message};
pub use tenant::{
    AccountOut, ActivateSubscriptionIn, Health, MountCredentials, MountInfo, SignInConfig,
    SubscriptionDetails, SubscriptionOut, TenantSetup,
};
