use std::collections::BTreeSet;
use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tokio::sync::MutexGuard;
use wire::MountCredentials;

use crate::api::ApiError;
use crate::secrets::FileLock;

use super::{Account, AuthError, BUCKET_KEY, LOCK_PATIENCE};

const LOCK: &str = "bucket-key.lock";

/// The bucket of an account and this device's key to it.
#[derive(Clone)]
pub(crate) struct BucketCredentials {
    pub(crate) tenant: String,
    pub(crate) bucket: String,
    pub(crate) endpoint_url: String,
    pub(crate) region: String,
    pub(crate) access_key: String,
    pub(crate) secret_key: SecretString,
}

impl fmt::Debug for BucketCredentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("BucketCredentials")
            .field("bucket", &self.bucket)
            .field("endpoint_url", &self.endpoint_url)
            .field("access_key", &self.access_key)
            .finish_non_exhaustive()
    }
}

impl Account {
    /// This device's bucket key, made on first use, together with the bucket itself.
    pub(crate) async fn bucket_credentials(&self) -> Result<BucketCredentials, AuthError> {
        let _lock = self.bucket_lock().await?;
        match self.stored_key().await? {
            Some(stored) => Ok(stored),
            None => {
                let fresh = self.new_key().await?;
                self.sweep_keys(&fresh.access_key).await;
                Ok(fresh)
            }
        }
    }

    /// A key in place of `refused`, which the bucket does not accept. If another task or process
    /// has replaced it already, that one.
    pub(crate) async fn rotate_bucket_credentials(
        &self,
        refused: &str,
    ) -> Result<BucketCredentials, AuthError> {
        let _lock = self.bucket_lock().await?;
        match self.stored_key().await? {
            Some(stored) if stored.access_key != refused => Ok(stored),
            Some(_) | None => {
                let fresh = self.new_key().await?;
                self.revoke_key(refused).await;
                Ok(fresh)
            }
        }
    }

    /// Revokes the key that this device uses; failures are only logged.
    pub(super) async fn revoke_bucket_key(&self) {
        if let Some(access_key) = self.record().access_key {
            self.revoke_key(&access_key).await;
        }
    }

    async fn revoke_key(&self, access_key: &str) {
        let revoked = self
            .call(|api, token| async move {
                let listed = api.list_credentials(&token).await?;
                match listed.iter().find(|listed| listed.access_key == access_key) {
                    Some(listed) => api.revoke_credential(&token, &listed.id).await,
                    None => Ok(()),
                }
            })
            .await;
        if let Err(error) = revoked {
            tracing::info!(%error, "a bucket key is not revoked");
        }
    }

    /// The account's bucket must stay the one it was: no byte may reach another tenant's.
    async fn new_key(&self) -> Result<BucketCredentials, AuthError> {
        let setup = self
            .call(|api, token| async move { api.tenant_setup(&token).await })
            .await?;
        if setup.status != "ready" {
            return Err(AuthError::Preparing);
        }
        let known = self.record();
        same(known.tenant_id.as_deref(), &setup.tenant_id)?;
        same(known.bucket.as_deref(), &setup.bucket_name)?;
        let info = self
            .call(|api, token| async move { api.mount_info(&token).await })
            .await?;
        same(Some(&setup.tenant_id), &info.tenant_id)?;
        same(Some(&setup.bucket_name), &info.bucket_name)?;
        let name = self.own_name().await?;
        let made = self.made_key(name).await?;
        same(Some(&info.tenant_id), &made.tenant_id)?;
        same(Some(&info.bucket_name), &made.bucket_name)?;
        self.store_key(&made).await?;
        let credential_id = self.credential_id(&made.access_key).await;
        self.update(|record| {
            record.tenant_id = Some(made.tenant_id.clone());
            record.bucket = Some(made.bucket_name.clone());
            record.endpoint_url = Some(made.endpoint_url.clone());
            record.region = Some(made.region.clone());
            record.access_key = Some(made.access_key.clone());
            record.credential_id = credential_id;
        })?;
        Ok(made.into())
    }

    /// What this device is called: as the person calls it, with a number where another device of the
    /// account has that name. It is written down before a key is made, so that a key that a crash
    /// left behind is known by it.
    async fn own_name(&self) -> Result<Option<String>, AuthError> {
        let known = self.record();
        let (None, Some(wanted)) = (&known.device, self.0.device.get()) else {
            return Ok(known.device);
        };
        let listed = self
            .call(|api, token| async move { api.list_credentials(&token).await })
            .await?;
        let taken: BTreeSet<String> = listed
            .into_iter()
            .filter(|listed| known.access_key.as_ref() != Some(&listed.access_key))
            .map(|listed| listed.description)
            .collect();
        let name = free_name(wanted, &taken);
        self.update(|record| record.device = Some(name.clone()))?;
        Ok(Some(name))
    }

    /// Takes back keys of this device that nobody got: it was ended between the server's answer and
    /// the keyring. Failures are only logged.
    async fn sweep_keys(&self, own: &str) {
        let Some(device) = self.record().device else {
            return;
        };
        let swept = self
            .call(|api, token| {
                let device = device.clone();
                async move {
                    for listed in api.list_credentials(&token).await? {
                        if listed.description == device && listed.access_key != own {
                            api.revoke_credential(&token, &listed.id).await?;
                        }
                    }
                    Ok(())
                }
            })
            .await;
        if let Err(error) = swept {
            tracing::info!(%error, "keys that were left behind are not revoked");
        }
    }

    pub(super) async fn made_key(
        &self,
        name: Option<String>,
    ) -> Result<MountCredentials, AuthError> {
        let name = name.as_deref();
        let made = self
            .call(|api, token| async move { api.create_credentials(&token, name).await })
            .await?;
        if !is_of_single_lines(&made) {
            return Err(not_ours(self.key()).into());
        }
        let known = self.record();
        same(known.tenant_id.as_deref(), &made.tenant_id)?;
        same(known.bucket.as_deref(), &made.bucket_name)?;
        crate::api::server_url(&made.endpoint_url)?;
        Ok(made)
    }

    /// A new key for this device beside the one it has, which still works.
    pub(crate) async fn replace_bucket_key(&self) -> Result<BucketCredentials, AuthError> {
        let _lock = self.bucket_lock().await?;
        self.new_key().await
    }

    async fn credential_id(&self, access_key: &str) -> Option<String> {
        let listed = self
            .call(|api, token| async move { api.list_credentials(&token).await })
            .await
            .ok()?;
        listed
            .into_iter()
            .find(|listed| listed.access_key == access_key)
            .map(|listed| listed.id)
    }

    async fn store_key(&self, made: &MountCredentials) -> Result<(), AuthError> {
        let stored = StoredKey::V1(made.clone());
        let text = serde_json::to_string(&stored).map_err(|_| not_ours(self.key()))?;
        Ok(self
            .0
            .secrets
            .set(BUCKET_KEY, &SecretString::from(text))
            .await?)
    }

    /// A stored key that cannot be read counts as none: a new one is made.
    async fn stored_key(&self) -> Result<Option<BucketCredentials>, AuthError> {
        let Some(text) = self.0.secrets.get(BUCKET_KEY).await? else {
            return Ok(None);
        };
        let Ok(StoredKey::V1(stored)) = serde_json::from_str(text.expose_secret()) else {
            return Ok(None);
        };
        let known = self.record();
        same(known.tenant_id.as_deref(), &stored.tenant_id)?;
        same(known.bucket.as_deref(), &stored.bucket_name)?;
        Ok(Some(stored.into()))
    }

    /// Of a provisional key no other process knows.
    async fn bucket_lock(&self) -> Result<(MutexGuard<'_, ()>, Option<FileLock>), AuthError> {
        let here = self.0.bucket.lock().await;
        if !self.0.secrets.are_stored() {
            return Ok((here, None));
        }
        let path = self.0.places.state.join(LOCK);
        let everywhere = FileLock::acquire(&path, LOCK_PATIENCE).await?;
        Ok((here, Some(everywhere)))
    }
}

/// The secret's text: all of the answer, so that key, bucket and endpoint cannot be mixed up.
#[derive(Serialize, Deserialize)]
#[serde(tag = "version")]
enum StoredKey {
    #[serde(rename = "1")]
    V1(MountCredentials),
}

impl From<MountCredentials> for BucketCredentials {
    fn from(made: MountCredentials) -> Self {
        Self {
            tenant: made.tenant_id,
            bucket: made.bucket_name,
            endpoint_url: made.endpoint_url,
            region: made.region,
            access_key: made.access_key,
            secret_key: SecretString::from(made.secret_key),
        }
    }
}

/// The wanted name, or the first with a number that nobody has.
fn free_name(wanted: &str, taken: &BTreeSet<String>) -> String {
    let numbered = (2..).map(|number| format!("{wanted} {number}"));
    std::iter::once(wanted.to_owned())
        .chain(numbered)
        .find(|name| !taken.contains(name))
        .unwrap_or_else(|| wanted.to_owned())
}

fn same(known: Option<&str>, offered: &str) -> Result<(), AuthError> {
    match known {
        Some(known) if known != offered => Err(AuthError::OtherBucket {
            known: known.to_owned(),
            offered: crate::api::plain(offered),
        }),
        Some(_) | None => Ok(()),
    }
}

/// Whether each part can be a value of a configuration file. A line break in one would begin another
/// line, with an option of whoever runs the server: rclone has some that run a program.
fn is_of_single_lines(made: &MountCredentials) -> bool {
    [
        &made.tenant_id,
        &made.bucket_name,
        &made.access_key,
        &made.secret_key,
        &made.endpoint_url,
        &made.region,
    ]
    .into_iter()
    .all(|part| !part.chars().any(char::is_control))
}

fn not_ours(server: &str) -> ApiError {
    ApiError::NotOurServer {
        server: server.to_owned(),
        what: "its answer cannot be kept".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_with_a_line_break_in_any_part_is_no_key() {
        let made = MountCredentials {
            tenant_id: "t".into(),
            bucket_name: "notes".into(),
            access_key: "key".into(),
            secret_key: "secret".into(),
            endpoint_url: "https://storage.example.com".into(),
            region: "auto".into(),
        };
        assert!(is_of_single_lines(&made));
        let broken = |part: fn(&mut MountCredentials) -> &mut String| {
            let mut made = made.clone();
            part(&mut made).push_str("\nssh = true");
            made
        };
        for broken in [
            broken(|made| &mut made.tenant_id),
            broken(|made| &mut made.bucket_name),
            broken(|made| &mut made.access_key),
            broken(|made| &mut made.secret_key),
            broken(|made| &mut made.endpoint_url),
            broken(|made| &mut made.region),
        ] {
            assert!(!is_of_single_lines(&broken), "{broken:?}");
        }
    }
}
