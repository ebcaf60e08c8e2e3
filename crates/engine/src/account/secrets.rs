use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use secrecy::SecretString;

use crate::secrets::{SecretError, SecretStore};

/// The secrets of one account: in the store, or in memory while its sign-in is provisional.
pub(super) struct AccountSecrets {
    account: String,
    store: SecretStore,
    place: Mutex<Place>,
}

enum Place {
    Memory(BTreeMap<&'static str, SecretString>),
    Store,
    /// A provisional sign-in was left; what comes late is kept nowhere.
    Nowhere,
}

/// What the store had under some names before.
pub(super) type Before = Vec<(&'static str, Option<SecretString>)>;

impl AccountSecrets {
    pub(super) fn in_store(account: &str, store: &SecretStore) -> Self {
        Self::at(account, store, Place::Store)
    }

    pub(super) fn in_memory(
        account: &str,
        store: &SecretStore,
        name: &'static str,
        value: SecretString,
    ) -> Self {
        let held = BTreeMap::from([(name, value)]);
        Self::at(account, store, Place::Memory(held))
    }

    fn at(account: &str, store: &SecretStore, place: Place) -> Self {
        Self {
            account: account.to_owned(),
            store: store.clone(),
            place: Mutex::new(place),
        }
    }

    pub(super) fn are_stored(&self) -> bool {
        matches!(*self.place(), Place::Store)
    }

    /// `None` only if there is no such secret.
    pub(super) async fn get(
        &self,
        name: &'static str,
    ) -> Result<Option<SecretString>, SecretError> {
        match &*self.place() {
            Place::Memory(held) => return Ok(held.get(name).cloned()),
            Place::Nowhere => return Ok(None),
            Place::Store => {}
        }
        self.store.get(&self.account, name).await
    }

    pub(super) async fn set(
        &self,
        name: &'static str,
        value: &SecretString,
    ) -> Result<(), SecretError> {
        match &mut *self.place() {
            Place::Memory(held) => {
                held.insert(name, value.clone());
                return Ok(());
            }
            Place::Nowhere => return Ok(()),
            Place::Store => {}
        }
        self.store.set(&self.account, name, value).await
    }

    pub(super) async fn delete(&self, name: &'static str) -> Result<(), SecretError> {
        match &mut *self.place() {
            Place::Memory(held) => {
                held.remove(name);
                return Ok(());
            }
            Place::Nowhere => return Ok(()),
            Place::Store => {}
        }
        self.store.delete(&self.account, name).await
    }

    pub(super) async fn forget(&self, names: &[&'static str]) -> Result<(), SecretError> {
        {
            let mut place = self.place();
            match &*place {
                Place::Memory(_) | Place::Nowhere => {
                    *place = Place::Nowhere;
                    return Ok(());
                }
                Place::Store => {}
            }
        }
        self.store.forget(&self.account, names).await
    }

    /// Whether the store takes secrets now; none of the account's is written.
    pub(super) async fn ready(&self) -> Result<(), SecretError> {
        self.store.ready().await
    }

    /// Copies what is in memory into the store, all of it or nothing. [`AccountSecrets::settle`]
    /// ends the copy, [`AccountSecrets::put_back`] takes it back.
    pub(super) async fn copy_to_store(&self) -> Result<Before, SecretError> {
        let held: Vec<(&'static str, SecretString)> = match &*self.place() {
            Place::Memory(held) => held
                .iter()
                .map(|(name, value)| (*name, value.clone()))
                .collect(),
            Place::Store | Place::Nowhere => Vec::new(),
        };
        let mut before = Before::new();
        for (name, value) in held {
            if let Err(error) = self.copy(name, &value, &mut before).await {
                self.put_back(before).await;
                return Err(error);
            }
        }
        Ok(before)
    }

    async fn copy(
        &self,
        name: &'static str,
        value: &SecretString,
        before: &mut Before,
    ) -> Result<(), SecretError> {
        let had = self.store.get(&self.account, name).await?;
        before.push((name, had));
        self.store.set(&self.account, name, value).await
    }

    pub(super) async fn put_back(&self, before: Before) {
        for (name, had) in before {
            let done = match had {
                Some(value) => self.store.set(&self.account, name, &value).await,
                None => self.store.delete(&self.account, name).await,
            };
            if let Err(error) = done {
                tracing::warn!(%error, "a secret of a sign-in that is not kept is still stored");
            }
        }
    }

    /// What was copied is what counts from now on.
    pub(super) fn settle(&self) {
        *self.place() = Place::Store;
    }

    fn place(&self) -> MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
