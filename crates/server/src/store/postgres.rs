//! The store over `PostgreSQL`, shared by any number of replicas.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};

use super::StoreError;

pub(crate) use backend::PostgresStore;

pub(crate) static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// Replicas that claim work at once pass over each other's rows.
macro_rules! skip_locked {
    () => {
        " for update skip locked"
    };
}

#[path = "sql/accounts.rs"]
#[expect(clippy::duplicate_mod, reason = "one source for both databases")]
mod accounts;
#[path = "sql/alignment.rs"]
#[expect(clippy::duplicate_mod, reason = "one source for both databases")]
mod alignment;
#[path = "sql/api_keys.rs"]
#[expect(clippy::duplicate_mod, reason = "one source for both databases")]
mod api_keys;
#[path = "sql/audit.rs"]
#[expect(clippy::duplicate_mod, reason = "one source for both databases")]
mod audit;
#[path = "sql/credentials.rs"]
#[expect(clippy::duplicate_mod, reason = "one source for both databases")]
mod credentials;
#[path = "sql/events.rs"]
#[expect(clippy::duplicate_mod, reason = "one source for both databases")]
mod events;
#[path = "sql/inbox.rs"]
#[expect(clippy::duplicate_mod, reason = "one source for both databases")]
mod inbox;
#[path = "sql/snapshots.rs"]
#[expect(clippy::duplicate_mod, reason = "one source for both databases")]
mod snapshots;
#[path = "sql/subscriptions.rs"]
#[expect(clippy::duplicate_mod, reason = "one source for both databases")]
mod subscriptions;
#[path = "sql/sweeps.rs"]
#[expect(clippy::duplicate_mod, reason = "one source for both databases")]
mod sweeps;
#[path = "sql/tenants.rs"]
#[expect(clippy::duplicate_mod, reason = "one source for both databases")]
mod tenants;
#[path = "sql/upkeep.rs"]
#[expect(clippy::duplicate_mod, reason = "one source for both databases")]
mod upkeep;
#[path = "sql/workflows.rs"]
#[expect(clippy::duplicate_mod, reason = "one source for both databases")]
mod workflows;

#[cfg(test)]
pub(super) const STATEMENTS: &[super::tests::File] = &[
    ("accounts", accounts::STATEMENTS),
    ("alignment", alignment::STATEMENTS),
    ("api_keys", api_keys::STATEMENTS),
    ("audit", audit::STATEMENTS),
    ("credentials", credentials::STATEMENTS),
    ("events", events::STATEMENTS),
    ("upkeep", upkeep::STATEMENTS),
    ("inbox", inbox::STATEMENTS),
    ("snapshots", snapshots::STATEMENTS),
    ("subscriptions", subscriptions::STATEMENTS),
    ("sweeps", sweeps::STATEMENTS),
    ("tenants", tenants::STATEMENTS),
    ("workflows", workflows::STATEMENTS),
];

/// Where the database is, and how many connections this replica may hold.
#[derive(Clone, Debug)]
pub(crate) struct PostgresSettings {
    /// `postgres://user:password@host:port/database`.
    pub(crate) url: SecretString,
    pub(crate) max_connections: u32,
}

/// How long a request waits for a connection before it fails.
const ACQUIRE_DEADLINE: Duration = Duration::from_secs(5);

async fn connect(settings: &PostgresSettings) -> Result<PgPool, StoreError> {
    let options: PgConnectOptions = settings.url.expose_secret().parse()?;
    let pool = PgPoolOptions::new()
        .max_connections(settings.max_connections)
        .acquire_timeout(ACQUIRE_DEADLINE)
        // A dead connection shows at its first statement; asking first would double every trip.
        .test_before_acquire(false)
        .connect_with(options)
        .await?;
    MIGRATIONS.run(&pool).await?;
    Ok(pool)
}

/// What the files in `sql/` are written against.
mod backend {
    use sqlx::postgres::PgPool;

    use super::{PostgresSettings, StoreError, connect};

    pub(super) use self::PostgresStore as SqlStore;

    pub(super) type Row = sqlx::postgres::PgRow;
    pub(super) type Tx = sqlx::Transaction<'static, sqlx::Postgres>;

    #[derive(Clone)]
    pub(crate) struct PostgresStore {
        pool: PgPool,
    }

    impl PostgresStore {
        /// Connects, and brings the database to the newest migration.
        pub(crate) async fn open(settings: &PostgresSettings) -> Result<Self, StoreError> {
            Ok(Self {
                pool: connect(settings).await?,
            })
        }

        pub(crate) async fn close(&self) {
            self.pool.close().await;
        }

        /// For statements that change nothing.
        pub(in crate::store) fn reader(&self) -> &PgPool {
            &self.pool
        }

        /// Starts a transaction.
        pub(in crate::store) async fn write(&self) -> Result<Tx, sqlx::Error> {
            self.pool.begin().await
        }
    }
}
