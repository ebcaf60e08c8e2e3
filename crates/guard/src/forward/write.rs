use http::{HeaderMap, HeaderName, Method};

use super::{ClientRequest, descriptive};
use crate::bucket::RequestKind;
use crate::bucket::operations::{add_condition, add_source, insert, tag_of};
use crate::bucket::transport::{Outgoing, fault, header_text, text_of};
use crate::decide::Target;
use crate::encoding;
use crate::error::BucketError;
use crate::listing;
use crate::metered::{Metered, Passed};
use crate::object::{Object, Precondition};
use crate::reply::{self, Reply};
use crate::session::{GuardEvent, SessionState, Stored};
use crate::snapshot::Entry;

const LARGEST_RESULT: usize = 1024 * 1024;

/// What a write stores, as far as it is known before it is stored.
pub(super) struct Content {
    pub(super) size: u64,
    /// The entity tag this content gets, if that can be told.
    pub(super) etag: Option<String>,
    /// Whether the bucket may have taken it although it did not say so.
    pub(super) sent: Sent,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    Never,
    Perhaps,
}

pub(super) async fn put(
    session: &SessionState,
    target: &Target,
    request: ClientRequest,
) -> Result<Reply, BucketError> {
    let size = announced(&request)?;
    let mut kept = descriptive(&request.headers);
    session.bucket.name_writer(&mut kept)?;
    let stored = target.stored();
    let mut outgoing = Outgoing::new(RequestKind::Put, Method::PUT, Some(stored));
    outgoing.headers = kept.clone();
    add_condition(&mut outgoing.headers, &target.when)?;
    let promised = request.headers.get("content-md5");
    if let Some(md5) = promised {
        outgoing.headers.insert("content-md5", md5.clone());
    }
    let promised = promised.and_then(|md5| base64_to_hex(md5.to_str().ok()?));
    let (body, progress) = Metered::new(request.body, size, request.payload);
    outgoing.body = Some((reqwest::Body::wrap(body), size));
    let key = target.key.clone();
    session.tell(GuardEvent::Uploading { key, size });

    let answer = match session.bucket.exchange(outgoing).await {
        Ok(response) if response.status().is_success() => tag_of(response.headers()),
        Ok(response) => Err(fault(response, stored, session.bucket.name()).await),
        Err(error) => Err(error),
    };
    let passed = progress.get();
    let content = Content {
        size,
        etag: promised.or(match passed {
            Passed::All(md5) => Some(hex::encode(md5)),
            Passed::Nothing | Passed::Some => None,
        }),
        sent: match passed {
            Passed::Nothing => Sent::Never,
            Passed::Some | Passed::All(_) => Sent::Perhaps,
        },
    };
    let etag = settle(session, target, &content, answer).await?;
    remember(session, target, (&etag, size), Some(kept));
    Ok(reply::tagged(&etag))
}

pub(super) struct CopySource {
    pub(super) key: String,
    pub(super) etag: String,
    pub(super) size: u64,
}

pub(super) async fn copy(
    session: &SessionState,
    target: &Target,
    source: &CopySource,
    headers: &HeaderMap,
) -> Result<Reply, BucketError> {
    const DIRECTIVE: &str = "x-amz-metadata-directive";
    let stored = target.stored();
    let mut outgoing = Outgoing::new(RequestKind::Copy, Method::PUT, Some(stored));
    let replaces = header_text(headers, DIRECTIVE).is_some_and(|text| text == "REPLACE");
    let mut kept = None;
    if replaces {
        let mut described = descriptive(headers);
        session.bucket.name_writer(&mut described)?;
        outgoing.headers = described.clone();
        insert(
            &mut outgoing.headers,
            HeaderName::from_static(DIRECTIVE),
            "REPLACE",
        )?;
        kept = Some(described);
    }
    add_condition(&mut outgoing.headers, &target.when)?;
    let bucket = session.bucket.name();
    add_source(&mut outgoing.headers, bucket, &source.key, &source.etag)?;

    let answer = match session.bucket.exchange(outgoing).await {
        Ok(response) if response.status().is_success() => text_of(response, LARGEST_RESULT)
            .await
            .and_then(|text| listing::parse_written(&text, stored)),
        Ok(response) => Err(fault(response, stored, bucket).await),
        Err(error) => Err(error),
    };
    let content = Content {
        size: source.size,
        etag: (!source.etag.contains('-')).then(|| source.etag.clone()),
        sent: Sent::Perhaps,
    };
    let etag = settle(session, target, &content, answer).await?;
    remember(session, target, (&etag, source.size), kept);
    let now = encoding::unix_ms(session.bucket.now());
    Ok(reply::xml(listing::copy_result(&etag, now)))
}

/// Deletes one version. Gone already is done; a later version stays.
pub(super) async fn delete(
    session: &SessionState,
    key: &str,
    (stored, etag): (&str, &str),
) -> Result<(), BucketError> {
    session.bucket.delete(stored, etag).await?;
    {
        let mut inner = session.inner();
        inner.snapshot.entries.remove(key);
        inner.outcome.uploaded.remove(key);
        inner.outcome.deleted.insert(stored.to_owned());
        if let Some(live) = inner.snapshot.live_mut() {
            live.deleted(key);
            live.changed(stored);
        }
    }
    session.tell(GuardEvent::Deleted { key: key.into() });
    Ok(())
}

/// Settles a write whose answer is not a plain success by looking at what is there: our own content means that an
/// earlier answer got lost, and the write is done.
pub(super) async fn settle(
    session: &SessionState,
    target: &Target,
    content: &Content,
    answer: Result<String, BucketError>,
) -> Result<String, BucketError> {
    let error = match answer {
        Ok(etag) => return Ok(etag),
        Err(error) => error,
    };
    let lost_race = || BucketError::PreconditionFailed {
        key: target.key.clone(),
    };
    let is_refused = match &error {
        BucketError::PreconditionFailed { .. }
        | BucketError::Conflict { .. }
        | BucketError::NotFound { .. } => true,
        BucketError::Unreachable { .. } if content.sent == Sent::Perhaps => false,
        BucketError::Endpoint { .. }
        | BucketError::Unreachable { .. }
        | BucketError::Refused { .. }
        | BucketError::ClockSkew { .. }
        | BucketError::BucketMissing { .. }
        | BucketError::UnsendableKey { .. }
        | BucketError::Malformed { .. }
        | BucketError::Server { .. }
        | BucketError::LocalBody { .. } => return Err(error),
    };
    let found = match session.bucket.head(target.stored()).await {
        Ok(found) => found,
        Err(_) if is_refused => return Err(lost_race()),
        Err(_) => return Err(error),
    };
    let sent = (content.size, content.etag.as_deref());
    match settled_by(&target.when, sent, is_refused, found.as_ref()) {
        Settlement::Done { etag } => Ok(etag),
        Settlement::LostRace => {
            session.inner().snapshot.lost(target, found.as_ref());
            Err(lost_race())
        }
        Settlement::NotDone => Err(error),
    }
}

/// What a write came to whose answer was no plain success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// What is there is what was sent.
    Done { etag: String },
    /// Somebody else's version is there.
    LostRace,
    /// The object is as it was before.
    NotDone,
}

/// Decides from what was sent (size, entity tag if known), whether the bucket refused it, and what is there now.
pub(crate) fn settled_by(
    when: &Precondition,
    (size, etag): (u64, Option<&str>),
    is_refused: bool,
    found: Option<&Object>,
) -> Settlement {
    if let Some(object) = found
        && object.size == size
        && etag == Some(object.etag.as_str())
    {
        return Settlement::Done {
            etag: object.etag.clone(),
        };
    }
    let is_unchanged = match (when, found) {
        (Precondition::Absent, found) => found.is_none(),
        (Precondition::Match(etag), Some(object)) => object.etag == *etag,
        (Precondition::Match(_), None) => false,
    };
    if is_refused || !is_unchanged {
        Settlement::LostRace
    } else {
        Settlement::NotDone
    }
}

/// Takes a successful write into the session's view.
pub(super) fn remember(
    session: &SessionState,
    target: &Target,
    (etag, size): (&str, u64),
    described: Option<HeaderMap>,
) {
    let last_modified_ms = encoding::unix_ms(session.bucket.now());
    let follows = {
        let mut inner = session.inner();
        let stored = target.stored().to_owned();
        inner.outcome.deleted.remove(&stored);
        inner.outcome.uploaded.insert(
            target.key.clone(),
            Stored {
                key: stored,
                etag: etag.to_owned(),
                size,
            },
        );
        inner.snapshot.wrote(
            &target.key,
            Entry {
                stored_as: target.stored_as.clone(),
                etag: etag.to_owned(),
                size,
                last_modified_ms,
                described,
            },
        );
        if let Some(live) = inner.snapshot.live_mut() {
            live.exchanged(&target.key, etag, target.stored_as.as_deref());
            live.changed(target.stored());
        }
        inner.snapshot.live().is_some()
    };
    let (key, etag) = (target.key.clone(), etag.to_owned());
    session.tell(match &target.stored_as {
        Some(stored) if follows => GuardEvent::SetAside {
            key,
            stored: stored.clone(),
            size,
            etag,
        },
        Some(_) | None => GuardEvent::Uploaded { key, size, etag },
    });
}

pub(super) fn announced(request: &ClientRequest) -> Result<u64, BucketError> {
    request.length.ok_or_else(|| BucketError::Server {
        status: 411,
        code: "MissingContentLength".to_owned(),
    })
}

fn base64_to_hex(text: &str) -> Option<String> {
    use base64::Engine;
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(text)
        .ok()?;
    Some(hex::encode(bytes))
}
