use std::time::Duration;

use secrecy::SecretString;

use super::{Account, AuthError, BUCKET_KEY, REFRESH_TOKEN};

/// How long a sign-out waits for the server; without its answer it goes on.
const PATIENCE: Duration = Duration::from_secs(6);

impl Account {
    /// Revokes this device's bucket key and session as far as the server can be reached, then
    /// forgets the secrets and the account. Folders stay as they are. Fails only if something
    /// could not be forgotten; a repeat goes on.
    pub(crate) async fn sign_out(&self) -> Result<(), AuthError> {
        self.retire().await?;
        if self.0.secrets.are_stored() {
            self.record().remove(&self.0.places)?;
        }
        Ok(())
    }

    /// All of a sign-out but the record, which may be another account's already.
    pub(super) async fn retire(&self) -> Result<(), AuthError> {
        let looks = tokio::time::timeout(PATIENCE, self.end_looks()).await;
        let making = tokio::time::timeout(PATIENCE, self.0.bucket.lock()).await;
        if looks.is_err() || making.is_err() {
            tracing::info!("a key may stay behind: the server did not answer in time");
        }
        if tokio::time::timeout(PATIENCE, self.revoke_bucket_key())
            .await
            .is_err()
        {
            tracing::info!("the bucket key is not revoked: the server did not answer in time");
        }
        let mut session = self.0.session.lock().await;
        let _lock = self.tokens_lock().await?;
        session.access = None;
        let unsaved = session.unsaved.take();
        let stored = self.0.secrets.get(REFRESH_TOKEN).await.unwrap_or_default();
        if let Some(token) = unsaved.or(stored) {
            self.revoke(&token).await;
        }
        Ok(self.0.secrets.forget(&[REFRESH_TOKEN, BUCKET_KEY]).await?)
    }

    pub(super) async fn revoke(&self, token: &SecretString) {
        match tokio::time::timeout(PATIENCE, self.0.provider.revoke(token)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::info!(%error, "the session is not revoked"),
            Err(_) => tracing::info!("the session is not revoked: no answer in time"),
        }
    }
}
