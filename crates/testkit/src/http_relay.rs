use std::net::Ipv4Addr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex as Turns, watch};

use crate::wait_for;

/// Stands before an HTTP service, writes down what is asked, and fails as a test says.
///
/// Bodies are read whole before they go on: it is for calls, not for streams.
#[must_use]
pub struct HttpRelay {
    pub url: String,
    shared: Arc<Shared>,
}

/// A request as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub method: String,
    /// With the query.
    pub path: String,
    pub body: String,
    /// Whether it is to have an effect only if the object is, or is not, a certain one.
    pub conditional: bool,
    /// The answer of the service behind, if it was asked and answered.
    pub status: Option<u16>,
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    Pass,
    /// It reaches the service after this long.
    Delay(Duration),
    /// The service is not asked.
    Answer {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: String,
    },
    /// The connection ends, and the service was not asked.
    CutBefore,
    /// The connection ends after the service did what was asked.
    CutAfter,
    /// The same, after the caller has waited for so long.
    CutLate(Duration),
    /// The connection ends in the middle of the answer's body.
    CutWithin,
    /// The answer comes without those of its `<element>`s that have `holding` in them, and
    /// `<counter>` says a number that is so much lower.
    Omit {
        element: &'static str,
        holding: String,
        counter: &'static str,
    },
    /// Nothing moves until [`HttpRelay::resume`], and the service was not asked.
    HoldBefore,
    /// Nothing moves until [`HttpRelay::resume`], and the service did what was asked.
    HoldAfter,
}

type Decide = Box<dyn FnMut(&Seen) -> Fate + Send>;

struct Shared {
    upstream: Mutex<String>,
    decide: Mutex<Decide>,
    seen: Mutex<Vec<Seen>>,
    gate: watch::Sender<Gate>,
}

#[derive(Clone, Debug, Default)]
struct Gate {
    generation: u64,
    held_at: Option<Seen>,
}

/// Ends the connection without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection is cut")]
struct Cut;

impl HttpRelay {
    /// Listens in front of the service at `url` (no TLS), passing everything on.
    ///
    /// # Panics
    /// If `url` is none, or the loopback interface gives no port.
    pub async fn start(url: &str) -> Self {
        let relay = Self::start_first().await;
        relay.lead_to(url);
        relay
    }

    /// The same before a service whose address is not known yet: connections are cut until
    /// [`HttpRelay::lead_to`] says it.
    ///
    /// # Panics
    /// If the loopback interface gives no port.
    pub async fn start_first() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("the loopback interface gives a port");
        let address = listener.local_addr().expect("a listener has an address");
        let shared = Arc::new(Shared {
            upstream: Mutex::default(),
            decide: Mutex::new(Box::new(|_| Fate::Pass)),
            seen: Mutex::default(),
            gate: watch::Sender::default(),
        });
        tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self {
            url: format!("http://{address}"),
            shared,
        }
    }

    /// Stands before the service at `url` from now on.
    ///
    /// # Panics
    /// If `url` is none.
    pub fn lead_to(&self, url: &str) {
        let url = reqwest::Url::parse(url).expect("the service has a URL");
        let host = url.host_str().expect("the URL has a host");
        let port = url.port_or_known_default().expect("the URL has a port");
        *lock(&self.shared.upstream) = format!("{host}:{port}");
    }

    /// Decides about each request from now on.
    pub fn decide(&self, decide: impl FnMut(&Seen) -> Fate + Send + 'static) {
        *lock(&self.shared.decide) = Box::new(decide);
    }

    /// All requests since the start or the last [`HttpRelay::forget`], in the order they came.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.shared.seen).clone()
    }

    pub fn forget(&self) {
        lock(&self.shared.seen).clear();
    }

    /// Waits until a request is held.
    ///
    /// # Panics
    /// If `deadline` passes first.
    #[track_caller]
    pub fn held(&self, deadline: Duration) -> impl Future<Output = Seen> {
        wait_for(deadline, async || self.held_now())
    }

    #[must_use]
    pub fn held_now(&self) -> Option<Seen> {
        self.shared.gate.borrow().held_at.clone()
    }

    /// Cuts what is held, and passes everything on again.
    pub fn resume(&self) {
        self.decide(|_| Fate::Pass);
        self.shared.gate.send_modify(|gate| {
            gate.generation += 1;
            gate.held_at = None;
        });
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        let line = Arc::<Line>::default();
        let service =
            service_fn(move |request| answer(Arc::clone(&shared), Arc::clone(&line), request));
        tokio::spawn(
            hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service),
        );
    }
}

/// The connection to the service that belongs to one of a caller's.
type Line = Turns<Option<SendRequest<Full<Bytes>>>>;

async fn answer(
    shared: Arc<Shared>,
    line: Arc<Line>,
    request: Request<Incoming>,
) -> Result<Response<Reply>, Cut> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
    let path = parts.uri.path_and_query();
    let mut seen = Seen {
        method: parts.method.to_string(),
        path: path.map_or("/", |path| path.as_str()).to_owned(),
        body: String::from_utf8_lossy(&body).into_owned(),
        conditional: ["if-match", "if-none-match"]
            .iter()
            .any(|name| parts.headers.contains_key(*name)),
        status: None,
    };
    let fate = lock(&shared.decide)(&seen);
    let at = {
        let mut all = lock(&shared.seen);
        all.push(seen.clone());
        all.len() - 1
    };
    let ask = shared.ask(&line, at, Request::from_parts(parts, Full::new(body)));
    match fate {
        Fate::Pass => ask.await,
        Fate::Delay(delay) => {
            tokio::time::sleep(delay).await;
            ask.await
        }
        Fate::Answer {
            status,
            headers,
            body,
        } => Ok(made_up(status, &headers, body)),
        Fate::CutBefore => Err(Cut),
        Fate::CutAfter => {
            ask.await?;
            Err(Cut)
        }
        Fate::CutLate(wait) => {
            ask.await?;
            tokio::time::sleep(wait).await;
            Err(Cut)
        }
        Fate::CutWithin => ask.await.map(|answer| answer.map(Reply::half)),
        Fate::Omit {
            element,
            holding,
            counter,
        } => Ok(shortened(ask.await?, element, &holding, counter)),
        Fate::HoldBefore => shared.hold(seen).await,
        Fate::HoldAfter => {
            seen.status = Some(ask.await?.status().as_u16());
            shared.hold(seen).await
        }
    }
}

/// The body of an answer, which may break off.
struct Reply {
    bytes: Option<Bytes>,
    /// What the head says; more than there is, if the body breaks off.
    length: u64,
}

impl Reply {
    fn whole(bytes: Bytes) -> Self {
        let length = bytes.len() as u64;
        let bytes = (length > 0).then_some(bytes);
        Self { bytes, length }
    }

    fn half(self) -> Self {
        let bytes = self.bytes.map(|bytes| bytes.slice(..bytes.len() / 2));
        Self { bytes, ..self }
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let Some(bytes) = self.bytes.take() else {
            return Poll::Ready((self.length > 0).then_some(Err(Cut)));
        };
        self.length = self.length.saturating_sub(bytes.len() as u64);
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.length == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length)
    }
}

/// The answer, shorter and with its true length.
fn shortened(
    answer: Response<Reply>,
    element: &str,
    holding: &str,
    counter: &str,
) -> Response<Reply> {
    let (mut parts, reply) = answer.into_parts();
    let bytes = reply.bytes.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let (open, close) = (format!("<{element}>"), format!("</{element}>"));
    let mut kept = String::new();
    let mut omitted = 0_usize;
    for piece in text.split_inclusive(&close) {
        let (before, found) = piece.split_at(piece.find(&open).unwrap_or(piece.len()));
        kept.push_str(before);
        if found.contains(holding) {
            omitted += 1;
        } else {
            kept.push_str(found);
        }
    }
    if let Some((before, rest)) = kept.split_once(&format!("<{counter}>"))
        && let Some((number, after)) = rest.split_once('<')
        && let Ok(number) = number.parse::<usize>()
    {
        let number = number.saturating_sub(omitted);
        kept = format!("{before}<{counter}>{number}<{after}");
    }
    parts.headers.remove(hyper::header::CONTENT_LENGTH);
    Response::from_parts(parts, Reply::whole(Bytes::from(kept)))
}

fn cut(_: impl std::error::Error) -> Cut {
    Cut
}

fn made_up(status: u16, headers: &[(&'static str, String)], body: String) -> Response<Reply> {
    let mut response = Response::new(Reply::whole(Bytes::from(body)));
    *response.status_mut() = StatusCode::from_u16(status).expect("the test names a status");
    for (name, value) in headers {
        let value = value.parse().expect("the test names a header's value");
        response.headers_mut().insert(*name, value);
    }
    response
}

impl Shared {
    async fn hold<T>(&self, seen: Seen) -> Result<T, Cut> {
        let mut gate = self.gate.subscribe();
        let generation = gate.borrow().generation;
        self.gate.send_modify(|gate| gate.held_at = Some(seen));
        gate.wait_for(|gate| gate.generation != generation)
            .await
            .ok();
        Err(Cut)
    }

    async fn ask(
        &self,
        line: &Line,
        at: usize,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Reply>, Cut> {
        let mut line = line.lock().await;
        let (mut sender, answer) = self.send(line.take(), request).await?;
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.map_err(cut)?.to_bytes();
        if sender.ready().await.is_ok() {
            *line = Some(sender);
        }
        // Forgotten meanwhile, if it is not there.
        if let Some(seen) = lock(&self.seen).get_mut(at) {
            seen.status = Some(parts.status.as_u16());
        }
        Ok(Response::from_parts(parts, Reply::whole(body)))
    }

    /// What was not sent over the kept connection goes over a new one; what was sent is not sent
    /// again.
    async fn send(
        &self,
        kept: Option<SendRequest<Full<Bytes>>>,
        mut request: Request<Full<Bytes>>,
    ) -> Result<(SendRequest<Full<Bytes>>, Response<Incoming>), Cut> {
        if let Some(mut sender) = kept
            && sender.ready().await.is_ok()
        {
            match sender.try_send_request(request).await {
                Ok(answer) => return Ok((sender, answer)),
                Err(mut error) => request = error.take_message().ok_or(Cut)?,
            }
        }
        let upstream = lock(&self.upstream).clone();
        let stream = TcpStream::connect(upstream).await.map_err(cut)?;
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await.map_err(cut)?;
        tokio::spawn(connection);
        let answer = sender.send_request(request).await.map_err(cut)?;
        Ok((sender, answer))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Nginx, nginx};

    const SOON: Duration = Duration::from_secs(20);

    async fn service() -> (Nginx, HttpRelay) {
        let nginx = nginx("server { listen 127.0.0.1:{port}; location / { return 201; } }").await;
        let relay = HttpRelay::start(&nginx.url).await;
        (nginx, relay)
    }

    async fn post(relay: &HttpRelay) -> Option<u16> {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = client.post(format!("{}/a?b=c", relay.url)).body("d");
        Some(request.send().await.ok()?.status().as_u16())
    }

    fn seen(status: Option<u16>) -> Seen {
        Seen {
            method: "POST".to_owned(),
            path: "/a?b=c".to_owned(),
            body: "d".to_owned(),
            conditional: false,
            status,
        }
    }

    #[tokio::test]
    async fn requests_pass_fail_and_are_cut_as_the_test_says() {
        let (_nginx, relay) = service().await;
        let busy = Fate::Answer {
            status: 429,
            headers: vec![("retry-after", "1".to_owned())],
            body: String::new(),
        };
        for (fate, answer, asked) in [
            (Fate::Pass, Some(201), Some(201)),
            (Fate::Delay(Duration::from_millis(1)), Some(201), Some(201)),
            (busy, Some(429), None),
            (Fate::CutBefore, None, None),
            (Fate::CutAfter, None, Some(201)),
            (Fate::CutLate(Duration::from_millis(1)), None, Some(201)),
        ] {
            relay.forget();
            let case = fate.clone();
            relay.decide(move |_| fate.clone());
            assert_eq!(post(&relay).await, answer, "{case:?}");
            assert_eq!(relay.seen(), [seen(asked)], "{case:?}");
        }
    }

    #[tokio::test]
    async fn an_answer_may_break_off() {
        let site = "server { listen 127.0.0.1:{port}; location / { return 200 'all of it'; } }";
        let nginx = nginx(site).await;
        let relay = HttpRelay::start(&nginx.url).await;
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let get = async || client.get(&relay.url).send().await?.text().await;
        assert_eq!(get().await.unwrap(), "all of it");
        relay.decide(|_| Fate::CutWithin);
        get().await.unwrap_err();
    }

    #[tokio::test]
    async fn an_answer_may_leave_something_out() {
        let text = "<l><k>a</k><k>b</k><n>3</n><k>c</k></l>";
        let site = format!(
            "server {{ listen 127.0.0.1:{{port}}; location / {{ return 200 '{text}'; }} }}"
        );
        let nginx = nginx(&site).await;
        let relay = HttpRelay::start(&nginx.url).await;
        relay.decide(|_| Fate::Omit {
            element: "k",
            holding: "b".to_owned(),
            counter: "n",
        });
        let answer = reqwest::get(&relay.url).await.unwrap();
        assert_eq!(
            answer.text().await.unwrap(),
            "<l><k>a</k><n>2</n><k>c</k></l>"
        );
    }

    #[tokio::test]
    async fn a_request_is_held_on_either_side_of_its_effect() {
        let (_nginx, relay) = service().await;
        for (fate, asked) in [(Fate::HoldBefore, None), (Fate::HoldAfter, Some(201))] {
            relay.decide(move |_| fate.clone());
            let (answer, held) = tokio::join!(post(&relay), async {
                let held = relay.held(SOON).await;
                relay.resume();
                held
            });
            assert_eq!((answer, held), (None, seen(asked)));
        }
    }
}
