//! Who people are, what they bought and which tenant is theirs.

use async_trait::async_trait;
use sqlx::Row as _;
use uuid::Uuid;

use super::audit::audit;
use super::backend::{Row, SqlStore};
use super::tenants::provision;
use crate::store::accounts::{Accounts, Instance, Profile, Standing, Subscription, Tenant};
use crate::store::{Origin, StoreError, is_taken};

statements! {
    STANDING = "
select s.status as subscription_status, s.plan, s.current_period_end,
       p.id as profile_id, p.email,
       t.id as tenant_id, t.reserved_bucket_name, t.tigris_bucket_name,
       i.address, i.key_id, i.state
from (select cast($1 as text) as subject) as who
left join subscriptions s on s.workos_user_id = who.subject
left join user_profile p on p.workos_user_id = who.subject
left join tenant t on t.id = p.tenant_id
left join tenant_instance i on i.tenant_id = t.id";

    ENSURE_PROFILE = "
insert into user_profile (id, workos_user_id, email, created_at, updated_at)
values ($1, $2, $3, $4, $4)
on conflict (workos_user_id) do update
set email = coalesce(excluded.email, user_profile.email), updated_at = excluded.updated_at
returning id, email, created_at = updated_at as created";

    PUT_SUBSCRIPTION = "
insert into subscriptions
    (workos_user_id, status, plan, current_period_end, created_at, updated_at)
values ($1, $2, $3, $4, $5, $5)
on conflict (workos_user_id) do update
set status = excluded.status, plan = excluded.plan,
    current_period_end = excluded.current_period_end, updated_at = excluded.updated_at";

    INSERT_TENANT = "
insert into tenant (id, owner_profile_id, reserved_bucket_name, created_at, updated_at)
values ($1, $2, $3, $4, $4)
on conflict (owner_profile_id) where deleted_at is null do nothing";

    OWN_TENANT = "
select t.id as tenant_id, t.reserved_bucket_name, t.tigris_bucket_name,
       i.address, i.key_id, i.state
from tenant t
left join tenant_instance i on i.tenant_id = t.id
where t.owner_profile_id = $1 and t.deleted_at is null";

    // What is being provisioned is the workflow's.
    NOTE_INSTANCE = "
update tenant_instance
set address = coalesce($2, address), state = $3, updated_at = $4
where tenant_id = $1 and state <> 'starting'";

    LINK_TENANT = "update user_profile set tenant_id = $1, updated_at = $2 where id = $3";
}

fn tenant_from(row: &Row) -> Result<Option<Tenant>, sqlx::Error> {
    let id: Option<String> = row.try_get("tenant_id")?;
    let Some(id) = id else { return Ok(None) };
    let reserved_bucket_name = row.try_get("reserved_bucket_name")?;
    let bucket_name = row.try_get("tigris_bucket_name")?;
    let address: Option<String> = row.try_get("address")?;
    let instance = match address {
        Some(address) => Some(Instance {
            address,
            key_id: row.try_get("key_id")?,
            state: row.try_get("state")?,
        }),
        None => None,
    };
    Ok(Some(Tenant {
        id,
        reserved_bucket_name,
        bucket_name,
        instance,
    }))
}

#[async_trait]
impl Accounts for SqlStore {
    async fn standing(&self, subject: &str) -> Result<Standing, StoreError> {
        let row = sqlx::query(STANDING)
            .bind(subject)
            .fetch_one(self.reader())
            .await?;
        let status: Option<String> = row.try_get("subscription_status")?;
        let subscription = match status {
            Some(status) => Some(Subscription {
                status,
                plan: row.try_get("plan")?,
                current_period_end: row.try_get("current_period_end")?,
            }),
            None => None,
        };
        let profile_id: Option<String> = row.try_get("profile_id")?;
        let profile = match profile_id {
            Some(id) => Some(Profile {
                id,
                email: row.try_get("email")?,
            }),
            None => None,
        };
        Ok(Standing {
            subscription,
            profile,
            tenant: tenant_from(&row)?,
        })
    }

    async fn ensure_profile(
        &self,
        subject: &str,
        email: Option<&str>,
        origin: &Origin,
    ) -> Result<Profile, StoreError> {
        let mut change = self.write().await?;
        let row = sqlx::query(ENSURE_PROFILE)
            .bind(Uuid::now_v7().to_string())
            .bind(subject)
            .bind(email)
            .bind(origin.at)
            .fetch_one(&mut *change)
            .await?;
        let profile = Profile {
            id: row.try_get("id")?,
            email: row.try_get("email")?,
        };
        if row.try_get("created")? {
            audit(&mut change, origin, "profile.create", &profile.id, "done").await?;
        }
        change.commit().await?;
        Ok(profile)
    }

    async fn put_subscription(
        &self,
        subject: &str,
        subscription: &Subscription,
        origin: &Origin,
    ) -> Result<(), StoreError> {
        let mut change = self.write().await?;
        sqlx::query(PUT_SUBSCRIPTION)
            .bind(subject)
            .bind(&subscription.status)
            .bind(&subscription.plan)
            .bind(subscription.current_period_end)
            .bind(origin.at)
            .execute(&mut *change)
            .await?;
        audit(
            &mut change,
            origin,
            "subscription.put",
            subject,
            &subscription.status,
        )
        .await?;
        change.commit().await?;
        Ok(())
    }

    async fn claim_tenant(
        &self,
        profile: &Profile,
        id: &str,
        bucket_name: &str,
        origin: &Origin,
    ) -> Result<Tenant, StoreError> {
        let mut change = self.write().await?;
        let inserted = sqlx::query(INSERT_TENANT)
            .bind(id)
            .bind(&profile.id)
            .bind(bucket_name)
            .bind(origin.at)
            .execute(&mut *change)
            .await;
        let inserted = match inserted {
            Err(error) if is_taken(&error, "tenant_bucket", "reserved_bucket_name") => {
                return Err(StoreError::BucketNameTaken {
                    name: bucket_name.to_owned(),
                });
            }
            inserted => inserted?.rows_affected(),
        };
        let row = sqlx::query(OWN_TENANT)
            .bind(&profile.id)
            .fetch_one(&mut *change)
            .await?;
        let tenant = tenant_from(&row)?.ok_or(StoreError::Missing { what: "tenant" })?;
        if inserted == 1 {
            sqlx::query(LINK_TENANT)
                .bind(&tenant.id)
                .bind(origin.at)
                .bind(&profile.id)
                .execute(&mut *change)
                .await?;
            audit(&mut change, origin, "tenant.create", &tenant.id, "done").await?;
            provision(&mut change, &tenant.id, origin.at).await?;
        }
        change.commit().await?;
        Ok(tenant)
    }

    async fn note_instance(
        &self,
        tenant_id: &str,
        address: Option<&str>,
        state: &str,
        now: i64,
    ) -> Result<(), StoreError> {
        let mut change = self.write().await?;
        sqlx::query(NOTE_INSTANCE)
            .bind(tenant_id)
            .bind(address)
            .bind(state)
            .bind(now)
            .execute(&mut *change)
            .await?;
        change.commit().await?;
        Ok(())
    }

    #[cfg(test)]
    async fn record_bucket(&self, tenant: &Tenant, origin: &Origin) -> Result<(), StoreError> {
        let mut change = self.write().await?;
        super::tenants::record_bucket(&mut change, &tenant.id, origin).await?;
        change.commit().await?;
        Ok(())
    }

    #[cfg(test)]
    async fn record_instance(
        &self,
        tenant_id: &str,
        instance: &Instance,
        origin: &Origin,
    ) -> Result<(), StoreError> {
        let mut change = self.write().await?;
        super::tenants::put_instance(&mut change, tenant_id, instance, origin).await?;
        change.commit().await?;
        Ok(())
    }
}
