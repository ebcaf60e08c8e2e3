//! Stand-ins for an instance: they write down what they get and answer what they are told.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A request as it came over the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) line: String,
    /// Names in lower case, in order of arrival.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(found, _)| found == name);
        named.map(|(_, value)| value.as_str()).collect()
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names
    }
}

/// What the stand-in does with the n-th request, counted over all connections.
pub(crate) enum Reply {
    /// Sends these bytes and waits for the next request.
    Answer(Vec<u8>),
    /// Sends these bytes and closes.
    Last(Vec<u8>),
}

impl Reply {
    pub(crate) fn ok() -> Self {
        Self::Answer(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_vec())
    }
}

pub(crate) struct Instance {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Instance {
    /// Listens, and answers by `reply` from the number of the request and the request.
    pub(crate) fn start(reply: impl Fn(usize, &Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (log, reply) = (seen.clone(), Arc::new(reply));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (log, reply) = (log.clone(), reply.clone());
                thread::spawn(move || converse(stream.unwrap(), &log, reply.as_ref()));
            }
        });
        Self { address, seen }
    }

    pub(crate) fn always_ok() -> Self {
        Self::start(|_, _| Reply::ok())
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

fn converse(
    mut stream: TcpStream,
    log: &Mutex<Vec<Seen>>,
    reply: &(impl Fn(usize, &Seen) -> Reply + ?Sized),
) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Some(seen) = read(&mut reader) {
        let number = {
            let mut log = log.lock().unwrap();
            log.push(seen.clone());
            log.len()
        };
        let (bytes, goes_on) = match reply(number, &seen) {
            Reply::Answer(bytes) => (bytes, true),
            Reply::Last(bytes) => (bytes, false),
        };
        if stream.write_all(&bytes).is_err() || !goes_on {
            drop(stream.shutdown(std::net::Shutdown::Both));
            return;
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Seen> {
    let mut seen = Seen {
        line: line(reader)?,
        ..Seen::default()
    };
    loop {
        let text = line(reader)?;
        if text.is_empty() {
            break;
        }
        let (name, value) = text.split_once(':')?;
        seen.headers
            .push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    if let [length] = seen.values("content-length")[..] {
        seen.body = vec![0; length.parse().ok()?];
        reader.read_exact(&mut seen.body).ok()?;
    } else if !seen.values("transfer-encoding").is_empty() {
        loop {
            let size = usize::from_str_radix(&line(reader)?, 16).ok()?;
            let mut chunk = vec![0; size + 2];
            reader.read_exact(&mut chunk).ok()?;
            if size == 0 {
                break;
            }
            seen.body.extend_from_slice(&chunk[..size]);
        }
    }
    Some(seen)
}

fn line(reader: &mut BufReader<TcpStream>) -> Option<String> {
    let mut bytes = Vec::new();
    reader.read_until(b'\n', &mut bytes).ok()?;
    bytes
        .strip_suffix(b"\r\n")
        .map(|line| line.iter().map(|byte| char::from(*byte)).collect())
}
