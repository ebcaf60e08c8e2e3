//! Whether the database is there, and in which shape.

use async_trait::async_trait;
use sqlx::Row as _;

use super::MIGRATIONS;
use super::backend::SqlStore;
use crate::store::StoreError;
use crate::store::upkeep::{Connections, Upkeep};

statements! {
    APPLIED = "select max(version) as version from _sqlx_migrations where success";
}

#[async_trait]
impl Upkeep for SqlStore {
    async fn check(&self) -> Result<(), StoreError> {
        let row = sqlx::query(APPLIED).fetch_one(self.reader()).await?;
        let found: Option<i64> = row.try_get("version")?;
        let wanted = MIGRATIONS.iter().map(|migration| migration.version).max();
        if found < wanted {
            return Err(StoreError::ShapeOutdated { found, wanted });
        }
        Ok(())
    }

    fn connections(&self) -> Connections {
        let pool = self.reader();
        Connections {
            open: usize::try_from(pool.size()).unwrap_or(usize::MAX),
            idle: pool.num_idle(),
        }
    }

    async fn leave(&self) {
        self.close().await;
    }
}
