//! The one folder that holds everything the server keeps.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::idp::SigningKey;

/// Which kind of deployment a folder belongs to; it stays with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deployment {
    /// One with the built-in sign-in, where anybody can be anybody.
    Development,
    Configured,
}

impl Deployment {
    fn name(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Configured => "configured",
        }
    }

    fn command(self) -> &'static str {
        match self {
            Self::Development => "bm-server dev",
            Self::Configured => "bm-server serve",
        }
    }
}

const DATABASE: &str = "server.db";

/// Where a state folder has its database, whoever holds the folder.
pub(crate) fn database_in(root: &Path) -> PathBuf {
    root.join(DATABASE)
}

/// Where a state folder has its embedded store, whoever holds the folder.
pub(crate) fn buckets_in(root: &Path) -> PathBuf {
    root.join("buckets")
}

#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    #[error("the state folder {} belongs to `{}`; choose another folder", folder.display(), owner.command())]
    OtherDeployment { folder: PathBuf, owner: Deployment },
    #[error("another server uses the state folder {}", folder.display())]
    InUse { folder: PathBuf },
    #[error("the state folder's {name} could not be read or written")]
    Io {
        name: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("the state folder's {name} is damaged; move it away to get a new one")]
    Damaged { name: &'static str },
    #[error("no signing key could be made")]
    KeyGeneration,
}

/// The state folder, held by this process alone until the value is dropped.
pub(crate) struct StateFolder {
    root: PathBuf,
    _lock: File,
}

impl StateFolder {
    /// Creates the folder if needed, for this user only, and locks it.
    pub(crate) fn open(root: &Path, deployment: Deployment) -> Result<Self, FolderError> {
        let io = |source| FolderError::Io {
            name: "folder",
            source,
        };
        fs::create_dir_all(root.join("keys")).map_err(io)?;
        restrict_folder(root).map_err(io)?;
        restrict_folder(&root.join("keys")).map_err(io)?;
        let lock = private(OpenOptions::new().create(true).truncate(false).write(true))
            .open(root.join("server.lock"))
            .map_err(io)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(FolderError::InUse {
                    folder: root.to_owned(),
                });
            }
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        let folder = Self {
            root: root.to_owned(),
            _lock: lock,
        };
        folder.claim(deployment)?;
        Ok(folder)
    }

    /// Makes sure that one kind of deployment never opens what the other one left.
    fn claim(&self, deployment: Deployment) -> Result<(), FolderError> {
        let io = |source| FolderError::Io {
            name: "deployment",
            source,
        };
        let file = self.root.join("deployment");
        let owner = match fs::read_to_string(&file) {
            Ok(text) if text.trim() == Deployment::Configured.name() => Deployment::Configured,
            Ok(_) => Deployment::Development,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Folders from before this file was written have a sign-in database if they
                // are for development.
                let signs_in = self.root.join("identity.db").exists();
                let owner = if signs_in {
                    Deployment::Development
                } else {
                    deployment
                };
                write_whole(&file, owner.name().as_bytes()).map_err(io)?;
                owner
            }
            Err(error) => return Err(io(error)),
        };
        if owner == deployment {
            return Ok(());
        }
        Err(FolderError::OtherDeployment {
            folder: self.root.clone(),
            owner,
        })
    }

    /// The database's file, which exists afterwards for this user only.
    pub(crate) fn database(&self) -> Result<PathBuf, FolderError> {
        self.private_file(DATABASE)
    }

    pub(crate) fn identity_database(&self) -> Result<PathBuf, FolderError> {
        self.private_file("identity.db")
    }

    pub(crate) fn buckets(&self) -> PathBuf {
        buckets_in(&self.root)
    }

    /// Where local instances have their folders.
    pub(crate) fn instances(&self) -> PathBuf {
        self.root.join("instances")
    }

    pub(crate) fn ports_file(&self) -> PathBuf {
        self.root.join("ports.json")
    }

    /// Reads the signing key, or makes it if there is none.
    pub(crate) fn signing_key(&self) -> Result<SigningKey, FolderError> {
        const NAME: &str = "signing key";
        let der = self.key_file("keys/signing.pk8", NAME, || {
            SigningKey::generate().map_err(|_| FolderError::KeyGeneration)
        })?;
        SigningKey::from_pkcs8(&der).map_err(|_| FolderError::Damaged { name: NAME })
    }

    /// Reads the secret that opaque ids are hashed with, or makes it if there is none.
    pub(crate) fn identity_secret(&self) -> Result<[u8; 32], FolderError> {
        const NAME: &str = "identity secret";
        let fresh: [u8; 32] = rand::random();
        let bytes = self.key_file("keys/identity.secret", NAME, || Ok(fresh.to_vec()))?;
        bytes
            .try_into()
            .map_err(|_| FolderError::Damaged { name: NAME })
    }

    /// Reads the master key that requests to instances are signed from, or makes it.
    pub(crate) fn instance_master(&self) -> Result<[u8; 32], FolderError> {
        const NAME: &str = "instance key";
        let fresh: [u8; 32] = rand::random();
        let bytes = self.key_file("keys/instance.secret", NAME, || Ok(fresh.to_vec()))?;
        bytes
            .try_into()
            .map_err(|_| FolderError::Damaged { name: NAME })
    }

    fn key_file(
        &self,
        path: &str,
        name: &'static str,
        make: impl FnOnce() -> Result<Vec<u8>, FolderError>,
    ) -> Result<Vec<u8>, FolderError> {
        let path = self.root.join(path);
        match fs::read(&path) {
            Ok(bytes) => Ok(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let bytes = make()?;
                write_whole(&path, &bytes).map_err(|source| FolderError::Io { name, source })?;
                Ok(bytes)
            }
            Err(source) => Err(FolderError::Io { name, source }),
        }
    }

    fn private_file(&self, name: &'static str) -> Result<PathBuf, FolderError> {
        let path = self.root.join(name);
        private(OpenOptions::new().create(true).truncate(false).write(true))
            .open(&path)
            .map_err(|source| FolderError::Io { name, source })?;
        Ok(path)
    }
}

/// Writes a file for this user only; after a crash it is there whole or not at all.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let next = path.with_extension("next");
    let mut file =
        private(OpenOptions::new().create(true).truncate(true).write(true)).open(&next)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&next, path)?;
    sync_parent(path)
}

#[cfg(unix)]
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => Ok(()),
    }
}

#[cfg(not(unix))]
pub(crate) fn sync_parent(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
pub(crate) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    options.mode(0o600)
}

#[cfg(not(unix))]
pub(crate) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

#[cfg(unix)]
pub(crate) fn restrict_folder(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))
}

#[cfg(not(unix))]
pub(crate) fn restrict_folder(_: &Path) -> io::Result<()> {
    Ok(())
}
