use bytes::Bytes;
use http::Method;

use super::transport::{Outgoing, fault, header_text, text_of};
use super::{Bucket, RequestKind};
use crate::body::Body;
use crate::error::BucketError;
use crate::listing;
use crate::object::Precondition;

const LARGEST_PAGE: usize = 4 * 1024 * 1024;
const STALE: &str = "00000000000000000000000000000000";

/// What was seen of one ability of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// It did what it should.
    Proven,
    /// It took the request and did not do it: the dangerous case.
    Ignored,
    /// It refused the request, or the keys do not allow it.
    Refused,
}

/// What a store was seen to be able to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// `If-None-Match: *` keeps a second writer from creating the same key.
    pub put_if_absent: Support,
    /// A stale `If-Match` keeps an upload from replacing the object.
    pub put_if_match: Support,
    /// A stale `If-Match` keeps a delete from removing the object.
    pub delete_if_match: Support,
    /// `If-None-Match: *` keeps a copy from replacing an object.
    pub copy_if_absent: Support,
    /// A replaced object can still be read by its version id.
    pub versioning: Support,
}

impl Capabilities {
    /// Whether no writer can overwrite another one unseen.
    #[must_use]
    pub fn compare_and_swap(&self) -> Support {
        let all = [self.put_if_absent, self.put_if_match, self.delete_if_match];
        if all.contains(&Support::Ignored) {
            Support::Ignored
        } else if all.contains(&Support::Refused) {
            Support::Refused
        } else {
            Support::Proven
        }
    }
}

impl Bucket {
    /// Tries out, under the key `scratch` and `scratch` + `.copy`, what the store really does with conditions and
    /// versions, and removes both again. The caller chooses a name that no other device uses at the same time.
    ///
    /// # Errors
    /// When the store cannot be asked at all, or plain conditional writes that must work do not.
    pub async fn probe(&self, scratch: &str) -> Result<Capabilities, BucketError> {
        let copy = format!("{scratch}.copy");
        for key in [scratch, copy.as_str()] {
            self.sweep_away(key).await?;
        }
        let outcome = self.try_out(scratch, &copy).await;
        for key in [scratch, copy.as_str()] {
            let swept = self.sweep_away(key).await;
            if outcome.is_ok() {
                swept?;
            }
        }
        outcome
    }

    /// Removes what trials left that were cut short: objects of at most one byte whose key starts with `prefix`
    /// and that were written before `before_ms` (Unix milliseconds), each only if it is still that one. Tells how
    /// many. Looks at one page; the next call finds the rest.
    ///
    /// For stores whose conditional deletes are [proven](Capabilities::delete_if_match).
    ///
    /// # Errors
    /// What the transport reports, also after some are gone.
    pub async fn sweep_trials(&self, prefix: &str, before_ms: i64) -> Result<usize, BucketError> {
        let query = [
            ("encoding-type", "url"),
            ("list-type", "2"),
            ("max-keys", "1000"),
            ("prefix", prefix),
        ];
        let mut outgoing = Outgoing::new(RequestKind::List, Method::GET, None);
        outgoing.query = &query;
        let response = self.exchange(outgoing).await?;
        if !response.status().is_success() {
            return Err(fault(response, "", self.name()).await);
        }
        let page = listing::parse_page(&text_of(response, LARGEST_PAGE).await?)?;
        let mut removed = 0;
        for object in page.objects {
            let is_left = object.key.starts_with(prefix)
                && object.size <= 1
                && object.last_modified_ms < before_ms;
            if !is_left {
                continue;
            }
            match self.delete(&object.key, &object.etag).await {
                Ok(()) => removed += 1,
                Err(error) if error.is_lost_race() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(removed)
    }

    async fn try_out(&self, scratch: &str, copy: &str) -> Result<Capabilities, BucketError> {
        let (first, version) = self.put_version(scratch, "1", Precondition::Absent).await?;
        let (second, _) = self
            .put_version(scratch, "2", Precondition::Match(first))
            .await?;
        let versioning = self.reads_version(scratch, version, "1").await?;

        let stale = || Precondition::Match(STALE.to_owned());
        let put = |body: &'static str, when| self.put(scratch, body_of(body), when, &[]);
        let put_if_absent = verdict(put("3", Precondition::Absent).await)?;
        let put_if_match = verdict(put("4", stale()).await)?;

        let current = self
            .head(scratch)
            .await?
            .map_or(second, |object| object.etag);
        let first_copy = self
            .copy(scratch, &current, copy, Precondition::Absent)
            .await;
        let copy_if_absent = match refused_outright(first_copy)? {
            None => Support::Refused,
            Some(_) => verdict(
                self.copy(scratch, &current, copy, Precondition::Absent)
                    .await,
            )?,
        };
        let deleted = self.delete(scratch, STALE).await;
        let mut delete_if_match = verdict(deleted)?;
        // A store may call a failed condition a success; what counts is whether the object is still there.
        if delete_if_match == Support::Ignored && self.head(scratch).await?.is_some() {
            delete_if_match = Support::Proven;
        }
        Ok(Capabilities {
            put_if_absent,
            put_if_match,
            delete_if_match,
            copy_if_absent,
            versioning,
        })
    }

    async fn put_version(
        &self,
        key: &str,
        body: &'static str,
        when: Precondition,
    ) -> Result<(String, Option<String>), BucketError> {
        let etag = self.put(key, body_of(body), when, &[]).await?;
        let outgoing = Outgoing::new(RequestKind::Head, Method::HEAD, Some(key));
        let response = self.exchange(outgoing).await?;
        if !response.status().is_success() {
            return Err(fault(response, key, self.name()).await);
        }
        let version = header_text(response.headers(), "x-amz-version-id");
        let version = version.filter(|id| *id != "null").map(str::to_owned);
        Ok((etag, version))
    }

    async fn reads_version(
        &self,
        key: &str,
        version: Option<String>,
        content: &str,
    ) -> Result<Support, BucketError> {
        let Some(version) = version else {
            return Ok(Support::Ignored);
        };
        let query = [("versionId", version.as_str())];
        let mut outgoing = Outgoing::new(RequestKind::Get, Method::GET, Some(key));
        outgoing.query = &query;
        let response = self.exchange(outgoing).await?;
        if !response.status().is_success() {
            let error = fault(response, key, self.name()).await;
            return Ok(match refused_outright::<()>(Err(error)) {
                Ok(_) => Support::Refused,
                Err(error) if error.is_transient() => return Err(error),
                Err(_) => Support::Ignored,
            });
        }
        Ok(match text_of(response, 1024).await?.as_str() {
            text if text == content => Support::Proven,
            _ => Support::Ignored,
        })
    }

    async fn sweep_away(&self, key: &str) -> Result<(), BucketError> {
        match self.head(key).await? {
            None => Ok(()),
            Some(object) => self.delete(key, &object.etag).await,
        }
    }
}

fn body_of(text: &'static str) -> Body {
    Body::Bytes(Bytes::from_static(text.as_bytes()))
}

/// Judges a request whose condition does not hold.
fn verdict<T>(answer: Result<T, BucketError>) -> Result<Support, BucketError> {
    match answer {
        Err(BucketError::PreconditionFailed { .. } | BucketError::Conflict { .. }) => {
            Ok(Support::Proven)
        }
        other => Ok(match refused_outright(other)? {
            Some(_) => Support::Ignored,
            None => Support::Refused,
        }),
    }
}

/// `None` if the store does not do this at all.
fn refused_outright<T>(answer: Result<T, BucketError>) -> Result<Option<T>, BucketError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(
            BucketError::Refused { .. }
            | BucketError::Server {
                status: 400..=499 | 501,
                ..
            },
        ) => Ok(None),
        Err(other) => Err(other),
    }
}
