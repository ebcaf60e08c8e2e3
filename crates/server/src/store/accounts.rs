//! Profiles, subscriptions and tenants: what a request's policy depends on.

use async_trait::async_trait;

use super::{Origin, StoreError};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Profile {
    pub(crate) id: String,
    pub(crate) email: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tenant {
    pub(crate) id: String,
    /// The name set aside for this tenant, whether or not the bucket exists.
    pub(crate) reserved_bucket_name: String,
    /// The bucket, once it exists.
    pub(crate) bucket_name: Option<String>,
    /// Where the proxy finds the tenant, once there is an instance.
    pub(crate) instance: Option<Instance>,
}

/// A tenant's running Basic Memory, as the proxy reaches it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Instance {
    /// `host:port`.
    pub(crate) address: String,
    /// Which of the proxy's signing keys this instance verifies with.
    pub(crate) key_id: String,
    /// `starting`, `ready` or `stopped`.
    pub(crate) state: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub(crate) status: String,
    pub(crate) plan: Option<String>,
    pub(crate) current_period_end: Option<i64>,
}

/// Everything a request's policy depends on, read together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) subscription: Option<Subscription>,
    pub(crate) profile: Option<Profile>,
    pub(crate) tenant: Option<Tenant>,
}

#[async_trait]
pub(crate) trait Accounts {
    /// Reads what the subject has at this moment. Unknown subjects have nothing.
    async fn standing(&self, subject: &str) -> Result<Standing, StoreError>;

    /// Makes sure that the subject has a profile, and that it carries `email`; an address that is
    /// known stays if none is given.
    async fn ensure_profile(
        &self,
        subject: &str,
        email: Option<&str>,
        origin: &Origin,
    ) -> Result<Profile, StoreError>;

    async fn put_subscription(
        &self,
        subject: &str,
        subscription: &Subscription,
        origin: &Origin,
    ) -> Result<(), StoreError>;

    /// Gives the profile's own tenant, made from `id` and `bucket_name` if there is none yet.
    ///
    /// Fails with `BucketNameTaken` if the name is another tenant's.
    async fn claim_tenant(
        &self,
        profile: &Profile,
        id: &str,
        bucket_name: &str,
        origin: &Origin,
    ) -> Result<Tenant, StoreError>;

    /// Records that a provisioned instance moved, woke or went to sleep.
    async fn note_instance(
        &self,
        tenant_id: &str,
        address: Option<&str>,
        state: &str,
        now: i64,
    ) -> Result<(), StoreError>;

    /// Records that the tenant's reserved bucket exists, as provisioning does under its claim.
    #[cfg(test)]
    async fn record_bucket(&self, tenant: &Tenant, origin: &Origin) -> Result<(), StoreError>;

    /// Records where the tenant's instance is reached, as provisioning does under its claim.
    #[cfg(test)]
    async fn record_instance(
        &self,
        tenant_id: &str,
        instance: &Instance,
        origin: &Origin,
    ) -> Result<(), StoreError>;
}
