//! What must hold on both databases.
//!
//! Each domain's tests are functions over a [`Fixture`]; `on_both!` makes two tests of each. They
//! look at what changed and at what is left, by reading the tables directly.

mod accounts;
mod api_keys;
mod audit;
mod credentials;
mod events;
mod inbox;
mod migrations;
mod subscriptions;
mod sweeps;
mod tenants;
mod upkeep;
mod workflows;

use std::sync::Arc;

use sqlx::postgres::PgPool;
use sqlx::sqlite::SqlitePool;
use sqlx::{AssertSqlSafe, Executor, SqlSafeStr};
use tempfile::TempDir;

use super::{
    Begun, Completed, CredentialCaps, CredentialKind, NewCredential, Origin, PostgresSettings,
    PostgresStore, SqliteStore, Store, postgres, sqlite,
};
use crate::principal::TenantScope;

pub(super) type File = (&'static str, &'static [(&'static str, &'static str)]);

/// Makes a test on each database of each function.
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                super::$name(crate::store::tests::Fixture::sqlite().await).await;
            })+
        }

        mod postgres {
            $(#[tokio::test]
            async fn $name() {
                super::$name(crate::store::tests::Fixture::postgres().await).await;
            })+
        }
    };
}
pub(crate) use on_both;

/// An empty store, and a look at its tables.
pub(crate) struct Fixture {
    pub(crate) store: Arc<dyn Store>,
    tables: Tables,
}

enum Tables {
    Sqlite {
        pool: SqlitePool,
        _folder: TempDir,
    },
    Postgres {
        pool: PgPool,
        _database: testkit::Postgres,
    },
}

impl Fixture {
    pub(crate) async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("server.db"))
            .await
            .unwrap();
        let pool = store.reader().clone();
        Self {
            store: Arc::new(store),
            tables: Tables::Sqlite {
                pool,
                _folder: folder,
            },
        }
    }

    pub(crate) async fn postgres() -> Self {
        let database = testkit::postgres().await;
        let settings = PostgresSettings {
            url: database.url.clone().into(),
            max_connections: 4,
        };
        let store = PostgresStore::open(&settings).await.unwrap();
        let pool = store.reader().clone();
        Self {
            store: Arc::new(store),
            tables: Tables::Postgres {
                pool,
                _database: database,
            },
        }
    }

    /// The first column of every row; it must be text.
    pub(crate) async fn texts(&self, query: &str) -> Vec<String> {
        let query = AssertSqlSafe(query.to_owned());
        match &self.tables {
            Tables::Sqlite { pool, .. } => sqlx::query_scalar(query).fetch_all(pool).await.unwrap(),
            Tables::Postgres { pool, .. } => {
                sqlx::query_scalar(query).fetch_all(pool).await.unwrap()
            }
        }
    }

    pub(crate) async fn execute(&self, statement: &str) {
        let statement = AssertSqlSafe(statement.to_owned());
        match &self.tables {
            Tables::Sqlite { pool, .. } => {
                sqlx::query(statement).execute(pool).await.unwrap();
            }
            Tables::Postgres { pool, .. } => {
                sqlx::query(statement).execute(pool).await.unwrap();
            }
        }
    }

    pub(crate) async fn count(&self, table: &str) -> i64 {
        let query = format!("select cast(count(*) as text) from {table}");
        self.texts(&query).await[0].parse().unwrap()
    }

    /// Gives a tenant a key that the object store is said to have made.
    pub(crate) async fn give_key(
        &self,
        scope: &TenantScope,
        id: &str,
        access_key: &str,
        origin: &Origin,
    ) {
        let new = NewCredential {
            id: id.to_owned(),
            name: format!("bm-{id}"),
            description: "laptop".to_owned(),
            kind: CredentialKind::Mount,
            expires_at: None,
        };
        let caps = CredentialCaps {
            live: i64::MAX,
            recent: i64::MAX,
            recent_since: 0,
        };
        let begun = self.store.begin_credential(scope, &new, caps, origin).await;
        assert_eq!(begun.unwrap(), Begun::Recorded);
        let completed = self
            .store
            .complete_credential(scope, id, access_key, "policy", origin)
            .await;
        assert_eq!(completed.unwrap(), Completed::Issued);
    }

    /// Audit events as `action target outcome`, oldest first.
    pub(crate) async fn audit(&self) -> Vec<String> {
        self.texts("select action || ' ' || target || ' ' || outcome from audit order by at, id")
            .await
    }

    async fn prepare(&self, name: &str, text: &'static str) {
        let prepared = match &self.tables {
            Tables::Sqlite { pool, .. } => pool.prepare(text.into_sql_str()).await.map(drop),
            Tables::Postgres { pool, .. } => pool.prepare(text.into_sql_str()).await.map(drop),
        };
        if let Err(error) = prepared {
            panic!("{name}: {error}");
        }
    }
}

pub(crate) fn origin(at: i64) -> Origin {
    Origin {
        actor: "user_1".to_owned(),
        request_id: "request".to_owned(),
        at,
    }
}

#[tokio::test]
async fn every_statement_is_accepted_by_both_databases() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/sql");
    for (fixture, files) in [
        (Fixture::sqlite().await, sqlite::STATEMENTS),
        (Fixture::postgres().await, postgres::STATEMENTS),
    ] {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap();
            assert!(
                files.iter().any(|file| file.0 == name),
                "{name} is not listed"
            );
        }
        for (file, statements) in files {
            for (name, text) in *statements {
                fixture.prepare(&format!("{file}: {name}"), text).await;
            }
        }
    }
}
