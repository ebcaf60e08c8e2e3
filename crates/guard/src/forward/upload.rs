use http::{HeaderMap, HeaderValue, Method, header};
use md5::{Digest, Md5};

use super::write::{Content, Sent, announced, remember, settle};
use super::{ClientRequest, descriptive, document, malformed_document};
use crate::bucket::RequestKind;
use crate::bucket::operations::{add_condition, tag_of};
use crate::bucket::transport::{Outgoing, fault, text_of};
use crate::decide::Target;
use crate::error::BucketError;
use crate::listing;
use crate::metered::Metered;
use crate::reply::{self, Reply};
use crate::session::{GuardEvent, SessionState};
use crate::snapshot::Upload;

const LARGEST_RESULT: usize = 1024 * 1024;

pub(super) async fn start(
    session: &SessionState,
    key: &str,
    stored_as: Option<String>,
    headers: &HeaderMap,
) -> Result<Reply, BucketError> {
    let stored = stored_as.as_deref().unwrap_or(key);
    let mut outgoing = Outgoing::new(RequestKind::Put, Method::POST, Some(stored));
    outgoing.query = &[("uploads", "")];
    outgoing.headers = descriptive(headers);
    session.bucket.name_writer(&mut outgoing.headers)?;
    let described = outgoing.headers.clone();
    let response = session.bucket.exchange(outgoing).await?;
    if !response.status().is_success() {
        return Err(fault(response, stored, session.bucket.name()).await);
    }
    let upload = listing::parse_upload_id(&text_of(response, LARGEST_RESULT).await?)?;
    let known = Upload {
        key: key.to_owned(),
        stored_as,
        described,
        parts: std::collections::BTreeMap::new(),
    };
    let bucket = session.bucket.name();
    let answer = reply::xml(listing::initiate_result(bucket, key, &upload));
    session.inner().snapshot.uploads.insert(upload, known);
    Ok(answer)
}

pub(super) async fn part(
    session: &SessionState,
    stored: &str,
    (upload, number): (&str, u16),
    request: ClientRequest,
) -> Result<Reply, BucketError> {
    let size = announced(&request)?;
    let number_text = number.to_string();
    let query = [("partNumber", number_text.as_str()), ("uploadId", upload)];
    let mut outgoing = Outgoing::new(RequestKind::Put, Method::PUT, Some(stored));
    outgoing.query = &query;
    if let Some(md5) = request.headers.get("content-md5") {
        outgoing.headers.insert("content-md5", md5.clone());
    }
    let (body, _) = Metered::new(request.body, size, request.payload);
    outgoing.body = Some((reqwest::Body::wrap(body), size));
    let response = session.bucket.exchange(outgoing).await?;
    if !response.status().is_success() {
        return Err(fault(response, stored, session.bucket.name()).await);
    }
    let etag = tag_of(response.headers())?;
    if let Some(known) = session.inner().snapshot.uploads.get_mut(upload) {
        known.parts.insert(number, size);
    }
    Ok(reply::tagged(&etag))
}

pub(super) async fn complete(
    session: &SessionState,
    target: &Target,
    upload: &str,
    request: ClientRequest,
) -> Result<Reply, BucketError> {
    let Some(text) = document(request).await else {
        return Ok(malformed_document());
    };
    let Some(parts) = listing::parse_complete(&text) else {
        return Ok(malformed_document());
    };
    let known = session.inner().snapshot.uploads.get(upload).cloned();
    let known = known.unwrap_or_default();
    let size = parts
        .iter()
        .filter_map(|(number, _)| known.parts.get(number))
        .sum();
    let key = target.key.clone();
    session.tell(GuardEvent::Uploading { key, size });

    let stored = target.stored();
    let query = [("uploadId", upload)];
    let mut outgoing = Outgoing::new(RequestKind::Put, Method::POST, Some(stored));
    outgoing.query = &query;
    add_condition(&mut outgoing.headers, &target.when)?;
    let kind = HeaderValue::from_static("application/xml");
    outgoing.headers.insert(header::CONTENT_TYPE, kind);
    let length = text.len() as u64;
    outgoing.body = Some((text.into(), length));
    let answer = match session.bucket.exchange(outgoing).await {
        Ok(response) if response.status().is_success() => text_of(response, LARGEST_RESULT)
            .await
            .and_then(|text| listing::parse_written(&text, stored)),
        Ok(response) => Err(fault(response, stored, session.bucket.name()).await),
        Err(error) => Err(error),
    };
    let content = Content {
        size,
        etag: joined_etag(&parts),
        sent: Sent::Perhaps,
    };
    let etag = settle(session, target, &content, answer).await?;
    session.inner().snapshot.uploads.remove(upload);
    remember(session, target, (&etag, size), Some(known.described));
    let bucket = session.bucket.name();
    Ok(reply::xml(listing::complete_result(
        bucket,
        &target.key,
        &etag,
    )))
}

/// Ends an upload that was not completed. One that is gone already is a success.
pub(crate) async fn abort(
    session: &SessionState,
    stored: &str,
    upload: &str,
) -> Result<(), BucketError> {
    let query = [("uploadId", upload)];
    let mut outgoing = Outgoing::new(RequestKind::Delete, Method::DELETE, Some(stored));
    outgoing.query = &query;
    let response = session.bucket.exchange(outgoing).await?;
    if !response.status().is_success() {
        let error = fault(response, stored, session.bucket.name()).await;
        if !error.is_missing_object() {
            return Err(error);
        }
    }
    session.inner().snapshot.uploads.remove(upload);
    Ok(())
}

/// The entity tag that S3 gives to an object of these parts: the MD5 of their MD5s, and their number.
fn joined_etag(parts: &[(u16, String)]) -> Option<String> {
    let mut hasher = Md5::new();
    for (_, etag) in parts {
        let digest = hex::decode(etag).ok().filter(|digest| digest.len() == 16)?;
        hasher.update(digest);
    }
    Some(format!(
        "{}-{}",
        hex::encode(hasher.finalize()),
        parts.len()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_of_joined_parts_is_the_one_s3_gives() {
        let part = |number, text: &str| (number, hex::encode(Md5::digest(text)));
        let joined = joined_etag(&[part(1, "abc"), part(2, "def")]);
        assert_eq!(
            joined.as_deref(),
            Some("4c8e93283780e078db9e0c6b9b3f8043-2")
        );
        assert_eq!(joined_etag(&[(1, "opaque".into())]), None);
    }
}
