//! Moments of tenants' buckets.

use async_trait::async_trait;
use sqlx::Row as _;

use super::audit::audit;
use super::backend::{Row, SqlStore};
use super::tenants::lock;
use crate::principal::TenantScope;
use crate::store::snapshots::{BucketSnapshot, BucketSnapshots, SnapshotAdded};
use crate::store::{Origin, StoreError};

statements! {
    COUNT_SNAPSHOTS = "select count(*) as number from bucket_snapshot where tenant_id = $1";

    INSERT_SNAPSHOT = "
insert into bucket_snapshot (id, tenant_id, name, description, taken_at, created_by)
values ($1, $2, $3, $4, $5, $6)";

    LIST_SNAPSHOTS = "
select id, name, description, taken_at, created_by from bucket_snapshot
where tenant_id = $1 order by taken_at desc, id desc";

    FIND_SNAPSHOT = "
select id, name, description, taken_at, created_by from bucket_snapshot
where tenant_id = $1 and id = $2";

    DELETE_SNAPSHOT = "delete from bucket_snapshot where tenant_id = $1 and id = $2";
}

fn snapshot(row: &Row) -> Result<BucketSnapshot, sqlx::Error> {
    Ok(BucketSnapshot {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        description: row.try_get("description")?,
        taken_at: row.try_get("taken_at")?,
        created_by: row.try_get("created_by")?,
    })
}

#[async_trait]
impl BucketSnapshots for SqlStore {
    async fn add_snapshot(
        &self,
        tenant: &TenantScope,
        snapshot: &BucketSnapshot,
        most: i64,
        origin: &Origin,
    ) -> Result<SnapshotAdded, StoreError> {
        let mut change = self.write().await?;
        if !lock(&mut change, tenant.id()).await? {
            return Ok(SnapshotAdded::TenantGone);
        }
        let number: i64 = sqlx::query(COUNT_SNAPSHOTS)
            .bind(tenant.id())
            .fetch_one(&mut *change)
            .await?
            .try_get("number")?;
        if number >= most {
            return Ok(SnapshotAdded::TooMany);
        }
        sqlx::query(INSERT_SNAPSHOT)
            .bind(&snapshot.id)
            .bind(tenant.id())
            .bind(&snapshot.name)
            .bind(&snapshot.description)
            .bind(snapshot.taken_at)
            .bind(&snapshot.created_by)
            .execute(&mut *change)
            .await?;
        audit(&mut change, origin, "snapshot.create", &snapshot.id, "done").await?;
        change.commit().await?;
        Ok(SnapshotAdded::Added)
    }

    async fn list_snapshots(
        &self,
        tenant: &TenantScope,
    ) -> Result<Vec<BucketSnapshot>, StoreError> {
        let rows = sqlx::query(LIST_SNAPSHOTS)
            .bind(tenant.id())
            .fetch_all(self.reader())
            .await?;
        Ok(rows.iter().map(snapshot).collect::<Result<_, _>>()?)
    }

    async fn find_snapshot(
        &self,
        tenant: &TenantScope,
        id: &str,
    ) -> Result<Option<BucketSnapshot>, StoreError> {
        let row = sqlx::query(FIND_SNAPSHOT)
            .bind(tenant.id())
            .bind(id)
            .fetch_optional(self.reader())
            .await?;
        Ok(row.as_ref().map(snapshot).transpose()?)
    }

    async fn forget_snapshot(
        &self,
        tenant: &TenantScope,
        id: &str,
        origin: &Origin,
    ) -> Result<bool, StoreError> {
        let mut change = self.write().await?;
        let gone = sqlx::query(DELETE_SNAPSHOT)
            .bind(tenant.id())
            .bind(id)
            .execute(&mut *change)
            .await?
            .rows_affected();
        if gone > 0 {
            audit(&mut change, origin, "snapshot.forget", id, "done").await?;
        }
        change.commit().await?;
        Ok(gone > 0)
    }

    async fn record_restore(
        &self,
        tenant: &TenantScope,
        id: &str,
        origin: &Origin,
    ) -> Result<(), StoreError> {
        let mut change = self.write().await?;
        let target = format!("{}/{id}", tenant.id());
        audit(&mut change, origin, "snapshot.restore", &target, "done").await?;
        change.commit().await?;
        Ok(())
    }
}
