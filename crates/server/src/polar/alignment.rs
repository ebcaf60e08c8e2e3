//! Accounts follow the configured products, also where these changed while nothing was told.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Polar, rest};
use crate::error::chain;
use crate::store::{Aligned, StoreError};

/// At the start and then at times: a replica that still has other products may decide meanwhile.
const ALIGN_EVERY: Duration = Duration::from_secs(6 * 3600);
const AGAIN: Duration = Duration::from_secs(5);

impl Polar {
    pub(super) async fn run_alignment(&self, cancel: &CancellationToken) {
        loop {
            let wait = match self.align().await {
                Ok(_) => ALIGN_EVERY,
                Err(error) => {
                    let error = chain(&error);
                    tracing::warn!(error, "accounts could not be brought in line with products");
                    AGAIN
                }
            };
            if !rest(wait, cancel).await {
                return;
            }
        }
    }

    /// Decides anew where the products lead to something else than what was decided.
    pub(super) async fn align(&self) -> Result<Aligned, StoreError> {
        let origin = self.origin("products");
        let aligned = self.store.align_people(&self.products, &origin).await?;
        if aligned != Aligned::default() {
            let Aligned { people, unparked } = aligned;
            tracing::info!(
                people,
                unparked,
                "accounts were brought in line with products"
            );
        }
        Ok(aligned)
    }
}
