use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use super::transport::{Outgoing, fault, header_text, notes_of, text_of};
use super::{Bucket, RequestKind};
use crate::body::{Body, Download};
use crate::encoding::{self, quoted, unquoted};
use crate::error::BucketError;
use crate::listing;
use crate::object::{Object, Precondition};

pub(crate) const COPY_SOURCE: &str = "x-amz-copy-source";
pub(crate) const COPY_SOURCE_IF_MATCH: &str = "x-amz-copy-source-if-match";
pub(crate) const META_MTIME: &str = "x-amz-meta-mtime";
/// Percent-encoded, as the store takes only ASCII there.
const META_DEVICE: &str = "x-amz-meta-device";
const LARGEST_RESULT: usize = 1024 * 1024;

impl Bucket {
    /// Describes one object; `None` if there is none.
    ///
    /// # Errors
    /// Any cause but [`BucketError::NotFound`] and [`BucketError::PreconditionFailed`].
    pub async fn head(&self, key: &str) -> Result<Option<Object>, BucketError> {
        let outgoing = Outgoing::new(RequestKind::Head, Method::HEAD, Some(key));
        let response = self.exchange(outgoing).await?;
        if response.status().is_success() {
            return described(key, response.headers()).map(Some);
        }
        let error = fault(response, key, self.name()).await;
        if error.is_missing_object() {
            return Ok(None);
        }
        Err(error)
    }

    /// Like [`Bucket::head`], but `None` is proven: an answer without a body is the same for a
    /// missing object and a missing bucket, so the store is asked once more for one with a body.
    ///
    /// # Errors
    /// As [`Bucket::head`], and [`BucketError::BucketMissing`].
    pub async fn find(&self, key: &str) -> Result<Option<Object>, BucketError> {
        if let Some(object) = self.head(key).await? {
            return Ok(Some(object));
        }
        match self.get(key, None).await {
            Ok(download) => Ok(Some(download.object)),
            Err(error) if error.is_missing_object() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The device that stored this version, where it was one that says so; `None` also if another
    /// version is there by now.
    ///
    /// # Errors
    /// What the bucket gave instead of an answer.
    pub async fn find_writer(&self, key: &str, etag: &str) -> Result<Option<String>, BucketError> {
        let outgoing = Outgoing::new(RequestKind::Head, Method::HEAD, Some(key));
        let response = self.exchange(outgoing).await?;
        if !response.status().is_success() {
            let error = fault(response, key, self.name()).await;
            return if error.is_missing_object() {
                Ok(None)
            } else {
                Err(error)
            };
        }
        let headers = response.headers();
        if tag_of(headers)? != etag {
            return Ok(None);
        }
        Ok(header_text(headers, META_DEVICE).and_then(encoding::decode_component))
    }

    /// Writes beside an object whose it is, unless its client does.
    pub(crate) fn name_writer(&self, headers: &mut HeaderMap) -> Result<(), BucketError> {
        match self.inner.writer.get() {
            Some(device) if !headers.contains_key(META_DEVICE) => {
                let name = HeaderName::from_static(META_DEVICE);
                insert(headers, name, &encoding::encode_component(device))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Starts a download, of just the version with the given entity tag if there is one.
    ///
    /// # Errors
    /// [`BucketError::PreconditionFailed`] when another version is there, [`BucketError::NotFound`] when none is.
    pub async fn get(&self, key: &str, if_match: Option<&str>) -> Result<Download, BucketError> {
        let mut outgoing = Outgoing::new(RequestKind::Get, Method::GET, Some(key));
        if let Some(etag) = if_match {
            insert(&mut outgoing.headers, header::IF_MATCH, &quoted(etag))?;
        }
        let response = self.exchange(outgoing).await?;
        if !response.status().is_success() {
            return Err(fault(response, key, self.name()).await);
        }
        let object = described(key, response.headers())?;
        if if_match.is_some_and(|etag| etag != object.etag) {
            return Err(BucketError::PreconditionFailed { key: key.into() });
        }
        let stream = notes_of(response, self.downward());
        Ok(Download { object, stream })
    }

    /// Uploads one object in one piece and gives its entity tag. The store checks the content's MD5. `meta` are names
    /// below `x-amz-meta-` with their values.
    ///
    /// # Errors
    /// [`BucketError::PreconditionFailed`] when the key is in another state; then nothing was changed. After
    /// [`BucketError::Unreachable`] it may have been stored all the same.
    pub async fn put(
        &self,
        key: &str,
        body: Body,
        when: Precondition,
        meta: &[(&str, String)],
    ) -> Result<String, BucketError> {
        let prepared = body.prepare().await?;
        let mut outgoing = Outgoing::new(RequestKind::Put, Method::PUT, Some(key));
        add_condition(&mut outgoing.headers, &when)?;
        let digest = STANDARD.encode(prepared.md5);
        insert(
            &mut outgoing.headers,
            HeaderName::from_static("content-md5"),
            &digest,
        )?;
        for (name, value) in meta {
            let name = HeaderName::try_from(format!("x-amz-meta-{name}"));
            let name = name.map_err(|error| unspeakable(&error.to_string()))?;
            insert(&mut outgoing.headers, name, value)?;
        }
        self.name_writer(&mut outgoing.headers)?;
        outgoing.body = Some((prepared.body, prepared.size));
        let response = self.exchange(outgoing).await?;
        if !response.status().is_success() {
            return Err(changed(fault(response, key, self.name()).await, key, &when));
        }
        tag_of(response.headers())
    }

    /// Copies one version of an object to another key and gives the new entity tag.
    ///
    /// # Errors
    /// [`BucketError::PreconditionFailed`] when either key is in another state; then nothing was changed.
    pub async fn copy(
        &self,
        from: &str,
        from_etag: &str,
        to: &str,
        when: Precondition,
    ) -> Result<String, BucketError> {
        let mut outgoing = Outgoing::new(RequestKind::Copy, Method::PUT, Some(to));
        add_condition(&mut outgoing.headers, &when)?;
        add_source(&mut outgoing.headers, self.name(), from, from_etag)?;
        let response = self.exchange(outgoing).await?;
        if !response.status().is_success() {
            return Err(changed(fault(response, to, self.name()).await, to, &when));
        }
        let text = text_of(response, LARGEST_RESULT).await?;
        listing::parse_written(&text, to)
    }

    /// Deletes the version with this entity tag. An object that is gone already is a success.
    ///
    /// # Errors
    /// [`BucketError::PreconditionFailed`] when another version is there; it stays.
    pub async fn delete(&self, key: &str, etag: &str) -> Result<(), BucketError> {
        let mut outgoing = Outgoing::new(RequestKind::Delete, Method::DELETE, Some(key));
        insert(&mut outgoing.headers, header::IF_MATCH, &quoted(etag))?;
        let response = self.exchange(outgoing).await?;
        if response.status().is_success() {
            return Ok(());
        }
        let error = fault(response, key, self.name()).await;
        // Stores answer 404 or 412 to a condition on what is gone.
        let is_gone =
            error.is_missing_object() || error.is_lost_race() && self.head(key).await?.is_none();
        if is_gone { Ok(()) } else { Err(error) }
    }
}

/// A store answers 404 to `If-Match` on a key that is gone: for a write that is a failed condition.
fn changed(error: BucketError, key: &str, when: &Precondition) -> BucketError {
    match (error, when) {
        (BucketError::NotFound { .. }, Precondition::Match(_)) => {
            BucketError::PreconditionFailed { key: key.into() }
        }
        (other, _) => other,
    }
}

pub(crate) fn add_condition(
    headers: &mut HeaderMap,
    when: &Precondition,
) -> Result<(), BucketError> {
    match when {
        Precondition::Absent => insert(headers, header::IF_NONE_MATCH, "*"),
        Precondition::Match(etag) => insert(headers, header::IF_MATCH, &quoted(etag)),
    }
}

pub(crate) fn add_source(
    headers: &mut HeaderMap,
    bucket: &str,
    from: &str,
    from_etag: &str,
) -> Result<(), BucketError> {
    let source = format!("/{bucket}/{}", encoding::encode_path(from));
    insert(headers, HeaderName::from_static(COPY_SOURCE), &source)?;
    let name = HeaderName::from_static(COPY_SOURCE_IF_MATCH);
    insert(headers, name, &quoted(from_etag))
}

pub(crate) fn insert(
    headers: &mut HeaderMap,
    name: HeaderName,
    value: &str,
) -> Result<(), BucketError> {
    let value = HeaderValue::from_str(value).map_err(|error| unspeakable(&error.to_string()))?;
    headers.insert(name, value);
    Ok(())
}

fn unspeakable(reason: &str) -> BucketError {
    BucketError::Malformed {
        reason: format!("a header cannot be sent: {reason}"),
    }
}

pub(crate) fn tag_of(headers: &HeaderMap) -> Result<String, BucketError> {
    header_text(headers, header::ETAG.as_str())
        .map(|tag| unquoted(tag).to_owned())
        .filter(|tag| !tag.is_empty())
        .ok_or_else(|| BucketError::Malformed {
            reason: "the answer has no ETag".to_owned(),
        })
}

pub(crate) fn described(key: &str, headers: &HeaderMap) -> Result<Object, BucketError> {
    let missing = |what: &str| BucketError::Malformed {
        reason: format!("the answer has no readable {what}"),
    };
    let size = header_text(headers, header::CONTENT_LENGTH.as_str())
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| missing("Content-Length"))?;
    let last_modified_ms = header_text(headers, header::LAST_MODIFIED.as_str())
        .and_then(encoding::parse_http_date)
        .ok_or_else(|| missing("Last-Modified"))?;
    Ok(Object {
        key: key.to_owned(),
        size,
        etag: tag_of(headers)?,
        last_modified_ms,
        mtime_ms: header_text(headers, META_MTIME).and_then(encoding::parse_mtime),
    })
}
