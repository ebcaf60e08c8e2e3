//! The keys that open a tenant's bucket, without their secrets.

use async_trait::async_trait;
use sqlx::Row as _;

use super::audit::audit;
use super::backend::SqlStore;
use crate::principal::TenantScope;
use crate::store::credentials::{Credential, Credentials, KeyRemoval, NewCredential, Revocation};
use crate::store::{Origin, StoreError};

statements! {
    INSERT_CREDENTIAL = "
insert into tenant_mount_credentials
    (id, tenant_id, access_key, policy_arn, created_at, updated_at)
values ($1, $2, $3, $4, $5, $5)";

    LIVE_CREDENTIALS = "
select id, access_key, description, created_at, last_used_at
from tenant_mount_credentials
where tenant_id = $1 and revoked_at is null
order by created_at, id";

    FIND_CREDENTIAL = "
select access_key, revoked_at, tigris_deletion_status
from tenant_mount_credentials where id = $1 and tenant_id = $2";

    REVOKE_CREDENTIAL = "
update tenant_mount_credentials set revoked_at = $1, updated_at = $1
where id = $2 and tenant_id = $3 and revoked_at is null";

    RECORD_KEY_REMOVAL = "
update tenant_mount_credentials set tigris_deletion_status = $1, updated_at = $2
where id = $3 and tenant_id = $4";
}

#[async_trait]
impl Credentials for SqlStore {
    async fn add_credential(
        &self,
        tenant: &TenantScope,
        credential: &NewCredential,
        origin: &Origin,
    ) -> Result<(), StoreError> {
        let mut change = self.write().await?;
        sqlx::query(INSERT_CREDENTIAL)
            .bind(&credential.id)
            .bind(tenant.id())
            .bind(&credential.access_key)
            .bind(&credential.policy_arn)
            .bind(origin.at)
            .execute(&mut *change)
            .await?;
        audit(
            &mut change,
            origin,
            "credential.create",
            &credential.id,
            "done",
        )
        .await?;
        change.commit().await?;
        Ok(())
    }

    async fn list_credentials(&self, tenant: &TenantScope) -> Result<Vec<Credential>, StoreError> {
        let rows = sqlx::query(LIVE_CREDENTIALS)
            .bind(tenant.id())
            .fetch_all(self.reader())
            .await?;
        rows.iter()
            .map(|row| {
                Ok(Credential {
                    id: row.try_get("id")?,
                    access_key: row.try_get("access_key")?,
                    description: row.try_get("description")?,
                    created_at: row.try_get("created_at")?,
                    last_used_at: row.try_get("last_used_at")?,
                })
            })
            .collect()
    }

    async fn revoke_credential(
        &self,
        tenant: &TenantScope,
        id: &str,
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
            .bind(id)
            .bind(tenant.id())
            .execute(&mut *change)
            .await?
            .rows_affected();
        if revoked == 1 {
            audit(&mut change, origin, "credential.revoke", id, "done").await?;
        }
        change.commit().await?;
        let removal: String = row.try_get("tigris_deletion_status")?;
        if removal == "completed" {
            return Ok(Some(Revocation::Done));
        }
        Ok(Some(Revocation::KeyRemains {
            access_key: row.try_get("access_key")?,
        }))
    }

    async fn record_key_removal(
        &self,
        tenant: &TenantScope,
        id: &str,
        removal: KeyRemoval,
        origin: &Origin,
    ) -> Result<(), StoreError> {
        let status = match removal {
            KeyRemoval::Completed => "completed",
            KeyRemoval::Failed => "failed",
        };
        let mut change = self.write().await?;
        sqlx::query(RECORD_KEY_REMOVAL)
            .bind(status)
            .bind(origin.at)
            .bind(id)
            .bind(tenant.id())
            .execute(&mut *change)
            .await?;
        audit(&mut change, origin, "credential.key_removal", id, status).await?;
        change.commit().await?;
        Ok(())
    }
}
