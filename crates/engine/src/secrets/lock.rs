use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fs4::TryLockError;

use super::SecretError;

/// The lock that serialises token refreshes of all our processes.
pub(crate) const TOKENS: &str = "tokens.lock";

const PAUSE: Duration = Duration::from_millis(20);

/// A lock that other processes respect; freed when dropped, and by the system when we die.
#[derive(Debug)]
pub(crate) struct FileLock(File);

impl FileLock {
    /// Waits up to `patience` for the lock on `path`, which is made if missing.
    pub(crate) async fn acquire(path: &Path, patience: Duration) -> Result<Self, SecretError> {
        let file = open(path)?;
        let waiting = async {
            loop {
                match fs4::FileExt::try_lock(&file) {
                    Ok(()) => return Ok(()),
                    Err(TryLockError::WouldBlock) => tokio::time::sleep(PAUSE).await,
                    Err(TryLockError::Error(source)) => return Err(failed(path, source)),
                }
            }
        };
        tokio::time::timeout(patience, waiting)
            .await
            .map_err(|_| SecretError::Busy {
                path: path.to_owned(),
            })??;
        Ok(Self(file))
    }

    /// Waits without a limit; for work of milliseconds, on a thread that may block.
    pub(super) fn acquire_blocking(path: &Path) -> Result<Self, SecretError> {
        let file = open(path)?;
        fs4::FileExt::lock(&file).map_err(|source| failed(path, source))?;
        Ok(Self(file))
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        fs4::FileExt::unlock(&self.0).ok();
    }
}

fn open(path: &Path) -> Result<File, SecretError> {
    if let Some(folder) = path.parent() {
        crate::places::create_private(folder).map_err(|source| failed(path, source))?;
    }
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(|source| failed(path, source))
}

fn failed(path: &Path, source: io::Error) -> SecretError {
    SecretError::Io {
        path: PathBuf::from(path),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_at_a_time_and_free_again_when_dropped() {
        let folder = testkit::scratch();
        let path = folder.path().join("deep/tokens.lock");
        let held = FileLock::acquire(&path, Duration::from_secs(5))
            .await
            .unwrap();
        let refused = FileLock::acquire(&path, Duration::from_millis(50))
            .await
            .unwrap_err();
        assert_eq!(refused.code(), "secrets_busy");
        drop(held);
        FileLock::acquire(&path, Duration::from_secs(5))
            .await
            .unwrap();
    }
}
