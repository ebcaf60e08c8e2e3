//! Where tokens and keys are kept: the system's keyring, or an encrypted file where there is none.
//!
//! A locked keyring is an error of its own and never looks like "no secret". An account's secrets
//! stay in the store where its first one went, so that an old copy can never hide a newer one.

mod file;
mod keyring;
mod lock;
#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use secrecy::SecretString;

use crate::Places;
use crate::view::SecretStoreView;

use self::file::SecretFile;
use self::keyring::Keyring;

pub(crate) use file::write_private;
pub(crate) use lock::{FileLock, TOKENS};

/// Where a person wants secrets kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretChoice {
    /// The keyring, or the encrypted file where the system has none.
    Auto,
    /// The keyring or nothing.
    Keyring,
    /// The encrypted file, even where there is a keyring.
    File,
}

/// Why a secret could not be read or kept. None of these means that there is no secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretError {
    #[error("the keyring is locked")]
    Locked,
    #[error("the system's keyring does not answer: {reason}")]
    Unavailable { reason: String },
    #[error("{path} has been changed or damaged, or the passphrase is wrong")]
    Unreadable { path: PathBuf },
    #[error("the key file {path} is missing")]
    KeyMissing { path: PathBuf },
    #[error("a passphrase is needed for {path}")]
    PassphraseNeeded { path: PathBuf },
    #[error("{path} could not be used")]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("another program of ours holds {path}")]
    Busy { path: PathBuf },
}

impl SecretError {
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Locked => "keyring_locked",
            Self::Unavailable { .. } => "keyring_unavailable",
            Self::Unreadable { .. } => "secrets_unreadable",
            Self::KeyMissing { .. } => "secrets_key_missing",
            Self::PassphraseNeeded { .. } => "passphrase_needed",
            Self::Io { .. } => "secrets_io",
            Self::Busy { .. } => "secrets_busy",
        }
    }

    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Locked | Self::Unavailable { .. } | Self::Io { .. } | Self::Busy { .. } => true,
            Self::Unreadable { .. } | Self::KeyMissing { .. } | Self::PassphraseNeeded { .. } => {
                false
            }
        }
    }

    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Locked => Some("Unlock the keyring; sync goes on by itself then.".to_owned()),
            Self::Unavailable { .. } => {
                Some("Start the keyring, or choose the encrypted file in the settings.".to_owned())
            }
            Self::Unreadable { path } | Self::KeyMissing { path } => Some(format!(
                "Restore {} from a backup, or sign out and sign in again.",
                path.display()
            )),
            Self::PassphraseNeeded { .. } => Some(
                "Enter the passphrase in the window or in a terminal, or name a file that holds \
                 it: BM_CLOUD_PASSPHRASE_FILE."
                    .to_owned(),
            ),
            Self::Io { source, .. } => Some(source.to_string()),
            Self::Busy { .. } => None,
        }
    }
}

/// The secrets of this user's accounts. Cheap to clone.
#[derive(Clone)]
pub(crate) struct SecretStore(Arc<Inner>);

struct Inner {
    choice: SecretChoice,
    keyring: Keyring,
    file: Arc<SecretFile>,
    in_use: Mutex<SecretStoreView>,
}

impl std::fmt::Debug for SecretStore {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("SecretStore")
            .field("choice", &self.0.choice)
            .finish_non_exhaustive()
    }
}

impl SecretStore {
    /// Touches nothing yet. With a `passphrase` the file's key comes from it; without, from a
    /// random key file in the config folder. That protects against someone who gets a copy of the
    /// state folder, not against someone who can read all of this user's files.
    pub(crate) fn new(
        places: &Places,
        choice: SecretChoice,
        passphrase: Option<SecretString>,
    ) -> Self {
        let in_use = match choice {
            SecretChoice::Auto | SecretChoice::Keyring => SecretStoreView::Keyring,
            SecretChoice::File => SecretStoreView::EncryptedFile,
        };
        Self(Arc::new(Inner {
            choice,
            keyring: Keyring::new(),
            file: Arc::new(SecretFile::new(places, passphrase)),
            in_use: Mutex::new(in_use),
        }))
    }

    /// The store as it was met last.
    pub(crate) fn in_use(&self) -> SecretStoreView {
        *self.0.in_use.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is a keyring or a file that waits for its passphrase, for a person who has not
    /// signed in yet. Nothing is read, written or unlocked.
    pub(crate) async fn look(&self) -> SecretStoreView {
        let in_file = match self.0.choice {
            SecretChoice::Keyring => false,
            SecretChoice::File => true,
            SecretChoice::Auto => matches!(
                self.0.keyring.look().await,
                Err(SecretError::Unavailable { .. })
            ),
        };
        if in_file
            && let Ok(()) = self
                .file("", "", |file, account, _| file.holds(account).map(drop))
                .await
        {
            self.met(SecretStoreView::EncryptedFile);
        }
        self.in_use()
    }

    /// Takes the passphrase of the encrypted file for as long as this process lives.
    ///
    /// # Errors
    /// [`SecretError::Unreadable`] if it does not open the file that is there.
    pub(crate) async fn open(&self, passphrase: SecretString) -> Result<(), SecretError> {
        self.file("", "", move |file, _, _| file.open(&passphrase))
            .await
    }

    /// Forgets a passphrase that a person chose for a file that was not made; one that came with
    /// the start stays.
    pub(crate) fn forget_choice(&self) {
        self.0.file.forget_choice();
    }

    /// Puts a file that nobody can open aside, so that the next sign-in can begin a new one.
    pub(crate) async fn put_aside(&self) -> Result<(), SecretError> {
        self.file("", "", |file, _, _| file.put_aside()).await
    }

    /// Whether secrets can be kept, tried before a person is sent to sign in: only a write shows
    /// that a keyring is locked, and makes it ask for its password.
    pub(crate) async fn ready(&self) -> Result<(), SecretError> {
        const NOBODY: &str = "nobody";
        const PROBE: &str = "probe";
        let tried = match self.0.choice {
            SecretChoice::Auto | SecretChoice::Keyring => self.note(
                self.0
                    .keyring
                    .set(NOBODY, PROBE, &SecretString::from(PROBE))
                    .await,
            ),
            SecretChoice::File => self
                .file(NOBODY, "", |file, account, _| file.holds(account))
                .await
                .map(|_| ()),
        };
        match tried {
            Ok(()) => self.delete(NOBODY, PROBE).await,
            Err(SecretError::Unavailable { .. }) if self.0.choice == SecretChoice::Auto => {
                self.met(SecretStoreView::EncryptedFile);
                self.file(NOBODY, "", |file, account, _| file.holds(account))
                    .await?;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// `None` only if the store is open and has no such secret.
    pub(crate) async fn get(
        &self,
        account: &str,
        name: &str,
    ) -> Result<Option<SecretString>, SecretError> {
        if self.keeps_in_file(account).await? {
            return self.file(account, name, SecretFile::get).await;
        }
        self.note(self.0.keyring.get(account, name).await)
    }

    /// Returns once the secret is kept durably.
    pub(crate) async fn set(
        &self,
        account: &str,
        name: &str,
        value: &SecretString,
    ) -> Result<(), SecretError> {
        if !self.keeps_in_file(account).await? {
            match self.note(self.0.keyring.set(account, name, value).await) {
                Err(SecretError::Unavailable { reason }) if self.0.choice == SecretChoice::Auto => {
                    tracing::info!(
                        reason,
                        "there is no keyring: secrets go to an encrypted file"
                    );
                }
                done => return done,
            }
        }
        let value = value.clone();
        self.file(account, name, move |file, account, name| {
            file.set(account, name, &value)
        })
        .await
    }

    /// Forgets a secret wherever it is; one that is not there counts as forgotten.
    pub(crate) async fn delete(&self, account: &str, name: &str) -> Result<(), SecretError> {
        if self.keeps_in_file(account).await? {
            return self.file(account, name, SecretFile::delete).await;
        }
        self.note(self.0.keyring.delete(account, name).await)
    }

    /// Forgets the named secrets of an account. A file that cannot be read is put aside, so that
    /// the next sign-in can begin a new one.
    pub(crate) async fn forget(&self, account: &str, names: &[&str]) -> Result<(), SecretError> {
        for name in names {
            match self.delete(account, name).await {
                Ok(()) => {}
                Err(SecretError::Unreadable { .. } | SecretError::KeyMissing { .. }) => {
                    return self.file(account, "", |file, _, _| file.put_aside()).await;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The file, if it was chosen or already has secrets of this account.
    async fn keeps_in_file(&self, account: &str) -> Result<bool, SecretError> {
        let held = match self.0.choice {
            SecretChoice::File => true,
            SecretChoice::Keyring => false,
            SecretChoice::Auto => {
                self.file(account, "", |file, account, _| file.holds(account))
                    .await?
            }
        };
        if held && self.in_use() != SecretStoreView::FileLocked {
            self.met(SecretStoreView::EncryptedFile);
        }
        Ok(held)
    }

    async fn file<T: Send + 'static>(
        &self,
        account: &str,
        name: &str,
        work: impl FnOnce(&SecretFile, &str, &str) -> Result<T, SecretError> + Send + 'static,
    ) -> Result<T, SecretError> {
        let (file, account, name) = (self.0.file.clone(), account.to_owned(), name.to_owned());
        let done = tokio::task::spawn_blocking(move || work(&file, &account, &name))
            .await
            .unwrap_or_else(|_| {
                Err(SecretError::Unavailable {
                    reason: "the engine is stopping".to_owned(),
                })
            });
        match &done {
            Err(SecretError::PassphraseNeeded { .. }) => self.met(SecretStoreView::FileLocked),
            Ok(_) if self.in_use() == SecretStoreView::FileLocked => {
                self.met(SecretStoreView::EncryptedFile);
            }
            Ok(_) | Err(_) => {}
        }
        done
    }

    fn met(&self, store: SecretStoreView) {
        *self.0.in_use.lock().unwrap_or_else(PoisonError::into_inner) = store;
    }

    fn note<T>(&self, result: Result<T, SecretError>) -> Result<T, SecretError> {
        match &result {
            Ok(_) => self.met(SecretStoreView::Keyring),
            Err(SecretError::Locked) => self.met(SecretStoreView::KeyringLocked),
            Err(_) => {}
        }
        result
    }
}
