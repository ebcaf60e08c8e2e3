//! As much of `PostgreSQL`'s protocol (version 3) as it takes to tell statements apart.

use std::collections::HashMap;
use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const CANCEL: u32 = 80_877_102;
const WANTS_TLS: u32 = 80_877_103;
const WANTS_GSS: u32 = 80_877_104;
const LARGEST: usize = 64 << 20;

/// One message: a letter, a length, and what follows.
pub(super) struct Message {
    pub(super) bytes: Vec<u8>,
}

impl Message {
    /// Whether the server says that it is done with all that was asked.
    pub(super) fn is_ready(&self) -> bool {
        self.bytes[0] == b'Z'
    }

    /// The strings that the message begins with.
    fn strings(&self) -> impl Iterator<Item = String> {
        self.bytes[5..]
            .split(|byte| *byte == 0)
            .map(|text| String::from_utf8_lossy(text).into_owned())
    }
}

pub(super) async fn read_message(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Message> {
    let mut bytes = vec![0; 5];
    from.read_exact(&mut bytes).await?;
    fill(from, &mut bytes, 1).await?;
    Ok(Message { bytes })
}

pub(super) enum Started {
    /// What the client said first.
    Session(Vec<u8>),
    /// It asked to cancel what another connection does, which nothing of ours needs.
    Cancellation,
}

/// Reads what a client says first, and tells it that there is no encryption.
pub(super) async fn start_session(client: &mut TcpStream) -> io::Result<Started> {
    loop {
        let mut bytes = vec![0; 4];
        client.read_exact(&mut bytes).await?;
        fill(client, &mut bytes, 0).await?;
        match number(&bytes[4..]) {
            WANTS_TLS | WANTS_GSS => client.write_all(b"N").await?,
            CANCEL => return Ok(Started::Cancellation),
            _ => return Ok(Started::Session(bytes)),
        }
    }
}

/// Reads the rest of a message whose length stands at `at`.
async fn fill(
    from: &mut (impl AsyncRead + Unpin),
    bytes: &mut Vec<u8>,
    at: usize,
) -> io::Result<()> {
    let length = number(&bytes[at..]) as usize + at;
    if !(at + 4..LARGEST).contains(&length) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let read = bytes.len();
    bytes.resize(length, 0);
    from.read_exact(&mut bytes[read..]).await.map(drop)
}

fn number(bytes: &[u8]) -> u32 {
    bytes
        .first_chunk()
        .map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

/// Which text a connection's prepared statements and portals stand for.
#[derive(Default)]
pub(super) struct Statements {
    prepared: HashMap<String, String>,
    portals: HashMap<String, String>,
}

impl Statements {
    /// Follows a client's message; a statement's text, if the message has one carried out.
    pub(super) fn follow(&mut self, message: &Message) -> Option<String> {
        let mut strings = message.strings();
        let mut next = || strings.next().unwrap_or_default();
        match message.bytes[0] {
            b'Q' => Some(next()),
            b'P' => {
                let (name, text) = (next(), next());
                self.prepared.insert(name, text);
                None
            }
            b'B' => {
                let (portal, name) = (next(), next());
                let text = self.prepared.get(&name).cloned().unwrap_or_default();
                self.portals.insert(portal, text);
                None
            }
            b'E' => Some(self.portals.get(&next()).cloned().unwrap_or_default()),
            _ => None,
        }
    }
}
