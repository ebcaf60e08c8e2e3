//! Sweeps of tenants' buckets.

use async_trait::async_trait;
use sqlx::Row as _;

use super::audit::audit;
use super::backend::{Row, SqlStore};
use crate::store::sweeps::{Sweep, SweepReport, Sweeps};
use crate::store::{Origin, StoreError};

statements! {
    DUE_SWEEP = concat!("
select id, tigris_bucket_name, swept_to, coalesce(sweep_due_at, created_at) as due_at from tenant
where deleted_at is null and tigris_bucket_name is not null
    and (sweep_due_at <= $1 or (sweep_due_at is null and created_at < $2))
order by coalesce(sweep_due_at, created_at), id limit 1", skip_locked!());

    CLAIM_SWEEP = "update tenant set sweep_due_at = $1 where id = $2";

    FIND_SWEEP = "
select id, tigris_bucket_name, null as swept_to, coalesce(sweep_due_at, created_at) as due_at
from tenant
where id = $1 and deleted_at is null and tigris_bucket_name is not null";

    SNAPSHOT_TIMES = "
select taken_at from bucket_snapshot where tenant_id = $1 order by taken_at";

    RECORD_SWEEP = "
update tenant set sweep_due_at = $1, swept_to = $2 where id = $3 and deleted_at is null";

    HASTEN_SWEEP = "
update tenant set sweep_due_at = $1, swept_to = null
where id = $2 and deleted_at is null and tigris_bucket_name is not null";
}

fn sweep(row: &Row, snapshots: &[Row]) -> Result<Sweep, sqlx::Error> {
    Ok(Sweep {
        tenant_id: row.try_get("id")?,
        bucket: row.try_get("tigris_bucket_name")?,
        after: row.try_get("swept_to")?,
        due_at: row.try_get("due_at")?,
        snapshots: snapshots
            .iter()
            .map(|row| row.try_get("taken_at"))
            .collect::<Result<_, _>>()?,
    })
}

#[async_trait]
impl Sweeps for SqlStore {
    async fn claim_sweep(
        &self,
        now: i64,
        made_before: i64,
        lease_until: i64,
    ) -> Result<Option<Sweep>, StoreError> {
        let mut change = self.write().await?;
        let due = sqlx::query(DUE_SWEEP)
            .bind(now)
            .bind(made_before)
            .fetch_optional(&mut *change)
            .await?;
        let Some(row) = due else {
            return Ok(None);
        };
        let id: String = row.try_get("id")?;
        sqlx::query(CLAIM_SWEEP)
            .bind(lease_until)
            .bind(&id)
            .execute(&mut *change)
            .await?;
        let snapshots = sqlx::query(SNAPSHOT_TIMES)
            .bind(id)
            .fetch_all(&mut *change)
            .await?;
        change.commit().await?;
        Ok(Some(sweep(&row, &snapshots)?))
    }

    async fn find_sweep(&self, tenant_id: &str) -> Result<Option<Sweep>, StoreError> {
        let found = sqlx::query(FIND_SWEEP)
            .bind(tenant_id)
            .fetch_optional(self.reader())
            .await?;
        let Some(row) = found else {
            return Ok(None);
        };
        let snapshots = sqlx::query(SNAPSHOT_TIMES)
            .bind(tenant_id)
            .fetch_all(self.reader())
            .await?;
        Ok(Some(sweep(&row, &snapshots)?))
    }

    async fn record_sweep(&self, report: &SweepReport, origin: &Origin) -> Result<(), StoreError> {
        let mut change = self.write().await?;
        sqlx::query(RECORD_SWEEP)
            .bind(report.due_at)
            .bind(&report.after)
            .bind(&report.tenant_id)
            .execute(&mut *change)
            .await?;
        if report.removed > 0 {
            let target = format!("{}/{}", report.tenant_id, report.removed);
            audit(&mut change, origin, "versions.remove", &target, "done").await?;
        }
        change.commit().await?;
        Ok(())
    }

    async fn hasten_sweep(&self, tenant_id: &str, origin: &Origin) -> Result<bool, StoreError> {
        let mut change = self.write().await?;
        let found = sqlx::query(HASTEN_SWEEP)
            .bind(origin.at)
            .bind(tenant_id)
            .execute(&mut *change)
            .await?
            .rows_affected();
        if found > 0 {
            audit(&mut change, origin, "versions.sweep", tenant_id, "done").await?;
        }
        change.commit().await?;
        Ok(found > 0)
    }
}
