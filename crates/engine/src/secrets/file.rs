use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use argon2::Argon2;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chacha20poly1305::aead::rand_core::RngCore as _;
use chacha20poly1305::aead::{Aead as _, OsRng, Payload};
use chacha20poly1305::{Key, KeyInit as _, XChaCha20Poly1305, XNonce};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::{FileLock, SecretError};
use crate::Places;

const CONTEXT: &str = "basic-memory-cloud secrets 1";

/// All secrets in one file, sealed with XChaCha20-Poly1305 and replaced as a whole.
pub(super) struct SecretFile {
    path: PathBuf,
    lock: PathBuf,
    key_file: PathBuf,
    /// What the start brought along.
    given: Option<SecretString>,
    passphrase: Mutex<Option<SecretString>>,
    /// The passphrase's key for one salt: Argon2 is slow by design.
    derived: Mutex<Option<(String, Key)>>,
}

#[derive(Serialize, Deserialize)]
struct Sealed {
    version: u32,
    #[serde(flatten)]
    key: KeySource,
    nonce: String,
    sealed: String,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "key", rename_all = "snake_case")]
enum KeySource {
    /// The random key beside the settings.
    File,
    /// Argon2id with the crate's version 0.5 default costs.
    Passphrase { salt: String },
}

impl KeySource {
    fn context(&self) -> String {
        match self {
            Self::File => CONTEXT.to_owned(),
            Self::Passphrase { salt } => format!("{CONTEXT} {salt}"),
        }
    }
}

/// Account, then name, then secret.
type Entries = BTreeMap<String, BTreeMap<String, Secret>>;

/// A secret inside the sealed text; this is the one place that writes it out.
#[derive(Deserialize)]
#[serde(from = "String")]
struct Secret(SecretString);

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(SecretString::from(text))
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose_secret())
    }
}

impl SecretFile {
    pub(super) fn new(places: &Places, passphrase: Option<SecretString>) -> Self {
        Self {
            path: places.state.join("secrets.enc"),
            lock: places.state.join("secrets.lock"),
            key_file: places.config.join("secrets.key"),
            given: passphrase.clone(),
            passphrase: Mutex::new(passphrase),
            derived: Mutex::new(None),
        }
    }

    /// Takes a passphrase for as long as this process lives. One that does not open the file that
    /// is there is not taken; a file that is made or has a random key is sealed with it at the
    /// next write.
    pub(super) fn open(&self, passphrase: &SecretString) -> Result<(), SecretError> {
        if let Some(file) = self.sealed()?
            && let KeySource::Passphrase { salt } = &file.key
        {
            self.unseal(&file, &self.derive(passphrase, salt)?)?;
        }
        *held(&self.passphrase) = Some(passphrase.clone());
        *held(&self.derived) = None;
        Ok(())
    }

    pub(super) fn forget_choice(&self) {
        if !self.path.exists() {
            held(&self.passphrase).clone_from(&self.given);
            *held(&self.derived) = None;
        }
    }

    pub(super) fn holds(&self, account: &str) -> Result<bool, SecretError> {
        if !self.path.exists() {
            return Ok(false);
        }
        Ok(self.read()?.1.contains_key(account))
    }

    pub(super) fn get(
        &self,
        account: &str,
        name: &str,
    ) -> Result<Option<SecretString>, SecretError> {
        let (_, entries) = self.read()?;
        Ok(entries
            .get(account)
            .and_then(|names| names.get(name))
            .map(|secret| secret.0.clone()))
    }

    pub(super) fn set(
        &self,
        account: &str,
        name: &str,
        value: &SecretString,
    ) -> Result<(), SecretError> {
        let _lock = FileLock::acquire_blocking(&self.lock)?;
        let (key, mut entries) = self.read()?;
        let names = entries.entry(account.to_owned()).or_default();
        names.insert(name.to_owned(), Secret(value.clone()));
        match (key, self.new_source()) {
            (KeySource::File, sealed @ KeySource::Passphrase { .. }) => {
                self.write(sealed, &entries)?;
                self.drop_random_key();
                Ok(())
            }
            (key, _) => self.write(key, &entries),
        }
    }

    /// The last secret of an account takes its account with it.
    pub(super) fn delete(&self, account: &str, name: &str) -> Result<(), SecretError> {
        if !self.path.exists() {
            return Ok(());
        }
        let _lock = FileLock::acquire_blocking(&self.lock)?;
        let (key, mut entries) = self.read()?;
        let Some(names) = entries.get_mut(account) else {
            return Ok(());
        };
        if names.remove(name).is_none() {
            return Ok(());
        }
        if names.is_empty() {
            entries.remove(account);
        }
        self.write(key, &entries)
    }

    pub(super) fn put_aside(&self) -> Result<(), SecretError> {
        let _lock = FileLock::acquire_blocking(&self.lock)?;
        let aside = self.path.with_extension("unreadable");
        #[expect(
            clippy::disallowed_methods,
            reason = "the secrets' file is no part of a vault"
        )]
        let renamed = fs::rename(&self.path, &aside);
        renamed.map_err(|source| failed(&self.path, source))
    }

    fn read(&self) -> Result<(KeySource, Entries), SecretError> {
        let Some(file) = self.sealed()? else {
            return Ok((self.new_source(), Entries::new()));
        };
        let key = self.key(&file.key, Missing::IsAnError)?;
        let entries = self.unseal(&file, &key)?;
        Ok((file.key, entries))
    }

    /// The file as it lies there.
    fn sealed(&self) -> Result<Option<Sealed>, SecretError> {
        match fs::read(&self.path) {
            Ok(text) => serde_json::from_slice(&text)
                .map(Some)
                .map_err(|_| self.unreadable()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(failed(&self.path, source)),
        }
    }

    fn unreadable(&self) -> SecretError {
        SecretError::Unreadable {
            path: self.path.clone(),
        }
    }

    fn unseal(&self, file: &Sealed, key: &Key) -> Result<Entries, SecretError> {
        let unreadable = || self.unreadable();
        let nonce = BASE64_STANDARD
            .decode(&file.nonce)
            .map_err(|_| unreadable())?;
        let sealed = BASE64_STANDARD
            .decode(&file.sealed)
            .map_err(|_| unreadable())?;
        if file.version != 1 || nonce.len() != 24 {
            return Err(unreadable());
        }
        let context = file.key.context();
        let payload = Payload {
            msg: &sealed,
            aad: context.as_bytes(),
        };
        let opened = XChaCha20Poly1305::new(key)
            .decrypt(XNonce::from_slice(&nonce), payload)
            .map_err(|_| unreadable())?;
        serde_json::from_slice(&opened).map_err(|_| unreadable())
    }

    fn write(&self, source: KeySource, entries: &Entries) -> Result<(), SecretError> {
        let broken = |error: serde_json::Error| failed(&self.path, error.into());
        let key = self.key(&source, Missing::IsMade)?;
        let mut nonce = [0; 24];
        OsRng.fill_bytes(&mut nonce);
        let open = serde_json::to_vec(entries).map_err(broken)?;
        let context = source.context();
        let payload = Payload {
            msg: &open,
            aad: context.as_bytes(),
        };
        let sealed = XChaCha20Poly1305::new(&key)
            .encrypt(XNonce::from_slice(&nonce), payload)
            .map_err(|_| failed(&self.path, io::Error::other("it could not be sealed")))?;
        let file = Sealed {
            version: 1,
            key: source,
            nonce: BASE64_STANDARD.encode(nonce),
            sealed: BASE64_STANDARD.encode(sealed),
        };
        let text = serde_json::to_vec(&file).map_err(broken)?;
        write_private(&self.path, &text).map_err(|source| failed(&self.path, source))
    }

    fn new_source(&self) -> KeySource {
        match &*held(&self.passphrase) {
            None => KeySource::File,
            Some(_) => {
                let mut salt = [0; 16];
                OsRng.fill_bytes(&mut salt);
                KeySource::Passphrase {
                    salt: BASE64_STANDARD.encode(salt),
                }
            }
        }
    }

    fn key(&self, source: &KeySource, missing: Missing) -> Result<Key, SecretError> {
        match source {
            KeySource::File => self.random_key(missing),
            KeySource::Passphrase { salt } => self.derived_key(salt),
        }
    }

    fn random_key(&self, missing: Missing) -> Result<Key, SecretError> {
        match fs::read(&self.key_file) {
            Ok(text) => BASE64_STANDARD
                .decode(text.trim_ascii())
                .ok()
                .filter(|key| key.len() == 32)
                .map(|key| *Key::from_slice(&key))
                .ok_or_else(|| SecretError::Unreadable {
                    path: self.key_file.clone(),
                }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => match missing {
                Missing::IsAnError => Err(SecretError::KeyMissing {
                    path: self.key_file.clone(),
                }),
                Missing::IsMade => {
                    let key = XChaCha20Poly1305::generate_key(&mut OsRng);
                    let text = BASE64_STANDARD.encode(key);
                    write_private(&self.key_file, text.as_bytes())
                        .map_err(|source| failed(&self.key_file, source))?;
                    Ok(key)
                }
            },
            Err(source) => Err(failed(&self.key_file, source)),
        }
    }

    fn derived_key(&self, salt: &str) -> Result<Key, SecretError> {
        let Some(passphrase) = held(&self.passphrase).clone() else {
            return Err(SecretError::PassphraseNeeded {
                path: self.path.clone(),
            });
        };
        let mut derived = held(&self.derived);
        if let Some((known, key)) = &*derived
            && known == salt
        {
            return Ok(*key);
        }
        let key = self.derive(&passphrase, salt)?;
        *derived = Some((salt.to_owned(), key));
        Ok(key)
    }

    fn derive(&self, passphrase: &SecretString, salt: &str) -> Result<Key, SecretError> {
        let mut key = Key::default();
        Argon2::default()
            .hash_password_into(
                passphrase.expose_secret().as_bytes(),
                salt.as_bytes(),
                &mut key,
            )
            .map_err(|_| self.unreadable())?;
        Ok(key)
    }

    /// It opens nothing any more.
    fn drop_random_key(&self) {
        #[expect(
            clippy::disallowed_methods,
            reason = "the secrets' key is no part of a vault"
        )]
        let removed = fs::remove_file(&self.key_file);
        if let Err(error) = removed {
            tracing::warn!(%error, "the random key of the secrets is still there");
        }
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Clone, Copy)]
enum Missing {
    IsAnError,
    IsMade,
}

/// Replaces a file as a whole, durably, readable by its owner only.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    crate::places::create_private(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    #[cfg(unix)]
    fs::File::open(folder)?.sync_all()?;
    Ok(())
}

fn failed(path: &Path, source: io::Error) -> SecretError {
    SecretError::Io {
        path: path.to_owned(),
        source,
    }
}
