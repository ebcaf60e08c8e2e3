//! A named pipe, and a file in the place of the socket that says its name. The name is new each
//! time and cannot be guessed, so nobody else can have it first and be taken for the engine.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rclone::pipe::{self, Instance};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::windows::named_pipe::{ClientOptions, NamedPipeClient, NamedPipeServer};
use uuid::Uuid;

use crate::secrets::write_private;

/// Between two tries to reach an engine whose pipe is taken at the moment.
const PAUSE: Duration = Duration::from_millis(20);
const TRIES: u32 = 100;
/// `ERROR_PIPE_BUSY`
const BUSY: i32 = 231;

/// One end of a pipe.
pub(in crate::control) enum Stream {
    Server(NamedPipeServer),
    Client(NamedPipeClient),
}

pub(in crate::control) struct Listener {
    name: String,
    next: NamedPipeServer,
}

impl Listener {
    pub(in crate::control) fn bind(path: &Path) -> io::Result<Self> {
        let name = format!(r"\\.\pipe\basic-memory-cloud-{}", Uuid::new_v4().simple());
        let next = pipe::serve(&name, Instance::First)?;
        write_private(path, name.as_bytes())?;
        Ok(Self { name, next })
    }

    pub(in crate::control) async fn accept(&mut self) -> io::Result<Stream> {
        self.next.connect().await?;
        let next = pipe::serve(&self.name, Instance::Next)?;
        Ok(Stream::Server(std::mem::replace(&mut self.next, next)))
    }
}

/// A name that is left from before leads to nothing.
pub(in crate::control) async fn connect(path: &Path) -> io::Result<Stream> {
    let name = std::fs::read_to_string(path)?;
    if !name.starts_with(r"\\.\pipe\") {
        return Err(io::ErrorKind::InvalidData.into());
    }
    for _ in 0..TRIES {
        match ClientOptions::new().open(&name) {
            Err(error) if error.raw_os_error() == Some(BUSY) => tokio::time::sleep(PAUSE).await,
            opened => return opened.map(Stream::Client),
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Server(end) => Pin::new(end).poll_read(context, into),
            Self::Client(end) => Pin::new(end).poll_read(context, into),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Server(end) => Pin::new(end).poll_write(context, bytes),
            Self::Client(end) => Pin::new(end).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Server(end) => Pin::new(end).poll_flush(context),
            Self::Client(end) => Pin::new(end).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Server(end) => Pin::new(end).poll_shutdown(context),
            Self::Client(end) => Pin::new(end).poll_shutdown(context),
        }
    }
}
