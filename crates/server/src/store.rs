//! What the server remembers, as verbs of its domain, over `SQLite` and `PostgreSQL`.
//!
//! Every verb either happens whole or not at all, and writes its audit event in the same
//! transaction. Times are Unix milliseconds and come from the caller. Each domain has its types
//! and its trait in a file of its own here, and its statements in `sql/`: one source, compiled
//! once for each database.

#[macro_use]
mod statements;

pub(crate) mod accounts;
pub(crate) mod alignment;
pub(crate) mod api_keys;
pub(crate) mod audit;
pub(crate) mod credentials;
pub(crate) mod events;
pub(crate) mod inbox;
mod postgres;
pub(crate) mod snapshots;
mod sqlite;
pub(crate) mod subscriptions;
pub(crate) mod sweeps;
pub(crate) mod tenants;
pub(crate) mod upkeep;
pub(crate) mod workflows;

pub(crate) use accounts::{Accounts, Instance, Profile, Standing, Subscription, Tenant};
pub(crate) use alignment::{Aligned, Alignment};
pub(crate) use api_keys::{ApiKey, ApiKeyCaps, ApiKeys, KeyAdded, NewApiKey};
pub(crate) use audit::AuditTrail;
pub(crate) use credentials::{
    Begun, Completed, Credential, CredentialCaps, CredentialKind, Credentials, KeyRemoval, Leaving,
    NewCredential, Removal, Revocation,
};
pub(crate) use events::{EventPage, RecordedEvent, Retention, TenantEvents, Wakes};
pub(crate) use inbox::{ClaimedEvent, Inbox, NewInboxEvent, ParkedEvent, RecurringJob};
pub(crate) use postgres::{PostgresSettings, PostgresStore};
pub(crate) use snapshots::{BucketSnapshot, BucketSnapshots, SnapshotAdded};
pub(crate) use sqlite::{Database, SqliteStore, open_database};
pub(crate) use subscriptions::{ActiveSubscription, Applied, FactSource, Subscriptions};
pub(crate) use sweeps::{Sweep, SweepReport, Sweeps};
pub(crate) use tenants::Tenants;
pub(crate) use upkeep::Upkeep;
pub(crate) use workflows::Workflows;

/// Everything the server remembers.
pub(crate) trait Store:
    Accounts
    + Alignment
    + ApiKeys
    + AuditTrail
    + BucketSnapshots
    + Credentials
    + Inbox
    + Subscriptions
    + Sweeps
    + TenantEvents
    + Upkeep
    + Wakes
    + WorkStore
    + Send
    + Sync
    + 'static
{
}

impl<T> Store for T where
    T: Accounts
        + Alignment
        + ApiKeys
        + AuditTrail
        + BucketSnapshots
        + Credentials
        + Inbox
        + Subscriptions
        + Sweeps
        + TenantEvents
        + Upkeep
        + Wakes
        + WorkStore
        + Send
        + Sync
        + 'static
{
}

/// What workflows may do: find tenants, and change them under a claim.
pub(crate) trait WorkStore: Tenants + Workflows {}

impl<T: Tenants + Workflows> WorkStore for T {}

#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("the database refused a statement")]
    Database(#[from] sqlx::Error),
    #[error("the database could not be brought to this version's shape")]
    Migration(#[from] sqlx::migrate::MigrateError),
    #[error("the bucket name {name} belongs to another tenant")]
    BucketNameTaken { name: String },
    #[error("the database has the shape of migration {found:?}, this version needs {wanted:?}")]
    ShapeOutdated {
        found: Option<i64>,
        wanted: Option<i64>,
    },
    #[error("no row for {what}")]
    Missing { what: &'static str },
}

/// Who asked for a change, in which request, and when.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) actor: String,
    pub(crate) request_id: String,
    pub(crate) at: i64,
}

/// Whether a statement failed because a unique value is in use.
///
/// `PostgreSQL` names the constraint, `SQLite` the column: both are given.
fn is_taken(error: &sqlx::Error, constraint: &str, column: &str) -> bool {
    error.as_database_error().is_some_and(|database| {
        database.is_unique_violation()
            && (database.constraint() == Some(constraint) || database.message().contains(column))
    })
}

#[cfg(test)]
pub(crate) mod tests;
