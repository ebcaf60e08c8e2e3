//! A look at the database, and a hand in it, past the server.

use std::path::PathBuf;

use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

#[derive(Clone, Debug)]
pub(crate) enum Database {
    Sqlite(PathBuf),
    Postgres(String),
}

impl Database {
    /// Changes rows; how many.
    pub(crate) async fn execute(&self, sql: &str) -> u64 {
        let sql = AssertSqlSafe(sql);
        match self {
            Self::Sqlite(file) => {
                let mut database = sqlite(file).await;
                let done = sqlx::query(sql).execute(&mut database).await.unwrap();
                database.close().await.unwrap();
                done.rows_affected()
            }
            Self::Postgres(url) => {
                let mut database = PgConnection::connect(url).await.unwrap();
                let done = sqlx::query(sql).execute(&mut database).await.unwrap();
                database.close().await.unwrap();
                done.rows_affected()
            }
        }
    }

    /// The texts of a query with one column.
    pub(crate) async fn texts(&self, sql: &str) -> Vec<String> {
        let sql = AssertSqlSafe(sql);
        match self {
            Self::Sqlite(file) => {
                let mut database = sqlite(file).await;
                let texts = sqlx::query_scalar(sql).fetch_all(&mut database).await;
                texts.unwrap()
            }
            Self::Postgres(url) => {
                let mut database = PgConnection::connect(url).await.unwrap();
                let texts = sqlx::query_scalar(sql).fetch_all(&mut database).await;
                texts.unwrap()
            }
        }
    }

    /// The one number that a query gives.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        let sql = AssertSqlSafe(sql);
        match self {
            Self::Sqlite(file) => {
                let mut database = sqlite(file).await;
                sqlx::query_scalar(sql)
                    .fetch_one(&mut database)
                    .await
                    .unwrap()
            }
            Self::Postgres(url) => {
                let mut database = PgConnection::connect(url).await.unwrap();
                sqlx::query_scalar(sql)
                    .fetch_one(&mut database)
                    .await
                    .unwrap()
            }
        }
    }
}

async fn sqlite(file: &std::path::Path) -> SqliteConnection {
    SqliteConnection::connect(&format!("sqlite:{}", file.display()))
        .await
        .unwrap()
}
