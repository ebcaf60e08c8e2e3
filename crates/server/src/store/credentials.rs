//! The keys that open a tenant's bucket, without their secrets.
//!
//! A row is written before the object store is asked for a key, and names what the store will
//! have under that name. So a row without a key, and a key without a row, both tell of an
//! interrupted request.

use async_trait::async_trait;

use super::{Origin, StoreError, Subscription};
use crate::buckets::{Access, KeyRef};
use crate::principal::TenantScope;

/// A live credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Credential {
    pub(crate) id: String,
    pub(crate) access_key: String,
    pub(crate) description: String,
    pub(crate) created_at: i64,
    pub(crate) last_used_at: Option<i64>,
    pub(crate) expires_at: Option<i64>,
}

/// Whose key a credential is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CredentialKind {
    /// A person's, who lists and revokes it.
    Mount,
    /// The tenant's instance's, which nobody is shown.
    Instance,
}

/// How far a revoked credential's key is from being gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaving {
    /// The object store is still to be asked, or to answer.
    Pending,
    /// It failed at least once, and is tried again.
    Failed,
}

/// A credential about to be made.
#[derive(Clone, Debug)]
pub(crate) struct NewCredential {
    pub(crate) id: String,
    /// The name of everything that the object store will have of it.
    pub(crate) name: String,
    /// What a person calls it.
    pub(crate) description: String,
    pub(crate) kind: CredentialKind,
    pub(crate) expires_at: Option<i64>,
}

/// How many credentials one tenant's people may have and make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CredentialCaps {
    pub(crate) live: i64,
    /// In the time after `recent_since`, failed attempts included.
    pub(crate) recent: i64,
    /// Unix milliseconds.
    pub(crate) recent_since: i64,
}

/// Whether a credential may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begun {
    Recorded,
    TenantGone,
    TooManyLive,
    TooManyRecent {
        /// When the earliest of the recent ones was made.
        earliest: i64,
    },
}

/// Whether a credential was still wanted when its key was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Completed {
    Issued,
    /// It was revoked meanwhile, or its tenant is gone; the key must go.
    Unwanted,
}

/// How far the removal of a credential has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Revocation {
    /// Revoked here; the object store still has to drop the key.
    KeyRemains(KeyRef),
    Done,
}

/// A revoked credential whose key the object store may still have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Removal {
    pub(crate) id: String,
    pub(crate) key: KeyRef,
    /// How often it was tried, this time included.
    pub(crate) attempt: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyRemoval {
    Completed,
    /// To be tried again at this time.
    Failed {
        due_at: i64,
    },
}

/// A key that may do more or less than its owner's subscription allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AccessChange {
    pub(crate) id: String,
    pub(crate) key: KeyRef,
    pub(crate) bucket: String,
    pub(crate) expires_at: Option<i64>,
    pub(crate) wanted: Access,
}

#[async_trait]
pub(crate) trait Credentials {
    /// The random id of this deployment, which is `candidate` if it had none.
    async fn deployment_id(&self, candidate: &str) -> Result<String, StoreError>;

    /// Records that a credential is about to be made, if the tenant may have one more.
    async fn begin_credential(
        &self,
        tenant: &TenantScope,
        credential: &NewCredential,
        caps: CredentialCaps,
        origin: &Origin,
    ) -> Result<Begun, StoreError>;

    /// Records the key that was made for a credential.
    async fn complete_credential(
        &self,
        tenant: &TenantScope,
        id: &str,
        access_key: &str,
        policy_arn: &str,
        origin: &Origin,
    ) -> Result<Completed, StoreError>;

    /// Records that no key could be made; what there is of it is to be removed.
    async fn fail_credential(
        &self,
        tenant: &TenantScope,
        id: &str,
        origin: &Origin,
    ) -> Result<(), StoreError>;

    /// Lists people's live credentials, oldest first.
    async fn list_credentials(&self, tenant: &TenantScope) -> Result<Vec<Credential>, StoreError>;

    /// Lists revoked credentials whose key the object store may still have, oldest first.
    async fn leaving_credentials(
        &self,
        tenant: &TenantScope,
    ) -> Result<Vec<(Credential, Leaving)>, StoreError>;

    /// Marks the tenant's credential revoked; `None` if the tenant has no such credential.
    /// The removal job leaves it to the caller until `removal_due_at`.
    async fn revoke_credential(
        &self,
        tenant: &TenantScope,
        id: &str,
        removal_due_at: i64,
        origin: &Origin,
    ) -> Result<Option<Revocation>, StoreError>;

    async fn record_key_removal(
        &self,
        id: &str,
        removal: KeyRemoval,
        origin: &Origin,
    ) -> Result<(), StoreError>;

    /// Takes removals that are due; they are due again at `lease_until`.
    async fn claim_removals(
        &self,
        now: i64,
        lease_until: i64,
        limit: i64,
    ) -> Result<Vec<Removal>, StoreError>;

    /// Revokes credentials that were begun before `begun_before` and never completed, and those
    /// that have expired. Gives their ids.
    async fn revoke_orphans(
        &self,
        begun_before: i64,
        origin: &Origin,
    ) -> Result<Vec<String>, StoreError>;

    /// Revokes a credential that was neither used nor issued after `before`. Tells whether it was.
    async fn revoke_unused(
        &self,
        id: &str,
        before: i64,
        origin: &Origin,
    ) -> Result<bool, StoreError>;

    /// Live keys whose use was not looked at since `checked_before`, longest first.
    async fn keys_to_check(
        &self,
        checked_before: i64,
        limit: i64,
    ) -> Result<Vec<(String, KeyRef)>, StoreError>;

    async fn record_use(
        &self,
        id: &str,
        last_used_at: Option<i64>,
        checked_at: i64,
    ) -> Result<(), StoreError>;

    /// Whether a credential on record has the name and its removal is not complete.
    async fn has_credential_named(&self, name: &str) -> Result<bool, StoreError>;

    /// Records that something was found under a name of ours that no credential has.
    async fn record_stray(&self, name: &str, origin: &Origin) -> Result<(), StoreError>;

    /// The access keys of all credentials whose removal is not complete.
    async fn known_access_keys(&self) -> Result<Vec<String>, StoreError>;

    /// When credentials were begun that never got a key, after `since`.
    async fn unissued_since(&self, since: i64) -> Result<Vec<i64>, StoreError>;

    /// Live keys that may do something else than their owner's subscription allows at `now`, and
    /// those of which nobody knows what they may do. First those that nobody has tried to change
    /// yet, then those tried longest ago.
    async fn access_changes(&self, now: i64, limit: i64) -> Result<Vec<AccessChange>, StoreError>;

    /// Records that a key is about to be changed: from here on nobody knows what it may do. Tells
    /// whether the key is still live.
    async fn begin_access_change(&self, id: &str, begun_at: i64) -> Result<bool, StoreError>;

    /// Records what a key may do since the change that was begun at `begun_at`. If another one
    /// began and ended meanwhile, and otherwise, nobody knows which came last: the key is to be
    /// changed once more.
    async fn record_access(
        &self,
        id: &str,
        access: Access,
        begun_at: i64,
        origin: &Origin,
    ) -> Result<(), StoreError>;

    /// The subscription of a bucket's owner, if there is one.
    async fn bucket_subscription(&self, bucket: &str) -> Result<Option<Subscription>, StoreError>;
}
