//! The keys to the account's bucket, this device's and others'.

use std::sync::{MutexGuard as StdMutexGuard, PoisonError};
use std::time::SystemTime;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::RwLockWriteGuard;
use tokio_util::sync::CancellationToken;
use wire::MountCredentials;

use crate::api::{ApiError, ListedCredential, ListedState, plain};
use crate::clock::unix_ms;
use crate::view::{CredentialState, CredentialView};

use super::{Account, AuthError, BucketCredentials, SignedOutReason};

impl Account {
    /// The keys, newest first, with those that are revoked while the store still has them.
    pub(crate) async fn credentials(&self) -> Result<Vec<CredentialView>, AuthError> {
        let listed = self
            .call(|api, token| async move { api.list_all_credentials(&token).await })
            .await?;
        let own = self.record().access_key;
        let mut views: Vec<CredentialView> = listed
            .into_iter()
            .map(|listed| view(listed, own.as_deref()))
            .collect();
        views.sort_by_key(|view| std::cmp::Reverse(view.created_at_ms));
        Ok(views)
    }

    /// The live keys, and the access key of each by its id.
    pub(crate) async fn credentials_with_access_keys(
        &self,
    ) -> Result<(Vec<CredentialView>, Vec<(String, String)>), AuthError> {
        let listed = self
            .call(|api, token| async move { api.list_credentials(&token).await })
            .await?;
        let own = self.record().access_key;
        let access_keys = listed
            .iter()
            .map(|listed| (listed.id.clone(), listed.access_key.clone()))
            .collect();
        let views = listed
            .into_iter()
            .map(|listed| view(listed, own.as_deref()))
            .collect();
        Ok((views, access_keys))
    }

    /// The server's clock; needs no sign-in. `None` if it does not tell.
    pub(crate) async fn server_time(&self) -> Result<Option<SystemTime>, ApiError> {
        self.0.api.time().await
    }

    /// Takes a key away. One that is gone already counts as revoked.
    pub(crate) async fn revoke_credential(&self, id: &str) -> Result<(), AuthError> {
        self.call(|api, token| async move { api.revoke_credential(&token, id).await })
            .await
    }

    /// The id of a live key with this access key; `None` if there is none.
    pub(crate) async fn credential_of(
        &self,
        access_key: &str,
    ) -> Result<Option<String>, AuthError> {
        let listed = self
            .call(|api, token| async move { api.list_credentials(&token).await })
            .await?;
        let found = listed
            .into_iter()
            .find(|listed| listed.access_key == access_key);
        Ok(found.map(|listed| listed.id))
    }

    /// Looks at the bucket with a key that is kept nowhere, and taken back whatever comes of it. A
    /// sign-out ends the look.
    pub(crate) async fn look<T, F>(
        &self,
        work: impl FnOnce(BucketCredentials) -> F,
    ) -> Result<T, AuthError>
    where
        F: Future<Output = T>,
    {
        let leave = self.looking().clone();
        let _looking = self.0.looks.read().await;
        let key = self.temporary_key().await?;
        let access_key = key.access_key.clone();
        let done = leave.run_until_cancelled(work(key)).await;
        self.end_temporary_key(&access_key).await;
        let reason = SignedOutReason::NoToken;
        done.ok_or(AuthError::SignedOut { reason })
    }

    /// Ends the looks that are under way, and waits until their keys are taken back; while the
    /// answer is held, none begins.
    pub(crate) async fn end_looks(&self) -> RwLockWriteGuard<'_, ()> {
        std::mem::take(&mut *self.looking()).cancel();
        self.0.looks.write().await
    }

    fn looking(&self) -> StdMutexGuard<'_, CancellationToken> {
        let looking = self.0.looking.lock();
        looking.unwrap_or_else(PoisonError::into_inner)
    }

    async fn temporary_key(&self) -> Result<BucketCredentials, AuthError> {
        let setup = self
            .call(|api, token| async move { api.tenant_setup(&token).await })
            .await?;
        if setup.status != "ready" {
            return Err(AuthError::Preparing);
        }
        Ok(self
            .made_key(Some("a look before a set-up".to_owned()))
            .await?
            .into())
    }

    /// A failure is logged, and the key stays listed.
    async fn end_temporary_key(&self, access_key: &str) {
        let revoked = async {
            match self.credential_of(access_key).await? {
                Some(id) => self.revoke_credential(&id).await,
                None => Ok(()),
            }
        };
        if let Err(error) = revoked.await {
            tracing::warn!(%error, "a temporary key is not revoked");
        }
    }

    /// Makes a key that this device does not keep. Its secret exists in the answer alone.
    pub(crate) async fn foreign_key(&self, name: &str) -> Result<MountCredentials, AuthError> {
        self.bucket_credentials().await?;
        self.made_key(Some(name.to_owned())).await
    }
}

fn view(listed: ListedCredential, own: Option<&str>) -> CredentialView {
    CredentialView {
        name: name(&listed),
        created_at_ms: listed.created_at.as_deref().and_then(milliseconds),
        last_used_at_ms: listed.last_used_at.as_deref().and_then(milliseconds),
        expires_at_ms: listed.expires_at.as_deref().and_then(milliseconds),
        this_device: own == Some(listed.access_key.as_str()),
        state: match listed.state {
            ListedState::Active => CredentialState::Active,
            ListedState::Revoking => CredentialState::Revoking,
            ListedState::RevokeFailed => CredentialState::RevokeFailed,
        },
        id: listed.id,
    }
}

/// What a person called it; keys of older programs have a name made by the server only.
fn name(listed: &ListedCredential) -> String {
    match listed.description.trim() {
        "" => format!("key {}", plain(&listed.access_key)),
        described => plain(described),
    }
}

fn milliseconds(text: &str) -> Option<i64> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    Some(unix_ms(time.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listed_key_is_shown_with_its_times_and_whose_it_is() {
        let listed = ListedCredential {
            id: "c1".into(),
            access_key: "AK1".into(),
            description: "lap\u{1b}top".into(),
            created_at: Some("1970-01-01T00:00:01Z".into()),
            last_used_at: Some("soon".into()),
            expires_at: None,
            state: ListedState::RevokeFailed,
        };
        let expected = CredentialView {
            id: "c1".into(),
            name: "laptop".into(),
            created_at_ms: Some(1000),
            last_used_at_ms: None,
            expires_at_ms: None,
            this_device: true,
            state: CredentialState::RevokeFailed,
        };
        assert_eq!(view(listed.clone(), Some("AK1")), expected);
        let unnamed = ListedCredential {
            description: " ".into(),
            ..listed
        };
        let other = view(unnamed, Some("AK2"));
        assert_eq!((other.name.as_str(), other.this_device), ("key AK1", false));
    }
}
