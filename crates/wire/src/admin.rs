use serde::{Deserialize, Serialize};

/// Body of `POST /tenants`: whose tenant is to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct TenantIn {
    pub workos_user_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

/// A tenant as administrators see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct TenantOut {
    pub tenant_id: String,
    /// The owner.
    pub workos_user_id: String,
    pub email: Option<String>,
    pub bucket_name: String,
    /// `provisioning`, `ready`, `failed` or `deleting`.
    pub status: String,
    /// RFC 3339, UTC, as are all times here.
    #[cfg_attr(feature = "utoipa", schema(format = DateTime))]
    pub created_at: Option<String>,
    #[cfg_attr(feature = "utoipa", schema(format = DateTime))]
    pub ready_at: Option<String>,
    /// When deletion was asked for; nothing is reachable since.
    #[cfg_attr(feature = "utoipa", schema(format = DateTime))]
    pub deleted_at: Option<String>,
    /// When the bucket of a deleted tenant goes for good.
    #[cfg_attr(feature = "utoipa", schema(format = DateTime))]
    pub purge_at: Option<String>,
    pub instance: Option<TenantInstanceOut>,
    /// What was last done for it, or is being done.
    pub work: Option<TenantWorkOut>,
}

/// Where a tenant's instance is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct TenantInstanceOut {
    pub address: String,
    /// `starting`, `ready` or `stopped`.
    pub state: String,
    pub key_id: String,
}

/// A workflow of a tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct TenantWorkOut {
    /// `provision` or `delete`.
    pub kind: String,
    pub step: String,
    /// `queued`, `running`, `done`, `failed` or `called_off`.
    pub status: String,
    /// How often the step was started.
    pub attempts: i64,
    #[cfg_attr(feature = "utoipa", schema(format = DateTime))]
    pub next_run_at: Option<String>,
    pub error: Option<String>,
}

/// Answer of `GET /tenants`, in the order of the ids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct TenantPage {
    pub tenants: Vec<TenantOut>,
    /// The `after` of the next page, if there is one.
    pub next: Option<String>,
}

/// Answer of `GET /tenants/{id}`: the tenant, and the log of all that was done for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct TenantDetail {
    pub tenant: TenantOut,
    pub steps: Vec<TenantStepOut>,
}

/// One line of a workflow's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct TenantStepOut {
    #[cfg_attr(feature = "utoipa", schema(format = DateTime))]
    pub at: Option<String>,
    pub step: String,
    /// `queued`, `started`, `done`, `waits`, `failed`, `gave_up` or `called_off`.
    pub event: String,
    pub attempt: i64,
    pub error: Option<String>,
}
