use std::sync::{Arc, Mutex, PoisonError};

use axum::body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use wire::ApiErrorBody;

use crate::nonces::Nonces;
use crate::signature::{Body, KeyRing, SignatureRefusal, SignedRequest, verify};

/// A body whose digest is signed is held in memory, up to this many bytes.
const MAX_SIGNED_BODY_BYTES: usize = 16 * 1024 * 1024;

/// Tells the time in Unix seconds.
pub type UnixSeconds = Arc<dyn Fn() -> i64 + Send + Sync>;

/// What an instance knows: whose it is, whom it believes, and what it has seen.
pub struct Instance {
    pub tenant: String,
    pub keys: KeyRing,
    pub now: UnixSeconds,
    pub nonces: Mutex<Nonces>,
}

/// Makes the instance's routes: `/health` for anybody, all else for the proxy.
pub fn router(instance: Instance) -> Router {
    let instance = Arc::new(instance);
    Router::new()
        .fallback(nothing_here)
        .layer(middleware::from_fn_with_state(instance, only_the_proxy))
        .route("/health", get(health))
}

async fn health() -> Json<serde_json::Value> {
    Json(serde_json::json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") }))
}

async fn nothing_here() -> Response {
    refusal(StatusCode::NOT_FOUND, "not_found", "There is nothing here.")
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
            &self.tenant,
            &self.keys,
            (self.now)(),
            &mut nonces,
        )
    }
}

fn refusal(status: StatusCode, code: &str, message: &str) -> Response {
    let body = ApiErrorBody {
        error: code.to_owned(),
        message: message.to_owned(),
        detail: Some(message.to_owned()),
        subscribe_url: None,
    };
    (status, Json(body)).into_response()
}
