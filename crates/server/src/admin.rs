//! What administrators do with tenants, for the API and for the command line alike.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use uuid::Uuid;
use wire::{
    TenantDetail, TenantIn, TenantInstanceOut, TenantOut, TenantPage, TenantStepOut, TenantWorkOut,
};

use crate::buckets::{BucketError, Versions, VersionsInFolder};
use crate::clock::{Clock, rfc3339};
use crate::config::{Database, Settings};
use crate::error::ApiError;
use crate::provisioning::{ProvisioningSettings, claim_tenant, millis};
use crate::retention::{Tally, Terms, VersionRule, Walk};
use crate::serve::{ServeError, versions_of};
use crate::state_folder;
use crate::store::tenants::{Queued, TenantRecord};
use crate::store::workflows::StepEvent;
use crate::store::{Origin, PostgresSettings, PostgresStore, SqliteStore, Store, StoreError};

/// The most tenants on a page.
pub(crate) const MAX_PAGE: u32 = 200;

/// Why a tenant was not changed.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    #[error("there is no tenant {0}")]
    NoSuchTenant(String),
    #[error("tenant {0} is being deleted")]
    Deleting(String),
    #[error("{0}")]
    Invalid(&'static str),
    #[error("there is no server's database in {}", .0.display())]
    NoDatabase(PathBuf),
    #[error("the configuration names no state folder")]
    NoStateFolder,
    #[error("tenant {0} has no bucket")]
    NoBucket(String),
    #[error("the database failed")]
    Store(#[source] StoreFailure),
    #[error("the object store could not be opened")]
    Storage(#[source] Box<ServeError>),
    #[error("the versions in the bucket could not be listed")]
    Versions(#[source] ListingFailure),
}

/// What went wrong in the object store.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct ListingFailure(BucketError);

/// What went wrong in the database.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct StoreFailure(StoreError);

impl From<StoreError> for AdminError {
    fn from(error: StoreError) -> Self {
        Self::Store(StoreFailure(error))
    }
}

impl From<AdminError> for ApiError {
    fn from(error: AdminError) -> Self {
        match error {
            AdminError::NoSuchTenant(_) => Self::NotFound,
            AdminError::Deleting(_) => Self::Conflict("The tenant is being deleted.".to_owned()),
            AdminError::Invalid(text) => Self::InvalidRequest(text.to_owned()),
            AdminError::Store(StoreFailure(error)) => Self::Store(error),
            AdminError::NoBucket(_) => Self::NotFound,
            AdminError::NoDatabase(_) | AdminError::NoStateFolder => {
                Self::Store(StoreError::Missing { what: "database" })
            }
            AdminError::Storage(_) | AdminError::Versions(_) => {
                Self::Store(StoreError::Missing { what: "bucket" })
            }
        }
    }
}

/// Whether a tenant was there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Made {
    Now,
    Before,
}

/// Makes sure that the person has a profile and a tenant, whose provisioning is enqueued.
pub(crate) async fn create(
    store: &dyn Store,
    owner: &TenantIn,
    origin: &Origin,
) -> Result<(String, Made), AdminError> {
    let email = owner.email.as_deref();
    check_text(&owner.workos_user_id, 128).ok_or(AdminError::Invalid(
        "workos_user_id is empty, too long or no plain text.",
    ))?;
    if let Some(email) = email {
        check_text(email, 254)
            .filter(|email| email.contains('@'))
            .ok_or(AdminError::Invalid("email is no address."))?;
    }
    let profile = store
        .ensure_profile(&owner.workos_user_id, email, origin)
        .await?;
    if let Some(own) = store.find_own_tenant(&profile.id).await? {
        return Ok((own.id, Made::Before));
    }
    let tenant = claim_tenant(store, &profile, origin).await?;
    Ok((tenant.id, Made::Now))
}

/// Lists one page of tenants, behind the id `after`.
pub(crate) async fn page(
    store: &dyn Store,
    after: Option<&str>,
    limit: u32,
) -> Result<TenantPage, AdminError> {
    let after = match after {
        Some(after) => tenant_id(after).ok_or(AdminError::Invalid("after is no tenant's id."))?,
        None => String::new(),
    };
    let limit = limit.clamp(1, MAX_PAGE);
    let mut records = store.list_tenants(&after, limit + 1).await?;
    let more = records.len() > usize::try_from(limit).unwrap_or(usize::MAX);
    if more {
        records.pop();
    }
    let next = if more {
        records.last().map(|last| last.id.clone())
    } else {
        None
    };
    Ok(TenantPage {
        tenants: records.into_iter().map(out).collect(),
        next,
    })
}

pub(crate) async fn show(store: &dyn Store, id: &str) -> Result<TenantDetail, AdminError> {
    let found = get(store, id).await?;
    let steps = store.tenant_steps(&found.id).await?;
    Ok(TenantDetail {
        tenant: out(found),
        steps: steps.into_iter().map(step_out).collect(),
    })
}

/// Ends all access to the tenant at once, and enqueues the removal of what it has. Asking again
/// changes nothing, except that a removal that was given up begins again.
pub(crate) async fn delete(
    store: &dyn Store,
    id: &str,
    bucket_kept: Duration,
    origin: &Origin,
) -> Result<TenantOut, AdminError> {
    let known = tenant_id(id).ok_or_else(|| AdminError::NoSuchTenant(id.to_owned()))?;
    let purge_at = origin.at.saturating_add(millis(bucket_kept));
    match store.queue_deletion(&known, purge_at, origin).await? {
        Queued::Added | Queued::UnderWay | Queued::Deleting => {}
        Queued::NoSuchTenant => return Err(AdminError::NoSuchTenant(known)),
    }
    Ok(out(get(store, &known).await?))
}

/// Provisions the tenant again, for instance with a new signing key, or tries again now what was
/// given up or waits.
pub(crate) async fn provision(
    store: &dyn Store,
    id: &str,
    origin: &Origin,
) -> Result<TenantOut, AdminError> {
    let known = tenant_id(id).ok_or_else(|| AdminError::NoSuchTenant(id.to_owned()))?;
    match store.queue_provisioning(&known, origin).await? {
        Queued::Added | Queued::UnderWay => {}
        Queued::Deleting => return Err(AdminError::Deleting(known)),
        Queued::NoSuchTenant => return Err(AdminError::NoSuchTenant(known)),
    }
    Ok(out(get(store, &known).await?))
}

async fn get(store: &dyn Store, id: &str) -> Result<TenantRecord, AdminError> {
    let missing = || AdminError::NoSuchTenant(id.to_owned());
    let known = tenant_id(id).ok_or_else(missing)?;
    store.find_tenant(&known).await?.ok_or_else(missing)
}

fn tenant_id(text: &str) -> Option<String> {
    Uuid::try_parse(text).ok().map(|id| id.to_string())
}

/// Gives back text without control characters whose length is between 1 and `most` bytes.
fn check_text(text: &str, most: usize) -> Option<&str> {
    let plain = !text.chars().any(char::is_control);
    (plain && !text.trim().is_empty() && text.len() <= most).then_some(text)
}

pub(crate) fn out(tenant: TenantRecord) -> TenantOut {
    let time = |at: Option<i64>| at.and_then(rfc3339);
    let status = tenant.state().as_str().to_owned();
    TenantOut {
        tenant_id: tenant.id,
        workos_user_id: tenant.workos_user_id,
        email: tenant.email,
        bucket_name: tenant.reserved_bucket_name,
        status,
        created_at: rfc3339(tenant.created_at),
        ready_at: time(tenant.ready_at),
        deleted_at: time(tenant.deleted_at),
        purge_at: time(tenant.purge_at),
        instance: tenant.instance.map(|instance| TenantInstanceOut {
            address: instance.address,
            state: instance.state,
            key_id: instance.key_id,
        }),
        work: tenant.work.map(|work| TenantWorkOut {
            kind: work.kind,
            step: work.step,
            status: work.status,
            attempts: work.attempt,
            next_run_at: rfc3339(work.next_run_at),
            error: work.error,
        }),
    }
}

fn step_out(step: StepEvent) -> TenantStepOut {
    TenantStepOut {
        at: rfc3339(step.at),
        step: step.step,
        event: step.event,
        attempt: step.attempt,
        error: step.error,
    }
}

/// What the next sweep of a bucket would remove.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OldVersions {
    pub tenant_id: String,
    pub bucket_name: String,
    /// All versions and marks of deletes in the bucket.
    pub listed: u64,
    pub removable: u64,
    pub removable_bytes: u64,
    /// Snapshots whose versions stay.
    pub snapshots: usize,
}

/// Tenants of a deployment, worked on directly in its database.
///
/// What is enqueued here is carried out by the deployment's servers, the next time they look.
pub struct TenantAdmin {
    store: Arc<dyn Store>,
    versions: Arc<dyn Versions>,
    old_versions: VersionRule,
    clock: Clock,
    bucket_kept: Duration,
}

impl TenantAdmin {
    /// Opens the database in a state folder, also while a server uses the folder.
    ///
    /// # Errors
    /// [`AdminError::NoDatabase`] if no server was ever started there.
    pub async fn of_folder(folder: &Path, clock: Clock) -> Result<Self, AdminError> {
        let file = state_folder::database_in(folder);
        if !file.is_file() {
            return Err(AdminError::NoDatabase(folder.to_owned()));
        }
        let store = SqliteStore::open(&file).await?;
        let bucket_kept = ProvisioningSettings::default().bucket_kept;
        Ok(Self {
            store: Arc::new(store),
            versions: Arc::new(VersionsInFolder::new(&state_folder::buckets_in(folder))),
            old_versions: VersionRule::default(),
            clock,
            bucket_kept,
        })
    }

    /// Opens the database of a configured deployment.
    ///
    /// # Errors
    /// If there is none, or it cannot be reached.
    pub async fn of_settings(settings: &Settings, clock: Clock) -> Result<Self, AdminError> {
        let folder = settings.state_folder.as_deref();
        let versions = versions_of(&settings.storage, folder, &clock)
            .map_err(|error| AdminError::Storage(Box::new(error)))?;
        let store: Arc<dyn Store> = match &settings.database {
            Database::Sqlite => {
                let folder = folder.ok_or(AdminError::NoStateFolder)?;
                Self::of_folder(folder, Arc::clone(&clock)).await?.store
            }
            Database::Postgres { url, .. } => {
                let settings = PostgresSettings {
                    url: url.clone(),
                    max_connections: 1,
                };
                Arc::new(PostgresStore::open(&settings).await?)
            }
        };
        Ok(Self {
            store,
            versions,
            old_versions: settings.old_versions,
            clock,
            bucket_kept: settings.jobs.bucket_retention,
        })
    }

    pub async fn create(&self, owner: &TenantIn) -> Result<TenantOut, AdminError> {
        let (id, _) = create(&*self.store, owner, &self.origin()).await?;
        Ok(out(get(&*self.store, &id).await?))
    }

    pub async fn page(&self, after: Option<&str>, limit: u32) -> Result<TenantPage, AdminError> {
        page(&*self.store, after, limit).await
    }

    pub async fn show(&self, id: &str) -> Result<TenantDetail, AdminError> {
        show(&*self.store, id).await
    }

    pub async fn delete(&self, id: &str) -> Result<TenantOut, AdminError> {
        delete(&*self.store, id, self.bucket_kept, &self.origin()).await
    }

    pub async fn provision(&self, id: &str) -> Result<TenantOut, AdminError> {
        provision(&*self.store, id, &self.origin()).await
    }

    /// Tells what the next sweep of the tenant's bucket would remove, and removes nothing.
    pub async fn old_versions(&self, id: &str) -> Result<OldVersions, AdminError> {
        let tenant = get(&*self.store, id).await?;
        let sweep = self.store.find_sweep(&tenant.id).await?;
        let sweep = sweep.ok_or(AdminError::NoBucket(tenant.id))?;
        let terms = Terms {
            rule: self.old_versions,
            snapshots: &sweep.snapshots,
            now: (self.clock)(),
        };
        let mut walk = Walk::new(&*self.versions, &sweep.bucket, terms, None);
        let mut tally = Tally::default();
        while let Some(found) = walk
            .next()
            .await
            .map_err(|error| AdminError::Versions(ListingFailure(error)))?
        {
            tally.add(found.tally);
        }
        Ok(OldVersions {
            tenant_id: sweep.tenant_id,
            bucket_name: sweep.bucket,
            listed: tally.listed,
            removable: tally.removed,
            removable_bytes: tally.bytes,
            snapshots: sweep.snapshots.len(),
        })
    }

    /// Has a server sweep the tenant's bucket now.
    pub async fn sweep(&self, id: &str) -> Result<TenantOut, AdminError> {
        let tenant = get(&*self.store, id).await?;
        if self.store.hasten_sweep(&tenant.id, &self.origin()).await? {
            Ok(out(tenant))
        } else {
            Err(AdminError::NoBucket(tenant.id))
        }
    }

    /// Leaves the database.
    pub async fn close(self) {
        self.store.leave().await;
    }

    fn origin(&self) -> Origin {
        Origin {
            actor: "command line".to_owned(),
            request_id: Uuid::now_v7().to_string(),
            at: (self.clock)(),
        }
    }
}
