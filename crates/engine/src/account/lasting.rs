//! A provisional sign-in, that of a set-up which is not finished, becomes a lasting one.

use std::sync::PoisonError;

use crate::SignInKeep;
use crate::secrets::FileLock;

use super::{Account, AuthError, LOCK_PATIENCE, REFRESH_TOKEN, SignedOutReason};

impl Account {
    /// Whether the sign-in outlives this process already.
    pub(crate) fn kept(&self) -> SignInKeep {
        if self.0.secrets.are_stored() {
            SignInKeep::Now
        } else {
            SignInKeep::WithSetUp
        }
    }

    /// Makes a provisional sign-in lasting; a lasting one stays as it is. The secrets go first and
    /// the record last: wherever this is interrupted, the next start finds all of it or nobody
    /// signed in. Fails without a change.
    pub(crate) async fn make_lasting(&self) -> Result<(), AuthError> {
        let _bucket = self.0.bucket.lock().await;
        let _session = self.0.session.lock().await;
        if self.0.secrets.are_stored() {
            return Ok(());
        }
        if self.0.secrets.get(REFRESH_TOKEN).await?.is_none() {
            let reason = SignedOutReason::NoToken;
            return Err(AuthError::SignedOut { reason });
        }
        self.0.secrets.ready().await?;
        let _lock = FileLock::acquire(&self.lock_path(), LOCK_PATIENCE).await?;
        let before = self.0.secrets.copy_to_store().await?;
        let saved = {
            let record = self.0.record.lock().unwrap_or_else(PoisonError::into_inner);
            let saved = record.save(&self.0.places);
            if saved.is_ok() {
                self.0.secrets.settle();
            }
            saved
        };
        if let Err(error) = saved {
            self.0.secrets.put_back(before).await;
            return Err(error.into());
        }
        tracing::info!("the sign-in is kept on this device");
        Ok(())
    }
}
