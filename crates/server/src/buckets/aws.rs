//! Buckets and keys on AWS, and on what speaks like it.
//!
//! Keys belong to users there, so each key gets a user of its own, of the key's name, with one
//! inline policy. Removing whatever is under the name removes the key.

use async_trait::async_trait;
use secrecy::ExposeSecret;

use super::iam::{Iam, has_code, is_absent, is_present};
use super::policy::document;
use super::s3::{S3, Versioning};
use super::{
    Access, AdminKey, BucketError, Buckets, Endpoint, FoundKey, IssuedKey, KeyGrant, KeyRef,
    LastUse, NotificationTarget, Notifications, Repeats, VersionMark, VersionRemoval, Versions,
    VersionsPage,
};
use crate::clock::{Clock, parse_rfc3339};

/// Sets our users apart from others in the account.
const PATH: &str = "/basic-memory/";
/// Each secret has a `%` with a chance of well under one half.
const SECRET_ATTEMPTS: usize = 4;

pub(crate) struct AwsBuckets {
    iam: Iam,
    s3: S3,
    public_endpoint: Endpoint,
}

impl AwsBuckets {
    /// `public_endpoint` is where clients find what this server finds at `s3`.
    pub(crate) fn new(
        s3: Endpoint,
        iam: Endpoint,
        public_endpoint: Endpoint,
        key: &AdminKey,
        clock: &Clock,
        repeats: Repeats,
    ) -> Result<Self, reqwest::Error> {
        Ok(Self {
            iam: Iam::new(iam, key.clone(), clock.clone(), repeats)?,
            s3: S3::new(s3, key.clone(), clock.clone(), repeats)?,
            public_endpoint,
        })
    }

    async fn put_policy(&self, grant: &KeyGrant, access: Access) -> Result<(), BucketError> {
        let text = document(&grant.bucket, access, grant.expires_at);
        let fields = [
            ("UserName", grant.name.as_str()),
            ("PolicyName", grant.name.as_str()),
            ("PolicyDocument", text.as_str()),
        ];
        self.iam.call("PutUserPolicy", &fields).await?;
        Ok(())
    }

    async fn delete_access_key(&self, user: &str, access_key: &str) -> Result<(), BucketError> {
        let fields = [("UserName", user), ("AccessKeyId", access_key)];
        self.iam
            .call_on_what_may_be_gone("DeleteAccessKey", &fields)
            .await
    }
}

#[async_trait]
impl Versions for AwsBuckets {
    async fn list_versions(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&VersionMark>,
    ) -> Result<VersionsPage, BucketError> {
        self.s3.list_versions(bucket, prefix, after).await
    }
}

#[async_trait]
impl Buckets for AwsBuckets {
    async fn ensure_bucket(&self, bucket: &str) -> Result<(), BucketError> {
        self.s3.ensure_bucket(bucket, Versioning::ByCall).await
    }

    async fn delete_bucket(&self, bucket: &str) -> Result<(), BucketError> {
        self.s3.purge(bucket).await?;
        self.s3.delete_bucket(bucket).await
    }

    async fn remove_versions(
        &self,
        bucket: &str,
        removals: &[VersionRemoval],
    ) -> Result<(), BucketError> {
        self.s3.remove_versions(bucket, removals).await
    }

    async fn end_uploads(&self, bucket: &str, begun_before: i64) -> Result<u64, BucketError> {
        self.s3.end_uploads(bucket, begun_before).await
    }

    async fn notify(&self, _: &str, _: &NotificationTarget) -> Result<Notifications, BucketError> {
        Ok(Notifications::Unsupported)
    }

    async fn issue_key(&self, grant: &KeyGrant) -> Result<IssuedKey, BucketError> {
        let fields = [("UserName", grant.name.as_str()), ("Path", PATH)];
        match self.iam.call("CreateUser", &fields).await {
            Ok(_) => {}
            Err(error) if is_present(&error) => {}
            Err(error) => return Err(error),
        }
        self.put_policy(grant, Access::ReadWrite).await?;
        for _ in 0..SECRET_ATTEMPTS {
            let made = self.iam.create_access_key(Some(&grant.name)).await?;
            // Published clients write the secret into an INI file that gives `%` a meaning.
            if made.secret.expose_secret().contains('%') {
                self.delete_access_key(&grant.name, &made.access_key)
                    .await?;
                continue;
            }
            return Ok(IssuedKey {
                access_key: made.access_key,
                secret: made.secret,
                policy_arn: format!("inline:{}", grant.name),
            });
        }
        Err(BucketError::SecretUnfit)
    }

    async fn revoke_key(&self, key: &KeyRef) -> Result<(), BucketError> {
        let user = key.name.as_str();
        let listed = match self.iam.list_access_keys(Some(user)).await {
            Ok(listed) => listed,
            Err(error) if is_absent(&error) => return Ok(()),
            Err(error) => return Err(error),
        };
        for access_key in listed {
            self.delete_access_key(user, &access_key.access_key).await?;
        }
        let policy = [("UserName", user), ("PolicyName", user)];
        self.iam
            .call_on_what_may_be_gone("DeleteUserPolicy", &policy)
            .await?;
        self.iam
            .call_on_what_may_be_gone("DeleteUser", &[("UserName", user)])
            .await
    }

    async fn set_access(
        &self,
        _: &KeyRef,
        grant: &KeyGrant,
        access: Access,
    ) -> Result<(), BucketError> {
        self.put_policy(grant, access).await
    }

    async fn list_keys(&self, prefix: &str) -> Result<Vec<FoundKey>, BucketError> {
        let mut found = self
            .iam
            .list(
                "ListUsers",
                &[("PathPrefix", PATH)],
                &["ListUsersResult", "Users"],
                |user| {
                    Some(FoundKey {
                        name: user.text(&["UserName"])?.to_owned(),
                        policy_arn: None,
                    })
                },
            )
            .await?;
        found.retain(|key| key.name.starts_with(prefix));
        found.sort();
        Ok(found)
    }

    async fn last_use(&self, key: &KeyRef) -> Result<LastUse, BucketError> {
        const ACTION: &str = "GetAccessKeyLastUsed";
        let Some(access_key) = &key.access_key else {
            return Ok(LastUse::Never);
        };
        let answer = self.iam.call(ACTION, &[("AccessKeyId", access_key)]).await;
        let document = match answer {
            Ok(document) => document,
            Err(error) if has_code(&error, &["InvalidAction", "NotImplemented"]) => {
                return Ok(LastUse::Untold);
            }
            Err(error) if is_absent(&error) => return Ok(LastUse::Never),
            Err(error) => return Err(error),
        };
        let date = document.text(&[
            "GetAccessKeyLastUsedResult",
            "AccessKeyLastUsed",
            "LastUsedDate",
        ]);
        Ok(date
            .and_then(parse_rfc3339)
            .map_or(LastUse::Never, LastUse::At))
    }

    fn endpoint_url(&self) -> &str {
        &self.public_endpoint.url
    }

    fn region(&self) -> &str {
        &self.public_endpoint.region
    }
}
