use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{Request, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use secrecy::SecretString;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::task::{JoinHandle, JoinSet};

use crate::bucket::Bucket;
use crate::bucket::transport::header_text;
use crate::forward::{self, ClientRequest};
use crate::reply::{self, Reply};
use crate::request::{self, Misfit};
use crate::session::{LiveSpec, RefusedReason, Session, SessionSpec, SessionState};
use crate::sign::incoming::{self, Distrust, Signed};

const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// An S3 endpoint on loopback in front of one bucket. It stops, with all its connections, when dropped.
#[must_use]
pub struct Guard {
    bucket: Bucket,
    address: SocketAddr,
    sessions: Arc<Sessions>,
    runtime: Handle,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Sessions(Mutex<HashMap<String, Arc<SessionState>>>);

impl Sessions {
    fn all(&self) -> MutexGuard<'_, HashMap<String, Arc<SessionState>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Guard {
    /// Listens on a free port of 127.0.0.1. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(bucket: Bucket) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let sessions = Arc::new(Sessions::default());
        let task = tokio::spawn(accept(listener, sessions.clone()));
        let runtime = Handle::current();
        Ok(Self {
            bucket,
            address,
            sessions,
            runtime,
            task,
        })
    }

    /// Opens a session with a throw-away key of its own.
    pub fn open(&self, spec: SessionSpec) -> Session {
        self.admit(SessionState::new(self.bucket.clone(), fresh_keys(), spec))
    }

    /// Opens a session that follows the bucket as it changes, for a client that stays: a mount. A write replaces the
    /// version whose content the client has, or nothing; one that comes too late is stored beside the note.
    pub fn open_live(&self, spec: LiveSpec) -> Session {
        let bucket = self.bucket.clone();
        self.admit(SessionState::following(bucket, fresh_keys(), spec))
    }

    fn admit(&self, state: SessionState) -> Session {
        let state = Arc::new(state);
        let access_key = state.access_key.clone();
        self.sessions.all().insert(access_key, state.clone());
        let (sessions, runtime) = (self.sessions.clone(), self.runtime.clone());
        Session {
            state,
            endpoint: format!("http://{}", self.address),
            close: Box::new(move |state| {
                if let Some(state) = sessions.all().remove(&state.access_key) {
                    abort_uploads(&runtime, state);
                }
            }),
        }
    }
}

fn fresh_keys() -> (String, SecretString) {
    let access_key = format!("guard{}", hex::encode(rand::random::<[u8; 10]>()));
    (access_key, hex::encode(rand::random::<[u8; 32]>()).into())
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Parts of uploads that nobody can complete any more cost money until they are removed.
fn abort_uploads(runtime: &Handle, state: Arc<SessionState>) {
    let uploads = std::mem::take(&mut state.inner().snapshot.uploads);
    if uploads.is_empty() {
        return;
    }
    runtime.spawn(async move {
        for (id, upload) in uploads {
            let stored = upload.stored_as.as_deref().unwrap_or(&upload.key);
            if let Err(error) = forward::abort(&state, stored, &id).await {
                tracing::debug!(%error, "an unfinished upload was left in the bucket");
                break;
            }
        }
    });
}

async fn accept(listener: TcpListener, sessions: Arc<Sessions>) {
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                connections.spawn(connection(stream, sessions.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "the guard could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(stream: TcpStream, sessions: Arc<Sessions>) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection keeps waiting for full packets");
    }
    let service = service_fn(move |request| {
        let sessions = sessions.clone();
        async move { Ok::<_, Infallible>(handle(&sessions, request).await) }
    });
    let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    if let Err(error) = served.await {
        tracing::debug!(%error, "a client's connection broke");
    }
}

async fn handle(sessions: &Sessions, request: Request<Incoming>) -> Reply {
    let (parts, body) = request.into_parts();
    let (path, query) = (parts.uri.path(), parts.uri.query().unwrap_or_default());
    let signed = Signed {
        method: &parts.method,
        path,
        query,
        headers: &parts.headers,
    };
    let believed = incoming::access_key(&parts.headers)
        .and_then(|key| sessions.all().get(key).cloned().ok_or(Distrust::UnknownKey))
        .and_then(|session| {
            let payload = incoming::verify(&signed, &session.secret_key)?;
            Ok((session, payload))
        });
    let (session, payload) = match believed {
        Ok(believed) => believed,
        Err(distrust) => return distrusted(distrust),
    };
    let parsed = request::parse(
        &parts.method,
        (path, query),
        &parts.headers,
        session.bucket.name(),
    );
    let length = header_text(&parts.headers, header::CONTENT_LENGTH.as_str())
        .and_then(|text| text.parse().ok());
    let is_chunked = parts
        .headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .any(|value| String::from_utf8_lossy(value.as_bytes()).contains("aws-chunked"));
    let request = ClientRequest {
        headers: parts.headers,
        length,
        payload,
        body,
    };
    let operation = match parsed {
        Ok(_) if is_chunked => {
            forward::drain(request).await;
            return distrusted(Distrust::ChunkedPayload);
        }
        Ok(operation) => operation,
        Err(misfit) => {
            forward::drain(request).await;
            return unfit(&session, misfit, &parts.uri);
        }
    };
    let served = forward::serve(&session, &operation, request);
    match session.cancel.run_until_cancelled(served).await {
        Some(reply) => reply,
        None => distrusted(Distrust::UnknownKey),
    }
}

fn distrusted(distrust: Distrust) -> Reply {
    let (status, code, message) = match distrust {
        Distrust::Unsigned => (
            StatusCode::FORBIDDEN,
            "AccessDenied",
            "The request has no Signature Version 4 in its headers.",
        ),
        Distrust::Unreadable => (
            StatusCode::FORBIDDEN,
            "AuthorizationHeaderMalformed",
            "The request's signature cannot be read.",
        ),
        Distrust::UnknownKey => (
            StatusCode::FORBIDDEN,
            "InvalidAccessKeyId",
            "The session of this key has ended, or never was.",
        ),
        Distrust::WrongSignature => (
            StatusCode::FORBIDDEN,
            "SignatureDoesNotMatch",
            "The request was not signed with the session's secret.",
        ),
        Distrust::ChunkedPayload => (
            StatusCode::NOT_IMPLEMENTED,
            "NotImplemented",
            "Bodies in aws-chunked encoding are not taken; send them plain.",
        ),
    };
    reply::error(status, code, message, "")
}

fn unfit(session: &SessionState, misfit: Misfit, uri: &http::Uri) -> Reply {
    match misfit {
        Misfit::Unreadable => {
            let message = "The request cannot be read.";
            reply::error(
                StatusCode::BAD_REQUEST,
                "InvalidRequest",
                message,
                uri.path(),
            )
        }
        Misfit::OtherBucket => {
            let message = "The guard stands before one bucket only.";
            reply::error(StatusCode::FORBIDDEN, "AccessDenied", message, uri.path())
        }
        Misfit::Unsupported => {
            session.refuse(uri.path(), RefusedReason::Unsupported);
            reply::refused(&RefusedReason::Unsupported, uri.path())
        }
    }
}
