//! The job that looks after keys when nobody asks.

use std::collections::HashSet;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{Keys, millis};
use crate::app::RequestId;
use crate::buckets::{BucketError, KeyGrant, KeyRef, LastUse, StrayKey};
use crate::error::chain;
use crate::store::credentials::AccessChange;
use crate::store::{Origin, StoreError};

const ACTOR: &str = "job:credentials";
/// How many rows one round takes of each kind; the rest waits for the next round.
const BATCH: i64 = 100;
/// A removal that its claimer did not report on in this time is due again.
const REMOVAL_LEASE_MS: i64 = 10 * 60 * 1000;
/// Uses are looked at this often.
const CHECK_MS: i64 = 24 * 60 * 60 * 1000;
/// An unfinished request may have made a key without a name within this time of its beginning.
const STRAY_WINDOW_MS: i64 = 2 * 60 * 1000;
/// How long after an unfinished request its stray keys are looked for.
const STRAY_MEMORY_MS: i64 = 7 * 24 * 60 * 60 * 1000;

/// What one round did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Round {
    /// Credentials revoked because they were unfinished, expired or unused.
    pub(crate) orphaned: usize,
    pub(crate) removed: usize,
    pub(crate) changed: usize,
    /// Keys found that no credential is on record for.
    pub(crate) strays: usize,
    /// Calls that failed; they are made again in a later round.
    pub(crate) failed: usize,
}

impl Keys {
    /// Goes round until `cancel`.
    pub(crate) async fn run(self: Arc<Self>, cancel: CancellationToken) {
        let mut rounds = tokio::time::interval(self.settings.round);
        rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut searched_at = None;
        loop {
            tokio::select! {
                () = cancel.cancelled() => return,
                _ = rounds.tick() => {}
            }
            let now = (self.clock)();
            let search_due = searched_at.is_none_or(|at| now - at >= millis(self.settings.search));
            let work = async {
                let mut round = self.tend().await?;
                if search_due {
                    round.strays = self.search(&mut round.failed).await?;
                }
                Ok::<_, StoreError>(round)
            };
            let done = tokio::select! {
                () = cancel.cancelled() => return,
                done = work => done,
            };
            match done {
                Ok(round) => {
                    if search_due {
                        searched_at = Some(now);
                    }
                    if round != Round::default() {
                        tracing::info!(?round, "looked after storage keys");
                    }
                }
                Err(error) => {
                    tracing::error!(error = %chain(&error), "storage keys could not be looked after");
                }
            }
        }
    }

    /// Revokes what is unfinished, expired or unused, removes what is revoked, and brings what
    /// keys may do in line with their owners' subscriptions.
    pub(crate) async fn tend(&self) -> Result<Round, StoreError> {
        let mut round = Round::default();
        let origin = self.job_origin();
        let begun_before = origin.at - millis(self.settings.unfinished_life);
        let orphans = self.store.revoke_orphans(begun_before, &origin).await?;
        round.orphaned = orphans.len();
        self.revoke_unused(&origin, &mut round).await?;
        self.change_access(&origin, &mut round).await?;
        self.remove_revoked(&origin, &mut round).await?;
        Ok(round)
    }

    async fn revoke_unused(&self, origin: &Origin, round: &mut Round) -> Result<(), StoreError> {
        let due = self
            .store
            .keys_to_check(origin.at - CHECK_MS, BATCH)
            .await?;
        for (id, key) in due {
            let use_ = match self.buckets.last_use(&key).await {
                Ok(use_) => use_,
                Err(error) => {
                    report(&key.name, &error, round);
                    // Looked at all the same: keys that cannot be looked at must not keep others
                    // waiting.
                    self.store.record_use(&id, None, origin.at).await?;
                    continue;
                }
            };
            let last_used_at = match use_ {
                LastUse::At(at) => Some(at),
                LastUse::Never | LastUse::Untold => None,
            };
            self.store.record_use(&id, last_used_at, origin.at).await?;
            let told = use_ != LastUse::Untold;
            if let Some(life) = self.settings.unused_life.filter(|_| told) {
                let before = origin.at - millis(life);
                if self.store.revoke_unused(&id, before, origin).await? {
                    round.orphaned += 1;
                }
            }
        }
        Ok(())
    }

    async fn change_access(&self, origin: &Origin, round: &mut Round) -> Result<(), StoreError> {
        for change in self.store.access_changes(origin.at, BATCH).await? {
            let AccessChange {
                id,
                key,
                bucket,
                expires_at,
                wanted,
            } = change;
            let grant = KeyGrant {
                name: key.name.clone(),
                bucket,
                expires_at,
            };
            let begun_at = (self.clock)();
            if !self.store.begin_access_change(&id, begun_at).await? {
                continue;
            }
            match self.buckets.set_access(&key, &grant, wanted).await {
                Ok(()) => {
                    let at = Origin {
                        at: (self.clock)(),
                        ..origin.clone()
                    };
                    self.store.record_access(&id, wanted, begun_at, &at).await?;
                    round.changed += 1;
                }
                Err(error) => report(&key.name, &error, round),
            }
        }
        Ok(())
    }

    async fn remove_revoked(&self, origin: &Origin, round: &mut Round) -> Result<(), StoreError> {
        let lease_until = origin.at + REMOVAL_LEASE_MS;
        let due = self
            .store
            .claim_removals(origin.at, lease_until, BATCH)
            .await?;
        for removal in due {
            match self.remove(&removal, origin).await? {
                Ok(()) => round.removed += 1,
                Err(_) => round.failed += 1,
            }
        }
        Ok(())
    }

    /// Looks for keys of ours that are not on record, and removes them.
    pub(crate) async fn search(&self, failed: &mut usize) -> Result<usize, StoreError> {
        let origin = self.job_origin();
        let mut found = 0;
        let listed = match self.buckets.list_keys(self.prefix().await?).await {
            Ok(listed) => listed,
            Err(error) => {
                tracing::warn!(error = %chain(&error), "keys could not be listed");
                *failed += 1;
                return Ok(0);
            }
        };
        for key in listed {
            if self.store.has_credential_named(&key.name).await? {
                continue;
            }
            let key = KeyRef {
                name: key.name,
                access_key: None,
                policy_arn: key.policy_arn,
            };
            match self.buckets.revoke_key(&key).await {
                Ok(()) => {
                    self.store.record_stray(&key.name, &origin).await?;
                    found += 1;
                }
                Err(error) => {
                    tracing::warn!(key = key.name, error = %chain(&error), "a key that is not on record stays");
                    *failed += 1;
                }
            }
        }
        Ok(found + self.search_nameless(&origin, failed).await?)
    }

    /// A key without a name is ours only if it opens nothing and was made while a request of ours
    /// that never finished could have made it.
    async fn search_nameless(
        &self,
        origin: &Origin,
        failed: &mut usize,
    ) -> Result<usize, StoreError> {
        let unissued = self
            .store
            .unissued_since(origin.at - STRAY_MEMORY_MS)
            .await?;
        if unissued.is_empty() {
            return Ok(0);
        }
        let known: HashSet<String> = self.store.known_access_keys().await?.into_iter().collect();
        let strays = match self.buckets.stray_keys(&known).await {
            Ok(strays) => strays,
            Err(error) => {
                tracing::warn!(error = %chain(&error), "keys could not be listed");
                *failed += 1;
                return Ok(0);
            }
        };
        let settled_before = origin.at - millis(self.settings.unfinished_life);
        let mut found = 0;
        for stray in strays {
            if !is_ours(&stray, &unissued, settled_before) {
                continue;
            }
            match self.buckets.remove_stray(&stray).await {
                Ok(()) => {
                    self.store.record_stray(&stray.access_key, origin).await?;
                    found += 1;
                }
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "a key that opens nothing stays");
                    *failed += 1;
                }
            }
        }
        Ok(found)
    }

    fn job_origin(&self) -> Origin {
        Origin {
            actor: ACTOR.to_owned(),
            request_id: RequestId::new().0,
            at: (self.clock)(),
        }
    }
}

/// `unissued` are the times at which requests began that never got a key.
fn is_ours(stray: &StrayKey, unissued: &[i64], settled_before: i64) -> bool {
    // Services round creation times to seconds.
    let within = |begun: &i64| (begun - 1000..=begun + STRAY_WINDOW_MS).contains(&stray.created_at);
    stray.created_at < settled_before && unissued.iter().any(within)
}

fn report(key: &str, error: &BucketError, round: &mut Round) {
    tracing::warn!(key, error = %chain(error), "a key could not be looked after");
    round.failed += 1;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_without_a_name_is_ours_only_in_the_wake_of_an_unfinished_request() {
        let begun = 1_000_000;
        let made = |created_at| StrayKey {
            access_key: "tid_1".to_owned(),
            created_at,
        };
        let later = begun + 60 * 60 * 1000;
        for (created_at, expected) in [
            (begun - 5000, false),
            (begun - 999, true),
            (begun + 30_000, true),
            (begun + STRAY_WINDOW_MS + 1, false),
        ] {
            assert_eq!(
                is_ours(&made(created_at), &[5, begun], later),
                expected,
                "{created_at}"
            );
        }
        assert!(!is_ours(&made(begun), &[begun], begun));
        assert!(!is_ours(&made(begun), &[], later));
    }
}
