//! Files that only their owner can read, written whole or not at all.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

/// What becomes of a file that has the name already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Existing {
    Refuse,
    Replace,
}

/// As [`write_bytes`], for a text that stays a secret until it is written.
pub(crate) async fn write(path: PathBuf, text: SecretString, existing: Existing) -> io::Result<()> {
    blocking(move || put(&path, text.expose_secret().as_bytes(), existing)).await
}

/// Writes a file with mode 0600, durably.
///
/// # Errors
/// `AlreadyExists` for [`Existing::Refuse`]; whatever the disk says.
pub(crate) async fn write_bytes(
    path: PathBuf,
    bytes: Vec<u8>,
    existing: Existing,
) -> io::Result<()> {
    blocking(move || put(&path, &bytes, existing)).await
}

async fn blocking(work: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<()> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(io::Error::other)?
}

fn put(path: &Path, bytes: &[u8], existing: Existing) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let mut file = tempfile::Builder::new()
        .prefix(".new-")
        .tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    match existing {
        Existing::Refuse => file.persist_noclobber(path),
        Existing::Replace => file.persist(path),
    }
    .map_err(|error| error.error)?;
    #[cfg(unix)]
    std::fs::File::open(folder)?.sync_all()?;
    Ok(())
}
