use std::io;
use std::path::Path;

use tokio_util::sync::CancellationToken;

use crate::engine::Handle;

#[cfg(unix)]
pub(crate) fn serve(path: &Path, handle: &Handle, stop: &CancellationToken) -> io::Result<()> {
    unix::serve(path, handle, stop)
}

/// Elsewhere a second program finds the lock taken and says so.
#[cfg(not(unix))]
pub(crate) fn serve(_path: &Path, _handle: &Handle, _stop: &CancellationToken) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
mod unix {
    use std::io;
    use std::path::{Path, PathBuf};

    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
    use tokio::net::{UnixListener, UnixStream};
    use tokio::sync::mpsc;
    use tokio_util::sync::CancellationToken;

    use super::super::{Call, Told};
    use crate::engine::Handle;

    pub(super) fn serve(path: &Path, handle: &Handle, stop: &CancellationToken) -> io::Result<()> {
        // The engine's lock is ours, so a socket that is still there belongs to no one.
        remove_socket(path)?;
        let listener = UnixListener::bind(path)?;
        let (path, handle, stop) = (path.to_owned(), handle.clone(), stop.clone());
        tokio::spawn(async move {
            let _socket = RemoveOnDrop(path);
            loop {
                tokio::select! {
                    () = stop.cancelled() => return,
                    accepted = listener.accept() => match accepted {
                        Ok((stream, _)) => {
                            tokio::spawn(talk(stream, handle.clone()));
                        }
                        Err(error) => tracing::warn!(%error, "control socket"),
                    }
                }
            }
        });
        Ok(())
    }

    /// Ends with the engine's last view, so that a request to quit still gets its answer.
    async fn talk(stream: UnixStream, handle: Handle) {
        let (reader, writer) = stream.into_split();
        let (told, to_tell) = mpsc::channel(16);
        let ended = tokio::select! {
            result = tell(writer, to_tell, handle.clone()) => result,
            result = listen(reader, told, handle) => result,
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a program left the control socket");
        }
    }

    async fn tell(
        mut writer: OwnedWriteHalf,
        mut answers: mpsc::Receiver<Told>,
        handle: Handle,
    ) -> io::Result<()> {
        let mut views = handle.view.clone();
        views.mark_changed();
        loop {
            let told = tokio::select! {
                biased;
                Some(answer) = answers.recv() => answer,
                changed = views.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                    let view = views.borrow_and_update().clone();
                    Told::View { view: Box::new((*view).clone()) }
                }
            };
            let mut line = serde_json::to_vec(&told)?;
            line.push(b'\n');
            writer.write_all(&line).await?;
        }
    }

    async fn listen(
        reader: OwnedReadHalf,
        told: mpsc::Sender<Told>,
        handle: Handle,
    ) -> io::Result<()> {
        let mut lines = BufReader::new(reader).lines();
        while let Some(line) = lines.next_line().await? {
            let Call { number, request } = serde_json::from_str(&line)?;
            let (handle, told) = (handle.clone(), told.clone());
            tokio::spawn(async move {
                let result = handle.send(request).await;
                if told.send(Told::Answer { number, result }).await.is_err() {
                    tracing::debug!("the program that asked has left");
                }
            });
        }
        Ok(())
    }

    struct RemoveOnDrop(PathBuf);

    impl Drop for RemoveOnDrop {
        fn drop(&mut self) {
            if let Err(error) = remove_socket(&self.0) {
                tracing::debug!(%error, "the control socket is still there");
            }
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the socket is ours, never in the vault"
    )]
    fn remove_socket(path: &Path) -> io::Result<()> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}
