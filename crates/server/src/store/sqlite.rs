//! The store over one `SQLite` file: a single writer, several readers.

use std::path::Path;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Sqlite, Transaction};

use super::StoreError;

pub(crate) use backend::SqliteStore;

pub(crate) static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// The one writer takes turns by itself: no row needs to be locked.
macro_rules! skip_locked {
    () => {
        ""
    };
}

#[path = "sql/accounts.rs"]
mod accounts;
#[path = "sql/alignment.rs"]
mod alignment;
#[path = "sql/api_keys.rs"]
mod api_keys;
#[path = "sql/audit.rs"]
mod audit;
#[path = "sql/credentials.rs"]
mod credentials;
#[path = "sql/events.rs"]
mod events;
#[path = "sql/inbox.rs"]
mod inbox;
#[path = "sql/snapshots.rs"]
mod snapshots;
#[path = "sql/subscriptions.rs"]
mod subscriptions;
#[path = "sql/sweeps.rs"]
mod sweeps;
#[path = "sql/tenants.rs"]
mod tenants;
#[path = "sql/upkeep.rs"]
mod upkeep;
#[path = "sql/workflows.rs"]
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

/// What the files in `sql/` are written against.
mod backend {
    use std::path::Path;

    use sqlx::sqlite::SqlitePool;

    use super::{Database, MIGRATIONS, StoreError, open_database};

    pub(super) use self::SqliteStore as SqlStore;

    pub(super) type Row = sqlx::sqlite::SqliteRow;
    pub(super) type Tx = sqlx::Transaction<'static, sqlx::Sqlite>;

    #[derive(Clone)]
    pub(crate) struct SqliteStore {
        database: Database,
    }

    impl SqliteStore {
        /// Opens or creates the file and brings it to the newest migration.
        pub(crate) async fn open(file: &Path) -> Result<Self, StoreError> {
            Ok(Self {
                database: open_database(file, &MIGRATIONS).await?,
            })
        }

        pub(crate) async fn close(&self) {
            self.database.close().await;
        }

        /// For statements that change nothing.
        pub(in crate::store) fn reader(&self) -> &SqlitePool {
            &self.database.reader
        }

        /// Starts a transaction that holds the write lock from its first statement on.
        pub(in crate::store) async fn write(&self) -> Result<Tx, sqlx::Error> {
            self.database.write().await
        }
    }
}

/// The two pools over one `SQLite` file; writes take turns, reads do not wait for them.
#[derive(Clone)]
pub(crate) struct Database {
    pub(crate) writer: SqlitePool,
    pub(crate) reader: SqlitePool,
}

impl Database {
    /// Starts a transaction that holds the write lock from its first statement on.
    pub(crate) async fn write(&self) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
        self.writer.begin_with("begin immediate").await
    }

    /// Lets running statements end and folds the write-ahead log into the file.
    pub(crate) async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }
}

/// Opens or creates the file and brings it to the newest migration.
pub(crate) async fn open_database(
    file: &Path,
    migrations: &Migrator,
) -> Result<Database, StoreError> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(5));
    let writer = SqlitePoolOptions::new()
        .max_connections(1)
        .connect_with(options.clone())
        .await?;
    migrations.run(&writer).await?;
    let reader = SqlitePoolOptions::new()
        .max_connections(4)
        .connect_lazy_with(options);
    Ok(Database { writer, reader })
}
