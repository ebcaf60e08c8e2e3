use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use http::{HeaderMap, HeaderValue, Method, Response, header};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};

use super::descriptive;
use crate::bucket::RequestKind;
use crate::bucket::operations::{insert, tag_of};
use crate::bucket::transport::{Outgoing, fault, header_text, notes_of};
use crate::encoding::{self, quoted};
use crate::error::BucketError;
use crate::reply::{self, Reply};
use crate::session::{GuardEvent, SessionState};
use crate::snapshot::Entry;

/// The answer to HEAD from what the session knows.
pub(super) fn described(entry: &Entry) -> Reply {
    let mut reply = Response::new(reply::whole(""));
    let headers = reply.headers_mut();
    if let Some(known) = &entry.described {
        headers.extend(known.clone());
    }
    reply::add_tag(headers, &entry.etag);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(entry.size));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Ok(date) = HeaderValue::from_str(&encoding::http_date(entry.last_modified_ms)) {
        headers.insert(header::LAST_MODIFIED, date);
    }
    reply
}

pub(super) async fn head(
    session: &SessionState,
    key: &str,
    (stored, etag): (&str, &str),
) -> Result<Reply, BucketError> {
    let response = ask(session, Method::HEAD, (stored, etag), &HeaderMap::new()).await?;
    let known = descriptive(response.headers());
    let mut inner = session.inner();
    match inner.snapshot.entries.get_mut(key) {
        Some(entry) if entry.etag == etag => {
            entry.described = Some(known);
            Ok(described(entry))
        }
        _ => Err(BucketError::PreconditionFailed { key: key.into() }),
    }
}

pub(super) async fn get(
    session: &Arc<SessionState>,
    key: &str,
    (stored, etag): (&str, &str),
    headers: &HeaderMap,
) -> Result<Reply, BucketError> {
    let response = ask(session, Method::GET, (stored, etag), headers).await?;
    if let Some(live) = session.inner().snapshot.live_mut() {
        live.exchanged(key, etag, (stored != key).then_some(stored));
    }
    let mut reply = Response::new(());
    *reply.status_mut() = response.status();
    *reply.headers_mut() = descriptive(response.headers());
    for name in [
        header::ETAG,
        header::CONTENT_LENGTH,
        header::CONTENT_RANGE,
        header::LAST_MODIFIED,
        header::ACCEPT_RANGES,
    ] {
        if let Some(value) = response.headers().get(&name) {
            reply.headers_mut().insert(name, value.clone());
        }
    }
    let announced = header_text(response.headers(), "content-length")
        .and_then(|text| text.parse::<u64>().ok())
        .unwrap_or_default();
    let size = finishing_size(response.headers());
    session.tell(GuardEvent::Downloading {
        key: key.to_owned(),
        size: announced,
    });
    let (teller, key) = (session.clone(), key.to_owned());
    let tell = move || {
        if let Some(size) = size {
            let key = key.clone();
            teller.tell(GuardEvent::Downloaded { key, size });
        }
    };
    if announced == 0 {
        tell();
    }
    let mut passed = 0;
    let bytes = notes_of(response, session.bucket.downward())
        .inspect_ok(move |chunk| {
            passed += chunk.len() as u64;
            if passed == announced && announced > 0 {
                tell();
            }
        })
        .take_until(session.cancel.clone().cancelled_owned())
        .map_ok(Frame::data)
        .map_err(std::io::Error::other);
    let (parts, ()) = reply.into_parts();
    let body = StreamBody::new(bytes).boxed_unsync();
    Ok(Response::from_parts(parts, body))
}

async fn ask(
    session: &SessionState,
    method: Method,
    (stored, etag): (&str, &str),
    headers: &HeaderMap,
) -> Result<reqwest::Response, BucketError> {
    let kind = if method == Method::HEAD {
        RequestKind::Head
    } else {
        RequestKind::Get
    };
    let mut outgoing = Outgoing::new(kind, method, Some(stored));
    insert(&mut outgoing.headers, header::IF_MATCH, &quoted(etag))?;
    if let Some(range) = headers.get(header::RANGE) {
        outgoing.headers.insert(header::RANGE, range.clone());
    }
    let response = session.bucket.exchange(outgoing).await?;
    if !response.status().is_success() {
        return Err(fault(response, stored, session.bucket.name()).await);
    }
    // Some stores ignore `If-Match`; what they send must be the version of the snapshot all the same.
    if tag_of(response.headers())? != etag {
        return Err(BucketError::PreconditionFailed { key: stored.into() });
    }
    Ok(response)
}

/// The object's size, if this answer carries its last byte.
fn finishing_size(headers: &HeaderMap) -> Option<u64> {
    let length = || header_text(headers, "content-length")?.parse().ok();
    let Some(range) = header_text(headers, "content-range") else {
        return length();
    };
    let (span, size) = range.strip_prefix("bytes ")?.split_once('/')?;
    let (_, last) = span.split_once('-')?;
    let (last, size): (u64, u64) = (last.parse().ok()?, size.parse().ok()?);
    (last + 1 == size).then_some(size)
}
