use std::fmt;

use serde::{Deserialize, Serialize};

/// Answer of `GET /proxy/health`; clients call it after sign-in, before enabling cloud mode.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct Health {
    pub status: String,
    pub version: String,
    /// RFC 3339, UTC.
    #[cfg_attr(feature = "utoipa", schema(format = DateTime))]
    pub timestamp: String,
}

/// Answer of `GET /tenant/mount/info`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct MountInfo {
    pub tenant_id: String,
    pub bucket_name: String,
    pub has_credentials: bool,
    /// RFC 3339, UTC; when the newest live key was made.
    #[cfg_attr(feature = "utoipa", schema(format = DateTime))]
    pub credentials_created_at: Option<String>,
}

/// Answer of `POST /tenant/mount/credentials`: a new bucket-scoped key, shown this once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct MountCredentials {
    pub tenant_id: String,
    pub bucket_name: String,
    pub access_key: String,
    pub secret_key: String,
    pub endpoint_url: String,
    pub region: String,
}

impl fmt::Debug for MountCredentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("MountCredentials")
            .field("tenant_id", &self.tenant_id)
            .field("bucket_name", &self.bucket_name)
            .field("access_key", &self.access_key)
            .field("endpoint_url", &self.endpoint_url)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

/// Answer of `POST /tenants/setup`; repeating the call answers the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct TenantSetup {
    pub tenant_id: String,
    pub bucket_name: String,
    /// `provisioning` or `ready`.
    pub status: String,
}

/// Who is signed in, as far as the server knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct AccountOut {
    /// The identity provider's subject.
    pub id: String,
    pub email: Option<String>,
}

/// Answer of `GET /subscription`: what a signed-in person has. Needs no subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct SubscriptionOut {
    pub account: AccountOut,
    /// True exactly when protected routes would let this person in at this moment.
    pub current: bool,
    /// `none`, or the payment provider's status word.
    pub status: String,
    pub plan: Option<String>,
    /// RFC 3339, UTC.
    #[cfg_attr(feature = "utoipa", schema(format = DateTime))]
    pub current_period_end: Option<String>,
    pub subscribe_url: String,
    pub manage_url: Option<String>,
    /// What the payment provider tells beyond this; absent if nothing was bought there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<SubscriptionDetails>,
}

/// What is known of a subscription beyond what access depends on. Times are RFC 3339, UTC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct SubscriptionDetails {
    #[cfg_attr(feature = "utoipa", schema(format = DateTime))]
    pub current_period_start: Option<String>,
    #[cfg_attr(feature = "utoipa", schema(format = DateTime))]
    pub trial_end: Option<String>,
    /// Whether it ends with the current period instead of being renewed.
    pub cancel_at_period_end: bool,
    #[cfg_attr(feature = "utoipa", schema(format = DateTime))]
    pub canceled_at: Option<String>,
    /// When it ends for good, as far as that is settled.
    #[cfg_attr(feature = "utoipa", schema(format = DateTime))]
    pub ends_at: Option<String>,
    /// Since when a payment has been missing.
    #[cfg_attr(feature = "utoipa", schema(format = DateTime))]
    pub past_due_at: Option<String>,
    /// Whether it rests after the current period.
    pub pause_at_period_end: bool,
    /// When it goes on after resting.
    #[cfg_attr(feature = "utoipa", schema(format = DateTime))]
    pub resumes_at: Option<String>,
}

/// Answer of `GET /.well-known/basic-memory-cloud`: where and how clients sign in.
///
/// Public. The endpoints are those of RFC 8628 (device authorization) and RFC 6749 (token).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct SignInConfig {
    pub issuer: String,
    pub client_id: String,
    pub device_authorization_endpoint: String,
    pub token_endpoint: String,
    pub scopes: Vec<String>,
    /// Whether the provider wants PKCE (S256) with the device flow.
    pub pkce: bool,
}

/// Body of the development-only `POST /dev/subscriptions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct ActivateSubscriptionIn {
    pub workos_user_id: String,
    /// `active`, or any other status word to end access.
    pub status: String,
    /// RFC 3339; the end of the paid period.
    #[cfg_attr(feature = "utoipa", schema(format = DateTime))]
    pub current_period_end: String,
}
