mod wire;

use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::Url;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use self::wire::{Started, Statements, read_message, start_session};
use crate::wait_for;

/// Stands between a server and `PostgreSQL`, writes down every statement, and can stand still exactly
/// before or after one, so that a test kills the server there.
#[must_use]
pub struct PgRelay {
    /// The database's URL, through the relay.
    pub url: String,
    shared: Arc<Shared>,
}

/// On which side of a statement everything stands still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The database has not seen it.
    Before,
    /// The database has carried it out; whoever asked has not heard of it.
    After,
}

struct Shared {
    upstream: (String, u16),
    record: Mutex<Record>,
    gate: watch::Sender<Gate>,
}

#[derive(Default)]
struct Record {
    texts: Vec<String>,
    rule: Option<Rule>,
}

struct Rule {
    stop: Stop,
    left: usize,
    fits: Box<dyn Fn(&str) -> bool + Send>,
}

/// Whether bytes move. Connections of an earlier generation are cut.
#[derive(Clone, Debug, Default)]
struct Gate {
    generation: u64,
    held_at: Option<String>,
}

impl PgRelay {
    /// Listens in front of the database that `url` names.
    ///
    /// # Panics
    /// If `url` is none, or the loopback interface gives no port.
    pub async fn start(url: &str) -> Self {
        let mut url = Url::parse(url).expect("the database has a URL");
        let host = url.host_str().expect("the URL has a host").to_owned();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("the loopback interface gives a port");
        let address = listener.local_addr().expect("a listener has an address");
        let shared = Arc::new(Shared {
            upstream: (host, url.port().unwrap_or(5432)),
            record: Mutex::default(),
            gate: watch::Sender::default(),
        });
        url.set_host(Some("127.0.0.1"))
            .expect("a URL with a host takes another");
        url.set_port(Some(address.port()))
            .expect("a URL with a host takes a port");
        tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self {
            url: url.into(),
            shared,
        }
    }

    /// The texts of all statements since the start or the last [`PgRelay::forget`].
    #[must_use]
    pub fn statements(&self) -> Vec<String> {
        self.shared.record().texts.clone()
    }

    pub fn forget(&self) {
        self.shared.record().texts.clear();
    }

    /// Stands still at the `nth` statement from now (the first is 1) whose text `fits`.
    pub fn stop_at(&self, stop: Stop, nth: usize, fits: impl Fn(&str) -> bool + Send + 'static) {
        self.shared.record().rule = Some(Rule {
            stop,
            left: nth,
            fits: Box::new(fits),
        });
    }

    /// Waits until it stands still; the statement's text.
    ///
    /// # Panics
    /// If `deadline` passes first.
    #[track_caller]
    pub fn held(&self, deadline: Duration) -> impl Future<Output = String> {
        wait_for(deadline, async || self.held_now())
    }

    /// The statement at which it stands still, if it does.
    #[must_use]
    pub fn held_now(&self) -> Option<String> {
        self.shared.gate.borrow().held_at.clone()
    }

    /// Cuts all connections, forgets where to stop, and lets new ones through.
    pub fn resume(&self) {
        self.shared.record().rule = None;
        self.shared.gate.send_modify(|gate| {
            gate.generation += 1;
            gate.held_at = None;
        });
    }
}

impl Shared {
    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a statement down and says whether this is the one to stop at.
    fn note(&self, text: &str) -> Option<Stop> {
        let mut record = self.record();
        record.texts.push(text.to_owned());
        let rule = record.rule.as_mut().filter(|rule| (rule.fits)(text))?;
        rule.left -= 1;
        let stop = (rule.left == 0).then_some(rule.stop)?;
        record.rule = None;
        Some(stop)
    }

    fn hold(&self, text: &str) {
        self.gate
            .send_modify(|gate| gate.held_at = Some(text.to_owned()));
    }

    fn passage(&self) -> Passage {
        let gate = self.gate.subscribe();
        let generation = gate.borrow().generation;
        Passage { generation, gate }
    }
}

/// A connection's way through the gate.
#[derive(Clone)]
struct Passage {
    generation: u64,
    gate: watch::Receiver<Gate>,
}

impl Passage {
    /// Waits while everything stands still. What was held must not slip through when it is cut.
    async fn open(&mut self) -> io::Result<()> {
        let decided = |gate: &Gate| gate.generation != self.generation || gate.held_at.is_none();
        match self.gate.wait_for(decided).await {
            Ok(gate) if gate.generation == self.generation => Ok(()),
            Ok(_) | Err(_) => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }

    async fn cut(mut self) {
        let later = |gate: &Gate| gate.generation != self.generation;
        self.gate.wait_for(later).await.ok();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let passage = shared.passage();
            tokio::select! {
                _ = session(client, &shared, passage.clone()) => {}
                () = passage.cut() => {}
            }
        });
    }
}

async fn session(mut client: TcpStream, shared: &Shared, mut passage: Passage) -> io::Result<()> {
    client.set_nodelay(true)?;
    let Started::Session(first) = start_session(&mut client).await? else {
        return Ok(());
    };
    passage.open().await?;
    let (host, port) = &shared.upstream;
    let mut server = TcpStream::connect((host.as_str(), *port)).await?;
    server.set_nodelay(true)?;
    server.write_all(&first).await?;
    // The statement whose answer the client shall not see.
    let (unheard, unheard_seen) = watch::channel(None);
    let (client_read, client_write) = client.into_split();
    let (server_read, server_write) = server.into_split();
    tokio::select! {
        ended = forward_questions(client_read, server_write, shared, passage.clone(), unheard) => ended,
        ended = forward_answers(server_read, client_write, shared, passage, unheard_seen) => ended,
    }
}

async fn forward_questions(
    mut client: OwnedReadHalf,
    mut server: OwnedWriteHalf,
    shared: &Shared,
    mut passage: Passage,
    unheard: watch::Sender<Option<String>>,
) -> io::Result<()> {
    let mut statements = Statements::default();
    loop {
        let message = read_message(&mut client).await?;
        passage.open().await?;
        if let Some(text) = statements.follow(&message) {
            match shared.note(&text) {
                Some(Stop::Before) => {
                    shared.hold(&text);
                    passage.open().await?;
                }
                Some(Stop::After) => {
                    unheard.send_replace(Some(text));
                }
                None => {}
            }
        }
        server.write_all(&message.bytes).await?;
    }
}

async fn forward_answers(
    mut server: OwnedReadHalf,
    mut client: OwnedWriteHalf,
    shared: &Shared,
    mut passage: Passage,
    unheard: watch::Receiver<Option<String>>,
) -> io::Result<()> {
    loop {
        let message = read_message(&mut server).await?;
        let text = unheard.borrow().clone();
        match text {
            Some(text) if message.is_ready() => {
                shared.hold(&text);
                passage.open().await?;
            }
            Some(_) => {}
            None => {
                passage.open().await?;
                client.write_all(&message.bytes).await?;
            }
        }
    }
}

#[cfg(test)]
mod tests;
