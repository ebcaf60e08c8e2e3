//! What probes are told.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::app::App;
use crate::error::chain;
use crate::principal::Public;
use crate::routes::Routes;

/// The process serves.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Liveness {
    /// Always `ok`.
    status: &'static str,
}

/// Whether requests should come here, and if not, what is missing.
#[derive(Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct Readiness {
    status: ReadinessStatus,
    database: CheckOutcome,
    /// The keys that tokens are verified with.
    keys: CheckOutcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ReadinessStatus {
    Ready,
    NotReady,
    Draining,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CheckOutcome {
    Ok,
    Failed,
}

impl CheckOutcome {
    fn of<T, E>(result: &Result<T, E>) -> Self {
        match result {
            Ok(_) => Self::Ok,
            Err(_) => Self::Failed,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Serving,
    Draining,
}

/// Decides what a probe is told.
fn judge(phase: Phase, database: CheckOutcome, keys: CheckOutcome) -> Readiness {
    let status = match (phase, database, keys) {
        (Phase::Draining, _, _) => ReadinessStatus::Draining,
        (Phase::Serving, CheckOutcome::Ok, CheckOutcome::Ok) => ReadinessStatus::Ready,
        (Phase::Serving, _, _) => ReadinessStatus::NotReady,
    };
    Readiness {
        status,
        database,
        keys,
    }
}

/// Says that the process serves.
async fn liveness(_: Public) -> Json<Liveness> {
    Json(Liveness { status: "ok" })
}

/// Says whether requests should come here.
async fn readiness(_: Public, State(app): State<App>) -> Response {
    let checked = app.store.check().await;
    if let Err(error) = &checked {
        tracing::warn!(error = %chain(error), "not ready: the database does not answer");
    }
    let phase = if app.life.is_draining() {
        Phase::Draining
    } else {
        Phase::Serving
    };
    let keys = if app.verifier.has_all_keys() {
        CheckOutcome::Ok
    } else {
        CheckOutcome::Failed
    };
    let readiness = judge(phase, CheckOutcome::of(&checked), keys);
    let status = match readiness.status {
        ReadinessStatus::Ready => StatusCode::OK,
        ReadinessStatus::NotReady | ReadinessStatus::Draining => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, Json(readiness)).into_response()
}

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/healthz", liveness)
        .get("/readyz", readiness)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_means_that_nothing_is_missing_and_nothing_ends() {
        use CheckOutcome::{Failed, Ok};
        let status = |phase, database, keys| judge(phase, database, keys).status;
        assert_eq!(status(Phase::Serving, Ok, Ok), ReadinessStatus::Ready);
        assert_eq!(
            status(Phase::Serving, Failed, Ok),
            ReadinessStatus::NotReady
        );
        assert_eq!(
            status(Phase::Serving, Ok, Failed),
            ReadinessStatus::NotReady
        );
        assert_eq!(status(Phase::Draining, Ok, Ok), ReadinessStatus::Draining);
        assert_eq!(
            status(Phase::Draining, Failed, Ok),
            ReadinessStatus::Draining
        );
    }
}
