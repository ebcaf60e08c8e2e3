//! Notes by `WebDAV`: listed, fetched, written and removed one by one.

use std::sync::{Arc, OnceLock};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::{StreamExt, stream};
use http_body::Body as _;
use wire::ChangeKind;

use crate::app::App;
use crate::buckets::{Bytestream, Condition, Incoming, MTIME, ObjectError, Wanted, body_of};
use crate::error::{ApiError, chain};
use crate::events::{NewEvent, Teller};
use crate::principal::{ActiveMember, TenantScope};
use crate::routes::Routes;
use crate::webdav::{Depth, Multistatus, Place, PlaceFault, http_date, parse_depth};

/// When the note was last edited, Unix seconds; ownCloud's convention, which `bm` follows.
const OC_MTIME: HeaderName = HeaderName::from_static("x-oc-mtime");
const ALLOW: HeaderValue = HeaderValue::from_static("OPTIONS, PROPFIND, GET, HEAD, PUT, DELETE");
/// What a reader may ask of the store.
const CONDITIONS: [HeaderName; 5] = [
    header::RANGE,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
];
/// What of the store's answer a reader gets.
const TOLD: [HeaderName; 6] = [
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
    header::ACCEPT_RANGES,
    header::ETAG,
    header::LAST_MODIFIED,
];

/// Methods beside those that HTTP itself names.
fn propfind() -> Method {
    Method::from_bytes(b"PROPFIND").expect("it is a token")
}

async fn answer(
    member: ActiveMember,
    State(app): State<App>,
    request: Request,
) -> Result<Response, ApiError> {
    let tenant = member.tenant()?;
    let (head, body) = request.into_parts();
    let answered = match head.method.as_str() {
        "OPTIONS" => Ok((StatusCode::NO_CONTENT, [(header::ALLOW, ALLOW)]).into_response()),
        "PROPFIND" => list(&app, &tenant, &head).await,
        "GET" => fetch(&app, &tenant, &head).await,
        "HEAD" => look(&app, &tenant, &head).await,
        "PUT" => write(&app, &tenant, &head, body).await,
        "DELETE" => remove(&app, &tenant, &head).await,
        _ => Err(ApiError::MethodNotAllowed),
    };
    if let Err(error) = &answered {
        app.denials
            .note(&*app.store, &member.origin(&app), error)
            .await;
    }
    answered
}

fn place(head: &Parts) -> Result<Place, ApiError> {
    Place::parse(head.uri.path()).map_err(|fault| match fault {
        PlaceFault::Path(_) | PlaceFault::TooLong => ApiError::InvalidRequest(fault.to_string()),
        PlaceFault::NoProject => ApiError::NotFound,
    })
}

/// The place of a note; projects themselves are none.
fn note_key(head: &Parts) -> Result<String, ApiError> {
    let place = place(head)?;
    if place.path.is_empty() {
        return Err(ApiError::NotFound);
    }
    Ok(place.key())
}

/// Streams the listing as the store gives it, so that its size is bounded by nothing here; of a
/// note, the one entry that the listing of its folder has.
async fn list(app: &App, tenant: &TenantScope, head: &Parts) -> Result<Response, ApiError> {
    let place = place(head)?;
    let depth = head.headers.get("depth").map(HeaderValue::as_bytes);
    let depth = parse_depth(depth)
        .ok_or_else(|| ApiError::InvalidRequest("Depth is 0, 1 or infinity.".to_owned()))?;
    let prefix = place.prefix();
    let first = app.objects.list(tenant.bucket(), &prefix, None).await?;
    let is_folder = place.path.is_empty() || !first.held.is_empty();
    let mut answer = Multistatus::new(place, depth);
    if !is_folder {
        let key = note_key(head)?;
        let like_it = app.objects.list(tenant.bucket(), &key, None).await?;
        let note = like_it.held.iter().find(|held| held.key == key);
        let is_meant = !head.uri.path().ends_with('/');
        let note = note.filter(|_| is_meant).ok_or(ApiError::NotFound)?;
        return Ok(multistatus(Body::from(answer.alone(note))));
    }
    let mut begun = answer.head();
    begun.push_str(&answer.part(&first.held));
    let next = match depth {
        Depth::Zero => None,
        Depth::One | Depth::Infinity => first.next,
    };
    let (app, bucket) = (app.clone(), tenant.bucket().to_owned());
    let rest = stream::unfold(next, move |from| {
        let (app, bucket, prefix) = (app.clone(), bucket.clone(), prefix.clone());
        async move {
            let page = app.objects.list(&bucket, &prefix, Some(&from?)).await;
            match page {
                Ok(page) => Some((Ok(page.held), page.next)),
                Err(error) => Some((Err(std::io::Error::other(error)), None)),
            }
        }
    });
    let rest = rest.map(move |page| page.map(|held| answer.part(&held)));
    let whole = stream::once(async move { Ok(begun) })
        .chain(rest)
        .chain(stream::once(async { Ok(Multistatus::tail().to_owned()) }));
    Ok(multistatus(Body::from_stream(whole)))
}

fn multistatus(body: Body) -> Response {
    let kind = HeaderValue::from_static("application/xml; charset=utf-8");
    (
        StatusCode::MULTI_STATUS,
        [(header::CONTENT_TYPE, kind)],
        body,
    )
        .into_response()
}

async fn fetch(app: &App, tenant: &TenantScope, head: &Parts) -> Result<Response, ApiError> {
    let key = note_key(head)?;
    let wanted = Wanted {
        bucket: tenant.bucket(),
        key: &key,
        version: None,
    };
    let answer = app
        .objects
        .open(wanted, only(&head.headers, &CONDITIONS))
        .await?;
    let (status, headers) = (answer.status(), told(answer.headers()));
    let body = match status {
        StatusCode::RANGE_NOT_SATISFIABLE => return Err(ApiError::RangeOutside),
        StatusCode::NOT_MODIFIED => Body::empty(),
        _ => Body::from_stream(body_of(answer)),
    };
    Ok((status, headers, body).into_response())
}

async fn look(app: &App, tenant: &TenantScope, head: &Parts) -> Result<Response, ApiError> {
    let found = app.objects.head(tenant.bucket(), &note_key(head)?).await?;
    Ok((StatusCode::OK, told(&found)).into_response())
}

/// Clients make the time they are told that of the note, so it is the last edit's, if known.
fn told(found: &HeaderMap) -> HeaderMap {
    let mut headers = only(found, &TOLD);
    let edited = found
        .get(MTIME)
        .and_then(|value| value.to_str().ok()?.split('.').next()?.parse::<i64>().ok())
        .and_then(|seconds| http_date(seconds.checked_mul(1000)?))
        .and_then(|date| HeaderValue::try_from(date).ok());
    if let Some(date) = edited {
        headers.insert(header::LAST_MODIFIED, date);
    }
    headers
}

fn only(from: &HeaderMap, names: &[HeaderName]) -> HeaderMap {
    let found = |name: &HeaderName| Some((name.clone(), from.get(name)?.clone()));
    names.iter().filter_map(found).collect()
}

async fn write(
    app: &App,
    tenant: &TenantScope,
    head: &Parts,
    body: Body,
) -> Result<Response, ApiError> {
    let key = note_key(head)?;
    if head.uri.path().ends_with('/') {
        return Err(ApiError::InvalidRequest(
            "A note's address has no slash at its end.".to_owned(),
        ));
    }
    let length = body.size_hint().exact().ok_or_else(|| {
        ApiError::InvalidRequest("The length of the note has to be told.".to_owned())
    })?;
    let bounds = app.proxy.settings();
    if length > bounds.max_request_bytes {
        return Err(ApiError::TooLarge);
    }
    let condition = condition(&head.headers)?;
    let created = condition == Condition::Absent;
    let fault = Arc::new(OnceLock::new());
    let incoming = Incoming {
        body: watched(body, bounds.request_idle, Arc::clone(&fault)),
        length,
        content_type: head.headers.get(header::CONTENT_TYPE).cloned(),
        edited_at_s: edited_at(&head.headers)?,
        condition,
    };
    let written = app.objects.put(tenant.bucket(), &key, incoming).await;
    let etag = match (written, fault.get()) {
        (Ok(etag), _) => etag,
        (Err(_), Some(Fault::Stalled)) => return Err(ApiError::TooSlow),
        (Err(_), Some(Fault::Interrupted)) => {
            let what = "The note did not arrive whole.";
            return Err(ApiError::InvalidRequest(what.to_owned()));
        }
        (Err(error), None) => return Err(error.into()),
    };
    let told = etag.as_ref().and_then(|etag| etag.to_str().ok());
    announce(app, tenant, ChangeKind::Put, key, told, Some(length)).await;
    let mut headers = HeaderMap::new();
    if let Some(etag) = etag {
        headers.insert(header::ETAG, etag);
    }
    if head.headers.contains_key(OC_MTIME) {
        headers.insert(OC_MTIME, HeaderValue::from_static("accepted"));
    }
    let status = if created {
        StatusCode::CREATED
    } else {
        StatusCode::NO_CONTENT
    };
    Ok((status, headers).into_response())
}

/// What the writer asks of what is there.
fn condition(headers: &HeaderMap) -> Result<Condition, ApiError> {
    let refused = |what: &str| Err(ApiError::InvalidRequest(what.to_owned()));
    match (
        headers.get(header::IF_NONE_MATCH),
        headers.get(header::IF_MATCH),
    ) {
        (None, None) => Ok(Condition::None),
        (Some(any), None) if any == "*" => Ok(Condition::Absent),
        (Some(_), None) => refused("If-None-Match of a write is an asterisk."),
        (None, Some(etag)) => Ok(Condition::Is(etag.clone())),
        (Some(_), Some(_)) => refused("If-Match and If-None-Match exclude each other."),
    }
}

fn edited_at(headers: &HeaderMap) -> Result<Option<i64>, ApiError> {
    let Some(value) = headers.get(OC_MTIME) else {
        return Ok(None);
    };
    let whole = value.to_str().ok().and_then(|text| text.split('.').next());
    let seconds = whole.and_then(|text| text.parse().ok());
    seconds
        .map(Some)
        .ok_or_else(|| ApiError::InvalidRequest("X-OC-Mtime is a number of seconds.".to_owned()))
}

/// What went wrong with a body before the store had all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Interrupted,
    Stalled,
}

/// Gives a body on, and gives it up when nothing of it arrives for too long.
fn watched(body: Body, idle: std::time::Duration, fault: Arc<OnceLock<Fault>>) -> Bytestream {
    let give_up = move |what: Fault, fault: &OnceLock<Fault>| {
        // Only the first one counts.
        let _ = fault.set(what);
        Some((Err(std::io::ErrorKind::UnexpectedEof.into()), None))
    };
    let pieces = stream::unfold(Some(body.into_data_stream()), move |from| {
        let fault = Arc::clone(&fault);
        async move {
            let mut from = from?;
            match tokio::time::timeout(idle, from.next()).await {
                Ok(Some(Ok(piece))) => Some((Ok(piece), Some(from))),
                Ok(Some(Err(_))) => give_up(Fault::Interrupted, &fault),
                Ok(None) => None,
                Err(_) => give_up(Fault::Stalled, &fault),
            }
        }
    });
    Box::pin(pieces)
}

/// Removes one note; what it was stays among the versions, where the store has them.
async fn remove(app: &App, tenant: &TenantScope, head: &Parts) -> Result<Response, ApiError> {
    let key = note_key(head)?;
    let found = app.objects.head(tenant.bucket(), &key).await?;
    let condition = match condition(&head.headers)? {
        Condition::None => Condition::None,
        Condition::Is(any) if any == "*" => Condition::None,
        // A store that knows no conditions on deletes is not the only one to look.
        Condition::Is(etag) if found.get(header::ETAG) == Some(&etag) => Condition::Is(etag),
        Condition::Is(_) | Condition::Absent => return Err(ApiError::PreconditionFailed),
    };
    let deleted = app.objects.delete(tenant.bucket(), &key, condition);
    deleted.await?;
    announce(app, tenant, ChangeKind::Delete, key, None, None).await;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Tells the tenant's stream of a change. The bucket has it already, so a failure is no refusal:
/// events are hints.
async fn announce(
    app: &App,
    tenant: &TenantScope,
    kind: ChangeKind,
    path: String,
    etag: Option<&str>,
    size: Option<u64>,
) {
    let now = app.now();
    let event = NewEvent {
        kind,
        path,
        from: None,
        etag: etag.map(|etag| etag.trim_matches('"').to_owned()),
        size: size.and_then(|size| i64::try_from(size).ok()),
        at: now,
        teller: Teller::Device {
            name: None,
            told_at: Some(now),
        },
    };
    if let Err(error) = app.events.append(tenant.id(), &[event]).await {
        tracing::error!(error = %chain(&error), "a change was not announced");
    }
}

impl From<ObjectError> for ApiError {
    fn from(error: ObjectError) -> Self {
        match error {
            ObjectError::Missing => Self::NotFound,
            ObjectError::PreconditionFailed => Self::PreconditionFailed,
            ObjectError::Bucket(error) => Self::Storage(error),
        }
    }
}

pub(super) fn routes() -> Routes {
    let mut routes = Routes::default();
    for path in [
        "/webdav/{project}",
        "/webdav/{project}/",
        "/webdav/{project}/{*path}",
        "/proxy/webdav/{project}",
        "/proxy/webdav/{project}/",
        "/proxy/webdav/{project}/{*path}",
    ] {
        let methods = [
            Method::OPTIONS,
            Method::GET,
            Method::PUT,
            Method::DELETE,
            propfind(),
        ];
        routes = routes.taking(methods, path, answer);
    }
    routes
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&str, &str)| {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            (name, HeaderValue::from_str(value).unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn a_writer_asks_for_absence_or_for_one_version_or_for_nothing() {
        let asked = |pairs: &[(&str, &str)]| condition(&headers(pairs)).map_err(|e| e.code());
        assert_eq!(asked(&[]), Ok(Condition::None));
        assert_eq!(asked(&[("if-none-match", "*")]), Ok(Condition::Absent));
        let is = Condition::Is(HeaderValue::from_static("\"a\""));
        assert_eq!(asked(&[("if-match", "\"a\"")]), Ok(is));
        let refused = Err("invalid_request");
        assert_eq!(asked(&[("if-none-match", "\"a\"")]), refused);
        assert_eq!(asked(&[("if-none-match", "*"), ("if-match", "*")]), refused);
    }

    #[test]
    fn the_time_of_the_last_edit_goes_in_and_comes_out() {
        let time = |text: &str| edited_at(&headers(&[("x-oc-mtime", text)])).map_err(|e| e.code());
        assert_eq!(time("784111777"), Ok(Some(784_111_777)));
        assert_eq!(time("784111777.5"), Ok(Some(784_111_777)));
        assert_eq!(time("yesterday"), Err("invalid_request"));
        let known = headers(&[
            ("x-amz-meta-mtime", "784111777.123"),
            ("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT"),
            ("x-amz-version-id", "v"),
        ]);
        let told = told(&known);
        assert_eq!(told["last-modified"], "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(told.len(), 1);
    }

    #[tokio::test]
    async fn a_body_that_stops_arriving_is_given_up() {
        let silent = stream::pending::<Result<bytes::Bytes, Infallible>>();
        let fault = Arc::new(OnceLock::new());
        let idle = std::time::Duration::from_millis(10);
        let mut pieces = watched(Body::from_stream(silent), idle, Arc::clone(&fault));
        assert!(pieces.next().await.unwrap().is_err());
        assert!(pieces.next().await.is_none());
        assert_eq!(fault.get(), Some(&Fault::Stalled));
    }
}
