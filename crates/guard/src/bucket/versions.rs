use bytes::Bytes;
use http::Method;

use super::transport::{Outgoing, fault, stream_of, text_of};
use super::{Bucket, RequestKind};
use crate::body::Download;
use crate::bucket::operations::described;
use crate::error::BucketError;
use crate::listing;

const LARGEST_PAGE: usize = 4 * 1024 * 1024;
/// Keys that begin alike share a listing: after so many pages the rest is left out.
const MOST_PAGES: usize = 4;

/// One stored version of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectVersion {
    pub id: String,
    pub etag: String,
    /// Bytes.
    pub size: u64,
    /// Unix milliseconds.
    pub at_ms: i64,
    pub current: bool,
}

impl Bucket {
    /// Lists the versions that the store has of one object, as it orders them: newest first. A store
    /// without versions answers with what is there now.
    ///
    /// # Errors
    /// What the transport reports; a refusal where the keys do not allow it.
    pub async fn versions(&self, key: &str) -> Result<Vec<ObjectVersion>, BucketError> {
        let mut found = Vec::new();
        let mut marker: Option<(String, String)> = None;
        for _ in 0..MOST_PAGES {
            let mut query = vec![("encoding-type", "url")];
            if let Some((key, _)) = &marker {
                query.push(("key-marker", key.as_str()));
            }
            query.extend([("max-keys", "1000"), ("prefix", key)]);
            if let Some((_, id)) = &marker {
                query.push(("version-id-marker", id.as_str()));
            }
            query.push(("versions", ""));
            let mut outgoing = Outgoing::new(RequestKind::List, Method::GET, None);
            outgoing.query = &query;
            let response = self.exchange(outgoing).await?;
            if !response.status().is_success() {
                return Err(fault(response, key, self.name()).await);
            }
            let text = text_of(response, LARGEST_PAGE).await?;
            let page = listing::parse_versions(&text)?;
            // In key order, so that after the first other key nothing of ours follows.
            let over = page.left_key_behind(key);
            let own = page.versions.into_iter().filter(|(name, _)| name == key);
            found.extend(own.map(|(_, version)| version));
            marker = page.next;
            if over || marker.is_none() {
                break;
            }
        }
        Ok(found)
    }

    /// Fetches one version.
    ///
    /// # Errors
    /// [`BucketError::NotFound`] or a server's refusal when the version is gone, and
    /// [`BucketError::Malformed`] when it is larger than `limit` bytes.
    pub async fn get_version(
        &self,
        key: &str,
        id: &str,
        limit: u64,
    ) -> Result<(Bytes, String), BucketError> {
        let query = [("versionId", id)];
        let mut outgoing = Outgoing::new(RequestKind::Get, Method::GET, Some(key));
        outgoing.query = &query;
        let response = self.exchange(outgoing).await?;
        if !response.status().is_success() {
            return Err(fault(response, key, self.name()).await);
        }
        let object = described(key, response.headers())?;
        let etag = object.etag.clone();
        let stream = stream_of(response);
        let bytes = Download { object, stream }.into_bytes(limit).await?;
        Ok((bytes, etag))
    }
}
