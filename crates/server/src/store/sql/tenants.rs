//! Tenants by id, and the changes that workflows make under their claims.

use async_trait::async_trait;
use serde_json::json;
use sqlx::Row as _;

use super::audit::audit;
use super::backend::{Row, SqlStore, Tx};
use super::workflows::{call_off, enqueue, held};
use crate::provisioning::{DELETION, FIRST_DELETION_STEP, FIRST_STEP, PROVISIONING};
use crate::store::accounts::Instance;
use crate::store::tenants::{Changed, Queued, RemainingKey, TenantRecord, Tenants, WorkRecord};
use crate::store::workflows::{Claim, NewWorkflow};
use crate::store::{Origin, StoreError};

/// How long a deletion tries by itself before the removal job tries, too.
const REMOVAL_HEAD_START_MS: i64 = 10 * 60 * 1000;

macro_rules! tenants_where {
    ($condition:literal) => {
        concat!(
            "
select t.id, p.workos_user_id, p.email, t.reserved_bucket_name, t.tigris_bucket_name,
       t.created_at, t.ready_at, t.deleted_at, t.purge_at,
       t.secrets_version, i.address, i.key_id, i.state,
       w.kind, w.step, w.status, w.attempt, w.next_run_at, w.error
from tenant t
join user_profile p on p.id = t.owner_profile_id
left join tenant_instance i on i.tenant_id = t.id
left join workflow w on w.id = (
    select id from workflow where tenant_id = t.id order by created_at desc, id desc limit 1
)
",
            $condition
        )
    };
}

statements! {
    LOCK = "update tenant set updated_at = updated_at where id = $1 and deleted_at is null";

    FIND = tenants_where!("where t.id = $1");

    FIND_OWN = tenants_where!("where t.owner_profile_id = $1 and t.deleted_at is null");

    LIST = tenants_where!("where t.id > $1 order by t.id limit $2");

    LOCK_WORK = "
update workflow set updated_at = updated_at
where tenant_id = $1 and status in ('queued', 'running')";

    TOUCH = "update tenant set updated_at = $1 where id = $2 and deleted_at is null";

    FIND_PURGE = "select purge_at from tenant where id = $1";

    EXPEDITE = "
update workflow set next_run_at = $1, updated_at = $1
where tenant_id = $2 and kind = $3 and status = 'queued' and next_run_at > $1";

    MARK_DELETED = "
update tenant set deleted_at = $1, purge_at = $2, updated_at = $1
where id = $3 and deleted_at is null";

    UNLINK = "update user_profile set tenant_id = null, updated_at = $1 where tenant_id = $2";

    PUT_INSTANCE = "
insert into tenant_instance (tenant_id, address, key_id, state, created_at, updated_at)
values ($1, $2, $3, $4, $5, $5)
on conflict (tenant_id) do update
set address = excluded.address, key_id = excluded.key_id, state = excluded.state,
    updated_at = excluded.updated_at";

    DROP_INSTANCE = "delete from tenant_instance where tenant_id = $1";

    RECORD_SECRETS = "
update tenant set secrets_version = $1, updated_at = $2 where id = $3 and deleted_at is null";

    // Ids are in the order in which they were made.
    RETIRE_KEYS = "
update tenant_mount_credentials
set revoked_at = $1, removal_due_at = $1, updated_at = $1
where tenant_id = $2 and kind = 'instance' and revoked_at is null and id < (
    select max(id) from tenant_mount_credentials
    where tenant_id = $2 and kind = 'instance' and revoked_at is null and issued_at is not null
)
returning id";

    MARK_READY = "
update tenant set ready_at = $1, updated_at = $1 where id = $2 and ready_at is null";

    CLOSE_KEYS = "
update tenant_mount_credentials set revoked_at = $1, removal_due_at = $2, updated_at = $1
where tenant_id = $3 and revoked_at is null
returning id";

    REMAINING_KEYS = "
select id, name, access_key, policy_arn from tenant_mount_credentials
where tenant_id = $1 and tigris_deletion_status <> 'completed'
order by created_at, id";

    KEY_REMOVED = "
update tenant_mount_credentials
set tigris_deletion_status = 'completed', updated_at = $1
where id = $2 and tenant_id = $3 and tigris_deletion_status <> 'completed'";

    RECORD_BUCKET = "
update tenant set tigris_bucket_name = reserved_bucket_name, updated_at = $1
where id = $2 and tigris_bucket_name is null and deleted_at is null";

    FORGET_KEYS = "delete from tenant_mount_credentials where tenant_id = $1";

    FORGET = "delete from tenant where id = $1";
}

fn record_from(row: &Row) -> Result<TenantRecord, sqlx::Error> {
    let address: Option<String> = row.try_get("address")?;
    let instance = match address {
        Some(address) => Some(Instance {
            address,
            key_id: row.try_get("key_id")?,
            state: row.try_get("state")?,
        }),
        None => None,
    };
    let kind: Option<String> = row.try_get("kind")?;
    let work = match kind {
        Some(kind) => Some(WorkRecord {
            kind,
            step: row.try_get("step")?,
            status: row.try_get("status")?,
            attempt: row.try_get("attempt")?,
            next_run_at: row.try_get("next_run_at")?,
            error: row.try_get("error")?,
        }),
        None => None,
    };
    Ok(TenantRecord {
        id: row.try_get("id")?,
        workos_user_id: row.try_get("workos_user_id")?,
        email: row.try_get("email")?,
        reserved_bucket_name: row.try_get("reserved_bucket_name")?,
        bucket_name: row.try_get("tigris_bucket_name")?,
        created_at: row.try_get("created_at")?,
        ready_at: row.try_get("ready_at")?,
        deleted_at: row.try_get("deleted_at")?,
        purge_at: row.try_get("purge_at")?,
        instance,
        secrets_version: row.try_get("secrets_version")?,
        work,
    })
}

fn key_from(row: &Row) -> Result<RemainingKey, sqlx::Error> {
    Ok(RemainingKey {
        id: row.try_get("id")?,
        key: super::credentials::key_from(row)?,
    })
}

/// Lets those who would count what a live tenant has at once take turns, until the change ends;
/// tells whether it is there.
pub(super) async fn lock(change: &mut Tx, id: &str) -> Result<bool, sqlx::Error> {
    let locked = sqlx::query(LOCK).bind(id).execute(&mut **change).await?;
    Ok(locked.rows_affected() > 0)
}

/// Enqueues the provisioning of a tenant within the change that makes or needs it.
pub(super) async fn provision(change: &mut Tx, id: &str, at: i64) -> Result<bool, sqlx::Error> {
    let work = NewWorkflow {
        kind: PROVISIONING,
        tenant_id: Some(id.to_owned()),
        step: FIRST_STEP,
        input: "{}".to_owned(),
        run_at: at,
    };
    enqueue(change, &work, at).await
}

pub(super) async fn record_bucket(
    change: &mut Tx,
    tenant: &str,
    origin: &Origin,
) -> Result<(), sqlx::Error> {
    let recorded = sqlx::query(RECORD_BUCKET)
        .bind(origin.at)
        .bind(tenant)
        .execute(&mut **change)
        .await?
        .rows_affected();
    if recorded == 1 {
        audit(change, origin, "tenant.bucket", tenant, "done").await?;
    }
    Ok(())
}

pub(super) async fn put_instance(
    change: &mut Tx,
    tenant: &str,
    instance: &Instance,
    origin: &Origin,
) -> Result<(), sqlx::Error> {
    sqlx::query(PUT_INSTANCE)
        .bind(tenant)
        .bind(&instance.address)
        .bind(&instance.key_id)
        .bind(&instance.state)
        .bind(origin.at)
        .execute(&mut **change)
        .await?;
    audit(change, origin, "tenant.instance", tenant, &instance.state).await
}

fn claimed_tenant(claim: &Claim) -> Result<&str, StoreError> {
    claim
        .tenant_id
        .as_deref()
        .ok_or(StoreError::Missing { what: "tenant" })
}

/// Of a tenant that is not live, when its bucket goes; `None` if there is no such tenant.
async fn purge_of(change: &mut Tx, id: &str) -> Result<Option<Option<i64>>, sqlx::Error> {
    let found = sqlx::query(FIND_PURGE)
        .bind(id)
        .fetch_optional(&mut **change)
        .await?;
    found.map(|row| row.try_get("purge_at")).transpose()
}

/// Enqueues the deletion of a tenant within the change that asks for it; tells whether there was none.
async fn delete(
    change: &mut Tx,
    id: &str,
    settled_at: i64,
    purge_at: i64,
    origin: &Origin,
) -> Result<bool, sqlx::Error> {
    let work = NewWorkflow {
        kind: DELETION,
        tenant_id: Some(id.to_owned()),
        step: FIRST_DELETION_STEP,
        input: json!({ "settled_at": settled_at, "purge_at": purge_at }).to_string(),
        run_at: origin.at,
    };
    let queued = enqueue(change, &work, origin.at).await?;
    if queued {
        audit(change, origin, "tenant.delete", id, "queued").await?;
    }
    Ok(queued)
}

#[async_trait]
impl Tenants for SqlStore {
    async fn find_tenant(&self, id: &str) -> Result<Option<TenantRecord>, StoreError> {
        let row = sqlx::query(FIND)
            .bind(id)
            .fetch_optional(self.reader())
            .await?;
        Ok(row.as_ref().map(record_from).transpose()?)
    }

    async fn find_own_tenant(&self, profile_id: &str) -> Result<Option<TenantRecord>, StoreError> {
        let row = sqlx::query(FIND_OWN)
            .bind(profile_id)
            .fetch_optional(self.reader())
            .await?;
        Ok(row.as_ref().map(record_from).transpose()?)
    }

    async fn list_tenants(&self, after: &str, limit: u32) -> Result<Vec<TenantRecord>, StoreError> {
        let rows = sqlx::query(LIST)
            .bind(after)
            .bind(i64::from(limit))
            .fetch_all(self.reader())
            .await?;
        let records: Result<Vec<_>, _> = rows.iter().map(record_from).collect();
        Ok(records?)
    }

    async fn queue_provisioning(&self, id: &str, origin: &Origin) -> Result<Queued, StoreError> {
        let mut change = self.write().await?;
        // Workers lock the workflow before the tenant, so this does too.
        sqlx::query(LOCK_WORK)
            .bind(id)
            .execute(&mut *change)
            .await?;
        let live = sqlx::query(TOUCH)
            .bind(origin.at)
            .bind(id)
            .execute(&mut *change)
            .await?
            .rows_affected();
        if live == 0 {
            return Ok(match purge_of(&mut change, id).await? {
                Some(_) => Queued::Deleting,
                None => Queued::NoSuchTenant,
            });
        }
        let queued = provision(&mut change, id, origin.at).await?;
        if queued {
            audit(&mut change, origin, "tenant.provision", id, "queued").await?;
        } else {
            sqlx::query(EXPEDITE)
                .bind(origin.at)
                .bind(id)
                .bind(PROVISIONING)
                .execute(&mut *change)
                .await?;
        }
        change.commit().await?;
        Ok(if queued {
            Queued::Added
        } else {
            Queued::UnderWay
        })
    }

    async fn queue_deletion(
        &self,
        id: &str,
        purge_at: i64,
        origin: &Origin,
    ) -> Result<Queued, StoreError> {
        let mut change = self.write().await?;
        // Workers lock the workflow before the tenant, so this does too.
        let settled_at = call_off(&mut change, id, PROVISIONING, origin.at).await?;
        let marked = sqlx::query(MARK_DELETED)
            .bind(origin.at)
            .bind(purge_at)
            .bind(id)
            .execute(&mut *change)
            .await?
            .rows_affected();
        if marked == 0 {
            let Some(known) = purge_of(&mut change, id).await? else {
                return Ok(Queued::NoSuchTenant);
            };
            // The row goes with the deletion's last step: without work, it was given up.
            let purge_at = known.unwrap_or(purge_at);
            if !delete(&mut change, id, origin.at, purge_at, origin).await? {
                return Ok(Queued::Deleting);
            }
            change.commit().await?;
            return Ok(Queued::Added);
        }
        sqlx::query(UNLINK)
            .bind(origin.at)
            .bind(id)
            .execute(&mut *change)
            .await?;
        // What was enqueued while the tenant's row was waited for.
        let late = call_off(&mut change, id, PROVISIONING, origin.at).await?;
        delete(&mut change, id, settled_at.max(late), purge_at, origin).await?;
        change.commit().await?;
        Ok(Queued::Added)
    }

    async fn bucket_made(&self, claim: &Claim, origin: &Origin) -> Result<Changed, StoreError> {
        let tenant = claimed_tenant(claim)?;
        let Some(mut change) = held(self, claim, origin.at).await? else {
            return Ok(Changed::Fenced);
        };
        record_bucket(&mut change, tenant, origin).await?;
        change.commit().await?;
        Ok(Changed::Done)
    }

    async fn put_instance(
        &self,
        claim: &Claim,
        instance: &Instance,
        origin: &Origin,
    ) -> Result<Changed, StoreError> {
        let tenant = claimed_tenant(claim)?;
        let Some(mut change) = held(self, claim, origin.at).await? else {
            return Ok(Changed::Fenced);
        };
        put_instance(&mut change, tenant, instance, origin).await?;
        change.commit().await?;
        Ok(Changed::Done)
    }

    async fn drop_instance(&self, claim: &Claim, origin: &Origin) -> Result<Changed, StoreError> {
        let tenant = claimed_tenant(claim)?;
        let Some(mut change) = held(self, claim, origin.at).await? else {
            return Ok(Changed::Fenced);
        };
        let dropped = sqlx::query(DROP_INSTANCE)
            .bind(tenant)
            .execute(&mut *change)
            .await?
            .rows_affected();
        if dropped == 1 {
            audit(&mut change, origin, "tenant.instance", tenant, "removed").await?;
        }
        change.commit().await?;
        Ok(Changed::Done)
    }

    async fn record_secrets(
        &self,
        claim: &Claim,
        version: i64,
        origin: &Origin,
    ) -> Result<Changed, StoreError> {
        let tenant = claimed_tenant(claim)?;
        let Some(mut change) = held(self, claim, origin.at).await? else {
            return Ok(Changed::Fenced);
        };
        sqlx::query(RECORD_SECRETS)
            .bind(version)
            .bind(origin.at)
            .bind(tenant)
            .execute(&mut *change)
            .await?;
        change.commit().await?;
        Ok(Changed::Done)
    }

    async fn retire_instance_keys(
        &self,
        claim: &Claim,
        origin: &Origin,
    ) -> Result<Changed, StoreError> {
        let tenant = claimed_tenant(claim)?;
        let Some(mut change) = held(self, claim, origin.at).await? else {
            return Ok(Changed::Fenced);
        };
        let retired = sqlx::query(RETIRE_KEYS)
            .bind(origin.at)
            .bind(tenant)
            .fetch_all(&mut *change)
            .await?;
        for row in &retired {
            let id: String = row.try_get("id")?;
            audit(&mut change, origin, "credential.revoke", &id, "done").await?;
        }
        change.commit().await?;
        Ok(Changed::Done)
    }

    async fn mark_ready(&self, claim: &Claim, origin: &Origin) -> Result<Changed, StoreError> {
        let tenant = claimed_tenant(claim)?;
        let Some(mut change) = held(self, claim, origin.at).await? else {
            return Ok(Changed::Fenced);
        };
        let first = sqlx::query(MARK_READY)
            .bind(origin.at)
            .bind(tenant)
            .execute(&mut *change)
            .await?
            .rows_affected();
        if first == 1 {
            audit(&mut change, origin, "tenant.ready", tenant, "done").await?;
        }
        change.commit().await?;
        Ok(Changed::Done)
    }

    async fn close_keys(
        &self,
        claim: &Claim,
        origin: &Origin,
    ) -> Result<Option<Vec<RemainingKey>>, StoreError> {
        let tenant = claimed_tenant(claim)?;
        let Some(mut change) = held(self, claim, origin.at).await? else {
            return Ok(None);
        };
        let closed = sqlx::query(CLOSE_KEYS)
            .bind(origin.at)
            .bind(origin.at + REMOVAL_HEAD_START_MS)
            .bind(tenant)
            .fetch_all(&mut *change)
            .await?;
        for row in &closed {
            let id: String = row.try_get("id")?;
            audit(&mut change, origin, "credential.revoke", &id, "done").await?;
        }
        let remaining = sqlx::query(REMAINING_KEYS)
            .bind(tenant)
            .fetch_all(&mut *change)
            .await?;
        change.commit().await?;
        let remaining: Result<Vec<_>, sqlx::Error> = remaining.iter().map(key_from).collect();
        Ok(Some(remaining?))
    }

    async fn key_removed(
        &self,
        claim: &Claim,
        key_id: &str,
        origin: &Origin,
    ) -> Result<Changed, StoreError> {
        let tenant = claimed_tenant(claim)?;
        let Some(mut change) = held(self, claim, origin.at).await? else {
            return Ok(Changed::Fenced);
        };
        let removed = sqlx::query(KEY_REMOVED)
            .bind(origin.at)
            .bind(key_id)
            .bind(tenant)
            .execute(&mut *change)
            .await?
            .rows_affected();
        if removed == 1 {
            audit(
                &mut change,
                origin,
                "credential.key_removal",
                key_id,
                "completed",
            )
            .await?;
        }
        change.commit().await?;
        Ok(Changed::Done)
    }

    async fn forget_tenant(&self, claim: &Claim, origin: &Origin) -> Result<Changed, StoreError> {
        let tenant = claimed_tenant(claim)?;
        let Some(mut change) = held(self, claim, origin.at).await? else {
            return Ok(Changed::Fenced);
        };
        for statement in [FORGET_KEYS, DROP_INSTANCE] {
            sqlx::query(statement)
                .bind(tenant)
                .execute(&mut *change)
                .await?;
        }
        let forgotten = sqlx::query(FORGET)
            .bind(tenant)
            .execute(&mut *change)
            .await?
            .rows_affected();
        if forgotten == 1 {
            audit(&mut change, origin, "tenant.forget", tenant, "done").await?;
        }
        change.commit().await?;
        Ok(Changed::Done)
    }
}
