use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{self, Bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::watch;
use tokio::time::Instant;
use wire::{
    ApiErrorBody, FilesHealth, InstanceHealth, InstanceStatus, SyncIn, SyncOut, UpstreamHealth,
};

use crate::files::{Files, Refresh};
use crate::forward;
use crate::health;
use crate::index::IndexTold;
use crate::nonces::Nonces;
use crate::signature::{Body, KeyRing, Rules, SignatureRefusal, SignedRequest, Window, verify};
use crate::upstream::{Caller, UpstreamState};

/// A body whose digest is signed is held in memory, up to this many bytes.
const MAX_SIGNED_BODY_BYTES: usize = 16 * 1024 * 1024;
/// More paths than this are compared by a look at everything.
const MOST_HINTS: usize = 10_000;

/// Tells the time in Unix seconds.
pub type UnixSeconds = Arc<dyn Fn() -> i64 + Send + Sync>;

/// What an instance knows: whose it is, whom it believes, and what it has seen.
pub struct Instance {
    pub tenant: String,
    pub keys: KeyRing,
    pub window: Window,
    pub now: UnixSeconds,
    pub nonces: Mutex<Nonces>,
    pub(crate) files: Option<Arc<dyn Files>>,
    pub(crate) upstream: Option<UpstreamSeen>,
}

/// What requests need of the Basic Memory behind the instance.
pub(crate) struct UpstreamSeen {
    pub(crate) caller: Caller,
    pub(crate) state: watch::Receiver<UpstreamState>,
    pub(crate) index: watch::Receiver<IndexTold>,
    pub(crate) version: Option<String>,
    pub(crate) generation: &'static str,
    pub(crate) data: PathBuf,
}

impl Instance {
    /// One that turns strangers away and has neither files nor a Basic Memory.
    pub fn bare(tenant: String, keys: KeyRing, now: UnixSeconds) -> Self {
        Self {
            tenant,
            keys,
            window: Window::STEADY,
            now,
            nonces: Mutex::new(Nonces::default()),
            files: None,
            upstream: None,
        }
    }
}

/// Makes the instance's routes: `/health` for anybody, all else for the proxy.
pub fn router(instance: Instance) -> Router {
    let instance = Arc::new(instance);
    Router::new()
        .route("/sync", post(sync))
        .fallback(pass_on)
        .layer(middleware::from_fn_with_state(
            Arc::clone(&instance),
            only_the_proxy,
        ))
        .route("/health", get(health))
        .with_state(instance)
}

async fn health(State(instance): State<Arc<Instance>>) -> Response {
    let report = instance.health();
    let status = match report.status {
        InstanceStatus::Ok => StatusCode::OK,
        InstanceStatus::Starting | InstanceStatus::Degraded | InstanceStatus::Failed => {
            StatusCode::SERVICE_UNAVAILABLE
        }
    };
    (status, Json(report)).into_response()
}

async fn sync(State(instance): State<Arc<Instance>>, body: Bytes) -> Response {
    let asked: SyncIn = if body.is_empty() {
        SyncIn {
            full: true,
            ..SyncIn::default()
        }
    } else {
        match serde_json::from_slice(&body) {
            Ok(asked) => asked,
            Err(_) => {
                return refusal(
                    StatusCode::BAD_REQUEST,
                    "invalid_request",
                    "The body is no list of changes.",
                );
            }
        }
    };
    let accepted = asked.changes.len();
    let paths: BTreeSet<String> = asked
        .changes
        .into_iter()
        .map(|change| change.path)
        .collect();
    let what = if asked.full || paths.len() > MOST_HINTS {
        Refresh::Everything
    } else {
        Refresh::Paths(paths)
    };
    if let Some(files) = instance.files.clone()
        && what != Refresh::Paths(BTreeSet::new())
    {
        tokio::spawn(async move { files.refresh(what).await });
    }
    (StatusCode::ACCEPTED, Json(SyncOut { accepted })).into_response()
}

async fn pass_on(State(instance): State<Arc<Instance>>, request: Request) -> Response {
    match &instance.upstream {
        None => refusal(
            StatusCode::NOT_FOUND,
            "not_found",
            "This instance has no Basic Memory.",
        ),
        Some(upstream) => forward::forward(&upstream.caller, &upstream.data, request).await,
    }
}

async fn only_the_proxy(
    State(instance): State<Arc<Instance>>,
    request: Request,
    next: Next,
) -> Response {
    match admit(&instance, request).await {
        Ok(request) => next.run(request).await,
        Err(reason) => {
            tracing::warn!(%reason, "a request was refused");
            refusal(
                StatusCode::FORBIDDEN,
                "forbidden",
                "This instance answers its own server only.",
            )
        }
    }
}

async fn admit(instance: &Instance, request: Request) -> Result<Request, SignatureRefusal> {
    let (parts, body) = request.into_parts();
    let path_and_query = parts.uri.path_and_query().map_or("/", |text| text.as_str());
    let signed = SignedRequest::read(parts.method.as_str(), path_and_query, &parts.headers)?;
    let body = if signed.signs_body() {
        let whole = body::to_bytes(body, MAX_SIGNED_BODY_BYTES)
            .await
            .map_err(|_| SignatureRefusal::WrongBody)?;
        instance.verify(&signed, Body::Whole(&whole))?;
        whole.into()
    } else {
        instance.verify(&signed, Body::Streaming)?;
        body
    };
    Ok(Request::from_parts(parts, body))
}

impl Instance {
    fn verify(&self, signed: &SignedRequest<'_>, body: Body<'_>) -> Result<(), SignatureRefusal> {
        let mut nonces = self.nonces.lock().unwrap_or_else(PoisonError::into_inner);
        verify(
            signed,
            body,
            Rules {
                tenant: &self.tenant,
                keys: &self.keys,
                window: self.window,
            },
            (self.now)(),
            &mut nonces,
        )
    }

    fn health(&self) -> InstanceHealth {
        let told = self.files.as_ref().map(|files| files.told());
        let files = match (&self.files, &told) {
            (Some(files), Some(told)) => health::files(files.name(), told),
            (Some(_) | None, _) => FilesHealth {
                driver: "none".to_owned(),
                state: InstanceStatus::Ok,
                message: None,
            },
        };
        let (upstream, index) = match &self.upstream {
            Some(seen) => {
                let index = *seen.index.borrow();
                (
                    health::upstream(&seen.state.borrow(), index, seen.version.clone()),
                    index,
                )
            }
            None => (
                UpstreamHealth {
                    state: InstanceStatus::Ok,
                    version: None,
                    message: None,
                },
                IndexTold::default(),
            ),
        };
        let now = OffsetDateTime::from_unix_timestamp((self.now)()).ok();
        let timestamp = now.and_then(|now| now.format(&Rfc3339).ok());
        InstanceHealth {
            status: health::status(&files, &upstream),
            tenant_id: self.tenant.clone(),
            generation: self
                .upstream
                .as_ref()
                .map_or_else(String::new, |seen| seen.generation.to_owned()),
            lag: health::lag(told.as_ref(), index, Instant::now()),
            files,
            upstream,
            timestamp: timestamp.unwrap_or_default(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

pub(crate) fn refusal(status: StatusCode, code: &str, message: &str) -> Response {
    let body = ApiErrorBody {
        error: code.to_owned(),
        message: message.to_owned(),
        detail: Some(message.to_owned()),
        subscribe_url: None,
    };
    (status, Json(body)).into_response()
}
