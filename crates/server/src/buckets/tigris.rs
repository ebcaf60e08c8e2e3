//! Buckets and keys on Tigris.
//!
//! There are no users: policies attach to access keys, and only policies have names. So the
//! policy is made first, under the key's name. Between the making of the access key and its
//! attachment, a crash leaves an access key that opens nothing and that nothing names; see
//! [`Unattached`].

use std::collections::{BTreeMap, HashSet};

use async_trait::async_trait;
use secrecy::ExposeSecret;

use super::iam::{Iam, MadeKey, is_absent, is_present};
use super::policy::document;
use super::s3::{S3, Versioning};
use super::{
    Access, AdminKey, BucketError, Buckets, Endpoint, FoundKey, IssuedKey, KeyGrant, KeyRef,
    LastUse, NotificationTarget, Notifications, Repeats, StrayKey, Versions,
};
use crate::clock::Clock;

/// Ends the name of the policy that a key has instead while it may only read.
const READ_ONLY: &str = "-ro";
/// Each secret has a `%` with a chance of well under one half.
const SECRET_ATTEMPTS: usize = 4;

/// What is done with access keys that no policy is attached to and that were made while an
/// interrupted credential was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unattached {
    /// They are named in the log. Keys made by hand with roles on buckets have no policy either.
    Report,
    /// They are removed. For an organization that is this server's alone.
    Remove,
}

pub(crate) struct TigrisBuckets {
    iam: Iam,
    s3: S3,
    public_endpoint: Endpoint,
    admin_access_key: String,
    unattached: Unattached,
}

impl TigrisBuckets {
    /// `public_endpoint` is where clients find what this server finds at `s3`.
    pub(crate) fn new(
        s3: Endpoint,
        iam: Endpoint,
        public_endpoint: Endpoint,
        key: &AdminKey,
        unattached: Unattached,
        clock: &Clock,
        repeats: Repeats,
    ) -> Result<Self, reqwest::Error> {
        Ok(Self {
            iam: Iam::new(iam, key.clone(), clock.clone(), repeats)?,
            s3: S3::new(s3, key.clone(), clock.clone(), repeats)?,
            public_endpoint,
            admin_access_key: key.access_key.clone(),
            unattached,
        })
    }

    /// Makes sure that the policy exists, and gives its ARN.
    async fn ensure_policy(&self, name: &str, text: &str) -> Result<String, BucketError> {
        const ACTION: &str = "CreatePolicy";
        let unreadable = || BucketError::Unreadable { operation: ACTION };
        let fields = [("PolicyName", name), ("PolicyDocument", text)];
        match self.iam.call(ACTION, &fields).await {
            Ok(document) => document
                .text(&["CreatePolicyResult", "Policy", "Arn"])
                .filter(|arn| !arn.is_empty())
                .map(str::to_owned)
                .ok_or_else(unreadable),
            Err(error) if is_present(&error) => self
                .policies(|found| found == name)
                .await?
                .remove(name)
                .ok_or_else(unreadable),
            Err(error) => Err(error),
        }
    }

    /// The ARNs of all policies whose name `fits`, by name.
    async fn policies(
        &self,
        fits: impl Fn(&str) -> bool,
    ) -> Result<BTreeMap<String, String>, BucketError> {
        let read = |policy: &super::xml::Element| {
            let name = policy.text(&["PolicyName"])?.to_owned();
            Some((name, policy.text(&["Arn"])?.to_owned()))
        };
        let path = ["ListPoliciesResult", "Policies"];
        let listed = self
            .iam
            .list("ListPolicies", &[("Scope", "Local")], &path, read)
            .await?;
        Ok(listed.into_iter().filter(|(name, _)| fits(name)).collect())
    }

    async fn attached_keys(&self, policy_arn: &str) -> Result<Vec<String>, BucketError> {
        let read = |user: &super::xml::Element| Some(user.text(&["UserName"])?.to_owned());
        let path = ["ListEntitiesForPolicyResult", "PolicyUsers"];
        let fields = [("PolicyArn", policy_arn)];
        let listed = self
            .iam
            .list("ListEntitiesForPolicy", &fields, &path, read)
            .await;
        match listed {
            Err(error) if is_absent(&error) => Ok(Vec::new()),
            listed => listed,
        }
    }

    async fn attach(&self, access_key: &str, policy_arn: &str) -> Result<(), BucketError> {
        let fields = [("UserName", access_key), ("PolicyArn", policy_arn)];
        match self.iam.call("AttachUserPolicy", &fields).await {
            Err(error) if is_present(&error) => Ok(()),
            attached => attached.map(|_| ()),
        }
    }

    async fn detach(&self, access_key: &str, policy_arn: &str) -> Result<(), BucketError> {
        let fields = [("UserName", access_key), ("PolicyArn", policy_arn)];
        self.iam
            .call_on_what_may_be_gone("DetachUserPolicy", &fields)
            .await
    }

    async fn delete_access_key(&self, access_key: &str) -> Result<(), BucketError> {
        self.iam
            .call_on_what_may_be_gone("DeleteAccessKey", &[("AccessKeyId", access_key)])
            .await
    }

    async fn make_key(&self) -> Result<MadeKey, BucketError> {
        for _ in 0..SECRET_ATTEMPTS {
            let made = self.iam.create_access_key(None).await?;
            // Published clients write the secret into an INI file that gives `%` a meaning.
            if !made.secret.expose_secret().contains('%') {
                return Ok(made);
            }
            self.delete_access_key(&made.access_key).await?;
        }
        Err(BucketError::SecretUnfit)
    }

    /// The key goes first, so that it opens nothing from then on; as long as a policy is there
    /// to be found, so is what it was attached to.
    async fn remove_policy(&self, policy_arn: &str) -> Result<(), BucketError> {
        for access_key in self.attached_keys(policy_arn).await? {
            self.delete_access_key(&access_key).await?;
            self.detach(&access_key, policy_arn).await?;
        }
        self.iam
            .call_on_what_may_be_gone("DeletePolicy", &[("PolicyArn", policy_arn)])
            .await
    }
}

/// Its versions cannot be listed; it has snapshots of a kind of its own.
impl Versions for TigrisBuckets {}

#[async_trait]
impl Buckets for TigrisBuckets {
    async fn ensure_bucket(&self, bucket: &str) -> Result<(), BucketError> {
        self.s3.ensure_bucket(bucket, Versioning::BySnapshots).await
    }

    async fn delete_bucket(&self, bucket: &str) -> Result<(), BucketError> {
        self.s3.purge(bucket).await?;
        self.s3.delete_bucket(bucket).await
    }

    async fn end_uploads(&self, bucket: &str, begun_before: i64) -> Result<u64, BucketError> {
        self.s3.end_uploads(bucket, begun_before).await
    }

    async fn notify(
        &self,
        bucket: &str,
        target: &NotificationTarget,
    ) -> Result<Notifications, BucketError> {
        self.s3.set_notifications(bucket, target).await?;
        Ok(Notifications::Set)
    }

    async fn issue_key(&self, grant: &KeyGrant) -> Result<IssuedKey, BucketError> {
        let text = document(&grant.bucket, Access::ReadWrite, grant.expires_at);
        let policy_arn = self.ensure_policy(&grant.name, &text).await?;
        let made = self.make_key().await?;
        if let Err(error) = self.attach(&made.access_key, &policy_arn).await {
            if let Err(stays) = self.delete_access_key(&made.access_key).await {
                tracing::error!(access_key = made.access_key, error = %stays, "a key that opens nothing stays");
            }
            return Err(error);
        }
        Ok(IssuedKey {
            access_key: made.access_key,
            secret: made.secret,
            policy_arn,
        })
    }

    async fn revoke_key(&self, key: &KeyRef) -> Result<(), BucketError> {
        if let Some(access_key) = &key.access_key {
            self.delete_access_key(access_key).await?;
        }
        let read_only = format!("{}{READ_ONLY}", key.name);
        let named = self
            .policies(|found| found == key.name || found == read_only)
            .await?;
        for policy_arn in named.values() {
            if let Some(access_key) = &key.access_key {
                self.detach(access_key, policy_arn).await?;
            }
            self.remove_policy(policy_arn).await?;
        }
        Ok(())
    }

    async fn set_access(
        &self,
        key: &KeyRef,
        grant: &KeyGrant,
        access: Access,
    ) -> Result<(), BucketError> {
        let Some(access_key) = &key.access_key else {
            return Ok(());
        };
        let read_only = format!("{}{READ_ONLY}", key.name);
        let text = |access| document(&grant.bucket, access, grant.expires_at);
        match access {
            Access::ReadOnly => {
                let reading = self
                    .ensure_policy(&read_only, &text(Access::ReadOnly))
                    .await?;
                self.attach(access_key, &reading).await?;
                if let Some(writing) = self
                    .policies(|found| found == key.name)
                    .await?
                    .get(&key.name)
                {
                    self.detach(access_key, writing).await?;
                }
            }
            Access::ReadWrite => {
                let writing = self
                    .ensure_policy(&key.name, &text(Access::ReadWrite))
                    .await?;
                self.attach(access_key, &writing).await?;
                if let Some(reading) = self
                    .policies(|found| found == read_only)
                    .await?
                    .get(&read_only)
                {
                    self.detach(access_key, reading).await?;
                }
            }
        }
        Ok(())
    }

    async fn list_keys(&self, prefix: &str) -> Result<Vec<FoundKey>, BucketError> {
        let policies = self.policies(|name| name.starts_with(prefix)).await?;
        let mut found: Vec<FoundKey> = policies
            .into_iter()
            .map(|(name, arn)| match name.strip_suffix(READ_ONLY) {
                Some(key) => FoundKey {
                    name: key.to_owned(),
                    policy_arn: None,
                },
                None => FoundKey {
                    name,
                    policy_arn: Some(arn),
                },
            })
            .collect();
        found.sort_by(|a, b| {
            (&a.name, b.policy_arn.is_some()).cmp(&(&b.name, a.policy_arn.is_some()))
        });
        found.dedup_by(|later, earlier| later.name == earlier.name);
        Ok(found)
    }

    async fn last_use(&self, _: &KeyRef) -> Result<LastUse, BucketError> {
        Ok(LastUse::Untold)
    }

    async fn stray_keys(&self, known: &HashSet<String>) -> Result<Vec<StrayKey>, BucketError> {
        let mut strays = Vec::new();
        for key in self.iam.list_access_keys(None).await? {
            let (access_key, Some(created_at)) = (key.access_key, key.created_at) else {
                continue;
            };
            if known.contains(&access_key) || access_key == self.admin_access_key {
                continue;
            }
            let fields = [("UserName", access_key.as_str())];
            let path = ["ListUserPoliciesResult", "PolicyNames"];
            let attached = self
                .iam
                .list("ListUserPolicies", &fields, &path, |_| Some(()))
                .await?;
            if attached.is_empty() {
                strays.push(StrayKey {
                    access_key,
                    created_at,
                });
            }
        }
        Ok(strays)
    }

    async fn remove_stray(&self, stray: &StrayKey) -> Result<(), BucketError> {
        match self.unattached {
            Unattached::Remove => self.delete_access_key(&stray.access_key).await,
            Unattached::Report => {
                tracing::warn!(
                    access_key = stray.access_key,
                    "an access key without a policy seems to be what an interrupted request left"
                );
                Ok(())
            }
        }
    }

    fn endpoint_url(&self) -> &str {
        &self.public_endpoint.url
    }

    fn region(&self) -> &str {
        &self.public_endpoint.region
    }
}
