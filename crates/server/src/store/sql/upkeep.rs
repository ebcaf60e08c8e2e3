//! Whether the database is there, and in which shape.

use async_trait::async_trait;
use sqlx::Row as _;

use super::MIGRATIONS;
use super::backend::SqlStore;
use crate::store::StoreError;
use crate::store::upkeep::{Backlog, Connections, Upkeep};

statements! {
    APPLIED = "select max(version) as version from _sqlx_migrations where success";

    BACKLOG = "
select cast('workflow' as text) as work, status as state, count(*) as number
from workflow where status in ('queued', 'running', 'failed') group by status
union all
select cast('key_removal' as text), tigris_deletion_status, count(*)
from tenant_mount_credentials
where revoked_at is not null and tigris_deletion_status <> 'completed'
group by tigris_deletion_status";
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

    async fn backlog(&self) -> Result<Vec<Backlog>, StoreError> {
        let rows = sqlx::query(BACKLOG).fetch_all(self.reader()).await?;
        let read = rows.iter().map(|row| {
            Ok(Backlog {
                work: row.try_get("work")?,
                state: row.try_get("state")?,
                number: row.try_get("number")?,
            })
        });
        read.collect()
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
