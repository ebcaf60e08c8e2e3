use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use anyhow::Result;

/// How many requests of each kind went through.
pub(crate) type Counts = BTreeMap<String, u64>;

/// Passes HTTP/1.1 through unchanged and counts it, so that no contestant counts itself.
pub(crate) struct Proxy {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    counts: Counts,
    /// When the store began to answer each upload.
    stored: Vec<Instant>,
}

/// A text in answers that is replaced by another of the same length.
#[derive(Clone, Debug)]
pub(crate) struct Swap {
    pub(crate) from: String,
    pub(crate) to: String,
}

impl Proxy {
    /// Listens on a free port and passes everything on to `target` (`127.0.0.1:PORT`).
    pub(crate) fn start(target: &str, swap: Option<Swap>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (target, shared) = (target.to_owned(), Arc::clone(&seen));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (target, shared, swap) = (target.clone(), Arc::clone(&shared), swap.clone());
                // A broken connection is between the two ends.
                std::thread::spawn(move || drop(pass(client, &target, &shared, swap.as_ref())));
            }
        });
        Ok(Self { address, seen })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What went through since the last time this was asked.
    pub(crate) fn take(&self) -> Counts {
        std::mem::take(&mut lock(&self.seen).counts)
    }

    /// When the store answered the uploads since the last time this was asked.
    pub(crate) fn take_stored(&self) -> Vec<Instant> {
        std::mem::take(&mut lock(&self.seen).stored)
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

fn pass(
    client: TcpStream,
    target: &str,
    seen: &Arc<Mutex<Seen>>,
    swap: Option<&Swap>,
) -> io::Result<()> {
    let mut upstream = TcpStream::connect(target)?;
    for stream in [&client, &upstream] {
        stream.set_nodelay(true)?;
    }
    let (mut answers, mut back) = (upstream.try_clone()?, client.try_clone()?);
    let swap = swap.cloned();
    let uploading = Arc::new(AtomicBool::new(false));
    let (told, under_way) = (Arc::clone(seen), Arc::clone(&uploading));
    std::thread::spawn(move || {
        let answered = || {
            if under_way.swap(false, Ordering::Relaxed) {
                lock(&told).stored.push(Instant::now());
            }
        };
        drop(answer(&mut answers, &mut back, swap.as_ref(), answered));
        drop(back.shutdown(std::net::Shutdown::Both));
    });
    let mut requests = BufReader::new(client);
    while let Some(head) = read_head(&mut requests)? {
        let kind = kind(&head);
        *lock(seen).counts.entry(kind.to_owned()).or_default() += 1;
        uploading.store(kind == "PUT", Ordering::Relaxed);
        upstream.write_all(head.as_bytes())?;
        match length(&head) {
            Length::Exactly(bytes) => {
                io::copy(&mut requests.by_ref().take(bytes), &mut upstream)?;
            }
            Length::Chunked => pass_chunks(&mut requests, &mut upstream)?,
        }
    }
    upstream.shutdown(std::net::Shutdown::Write)
}

fn answer(
    from: &mut impl Read,
    to: &mut impl Write,
    swap: Option<&Swap>,
    answered: impl Fn(),
) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        answered();
        if let Some(swap) = swap {
            replace(&mut buffer[..read], swap);
        }
        to.write_all(&buffer[..read])?;
    }
}

fn replace(bytes: &mut [u8], swap: &Swap) {
    let (from, to) = (swap.from.as_bytes(), swap.to.as_bytes());
    if from.len() != to.len() || from.is_empty() {
        return;
    }
    let mut at = 0;
    while at + from.len() <= bytes.len() {
        if bytes[at..].starts_with(from) {
            bytes[at..at + from.len()].copy_from_slice(to);
            at += from.len();
        } else {
            at += 1;
        }
    }
}

/// A request's head with its empty line; `None` at the end of the connection.
fn read_head(requests: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut head = Vec::new();
    loop {
        let before = head.len();
        if requests.read_until(b'\n', &mut head)? == 0 {
            return Ok(None);
        }
        if matches!(&head[before..], b"\r\n" | b"\n") {
            return Ok(Some(String::from_utf8_lossy(&head).into_owned()));
        }
    }
}

enum Length {
    Exactly(u64),
    Chunked,
}

fn length(head: &str) -> Length {
    let header = |name: &str| {
        head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    };
    if header("transfer-encoding").is_some_and(|value| value.contains("chunked")) {
        return Length::Chunked;
    }
    Length::Exactly(
        header("content-length")
            .and_then(|value| value.parse().ok())
            .unwrap_or(0),
    )
}

fn pass_chunks(from: &mut impl BufRead, to: &mut impl Write) -> io::Result<()> {
    loop {
        let mut line = Vec::new();
        from.read_until(b'\n', &mut line)?;
        to.write_all(&line)?;
        let text = String::from_utf8_lossy(&line).into_owned();
        let size = text.split(';').next().unwrap_or_default().trim();
        let size = u64::from_str_radix(size, 16)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a chunk has no size"))?;
        io::copy(&mut from.by_ref().take(size + 2), to)?;
        if size == 0 {
            return Ok(());
        }
    }
}

/// The S3 operation of a request, as coarse as prices are.
fn kind(head: &str) -> &'static str {
    let mut words = head.split(' ');
    let method = words.next().unwrap_or_default();
    let query = words
        .next()
        .and_then(|path| path.split_once('?'))
        .map_or("", |(_, query)| query);
    let has = |name: &str| {
        query
            .split('&')
            .any(|pair| pair.split('=').next().is_some_and(|found| found == name))
    };
    let is_list = ["list-type", "prefix", "delimiter", "max-keys"]
        .into_iter()
        .any(has);
    match method {
        "GET" if is_list => "LIST",
        "GET" if has("versioning") || has("location") => "PROBE",
        "GET" => "GET",
        "HEAD" => "HEAD",
        "PUT" if head.to_ascii_lowercase().contains("\nx-amz-copy-source:") => "COPY",
        "PUT" => "PUT",
        "POST" => "POST",
        "DELETE" => "DELETE",
        _ => "OTHER",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_operations_apart() {
        assert_eq!(kind("GET /b?list-type=2&prefix= HTTP/1.1\r\n\r\n"), "LIST");
        assert_eq!(kind("GET /b/list-type.md HTTP/1.1\r\n\r\n"), "GET");
        assert_eq!(kind("GET /b?versioning HTTP/1.1\r\n\r\n"), "PROBE");
        assert_eq!(
            kind("PUT /b/a HTTP/1.1\r\nX-Amz-Copy-Source: /b/c\r\n\r\n"),
            "COPY"
        );
    }

    #[test]
    fn passes_both_kinds_of_bodies_and_counts_requests_on_one_connection() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let target = server.local_addr().unwrap().to_string();
        let received = std::thread::spawn(move || {
            let (mut stream, _) = server.accept().unwrap();
            let mut all = Vec::new();
            stream.read_to_end(&mut all).unwrap();
            stream
                .write_all(b"HTTP/1.1 200 OK\r\n\r\nport 1111")
                .unwrap();
            all
        });
        let swap = Swap {
            from: "1111".to_owned(),
            to: "2222".to_owned(),
        };
        let proxy = Proxy::start(&target, Some(swap)).unwrap();
        let mut client = TcpStream::connect(proxy.address).unwrap();
        let sent = b"PUT /b/a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcPUT /b/c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\nHEAD /b/a HTTP/1.1\r\n\r\n";
        client.write_all(sent).unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.ends_with("port 2222"));
        assert_eq!(received.join().unwrap(), sent);
        let counts = Counts::from([("PUT".to_owned(), 2), ("HEAD".to_owned(), 1)]);
        assert_eq!(proxy.take(), counts);
        assert_eq!(proxy.take(), Counts::new());
        assert!(proxy.take_stored().len() <= 1, "one answer came back");
    }
}
