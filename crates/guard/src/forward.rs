//! Carries out what `decide` decided: one request to the bucket for one of the client, never a second try of a write.

mod live;
mod read;
mod upload;
mod write;

pub use write::Settlement;
pub(crate) use write::settled_by;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use sha2::{Digest, Sha256};

use crate::decide::{Action, Answer, Forward, decide};
use crate::error::BucketError;
use crate::listing;
use crate::reply::{self, Reply};
use crate::request::Operation;
use crate::session::{RefusedReason, SessionState};
use crate::sign::incoming::Payload;

pub(crate) use upload::abort;

const LARGEST_DOCUMENT: usize = 2 * 1024 * 1024;
/// Small bodies of refused requests are read to their end, so that the client reads the refusal and not a broken connection.
const LARGEST_DRAIN: u64 = 16 * 1024 * 1024;

/// A believed request of a client.
pub(crate) struct ClientRequest {
    pub(crate) headers: HeaderMap,
    pub(crate) length: Option<u64>,
    pub(crate) payload: Payload,
    pub(crate) body: Incoming,
}

/// Decides one request and carries it out.
pub(crate) async fn serve(
    session: &Arc<SessionState>,
    operation: &Operation,
    request: ClientRequest,
) -> Reply {
    let follows = session.inner().snapshot.live().is_some();
    if follows && let Err(error) = live::look_up(session, operation).await {
        drain(request).await;
        return failed(session, key_of(operation), &error);
    }
    let action = decide(&session.inner().snapshot, operation);
    match action {
        Action::Answer(answer) => {
            drain(request).await;
            local(session, &answer)
        }
        Action::Refuse { key, reason } => {
            drain(request).await;
            session.refuse(&key, reason.clone());
            reply::refused(&reason, &key)
        }
        Action::DeleteEach => delete_each(session, request).await,
        // A listing can still be answered.
        Action::Forward(forward @ Forward::List(_)) => send(session, forward, request).await,
        Action::Forward(forward) => match live::must_be_up(session) {
            Ok(()) => send(session, forward, request).await,
            Err(error) => {
                drain(request).await;
                failed(session, key_of(operation), &error)
            }
        },
    }
}

fn key_of(operation: &Operation) -> &str {
    match operation {
        Operation::Head { key }
        | Operation::Get { key }
        | Operation::Put { key, .. }
        | Operation::Copy { key, .. }
        | Operation::Delete { key }
        | Operation::StartUpload { key, .. }
        | Operation::UploadPart { key, .. }
        | Operation::CompleteUpload { key, .. }
        | Operation::AbortUpload { key, .. } => key,
        Operation::List(query) => &query.prefix,
        Operation::DescribeBucket | Operation::LocateBucket | Operation::DeleteMany => "",
    }
}

pub(crate) async fn drain(request: ClientRequest) {
    let is_small = request.length.is_some_and(|length| length <= LARGEST_DRAIN);
    if is_small && !request.headers.contains_key(header::EXPECT) {
        let mut body = request.body;
        while let Some(Ok(_)) = body.frame().await {}
    }
}

fn local(session: &SessionState, answer: &Answer) -> Reply {
    match answer {
        Answer::Bucket => reply::empty(StatusCode::OK),
        Answer::Location => reply::xml(listing::location()),
        Answer::List(query) => {
            let inner = session.inner();
            let page = listing::page(&inner.snapshot.entries, query);
            reply::xml(listing::list_result(session.bucket.name(), query, &page))
        }
        Answer::Described { key } => match session.inner().snapshot.entries.get(key) {
            Some(entry) => read::described(entry),
            None => no_such_key(key),
        },
        Answer::Missing { key } => no_such_key(key),
        Answer::MissingUpload { key } => reply::error(
            StatusCode::NOT_FOUND,
            "NoSuchUpload",
            "This session has no such upload.",
            key,
        ),
        Answer::AlreadyGone | Answer::OwnVersionStays => reply::empty(StatusCode::NO_CONTENT),
    }
}

fn no_such_key(key: &str) -> Reply {
    let message = "The object is not in this session's snapshot.";
    reply::error(StatusCode::NOT_FOUND, "NoSuchKey", message, key)
}

async fn send(session: &Arc<SessionState>, forward: Forward, request: ClientRequest) -> Reply {
    let outcome = match forward {
        Forward::List(query) => {
            let outcome = live::list(session, &query).await;
            outcome.map_err(|error| (query.prefix, error))
        }
        Forward::Head { key, stored, etag } => {
            let outcome = read::head(session, &key, (&stored, &etag)).await;
            outcome.map_err(|error| (key, error))
        }
        Forward::Get { key, stored, etag } => {
            let outcome = read::get(session, &key, (&stored, &etag), &request.headers).await;
            outcome.map_err(|error| (key, error))
        }
        Forward::Put(target) => {
            let outcome = write::put(session, &target, request).await;
            outcome.map_err(|error| (target.key, error))
        }
        Forward::Copy {
            target,
            source,
            source_etag,
            source_size,
        } => {
            let source = write::CopySource {
                key: source,
                etag: source_etag,
                size: source_size,
            };
            let outcome = write::copy(session, &target, &source, &request.headers).await;
            outcome.map_err(|error| (target.key, error))
        }
        Forward::Delete { key, stored, etag } => {
            let outcome = write::delete(session, &key, (&stored, &etag)).await;
            outcome
                .map(|()| reply::empty(StatusCode::NO_CONTENT))
                .map_err(|error| (key, error))
        }
        Forward::StartUpload { key, stored_as } => {
            let outcome = upload::start(session, &key, stored_as, &request.headers).await;
            outcome.map_err(|error| (key, error))
        }
        Forward::UploadPart {
            key,
            stored,
            upload,
            number,
        } => {
            let outcome = upload::part(session, &stored, (&upload, number), request).await;
            outcome.map_err(|error| (key, error))
        }
        Forward::Complete { target, upload } => {
            let outcome = upload::complete(session, &target, &upload, request).await;
            outcome.map_err(|error| (target.key, error))
        }
        Forward::AbortUpload { stored, upload } => {
            let outcome = upload::abort(session, &stored, &upload).await;
            outcome
                .map(|()| reply::empty(StatusCode::NO_CONTENT))
                .map_err(|error| (stored, error))
        }
    };
    outcome.unwrap_or_else(|(key, error)| failed(session, &key, &error))
}

async fn delete_each(session: &Arc<SessionState>, request: ClientRequest) -> Reply {
    let wanted = document(request)
        .await
        .and_then(|text| listing::parse_delete(&text));
    let Some(wanted) = wanted else {
        return malformed_document();
    };
    let mut results = Vec::new();
    for key in wanted.keys {
        let operation = Operation::Delete { key: key.clone() };
        let action = decide(&session.inner().snapshot, &operation);
        let failure = match action {
            Action::Forward(Forward::Delete { key, stored, etag }) => {
                match write::delete(session, &key, (&stored, &etag)).await {
                    Ok(()) => None,
                    Err(error) => {
                        let reason = reason_of(&error);
                        session.refuse(&key, reason.clone());
                        Some(reason)
                    }
                }
            }
            Action::Refuse { key, reason } => {
                session.refuse(&key, reason.clone());
                Some(reason)
            }
            Action::Answer(_) => None,
            Action::Forward(_) | Action::DeleteEach => Some(RefusedReason::Unsupported),
        };
        if failure.is_some() || !wanted.is_quiet {
            let failure = failure.map(|reason| {
                let (_, code, message) = reply::refusal(&reason);
                (code, message)
            });
            results.push((key, failure));
        }
    }
    reply::xml(listing::delete_result(&results))
}

fn malformed_document() -> Reply {
    let message = "The document in the request cannot be read.";
    reply::error(StatusCode::BAD_REQUEST, "MalformedXML", message, "")
}

/// Reads a small request body as text; `None` if it is not what was signed, too long, or no text.
async fn document(request: ClientRequest) -> Option<String> {
    let body = Limited::new(request.body, LARGEST_DOCUMENT);
    let bytes: Bytes = body.collect().await.ok()?.to_bytes();
    if let Payload::Sha256(expected) = request.payload {
        let actual: [u8; 32] = Sha256::digest(&bytes).into();
        if actual != expected {
            return None;
        }
    }
    String::from_utf8(bytes.to_vec()).ok()
}

/// Why the client does not get what it asked for.
fn reason_of(error: &BucketError) -> RefusedReason {
    match error {
        BucketError::PreconditionFailed { .. }
        | BucketError::Conflict { .. }
        | BucketError::NotFound { .. } => RefusedReason::LostRace,
        BucketError::Unreachable { .. } => RefusedReason::Unreachable,
        BucketError::Server { status, .. } if *status >= 500 => RefusedReason::Unreachable,
        BucketError::ClockSkew { .. } => RefusedReason::ClockSkew,
        BucketError::UnsendableKey { .. } => RefusedReason::Unsupported,
        BucketError::Refused { code, message } => RefusedReason::Upstream {
            code: code.clone(),
            message: message.clone(),
        },
        BucketError::Server { code, .. } => RefusedReason::Upstream {
            code: code.clone(),
            message: error.to_string(),
        },
        BucketError::Endpoint { .. }
        | BucketError::BucketMissing { .. }
        | BucketError::Malformed { .. }
        | BucketError::LocalBody { .. } => RefusedReason::Upstream {
            code: error.code().to_owned(),
            message: error.to_string(),
        },
    }
}

fn failed(session: &SessionState, key: &str, error: &BucketError) -> Reply {
    tracing::debug!(%error, "the bucket did not do what a client asked");
    let reason = reason_of(error);
    if matches!(error, BucketError::Unreachable { .. }) {
        session.went_down();
    }
    session.refuse(key, reason.clone());
    match error {
        BucketError::Server { status, code } => {
            let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::BAD_GATEWAY);
            reply::error(status, code, &error.to_string(), key)
        }
        BucketError::Malformed { .. } => {
            let status = StatusCode::BAD_GATEWAY;
            reply::error(status, "InternalError", &error.to_string(), key)
        }
        BucketError::Endpoint { .. }
        | BucketError::Unreachable { .. }
        | BucketError::Refused { .. }
        | BucketError::ClockSkew { .. }
        | BucketError::PreconditionFailed { .. }
        | BucketError::Conflict { .. }
        | BucketError::NotFound { .. }
        | BucketError::BucketMissing { .. }
        | BucketError::UnsendableKey { .. }
        | BucketError::LocalBody { .. } => reply::refused(&reason, key),
    }
}

/// Headers that belong to an object and are kept as the client wrote them.
fn descriptive(headers: &HeaderMap) -> HeaderMap {
    let kept = |name: &HeaderName| {
        let name = name.as_str();
        name.starts_with("x-amz-meta-")
            || matches!(
                name,
                "content-type"
                    | "content-encoding"
                    | "content-language"
                    | "content-disposition"
                    | "cache-control"
            )
    };
    headers
        .iter()
        .filter(|(name, _)| kept(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}
