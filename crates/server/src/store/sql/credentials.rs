//! The keys that open a tenant's bucket, without their secrets.

use async_trait::async_trait;
use sqlx::Row as _;

use super::audit::{audit, audit_because};
use super::backend::{Row, SqlStore};
use super::tenants::lock;
use crate::buckets::{Access, KeyRef};
use crate::principal::TenantScope;
use crate::store::credentials::{
    AccessChange, Begun, Completed, Credential, CredentialCaps, CredentialKind, Credentials,
    KeyRemoval, Leaving, NewCredential, Removal, Revocation,
};
use crate::store::{Origin, StoreError, Subscription};

const CREATED: &str = "MountCredentialCreatedEvent";
const REVOKED: &str = "MountCredentialRevokedEvent";
const ORPHANED: &str = "MountCredentialOrphanedEvent";
const KEY_REMOVAL: &str = "credential.key_removal";

statements! {
    NAME_DEPLOYMENT = "
insert into deployment (slot, id) values (1, $1) on conflict (slot) do nothing";

    DEPLOYMENT = "select id from deployment where slot = 1";

    COUNT_LIVE = "
select count(*) as live from tenant_mount_credentials
where tenant_id = $1 and revoked_at is null and kind = 'mount'";

    COUNT_RECENT = "
select count(*) as recent, min(created_at) as earliest from tenant_mount_credentials
where tenant_id = $1 and created_at > $2 and kind = 'mount'";

    BEGIN_CREDENTIAL = "
insert into tenant_mount_credentials
    (id, tenant_id, name, description, expires_at, created_at, updated_at, kind)
values ($1, $2, $3, $4, $5, $6, $6, $7)";

    COMPLETE_CREDENTIAL = "
update tenant_mount_credentials
set access_key = $1, policy_arn = $2, issued_at = $3, updated_at = $3
where id = $4 and tenant_id = $5 and issued_at is null and revoked_at is null";

    FAIL_CREDENTIAL = "
update tenant_mount_credentials set revoked_at = $1, removal_due_at = $1, updated_at = $1
where id = $2 and tenant_id = $3 and issued_at is null and revoked_at is null";

    LIVE_CREDENTIALS = "
select id, access_key, description, created_at, last_used_at, expires_at
from tenant_mount_credentials
where tenant_id = $1 and revoked_at is null and issued_at is not null and kind = 'mount'
order by created_at, id";

    LEAVING_CREDENTIALS = "
select id, access_key, description, created_at, last_used_at, expires_at, tigris_deletion_status
from tenant_mount_credentials
where tenant_id = $1 and revoked_at is not null and issued_at is not null
    and tigris_deletion_status <> 'completed' and kind = 'mount'
order by created_at, id";

    FIND_CREDENTIAL = "
select name, access_key, policy_arn, tigris_deletion_status
from tenant_mount_credentials
where id = $1 and tenant_id = $2 and issued_at is not null and kind = 'mount'";

    REVOKE_CREDENTIAL = "
update tenant_mount_credentials set revoked_at = $1, removal_due_at = $2, updated_at = $1
where id = $3 and tenant_id = $4 and revoked_at is null";

    SCHEDULE_REMOVAL = "
update tenant_mount_credentials set removal_due_at = $1, updated_at = $2 where id = $3";

    RECORD_REMOVAL = "
update tenant_mount_credentials set tigris_deletion_status = $1, updated_at = $2
where id = $3 and tigris_deletion_status <> $1";

    CLAIM_REMOVALS = concat!("
update tenant_mount_credentials
set removal_due_at = $1, removal_attempts = removal_attempts + 1, updated_at = $2
where id in (
    select id from tenant_mount_credentials
    where revoked_at is not null and tigris_deletion_status <> 'completed'
        and removal_due_at <= $2
    order by removal_due_at, id limit $3", skip_locked!(), ")
returning id, name, access_key, policy_arn, removal_attempts");

    REVOKE_ORPHANS = "
update tenant_mount_credentials set revoked_at = $1, removal_due_at = $1, updated_at = $1
where revoked_at is null
    and ((issued_at is null and created_at < $2) or expires_at <= $1)
returning id, issued_at";

    REVOKE_UNUSED = "
update tenant_mount_credentials set revoked_at = $1, removal_due_at = $1, updated_at = $1
where id = $2 and revoked_at is null and kind = 'mount'
    and coalesce(last_used_at, issued_at) < $3";

    KEYS_TO_CHECK = "
select id, name, access_key, policy_arn from tenant_mount_credentials
where revoked_at is null and issued_at is not null and coalesce(checked_at, 0) < $1
order by coalesce(checked_at, 0), id limit $2";

    RECORD_USE = "
update tenant_mount_credentials
set checked_at = $1,
    last_used_at = case when last_used_at > $2 then last_used_at
                        else coalesce($2, last_used_at) end
where id = $3";

    HAS_CREDENTIAL = "
select count(*) as found from tenant_mount_credentials
where name = $1 and tigris_deletion_status <> 'completed'";

    KNOWN_ACCESS_KEYS = "
select access_key from tenant_mount_credentials
where access_key is not null and tigris_deletion_status <> 'completed'";

    UNISSUED = "
select created_at from tenant_mount_credentials
where issued_at is null and created_at > $1 order by created_at";

    ACCESS_CHANGES = "
select id, name, access_key, policy_arn, expires_at, bucket, wanted
from (
    select c.id, c.name, c.access_key, c.policy_arn, c.expires_at, c.access, c.access_tried_at,
           t.tigris_bucket_name as bucket,
           case when s.status = 'active' and s.current_period_end >= $1 then 'read_write'
                else 'read_only' end as wanted
    from tenant_mount_credentials c
    join tenant t on t.id = c.tenant_id
    join user_profile p on p.id = t.owner_profile_id
    left join subscriptions s on s.workos_user_id = p.workos_user_id
    where c.revoked_at is null and c.issued_at is not null and t.tigris_bucket_name is not null
) as keys
where access <> wanted or access_tried_at is not null
order by coalesce(access_tried_at, 0), id limit $2";

    BEGIN_ACCESS_CHANGE = "
update tenant_mount_credentials set access_tried_at = $1
where id = $2 and revoked_at is null";

    RECORD_ACCESS = "
update tenant_mount_credentials set access = $1, updated_at = $2
where id = $3 and access <> $1 and access_tried_at = $4";

    END_ACCESS_CHANGE = "
update tenant_mount_credentials
set access_tried_at = case when access_tried_at = $1 then null
    when access_tried_at is null and access <> $2 then cast($3 as bigint) else access_tried_at end
where id = $4";

    BUCKET_SUBSCRIPTION = "
select s.status, s.plan, s.current_period_end
from tenant t
join user_profile p on p.id = t.owner_profile_id
join subscriptions s on s.workos_user_id = p.workos_user_id
where t.tigris_bucket_name = $1 and t.deleted_at is null";
}

pub(super) fn key_from(row: &Row) -> Result<KeyRef, sqlx::Error> {
    Ok(KeyRef {
        name: row.try_get("name")?,
        access_key: row.try_get("access_key")?,
        policy_arn: row.try_get("policy_arn")?,
    })
}

fn kind_word(kind: CredentialKind) -> &'static str {
    match kind {
        CredentialKind::Mount => "mount",
        CredentialKind::Instance => "instance",
    }
}

fn credential_from(row: &Row) -> Result<Credential, sqlx::Error> {
    Ok(Credential {
        id: row.try_get("id")?,
        access_key: row.try_get("access_key")?,
        description: row.try_get("description")?,
        created_at: row.try_get("created_at")?,
        last_used_at: row.try_get("last_used_at")?,
        expires_at: row.try_get("expires_at")?,
    })
}

fn removal_from(row: &Row) -> Result<Removal, sqlx::Error> {
    Ok(Removal {
        id: row.try_get("id")?,
        key: key_from(row)?,
        attempt: row.try_get("removal_attempts")?,
    })
}

#[async_trait]
impl Credentials for SqlStore {
    async fn deployment_id(&self, candidate: &str) -> Result<String, StoreError> {
        let mut change = self.write().await?;
        sqlx::query(NAME_DEPLOYMENT)
            .bind(candidate)
            .execute(&mut *change)
            .await?;
        let row = sqlx::query(DEPLOYMENT).fetch_one(&mut *change).await?;
        change.commit().await?;
        Ok(row.try_get("id")?)
    }

    async fn begin_credential(
        &self,
        tenant: &TenantScope,
        credential: &NewCredential,
        caps: CredentialCaps,
        origin: &Origin,
    ) -> Result<Begun, StoreError> {
        let mut change = self.write().await?;
        if !lock(&mut change, tenant.id()).await? {
            return Ok(Begun::TenantGone);
        }
        let row = sqlx::query(COUNT_LIVE)
            .bind(tenant.id())
            .fetch_one(&mut *change)
            .await?;
        let live: i64 = row.try_get("live")?;
        if live >= caps.live {
            return Ok(Begun::TooManyLive);
        }
        let row = sqlx::query(COUNT_RECENT)
            .bind(tenant.id())
            .bind(caps.recent_since)
            .fetch_one(&mut *change)
            .await?;
        let recent: i64 = row.try_get("recent")?;
        if recent >= caps.recent {
            let earliest: Option<i64> = row.try_get("earliest")?;
            let earliest = earliest.unwrap_or(origin.at);
            return Ok(Begun::TooManyRecent { earliest });
        }
        sqlx::query(BEGIN_CREDENTIAL)
            .bind(&credential.id)
            .bind(tenant.id())
            .bind(&credential.name)
            .bind(&credential.description)
            .bind(credential.expires_at)
            .bind(origin.at)
            .bind(kind_word(credential.kind))
            .execute(&mut *change)
            .await?;
        change.commit().await?;
        Ok(Begun::Recorded)
    }

    async fn complete_credential(
        &self,
        tenant: &TenantScope,
        id: &str,
        access_key: &str,
        policy_arn: &str,
        origin: &Origin,
    ) -> Result<Completed, StoreError> {
        let mut change = self.write().await?;
        let completed = sqlx::query(COMPLETE_CREDENTIAL)
            .bind(access_key)
            .bind(policy_arn)
            .bind(origin.at)
            .bind(id)
            .bind(tenant.id())
            .execute(&mut *change)
            .await?
            .rows_affected();
        if completed == 0 {
            return Ok(Completed::Unwanted);
        }
        audit(&mut change, origin, CREATED, id, "done").await?;
        change.commit().await?;
        Ok(Completed::Issued)
    }

    async fn fail_credential(
        &self,
        tenant: &TenantScope,
        id: &str,
        origin: &Origin,
    ) -> Result<(), StoreError> {
        let mut change = self.write().await?;
        let failed = sqlx::query(FAIL_CREDENTIAL)
            .bind(origin.at)
            .bind(id)
            .bind(tenant.id())
            .execute(&mut *change)
            .await?
            .rows_affected();
        if failed == 1 {
            audit(&mut change, origin, CREATED, id, "failed").await?;
        }
        change.commit().await?;
        Ok(())
    }

    async fn list_credentials(&self, tenant: &TenantScope) -> Result<Vec<Credential>, StoreError> {
        let rows = sqlx::query(LIVE_CREDENTIALS)
            .bind(tenant.id())
            .fetch_all(self.reader())
            .await?;
        rows.iter().map(|row| Ok(credential_from(row)?)).collect()
    }

    async fn leaving_credentials(
        &self,
        tenant: &TenantScope,
    ) -> Result<Vec<(Credential, Leaving)>, StoreError> {
        let rows = sqlx::query(LEAVING_CREDENTIALS)
            .bind(tenant.id())
            .fetch_all(self.reader())
            .await?;
        rows.iter()
            .map(|row| {
                let status: String = row.try_get("tigris_deletion_status")?;
                let leaving = match status.as_str() {
                    "failed" => Leaving::Failed,
                    _ => Leaving::Pending,
                };
                Ok((credential_from(row)?, leaving))
            })
            .collect()
    }

    async fn revoke_credential(
        &self,
        tenant: &TenantScope,
        id: &str,
        removal_due_at: i64,
        origin: &Origin,
    ) -> Result<Option<Revocation>, StoreError> {
        let mut change = self.write().await?;
        let found = sqlx::query(FIND_CREDENTIAL)
            .bind(id)
            .bind(tenant.id())
            .fetch_optional(&mut *change)
            .await?;
        let Some(row) = found else { return Ok(None) };
        let revoked = sqlx::query(REVOKE_CREDENTIAL)
            .bind(origin.at)
            .bind(removal_due_at)
            .bind(id)
            .bind(tenant.id())
            .execute(&mut *change)
            .await?
            .rows_affected();
        if revoked == 1 {
            audit(&mut change, origin, REVOKED, id, "done").await?;
        }
        change.commit().await?;
        let removal: String = row.try_get("tigris_deletion_status")?;
        if removal == "completed" {
            return Ok(Some(Revocation::Done));
        }
        Ok(Some(Revocation::KeyRemains(key_from(&row)?)))
    }

    async fn record_key_removal(
        &self,
        id: &str,
        removal: KeyRemoval,
        origin: &Origin,
    ) -> Result<(), StoreError> {
        let (status, due_at) = match removal {
            KeyRemoval::Completed => ("completed", None),
            KeyRemoval::Failed { due_at } => ("failed", Some(due_at)),
        };
        let mut change = self.write().await?;
        sqlx::query(SCHEDULE_REMOVAL)
            .bind(due_at)
            .bind(origin.at)
            .bind(id)
            .execute(&mut *change)
            .await?;
        let changed = sqlx::query(RECORD_REMOVAL)
            .bind(status)
            .bind(origin.at)
            .bind(id)
            .execute(&mut *change)
            .await?
            .rows_affected();
        if changed == 1 {
            audit(&mut change, origin, KEY_REMOVAL, id, status).await?;
        }
        change.commit().await?;
        Ok(())
    }

    async fn claim_removals(
        &self,
        now: i64,
        lease_until: i64,
        limit: i64,
    ) -> Result<Vec<Removal>, StoreError> {
        let mut change = self.write().await?;
        let rows = sqlx::query(CLAIM_REMOVALS)
            .bind(lease_until)
            .bind(now)
            .bind(limit)
            .fetch_all(&mut *change)
            .await?;
        change.commit().await?;
        Ok(rows.iter().map(removal_from).collect::<Result<_, _>>()?)
    }

    async fn revoke_orphans(
        &self,
        begun_before: i64,
        origin: &Origin,
    ) -> Result<Vec<String>, StoreError> {
        let mut change = self.write().await?;
        let rows = sqlx::query(REVOKE_ORPHANS)
            .bind(origin.at)
            .bind(begun_before)
            .fetch_all(&mut *change)
            .await?;
        let mut ids = Vec::with_capacity(rows.len());
        for row in &rows {
            let id: String = row.try_get("id")?;
            let issued_at: Option<i64> = row.try_get("issued_at")?;
            let reason = match issued_at {
                Some(_) => "expired",
                None => "unfinished",
            };
            audit_because(&mut change, origin, ORPHANED, &id, "done", reason).await?;
            ids.push(id);
        }
        change.commit().await?;
        Ok(ids)
    }

    async fn revoke_unused(
        &self,
        id: &str,
        before: i64,
        origin: &Origin,
    ) -> Result<bool, StoreError> {
        let mut change = self.write().await?;
        let revoked = sqlx::query(REVOKE_UNUSED)
            .bind(origin.at)
            .bind(id)
            .bind(before)
            .execute(&mut *change)
            .await?
            .rows_affected();
        if revoked == 1 {
            audit_because(&mut change, origin, ORPHANED, id, "done", "unused").await?;
        }
        change.commit().await?;
        Ok(revoked == 1)
    }

    async fn keys_to_check(
        &self,
        checked_before: i64,
        limit: i64,
    ) -> Result<Vec<(String, KeyRef)>, StoreError> {
        let rows = sqlx::query(KEYS_TO_CHECK)
            .bind(checked_before)
            .bind(limit)
            .fetch_all(self.reader())
            .await?;
        rows.iter()
            .map(|row| Ok((row.try_get("id")?, key_from(row)?)))
            .collect()
    }

    async fn record_use(
        &self,
        id: &str,
        last_used_at: Option<i64>,
        checked_at: i64,
    ) -> Result<(), StoreError> {
        let mut change = self.write().await?;
        sqlx::query(RECORD_USE)
            .bind(checked_at)
            .bind(last_used_at)
            .bind(id)
            .execute(&mut *change)
            .await?;
        change.commit().await?;
        Ok(())
    }

    async fn has_credential_named(&self, name: &str) -> Result<bool, StoreError> {
        let row = sqlx::query(HAS_CREDENTIAL)
            .bind(name)
            .fetch_one(self.reader())
            .await?;
        let found: i64 = row.try_get("found")?;
        Ok(found > 0)
    }

    async fn record_stray(&self, name: &str, origin: &Origin) -> Result<(), StoreError> {
        let mut change = self.write().await?;
        audit_because(&mut change, origin, ORPHANED, name, "done", "not on record").await?;
        change.commit().await?;
        Ok(())
    }

    async fn known_access_keys(&self) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query(KNOWN_ACCESS_KEYS)
            .fetch_all(self.reader())
            .await?;
        rows.iter()
            .map(|row| Ok(row.try_get("access_key")?))
            .collect()
    }

    async fn unissued_since(&self, since: i64) -> Result<Vec<i64>, StoreError> {
        let rows = sqlx::query(UNISSUED)
            .bind(since)
            .fetch_all(self.reader())
            .await?;
        rows.iter()
            .map(|row| Ok(row.try_get("created_at")?))
            .collect()
    }

    async fn access_changes(&self, now: i64, limit: i64) -> Result<Vec<AccessChange>, StoreError> {
        let rows = sqlx::query(ACCESS_CHANGES)
            .bind(now)
            .bind(limit)
            .fetch_all(self.reader())
            .await?;
        rows.iter()
            .map(|row| {
                let wanted: String = row.try_get("wanted")?;
                Ok(AccessChange {
                    id: row.try_get("id")?,
                    key: key_from(row)?,
                    bucket: row.try_get("bucket")?,
                    expires_at: row.try_get("expires_at")?,
                    wanted: Access::parse(&wanted).ok_or(StoreError::Missing { what: "access" })?,
                })
            })
            .collect()
    }

    async fn begin_access_change(&self, id: &str, begun_at: i64) -> Result<bool, StoreError> {
        let mut change = self.write().await?;
        let begun = sqlx::query(BEGIN_ACCESS_CHANGE)
            .bind(begun_at)
            .bind(id)
            .execute(&mut *change)
            .await?
            .rows_affected();
        change.commit().await?;
        Ok(begun == 1)
    }

    async fn record_access(
        &self,
        id: &str,
        access: Access,
        begun_at: i64,
        origin: &Origin,
    ) -> Result<(), StoreError> {
        let word = access.as_str();
        let mut change = self.write().await?;
        let changed = sqlx::query(RECORD_ACCESS)
            .bind(word)
            .bind(origin.at)
            .bind(id)
            .bind(begun_at)
            .execute(&mut *change)
            .await?
            .rows_affected();
        sqlx::query(END_ACCESS_CHANGE)
            .bind(begun_at)
            .bind(word)
            .bind(origin.at)
            .bind(id)
            .execute(&mut *change)
            .await?;
        if changed == 1 {
            audit(&mut change, origin, "credential.access", id, word).await?;
        }
        change.commit().await?;
        Ok(())
    }

    async fn bucket_subscription(&self, bucket: &str) -> Result<Option<Subscription>, StoreError> {
        let row = sqlx::query(BUCKET_SUBSCRIPTION)
            .bind(bucket)
            .fetch_optional(self.reader())
            .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Subscription {
            status: row.try_get("status")?,
            plan: row.try_get("plan")?,
            current_period_end: row.try_get("current_period_end")?,
        }))
    }
}
