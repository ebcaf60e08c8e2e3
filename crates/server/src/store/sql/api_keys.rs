//! Programs' keys: made under caps, found by hash, ended for good.

use async_trait::async_trait;
use sqlx::Row as _;

use super::audit::audit;
use super::backend::SqlStore;
use crate::store::api_keys::{ApiKey, ApiKeyCaps, ApiKeys, KeyAdded, KeyHolder, NewApiKey};
use crate::store::{Origin, StoreError};

statements! {
    LOCK_OWNER = "
update user_profile set updated_at = updated_at where workos_user_id = $1 returning id";

    COUNTS = "
select count(case when revoked_at is null then 1 end) as live,
       count(case when created_at > $2 then 1 end) as recent,
       min(case when created_at > $2 then created_at end) as earliest
from api_key where workos_user_id = $1";

    INSERT_KEY = "
insert into api_key (id, workos_user_id, name, key_hash, created_at)
values ($1, $2, $3, $4, $5)";

    LIST_KEYS = "
select id, name, created_at, last_used_at from api_key
where workos_user_id = $1 and revoked_at is null
order by created_at, id";

    REVOKE_KEY = "
update api_key set revoked_at = $3
where id = $1 and workos_user_id = $2 and revoked_at is null";

    HAS_KEY = "select id from api_key where id = $1 and workos_user_id = $2";

    FIND_HOLDER = "
select id, workos_user_id, last_used_at from api_key
where key_hash = $1 and revoked_at is null";

    RECORD_USE = "update api_key set last_used_at = $2 where id = $1";
}

#[async_trait]
impl ApiKeys for SqlStore {
    async fn add_api_key(
        &self,
        subject: &str,
        key: &NewApiKey,
        caps: ApiKeyCaps,
        origin: &Origin,
    ) -> Result<KeyAdded, StoreError> {
        let mut change = self.write().await?;
        let owner = sqlx::query(LOCK_OWNER)
            .bind(subject)
            .fetch_optional(&mut *change)
            .await?;
        if owner.is_none() {
            return Ok(KeyAdded::ProfileMissing);
        }
        let counts = sqlx::query(COUNTS)
            .bind(subject)
            .bind(caps.recent_since)
            .fetch_one(&mut *change)
            .await?;
        let (live, recent): (i64, i64) = (counts.try_get("live")?, counts.try_get("recent")?);
        if live >= caps.live {
            return Ok(KeyAdded::TooManyLive);
        }
        if recent >= caps.recent {
            let earliest: Option<i64> = counts.try_get("earliest")?;
            return Ok(KeyAdded::TooManyRecent {
                earliest: earliest.unwrap_or(origin.at),
            });
        }
        sqlx::query(INSERT_KEY)
            .bind(&key.id)
            .bind(subject)
            .bind(&key.name)
            .bind(&key.hash)
            .bind(origin.at)
            .execute(&mut *change)
            .await?;
        audit(&mut change, origin, "api_key.create", &key.id, "done").await?;
        change.commit().await?;
        Ok(KeyAdded::Added)
    }

    async fn list_api_keys(&self, subject: &str) -> Result<Vec<ApiKey>, StoreError> {
        let rows = sqlx::query(LIST_KEYS)
            .bind(subject)
            .fetch_all(self.reader())
            .await?;
        let keys = rows.iter().map(|row| {
            Ok(ApiKey {
                id: row.try_get("id")?,
                name: row.try_get("name")?,
                created_at: row.try_get("created_at")?,
                last_used_at: row.try_get("last_used_at")?,
            })
        });
        Ok(keys.collect::<Result<_, sqlx::Error>>()?)
    }

    async fn revoke_api_key(
        &self,
        subject: &str,
        id: &str,
        origin: &Origin,
    ) -> Result<bool, StoreError> {
        let mut change = self.write().await?;
        let found = sqlx::query(HAS_KEY)
            .bind(id)
            .bind(subject)
            .fetch_optional(&mut *change)
            .await?;
        if found.is_none() {
            return Ok(false);
        }
        let ended = sqlx::query(REVOKE_KEY)
            .bind(id)
            .bind(subject)
            .bind(origin.at)
            .execute(&mut *change)
            .await?
            .rows_affected();
        if ended > 0 {
            audit(&mut change, origin, "api_key.revoke", id, "done").await?;
        }
        change.commit().await?;
        Ok(true)
    }

    async fn find_key_holder(&self, hash: &str) -> Result<Option<KeyHolder>, StoreError> {
        let row = sqlx::query(FIND_HOLDER)
            .bind(hash)
            .fetch_optional(self.reader())
            .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(KeyHolder {
            key_id: row.try_get("id")?,
            subject: row.try_get("workos_user_id")?,
            last_used_at: row.try_get("last_used_at")?,
        }))
    }

    async fn record_api_key_use(&self, id: &str, at: i64) -> Result<(), StoreError> {
        let mut change = self.write().await?;
        sqlx::query(RECORD_USE)
            .bind(id)
            .bind(at)
            .execute(&mut *change)
            .await?;
        change.commit().await?;
        Ok(())
    }
}
