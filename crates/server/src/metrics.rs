//! What is counted, and the page it is read from.
//!
//! Labels are taken from closed sets only (route templates, methods, statuses, codes), so that
//! no caller can make the page grow.

use std::time::Duration;

use axum::extract::MatchedPath;
use axum::http::{Method, header};
use axum::response::IntoResponse;
use axum::{Router, routing};
use metrics::{counter, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::accept::{self, Bounds};
use crate::error::{RefusalCode, chain};
use crate::store::Store;
use crate::store::upkeep::Backlog;

const REQUESTS: &str = "bm_http_requests_total";
const DURATION: &str = "bm_http_request_duration_seconds";
const REFUSALS: &str = "bm_http_refusals_total";
const CONNECTIONS: &str = "bm_database_connections";
const REACHABLE: &str = "bm_database_reachable";
const BACKLOG: &str = "bm_backlog";
const BACKLOG_STATES: [(&str, &str); 5] = [
    ("workflow", "queued"),
    ("workflow", "running"),
    ("workflow", "failed"),
    ("key_removal", "pending"),
    ("key_removal", "failed"),
];
const WATCH_EVERY: Duration = Duration::from_secs(15);
const SECONDS: [f64; 12] = [
    0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// Counts one answered request.
pub(crate) fn count_request(
    method: &Method,
    route: Option<&MatchedPath>,
    status: u16,
    took: Duration,
    refusal: Option<RefusalCode>,
) {
    let route = route.map_or_else(|| "none".to_owned(), |path| path.as_str().to_owned());
    counter!(REQUESTS, "method" => method_label(method), "route" => route.clone(), "status" => status_label(status))
        .increment(1);
    histogram!(DURATION, "route" => route).record(took.as_secs_f64());
    if let Some(RefusalCode(code)) = refusal {
        counter!(REFUSALS, "code" => code).increment(1);
    }
}

fn method_label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        "QUERY" => "QUERY",
        _ => "other",
    }
}

fn status_label(status: u16) -> String {
    match status {
        100..=599 => status.to_string(),
        _ => "other".to_owned(),
    }
}

/// Why metrics cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    #[error("the metrics could not be set up")]
    Setup(#[from] BuildError),
    #[error("metrics are kept already in this process")]
    Twice,
}

/// What was counted so far; one per process.
#[derive(Clone)]
pub(crate) struct Metrics(PrometheusHandle);

impl Metrics {
    /// Starts counting in this process.
    pub(crate) fn install() -> Result<Self, MetricsError> {
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
            .build_recorder();
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder).map_err(|_| MetricsError::Twice)?;
        describe();
        Ok(Self(handle))
    }

    /// Answers `GET /metrics` on a listener of its own until `cancel`.
    pub(crate) async fn serve(self, listener: TcpListener, cancel: CancellationToken) {
        let page = self.clone();
        let router = Router::new().route(
            "/metrics",
            routing::get(async move || {
                let kind = "text/plain; version=0.0.4; charset=utf-8";
                ([(header::CONTENT_TYPE, kind)], page.0.render()).into_response()
            }),
        );
        let upkeep = async {
            loop {
                tokio::select! {
                    () = cancel.cancelled() => return,
                    () = tokio::time::sleep(UPKEEP_EVERY) => self.0.run_upkeep(),
                }
            }
        };
        let bounds = Bounds {
            max_connections: 16,
            drain_deadline: Duration::from_secs(1),
            ..Bounds::default()
        };
        let answering = accept::serve(listener, router, bounds, None, cancel.clone());
        tokio::join!(answering, upkeep);
    }
}

/// Keeps the gauges of what is not a request, until `cancel`.
pub(crate) async fn watch(store: &dyn Store, cancel: CancellationToken) {
    loop {
        let connections = store.connections();
        gauge!(CONNECTIONS, "state" => "open").set(as_gauge(connections.open));
        gauge!(CONNECTIONS, "state" => "idle").set(as_gauge(connections.idle));
        let reachable = store.check().await;
        if let Err(error) = &reachable {
            tracing::warn!(error = %chain(error), "the database does not answer");
        }
        gauge!(REACHABLE).set(f64::from(u8::from(reachable.is_ok())));
        match store.backlog().await {
            Ok(found) => show_backlog(&found),
            Err(error) => tracing::warn!(error = %chain(&error), "the backlog was not counted"),
        }
        tokio::select! {
            () = cancel.cancelled() => return,
            () = tokio::time::sleep(WATCH_EVERY) => {}
        }
    }
}

/// Shows every known state, so that one without work goes back to zero.
fn show_backlog(found: &[Backlog]) {
    for (work, state) in BACKLOG_STATES {
        let counted = found
            .iter()
            .find(|backlog| backlog.work == work && backlog.state == state);
        let number = counted.map_or(0, |backlog| backlog.number);
        let number = usize::try_from(number).unwrap_or(0);
        gauge!(BACKLOG, "work" => work, "state" => state).set(as_gauge(number));
    }
}

fn as_gauge(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

fn describe() {
    use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
    describe_counter!(
        REQUESTS,
        "Requests answered, by method, route template and status"
    );
    describe_histogram!(DURATION, Unit::Seconds, "Time to the head of the answer");
    describe_counter!(REFUSALS, "Requests refused, by the code of the refusal");
    describe_counter!("bm_tenant_events_total", "Changes that became events");
    describe_counter!(
        "bm_versions_removed_total",
        "Old versions removed from tenants' buckets"
    );
    describe_counter!(
        "bm_versions_removed_bytes_total",
        Unit::Bytes,
        "What those versions held"
    );
    describe_counter!(
        "bm_version_sweeps_total",
        "Sweeps of buckets for old versions, by how they ended"
    );
    describe_gauge!("bm_connections", "Connections open on the listeners");
    describe_gauge!(
        BACKLOG,
        "Work that is not done, and that which failed for good"
    );
    describe_gauge!("bm_event_streams", "Open streams of the change stream");
    describe_gauge!(CONNECTIONS, "Connections to the database");
    describe_gauge!(
        REACHABLE,
        "1 while the database answers and has this version's shape"
    );
}
