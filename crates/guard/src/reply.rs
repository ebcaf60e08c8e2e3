use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};

use crate::encoding::quoted;
use crate::listing;
use crate::session::RefusedReason;

pub(crate) type ReplyBody = UnsyncBoxBody<Bytes, std::io::Error>;
pub(crate) type Reply = Response<ReplyBody>;

pub(crate) fn whole(bytes: impl Into<Bytes>) -> ReplyBody {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

pub(crate) fn empty(status: StatusCode) -> Reply {
    let mut reply = Response::new(whole(Bytes::new()));
    *reply.status_mut() = status;
    reply
}

pub(crate) fn xml(text: String) -> Reply {
    with_xml(StatusCode::OK, text)
}

fn with_xml(status: StatusCode, text: String) -> Reply {
    let mut reply = Response::new(whole(text));
    *reply.status_mut() = status;
    let kind = HeaderValue::from_static("application/xml");
    reply.headers_mut().insert(header::CONTENT_TYPE, kind);
    reply
}

pub(crate) fn error(status: StatusCode, code: &str, message: &str, key: &str) -> Reply {
    with_xml(status, listing::error(code, message, key))
}

/// The status, code and message by which clients are told of a refusal.
pub(crate) fn refusal(reason: &RefusedReason) -> (StatusCode, &'static str, String) {
    match reason {
        RefusedReason::LostRace => (
            StatusCode::PRECONDITION_FAILED,
            "PreconditionFailed",
            "The object changed in the cloud since it was listed.".to_owned(),
        ),
        RefusedReason::ReadOnly => (
            StatusCode::FORBIDDEN,
            "AccessDenied",
            "The cloud is read-only at the moment.".to_owned(),
        ),
        RefusedReason::NotVisible => (
            StatusCode::FORBIDDEN,
            "AccessDenied",
            "The object is not part of this session.".to_owned(),
        ),
        RefusedReason::Unsupported => (
            StatusCode::NOT_IMPLEMENTED,
            "NotImplemented",
            "The guard does not do this.".to_owned(),
        ),
        RefusedReason::Unreachable => (
            StatusCode::SERVICE_UNAVAILABLE,
            "ServiceUnavailable",
            "The cloud does not answer.".to_owned(),
        ),
        RefusedReason::ClockSkew => (
            StatusCode::FORBIDDEN,
            "RequestTimeTooSkewed",
            "This computer's clock differs too much from the cloud's.".to_owned(),
        ),
        RefusedReason::Upstream { code, message } => (
            StatusCode::FORBIDDEN,
            "AccessDenied",
            format!("The cloud refused the request ({code}): {message}"),
        ),
    }
}

pub(crate) fn refused(reason: &RefusedReason, key: &str) -> Reply {
    let (status, code, message) = refusal(reason);
    error(status, code, &message, key)
}

pub(crate) fn tagged(etag: &str) -> Reply {
    let mut reply = empty(StatusCode::OK);
    add_tag(reply.headers_mut(), etag);
    reply
}

pub(crate) fn add_tag(headers: &mut HeaderMap, etag: &str) {
    if let Ok(value) = HeaderValue::from_str(&quoted(etag)) {
        headers.insert(header::ETAG, value);
    }
}
