//! The change stream: reporting changes, and following those of the tenant.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures::stream;
use serde::Deserialize;
use wire::{ChangesIn, ChangesOut};

use crate::app::App;
use crate::error::ApiError;
use crate::events::{Live, Reader, Start, TooManyStreams, is_device, reported};
use crate::extract::{JsonBody, QueryValues};
use crate::principal::ActiveMember;
use crate::routes::Routes;

/// The number of the last event that a reader got; browsers send it by themselves.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Tells nginx not to hold the stream back.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
/// What a reader waits when as many streams are open as there may be.
const RETRY_AFTER_S: u64 = 60;

#[derive(Debug, Deserialize)]
struct StreamQuery {
    /// Like `Last-Event-ID`, which wins over it.
    after: Option<i64>,
    /// Ends the stream that this device had before.
    device: Option<String>,
}

/// Records changes that the caller made in the bucket, and numbers them.
async fn report(
    member: ActiveMember,
    State(app): State<App>,
    JsonBody(report): JsonBody<ChangesIn>,
) -> Result<Json<ChangesOut>, ApiError> {
    let tenant = member.tenant()?;
    let changes = reported(report, app.now()).map_err(ApiError::InvalidRequest)?;
    let seq = app.events.append(tenant.id(), &changes).await?;
    let seq = seq.ok_or(ApiError::NoTenant)?;
    Ok(Json(ChangesOut { seq }))
}

/// Answers with a stream of what happens in the caller's bucket, which ends when access does.
async fn follow(
    member: ActiveMember,
    State(app): State<App>,
    headers: HeaderMap,
    QueryValues(query): QueryValues<StreamQuery>,
) -> Result<Response, ApiError> {
    let tenant = member.tenant()?;
    let start = start(headers.get(LAST_EVENT_ID), query.after)?;
    if query.device.as_deref().is_some_and(|name| !is_device(name)) {
        return Err(ApiError::InvalidRequest("device is not one.".to_owned()));
    }
    let reader = Reader {
        subject: member.subject().to_owned(),
        tenant_id: tenant.id().to_owned(),
        device: query.device,
    };
    let place = app
        .events
        .enter(reader)
        .map_err(|TooManyStreams| ApiError::RateLimited {
            retry_after_s: RETRY_AFTER_S,
        })?;
    let live = Box::new(Live::new(app, member, tenant, place, start));
    let frames = stream::unfold(live, async |mut live| {
        let text = live.next().await?;
        Some((Ok::<_, std::convert::Infallible>(text), live))
    });
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/event-stream"),
        ),
        (X_ACCEL_BUFFERING, HeaderValue::from_static("no")),
    ];
    Ok((headers, Body::from_stream(frames)).into_response())
}

fn start(last: Option<&HeaderValue>, after: Option<i64>) -> Result<Start, ApiError> {
    match (last, after) {
        (Some(id), _) => {
            let number = id.to_str().ok().and_then(|id| id.parse().ok());
            Ok(match number {
                Some(seq) if seq >= 0 => Start::After(seq),
                Some(_) | None => Start::Unknown,
            })
        }
        (None, Some(seq)) if seq < 0 => {
            Err(ApiError::InvalidRequest("after is negative.".to_owned()))
        }
        (None, Some(seq)) => Ok(Start::After(seq)),
        (None, None) => Ok(Start::Now),
    }
}

pub(super) fn routes() -> Routes {
    Routes::default()
        .post("/tenant/changes", report)
        .get("/tenant/events", follow)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reader_says_where_to_begin() {
        let begin = |last: Option<&str>, after| {
            let last = last.map(|id| HeaderValue::from_str(id).unwrap());
            start(last.as_ref(), after).map_err(|error| error.code())
        };
        assert_eq!(begin(None, None), Ok(Start::Now));
        assert_eq!(begin(None, Some(7)), Ok(Start::After(7)));
        assert_eq!(begin(Some("9"), Some(7)), Ok(Start::After(9)));
        assert_eq!(begin(Some("abc"), Some(7)), Ok(Start::Unknown));
        assert_eq!(begin(Some("-1"), None), Ok(Start::Unknown));
        assert_eq!(begin(None, Some(-1)), Err("invalid_request"));
    }
}
