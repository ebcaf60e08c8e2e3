use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines, ReadHalf, WriteHalf};
use tokio::sync::{mpsc, oneshot, watch};

use super::local::{self, Stream};
use super::{Call, Told};
use crate::{Refusal, Reply, Request, View};

/// A connection to an engine in another process.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) view: watch::Receiver<Arc<View>>,
    calls: Calls,
}

impl Client {
    /// Connects and waits for the first view.
    pub(crate) async fn connect(path: &Path) -> io::Result<Self> {
        let (calls, view) = begin(path).await?;
        Ok(Self { view, calls })
    }

    pub(crate) async fn send(&self, request: Request) -> Result<Reply, Refusal> {
        self.calls.send(request).await
    }
}

type Question = (Request, oneshot::Sender<Result<Reply, Refusal>>);

#[derive(Debug)]
struct Calls(mpsc::Sender<Question>);

impl Calls {
    async fn send(&self, request: Request) -> Result<Reply, Refusal> {
        let gone = || Refusal::new("stopped", "the engine has stopped");
        let (answer, answered) = oneshot::channel();
        self.0.send((request, answer)).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

async fn begin(path: &Path) -> io::Result<(Calls, watch::Receiver<Arc<View>>)> {
    let (reader, writer) = tokio::io::split(local::connect(path).await?);
    let mut lines = BufReader::new(reader).lines();
    let first = loop {
        match next(&mut lines).await? {
            Some(Told::View { view }) => break *view,
            Some(Told::Answer { .. }) => {}
            None => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
    };
    let (views, view) = watch::channel(Arc::new(first));
    let (calls, called) = mpsc::channel(16);
    tokio::spawn(async move {
        if let Err(error) = talk(lines, writer, called, views).await {
            tracing::debug!(%error, "the control socket closed");
        }
    });
    Ok((Calls(calls), view))
}

async fn talk(
    mut lines: Lines<BufReader<ReadHalf<Stream>>>,
    mut writer: WriteHalf<Stream>,
    mut called: mpsc::Receiver<Question>,
    views: watch::Sender<Arc<View>>,
) -> io::Result<()> {
    let mut open: HashMap<u64, oneshot::Sender<Result<Reply, Refusal>>> = HashMap::new();
    let mut number = 0;
    loop {
        tokio::select! {
            told = next(&mut lines) => match told? {
                None => return Ok(()),
                Some(Told::View { view }) => {
                    views.send_replace(Arc::from(view));
                }
                Some(Told::Answer { number, result }) => {
                    if let Some(answer) = open.remove(&number)
                        && answer.send(result).is_err()
                    {
                        tracing::debug!("nobody waits for this answer any more");
                    }
                }
            },
            question = called.recv() => {
                let Some((request, answer)) = question else { return Ok(()) };
                number += 1;
                open.insert(number, answer);
                let mut line = serde_json::to_vec(&Call { number, request })?;
                line.push(b'\n');
                writer.write_all(&line).await?;
            }
        }
    }
}

async fn next(lines: &mut Lines<BufReader<ReadHalf<Stream>>>) -> io::Result<Option<Told>> {
    match lines.next_line().await? {
        Some(line) => Ok(Some(serde_json::from_str(&line)?)),
        None => Ok(None),
    }
}
