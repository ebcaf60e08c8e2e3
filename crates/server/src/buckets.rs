//! What the server needs of an object store: buckets, and keys that open one of them.
//!
//! Three stores are behind one trait: the embedded one, AWS and what speaks like it, and Tigris.
//! Every verb can be repeated, and finds done what an earlier attempt did. What belongs to a key
//! carries the key's name, which is on record before the store hears of it; so whatever an
//! interrupted call leaves behind can be found by name and removed.

mod aws;
mod client;
mod embedded;
mod iam;
#[cfg(test)]
pub(crate) mod ledger;
mod objects;
mod policy;
mod s3;
#[cfg(test)]
mod tests;
mod tigris;
mod uploads;
mod versions;
mod xml;

use std::collections::HashSet;

use async_trait::async_trait;
use s3_store::StoreError;
use secrecy::SecretString;

pub(crate) use aws::AwsBuckets;
pub(crate) use client::{AdminKey, Endpoint, Repeats};
pub(crate) use embedded::EmbeddedBuckets;
#[cfg(test)]
pub(crate) use objects::Past;
pub(crate) use objects::{
    Bytestream, Condition, Held, History, Incoming, MTIME, MintedKeys, ObjectError, ObjectKeys,
    Objects, Old, Standing, Wanted, body_of,
};
pub(crate) use policy::Access;
pub(crate) use s3::IN_PATH;
pub(crate) use tigris::{TigrisBuckets, Unattached};
pub(crate) use versions::{
    VersionEntry, VersionKind, VersionMark, VersionRemoval, Versions, VersionsInFolder,
    VersionsPage,
};

/// Why a bucket or a key could not be changed. Never quotes an answer, which may hold a secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BucketError {
    #[error("the embedded object store failed")]
    Embedded(#[from] StoreError),
    #[error("the object store's work was cut short")]
    Interrupted(#[from] tokio::task::JoinError),
    #[error("the object store made a secret that published clients cannot save")]
    SecretUnfit,
    #[error("{operation} could not be signed")]
    NotSigned { operation: &'static str },
    #[error("no answer to {operation}")]
    Unreachable {
        operation: &'static str,
        #[source]
        source: reqwest::Error,
    },
    #[error("{operation} was answered {status} {code}")]
    Unavailable {
        operation: &'static str,
        status: u16,
        code: String,
    },
    #[error("{operation} was refused: {status} {code}")]
    Refused {
        operation: &'static str,
        status: u16,
        code: String,
    },
    #[error("the answer to {operation} makes no sense")]
    Unreadable { operation: &'static str },
    #[error("the bucket name belongs to somebody else")]
    BucketTaken,
    #[error("the bucket could not be emptied")]
    NotEmptied,
    #[error("versions that were to go are still there")]
    NotRemoved,
}

impl BucketError {
    /// Whether the same call may succeed later.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Embedded(_)
            | Self::Interrupted(_)
            | Self::Unreachable { .. }
            | Self::Unavailable { .. }
            | Self::Unreadable { .. }
            | Self::NotEmptied
            | Self::NotRemoved => true,
            Self::SecretUnfit
            | Self::NotSigned { .. }
            | Self::Refused { .. }
            | Self::BucketTaken => false,
        }
    }
}

/// What a new key is to open, and the name under which everything of it is found again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyGrant {
    pub(crate) name: String,
    pub(crate) bucket: String,
    /// Unix milliseconds after which the key opens nothing; the store enforces it where it can.
    pub(crate) expires_at: Option<i64>,
}

/// A key that opens one bucket. The secret is shown to its owner once and kept nowhere.
#[derive(Debug)]
pub(crate) struct IssuedKey {
    pub(crate) access_key: String,
    pub(crate) secret: SecretString,
    /// What the store calls the rule that ties the key to its bucket.
    pub(crate) policy_arn: String,
}

/// A key as far as it is on record. Interrupted keys have no more than a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyRef {
    pub(crate) name: String,
    pub(crate) access_key: Option<String>,
    pub(crate) policy_arn: Option<String>,
}

/// Something that the store has under a name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FoundKey {
    pub(crate) name: String,
    pub(crate) policy_arn: Option<String>,
}

/// A key that opens nothing and has no name; only some stores can have one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StrayKey {
    pub(crate) access_key: String,
    /// Unix milliseconds.
    pub(crate) created_at: i64,
}

/// What is known of a key's last use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LastUse {
    /// This store does not tell.
    Untold,
    Never,
    /// Unix milliseconds.
    At(i64),
}

/// Where a bucket is to report changes, and the token by which the receiver knows the bucket.
#[derive(Clone, Debug)]
pub(crate) struct NotificationTarget {
    pub(crate) url: String,
    pub(crate) token: SecretString,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notifications {
    Set,
    /// This store reports changes in another way, or not at all.
    Unsupported,
}

#[async_trait]
pub(crate) trait Buckets: Versions + Send + Sync + 'static {
    /// Makes sure that the bucket exists and is ours, with versioning.
    ///
    /// Fails with `BucketTaken` if the name is somebody else's.
    async fn ensure_bucket(&self, bucket: &str) -> Result<(), BucketError>;

    /// Makes sure that the bucket, every version and every unfinished upload in it are gone.
    async fn delete_bucket(&self, bucket: &str) -> Result<(), BucketError>;

    /// Removes versions for good. After a failure some may be gone.
    async fn remove_versions(
        &self,
        _bucket: &str,
        _removals: &[VersionRemoval],
    ) -> Result<(), BucketError> {
        Ok(())
    }

    /// Gives up the uploads that began before `begun_before` (unix milliseconds) and were not
    /// completed; tells how many. After a failure some may be gone.
    async fn end_uploads(&self, bucket: &str, begun_before: i64) -> Result<u64, BucketError>;

    /// Makes the bucket report its changes, where the store can.
    async fn notify(
        &self,
        bucket: &str,
        target: &NotificationTarget,
    ) -> Result<Notifications, BucketError>;

    /// Makes a key. After a failure, `revoke_key` by its name removes what was left.
    async fn issue_key(&self, grant: &KeyGrant) -> Result<IssuedKey, BucketError>;

    /// Makes sure that nothing with the key's name is left.
    async fn revoke_key(&self, key: &KeyRef) -> Result<(), BucketError>;

    /// Changes what a key may do with its bucket.
    async fn set_access(
        &self,
        key: &KeyRef,
        grant: &KeyGrant,
        access: Access,
    ) -> Result<(), BucketError>;

    /// Lists all whose name starts with `prefix`, whether complete or not, in order.
    async fn list_keys(&self, prefix: &str) -> Result<Vec<FoundKey>, BucketError>;

    async fn last_use(&self, key: &KeyRef) -> Result<LastUse, BucketError>;

    /// Lists keys without a name that open nothing, those on record (`known`) aside.
    async fn stray_keys(&self, _known: &HashSet<String>) -> Result<Vec<StrayKey>, BucketError> {
        Ok(Vec::new())
    }

    async fn remove_stray(&self, _stray: &StrayKey) -> Result<(), BucketError> {
        Ok(())
    }

    /// Where clients reach the buckets.
    fn endpoint_url(&self) -> &str;

    fn region(&self) -> &str;
}
