use std::sync::Arc;
use std::time::Duration;

use http::Method;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{descriptive, reason_of};
use crate::bucket::RequestKind;
use crate::bucket::operations::described;
use crate::bucket::transport::{ANSWER_TIMEOUT, Outgoing, fault, text_of};
use crate::error::BucketError;
use crate::listing::{self, ListQuery, ListVersion, Naming, UpstreamPage};
use crate::live::Live;
use crate::reply::{self, Reply};
use crate::request::Operation;
use crate::session::{GuardEvent, RefusedReason, SessionState};

const LARGEST_PAGE: usize = 64 * 1024 * 1024;
const PATIENCE: Duration = Duration::from_secs(3);
/// While the bucket is away.
const SOON: Duration = Duration::from_secs(1);

/// Asks the bucket about the key of a request, where the request can only be decided with it.
pub(super) async fn look_up(
    session: &SessionState,
    operation: &Operation,
) -> Result<(), BucketError> {
    let (key, needs_description) = match operation {
        Operation::Head { key } => (key, true),
        Operation::Get { key } | Operation::Delete { key } => (key, false),
        Operation::Copy { source, .. } => (source, false),
        Operation::DescribeBucket
        | Operation::LocateBucket
        | Operation::List(_)
        | Operation::DeleteMany
        | Operation::Put { .. }
        | Operation::StartUpload { .. }
        | Operation::UploadPart { .. }
        | Operation::CompleteUpload { .. }
        | Operation::AbortUpload { .. } => return Ok(()),
    };
    let stored = {
        let inner = session.inner();
        match inner.snapshot.entries.get(key) {
            Some(entry) if entry.described.is_some() || !needs_description => return Ok(()),
            Some(_) | None => inner.snapshot.stored_key(key).to_owned(),
        }
    };
    must_be_up(session)?;
    let outgoing = Outgoing::new(RequestKind::Head, Method::HEAD, Some(&stored));
    let patience = session.inner().snapshot.live().map_or(PATIENCE, short);
    let answer = tokio::time::timeout(patience, session.bucket.exchange(outgoing)).await;
    let response = answer.unwrap_or_else(|_| Err(no_answer("it takes too long to answer")))?;
    if !response.status().is_success() {
        let error = fault(response, key, session.bucket.name()).await;
        if error.is_missing_object() {
            session.inner().snapshot.gone(key);
            return Ok(());
        }
        return Err(error);
    }
    let object = described(key, response.headers())?;
    let kept = descriptive(response.headers());
    let mut inner = session.inner();
    if let Some(live) = inner.snapshot.live_mut() {
        live.came_back();
    }
    inner.snapshot.learn(&object);
    if let Some(entry) = inner.snapshot.entries.get_mut(key)
        && entry.etag == object.etag
    {
        entry.described = Some(kept);
    }
    Ok(())
}

/// Passes a listing on, and takes in what it tells. Without an answer of the bucket a folder is given as it is known.
pub(super) async fn list(
    session: &Arc<SessionState>,
    query: &ListQuery,
) -> Result<Reply, BucketError> {
    match query.version {
        ListVersion::V2 => {}
        ListVersion::V1 => {
            return Err(BucketError::Server {
                status: 501,
                code: "NotImplemented".to_owned(),
            });
        }
    }
    let patience = patience(session, query);
    // An answer that comes later is taken in, too.
    let (told, answer) = oneshot::channel();
    let (asking, asked) = (session.clone(), query.clone());
    tokio::spawn(async move { take_in(&asking, &asked, told).await });
    let error = match tokio::time::timeout(patience, answer).await {
        Ok(Ok(Ok(text))) => return Ok(reply::xml(text)),
        Ok(Ok(Err(error))) => error,
        Ok(Err(_)) => no_answer("the session ends"),
        Err(_) => {
            session.went_down();
            no_answer("it takes too long to answer")
        }
    };
    let is_away = reason_of(&error) == RefusedReason::Unreachable;
    let known = known(session, query).filter(|_| is_away);
    known.map(reply::xml).ok_or(error)
}

/// How long the bucket may take to list. rclone gives up after ten seconds, and then whoever saves in the folder gets an
/// error; so a folder that is known comes sooner.
fn patience(session: &SessionState, query: &ListQuery) -> Duration {
    let inner = session.inner();
    match inner.snapshot.live() {
        Some(live) if live.knows(query) => short(live),
        Some(_) | None => ANSWER_TIMEOUT,
    }
}

fn short(live: &Live) -> Duration {
    if live.is_away() { SOON } else { PATIENCE }
}

/// Asks for a page and learns of it. Who was given what was known instead is told of what that did not have.
async fn take_in(
    session: &SessionState,
    query: &ListQuery,
    told: oneshot::Sender<Result<String, BucketError>>,
) {
    let live_asks = |live: &mut Live| live.ask(query);
    let asked = session.inner().snapshot.live_mut().and_then(live_asks);
    let passed = session.cancel.run_until_cancelled(pass_on(session, query));
    let answer = passed
        .await
        .unwrap_or_else(|| Err(no_answer("the session ended")));
    let answer = answer.map(|(text, page)| {
        let is_late = told.is_closed();
        let given = known(session, query).filter(|_| is_late);
        session.inner().snapshot.learn_page((query, asked), &page);
        if is_late && given != known(session, query) {
            let folder = query.prefix.clone();
            session.tell(GuardEvent::ListedLate { folder });
        }
        text
    });
    if let Some(live) = session.inner().snapshot.live_mut() {
        live.answered(asked);
        match &answer {
            Ok(_) => live.came_back(),
            Err(BucketError::Unreachable { .. }) => live.went_down(Instant::now()),
            Err(_) => {}
        }
    }
    if told.send(answer).is_err() {
        tracing::debug!("a listing came when nobody waited for it any more");
    }
}

/// A listing from what the session knows.
fn known(session: &SessionState, query: &ListQuery) -> Option<String> {
    let inner = session.inner();
    let page = inner.snapshot.known_page(query)?;
    Some(listing::list_result(session.bucket.name(), query, &page))
}

fn no_answer(reason: &str) -> BucketError {
    BucketError::Unreachable {
        reason: reason.to_owned(),
    }
}

async fn pass_on(
    session: &SessionState,
    query: &ListQuery,
) -> Result<(String, UpstreamPage), BucketError> {
    let number = query.max_keys.to_string();
    let mut pairs = Vec::new();
    if let Some(token) = &query.token {
        pairs.push(("continuation-token", token.as_str()));
    }
    if let Some(delimiter) = &query.delimiter {
        pairs.push(("delimiter", delimiter.as_str()));
    }
    match query.naming {
        Naming::Encoded => pairs.push(("encoding-type", "url")),
        Naming::Plain => {}
    }
    pairs.push(("list-type", "2"));
    pairs.push(("max-keys", number.as_str()));
    pairs.push(("prefix", query.prefix.as_str()));
    if let Some(start) = &query.start_after {
        pairs.push(("start-after", start.as_str()));
    }
    let text = ask(session, &pairs).await?;
    let page = listing::parse_page(&text)?;
    if page.bucket != session.bucket.name() {
        return Err(BucketError::Malformed {
            reason: "the listing is of another bucket".to_owned(),
        });
    }
    Ok((text, page))
}

async fn ask(session: &SessionState, query: &[(&str, &str)]) -> Result<String, BucketError> {
    must_be_up(session)?;
    let mut outgoing = Outgoing::new(RequestKind::List, Method::GET, None);
    outgoing.query = query;
    let response = session.bucket.exchange(outgoing).await?;
    if !response.status().is_success() {
        return Err(fault(response, "", session.bucket.name()).await);
    }
    text_of(response, LARGEST_PAGE).await
}

/// Fails at once while the bucket was found unreachable a moment ago: whoever reads from a mount must not wait.
pub(super) fn must_be_up(session: &SessionState) -> Result<(), BucketError> {
    let inner = session.inner();
    let is_down = |live: &Live| live.is_down(Instant::now());
    if inner.snapshot.live().is_some_and(is_down) {
        return Err(no_answer("it did not answer a moment ago"));
    }
    Ok(())
}
