//! Connections to instances, kept for a while for the next request.

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use axum::http::uri::Authority;
use axum::http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::HttpConnector;
use tokio::time::Instant;
use tower::ServiceExt;

use super::body::Outgoing;
use super::link::Link;

/// Shorter than the five seconds after which uvicorn, which serves the instances' API, closes.
const KEEP_IDLE: Duration = Duration::from_secs(4);
const MAX_IDLE_PER_INSTANCE: usize = 64;

/// Why an instance gave no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum PoolError {
    #[error("the instance could not be reached")]
    Unreachable(#[source] Box<dyn Error + Send + Sync>),
    #[error("the exchange with the instance broke")]
    Broken(#[source] hyper::Error),
}

#[derive(Clone, Debug)]
pub(super) struct Pool {
    connector: HttpConnector,
    idle: Arc<Mutex<Idle>>,
}

#[derive(Debug, Default)]
struct Idle {
    // By text: the type for an authority hashes letter by letter.
    links: HashMap<Box<str>, Vec<Resting>>,
    sweep: Sweep,
}

#[derive(Debug)]
struct Resting {
    link: Box<Link>,
    since: Instant,
}

/// Whether a task closes what nobody came for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Sweep {
    #[default]
    Stopped,
    Running,
}

/// A connection in use. It goes back when its exchange is over, and is closed if that is cut off.
#[derive(Debug)]
pub(super) struct Lent {
    link: Box<Link>,
    at: Authority,
    idle: Arc<Mutex<Idle>>,
}

impl Pool {
    pub(super) fn new(connect: Duration) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(connect));
        connector.enforce_http(true);
        Self {
            connector,
            idle: Arc::default(),
        }
    }

    /// Sends the request to an instance and gives the head of its answer, with the connection
    /// that has the rest of it.
    ///
    /// A request is sent again only if nothing of it was written to a connection that turned out
    /// to be closed.
    pub(super) async fn ask(
        &self,
        at: &Authority,
        mut request: Request<Outgoing>,
    ) -> Result<(Response<Incoming>, Lent), PoolError> {
        while let Some(link) = self.take(at) {
            let mut lent = self.lend(link, at);
            match lent.link.ask(request).await {
                Ok(response) => return Ok((response, lent)),
                Err(mut refused) => match refused.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(PoolError::Broken(refused.into_error())),
                },
            }
        }
        let mut lent = self.lend(Box::new(self.connect(at).await?), at);
        match lent.link.ask(request).await {
            Ok(response) => Ok((response, lent)),
            Err(error) => Err(PoolError::Broken(error.into_error())),
        }
    }

    fn lend(&self, link: Box<Link>, at: &Authority) -> Lent {
        Lent {
            link,
            at: at.clone(),
            idle: Arc::clone(&self.idle),
        }
    }

    /// The connection that was used last, of those that still stand.
    fn take(&self, at: &Authority) -> Option<Box<Link>> {
        let now = Instant::now();
        loop {
            let mut resting = lock(&self.idle).links.get_mut(at.as_str())?.pop()?;
            if now.duration_since(resting.since) < KEEP_IDLE && resting.link.is_free() {
                return Some(resting.link);
            }
        }
    }

    async fn connect(&self, at: &Authority) -> Result<Link, PoolError> {
        let uri = Uri::builder()
            .scheme("http")
            .authority(at.clone())
            .path_and_query("/")
            .build()
            .expect("scheme, authority and path make an address");
        let stream = self.connector.clone().oneshot(uri).await;
        let stream = stream.map_err(|error| PoolError::Unreachable(error.into()))?;
        Link::new(stream).await.map_err(PoolError::Broken)
    }
}

impl Lent {
    pub(super) fn link(&mut self) -> &mut Link {
        &mut self.link
    }

    /// Keeps the connection for the next request, if it is fit for one.
    pub(super) fn give_back(mut self) {
        if !self.link.is_free() {
            return;
        }
        let mut idle = lock(&self.idle);
        let resting = Resting {
            link: self.link,
            since: Instant::now(),
        };
        match idle.links.get_mut(self.at.as_str()) {
            Some(links) if links.len() >= MAX_IDLE_PER_INSTANCE => {}
            Some(links) => links.push(resting),
            None => {
                idle.links.insert(self.at.as_str().into(), vec![resting]);
            }
        }
        if idle.sweep == Sweep::Stopped {
            idle.sweep = Sweep::Running;
            tokio::spawn(sweep(Arc::downgrade(&self.idle)));
        }
    }

    /// Lets the exchange go on by itself: the instance has answered before it had all of the
    /// request, and the rest must go on flowing while the answer is read.
    pub(super) fn carry_on_alone(self) {
        self.link.carry_on_alone();
    }
}

/// Closes connections that nobody came for, until there are none.
async fn sweep(idle: Weak<Mutex<Idle>>) {
    loop {
        tokio::time::sleep(KEEP_IDLE).await;
        let Some(idle) = idle.upgrade() else {
            return;
        };
        let now = Instant::now();
        let mut idle = lock(&idle);
        idle.links.retain(|_, links| {
            links.retain(|resting| now.duration_since(resting.since) < KEEP_IDLE);
            !links.is_empty()
        });
        if idle.links.is_empty() {
            idle.sweep = Sweep::Stopped;
            return;
        }
    }
}

fn lock(idle: &Mutex<Idle>) -> MutexGuard<'_, Idle> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}
