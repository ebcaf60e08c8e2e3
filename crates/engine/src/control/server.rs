use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::local::{Listener, Stream};
use super::{Call, Told};
use crate::engine::Handle;

/// After a failure, such as too many open files, which the next try would meet too.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Lets programs in until `stop`. The socket is gone when the task has ended.
pub(crate) fn serve(
    path: &Path,
    handle: &Handle,
    stop: &CancellationToken,
) -> io::Result<JoinHandle<()>> {
    let mut listener = Listener::bind(path)?;
    let (handle, stop) = (handle.clone(), stop.clone());
    Ok(tokio::spawn(async move {
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                accepted = listener.accept() => match accepted {
                    Ok(stream) => {
                        tokio::spawn(talk(stream, handle.clone()));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "control socket");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        }
    }))
}

/// Ends with the engine's last view, so that a request to quit still gets its answer.
async fn talk(stream: Stream, handle: Handle) {
    let (reader, writer) = tokio::io::split(stream);
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
    mut writer: WriteHalf<Stream>,
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
    reader: ReadHalf<Stream>,
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
