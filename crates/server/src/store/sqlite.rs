//! The store over one `SQLite` file: a single writer, several readers.

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow,
    SqliteSynchronous,
};
use sqlx::{Row, Sqlite, Transaction};
use uuid::Uuid;

use super::{
    Credential, KeyRemoval, NewCredential, Origin, Profile, Revocation, Standing, Store,
    StoreError, Subscription, Tenant,
};
use crate::principal::TenantScope;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

const STANDING: &str = "
select s.status as subscription_status, s.plan, s.current_period_end,
       p.id as profile_id, p.email,
       t.id as tenant_id, t.reserved_bucket_name, t.tigris_bucket_name
from (select $1 as subject) as who
left join subscriptions s on s.workos_user_id = who.subject
left join user_profile p on p.workos_user_id = who.subject
left join tenant t on t.id = p.tenant_id";

const ENSURE_PROFILE: &str = "
insert into user_profile (id, workos_user_id, email, created_at, updated_at)
values ($1, $2, $3, $4, $4)
on conflict (workos_user_id) do update
set email = excluded.email, updated_at = excluded.updated_at
returning id, email, created_at = updated_at as created";

const PUT_SUBSCRIPTION: &str = "
insert into subscriptions
    (workos_user_id, status, plan, current_period_end, created_at, updated_at)
values ($1, $2, $3, $4, $5, $5)
on conflict (workos_user_id) do update
set status = excluded.status, plan = excluded.plan,
    current_period_end = excluded.current_period_end, updated_at = excluded.updated_at";

const INSERT_TENANT: &str = "
insert into tenant (id, owner_profile_id, reserved_bucket_name, created_at, updated_at)
values ($1, $2, $3, $4, $4)
on conflict (owner_profile_id) do nothing";

const OWN_TENANT: &str = "
select id as tenant_id, reserved_bucket_name, tigris_bucket_name
from tenant where owner_profile_id = $1";

const LINK_TENANT: &str = "update user_profile set tenant_id = $1, updated_at = $2 where id = $3";

const RECORD_BUCKET: &str = "
update tenant set tigris_bucket_name = reserved_bucket_name, updated_at = $1
where id = $2 and tigris_bucket_name is null";

const INSERT_CREDENTIAL: &str = "
insert into tenant_mount_credentials
    (id, tenant_id, access_key, policy_arn, created_at, updated_at)
values ($1, $2, $3, $4, $5, $5)";

const LIVE_CREDENTIALS: &str = "
select id, access_key, description, created_at, last_used_at
from tenant_mount_credentials
where tenant_id = $1 and revoked_at is null
order by created_at, id";

const FIND_CREDENTIAL: &str = "
select access_key, revoked_at, tigris_deletion_status
from tenant_mount_credentials where id = $1 and tenant_id = $2";

const REVOKE_CREDENTIAL: &str = "
update tenant_mount_credentials set revoked_at = $1, updated_at = $1
where id = $2 and tenant_id = $3 and revoked_at is null";

const RECORD_KEY_REMOVAL: &str = "
update tenant_mount_credentials set tigris_deletion_status = $1, updated_at = $2
where id = $3 and tenant_id = $4";

const AUDIT: &str = "
insert into audit (id, at, actor, action, target, outcome, request_id)
values ($1, $2, $3, $4, $5, $6, $7)";

/// The two pools over one `SQLite` file; writes take turns, reads do not wait for them.
#[derive(Clone)]
pub(crate) struct Database {
    pub(crate) writer: SqlitePool,
    pub(crate) reader: SqlitePool,
}

impl Database {
    /// Starts a transaction that holds the write lock from its first statement on.
    pub(crate) async fn write(&self) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
        self.writer.begin_with("begin immediate").await
    }

    /// Lets running statements end and folds the write-ahead log into the file.
    pub(crate) async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }
}

/// Opens or creates the file and brings it to the newest migration.
pub(crate) async fn open_database(
    file: &Path,
    migrations: &Migrator,
) -> Result<Database, StoreError> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(5));
    let writer = SqlitePoolOptions::new()
        .max_connections(1)
        .connect_with(options.clone())
        .await?;
    migrations.run(&writer).await?;
    let reader = SqlitePoolOptions::new()
        .max_connections(4)
        .connect_lazy_with(options);
    Ok(Database { writer, reader })
}

pub(crate) struct SqliteStore {
    database: Database,
}

impl SqliteStore {
    pub(crate) async fn open(file: &Path) -> Result<Self, StoreError> {
        Ok(Self {
            database: open_database(file, &MIGRATIONS).await?,
        })
    }

    pub(crate) async fn close(&self) {
        self.database.close().await;
    }
}

async fn audit(
    change: &mut Transaction<'static, Sqlite>,
    origin: &Origin,
    action: &str,
    target: &str,
    outcome: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(AUDIT)
        .bind(Uuid::now_v7().to_string())
        .bind(origin.at)
        .bind(&origin.actor)
        .bind(action)
        .bind(target)
        .bind(outcome)
        .bind(&origin.request_id)
        .execute(&mut **change)
        .await?;
    Ok(())
}

fn tenant_from(row: &SqliteRow) -> Result<Option<Tenant>, sqlx::Error> {
    let id: Option<String> = row.try_get("tenant_id")?;
    let Some(id) = id else { return Ok(None) };
    let reserved_bucket_name = row.try_get("reserved_bucket_name")?;
    let bucket_name = row.try_get("tigris_bucket_name")?;
    Ok(Some(Tenant {
        id,
        reserved_bucket_name,
        bucket_name,
    }))
}

fn bucket_name_taken(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .is_some_and(|db| db.is_unique_violation() && db.message().contains("reserved_bucket_name"))
}

#[async_trait]
impl Store for SqliteStore {
    async fn standing(&self, subject: &str) -> Result<Standing, StoreError> {
        let row = sqlx::query(STANDING)
            .bind(subject)
            .fetch_one(&self.database.reader)
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
        email: &str,
        origin: &Origin,
    ) -> Result<Profile, StoreError> {
        let mut change = self.database.write().await?;
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
        let mut change = self.database.write().await?;
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
        let mut change = self.database.write().await?;
        let inserted = sqlx::query(INSERT_TENANT)
            .bind(id)
            .bind(&profile.id)
            .bind(bucket_name)
            .bind(origin.at)
            .execute(&mut *change)
            .await;
        let inserted = match inserted {
            Err(error) if bucket_name_taken(&error) => {
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
        }
        change.commit().await?;
        Ok(tenant)
    }

    async fn record_bucket(&self, tenant: &Tenant, origin: &Origin) -> Result<(), StoreError> {
        let mut change = self.database.write().await?;
        let recorded = sqlx::query(RECORD_BUCKET)
            .bind(origin.at)
            .bind(&tenant.id)
            .execute(&mut *change)
            .await?
            .rows_affected();
        if recorded == 1 {
            audit(&mut change, origin, "tenant.bucket", &tenant.id, "done").await?;
        }
        change.commit().await?;
        Ok(())
    }

    async fn add_credential(
        &self,
        tenant: &TenantScope,
        credential: &NewCredential,
        origin: &Origin,
    ) -> Result<(), StoreError> {
        let mut change = self.database.write().await?;
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
            .fetch_all(&self.database.reader)
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
        let mut change = self.database.write().await?;
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
        let mut change = self.database.write().await?;
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
