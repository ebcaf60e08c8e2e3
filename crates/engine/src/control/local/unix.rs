use std::io;
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

pub(in crate::control) type Stream = UnixStream;

/// A socket that goes with its owner.
pub(in crate::control) struct Listener {
    socket: UnixListener,
    path: PathBuf,
}

impl Listener {
    /// The engine's lock is held, so a socket that is still there belongs to no one.
    pub(in crate::control) fn bind(path: &Path) -> io::Result<Self> {
        remove(path)?;
        Ok(Self {
            socket: UnixListener::bind(path)?,
            path: path.to_owned(),
        })
    }

    pub(in crate::control) async fn accept(&mut self) -> io::Result<Stream> {
        let (stream, _) = self.socket.accept().await?;
        Ok(stream)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.path) {
            tracing::debug!(%error, "the control socket is still there");
        }
    }
}

pub(in crate::control) async fn connect(path: &Path) -> io::Result<Stream> {
    UnixStream::connect(path).await
}

#[expect(
    clippy::disallowed_methods,
    reason = "the socket is ours, never in the vault"
)]
fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}
