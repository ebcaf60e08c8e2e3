use s3s::dto::{ETag, ETagCondition, Timestamp};
use s3s::{S3Result, s3_error};
use time::OffsetDateTime;

use crate::error::Refusal;

/// What a writer demands of the key it replaces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct WriteCondition {
    pub(crate) if_match: Option<ETagCondition>,
    pub(crate) if_none_match: Option<ETagCondition>,
}

impl WriteCondition {
    /// Takes the two headers as they came; S3 knows only `*` for `If-None-Match` of writes, anything else is 501.
    pub(crate) fn new(
        if_match: Option<ETagCondition>,
        if_none_match: Option<ETagCondition>,
    ) -> S3Result<Self> {
        if matches!(if_none_match, Some(ETagCondition::ETag(_))) {
            return Err(s3_error!(
                NotImplemented,
                "If-None-Match of a write takes only *"
            ));
        }
        Ok(Self {
            if_match,
            if_none_match,
        })
    }

    /// Reads `If-Match` and `If-None-Match` from raw headers, for operations whose input lacks them.
    pub(crate) fn from_headers(headers: &http::HeaderMap) -> S3Result<Self> {
        let parse = |name: http::HeaderName| {
            let Some(value) = headers.get(&name) else {
                return Ok(None);
            };
            ETagCondition::parse_http_header(value.as_bytes())
                .map(Some)
                .map_err(|e| s3_error!(e, InvalidArgument, "invalid header: {name}"))
        };
        Self::new(
            parse(http::header::IF_MATCH)?,
            parse(http::header::IF_NONE_MATCH)?,
        )
    }

    /// Decides for the `ETag` that readers see now; `None` when there is no object.
    pub(crate) fn check(&self, current: Option<&str>) -> Result<(), Refusal> {
        match (&self.if_match, current) {
            (None, _) | (Some(ETagCondition::Any), Some(_)) => {}
            (Some(_), None) => return Err(Refusal::NoSuchKey),
            (Some(ETagCondition::ETag(wanted)), Some(etag)) => {
                if !same(wanted, etag) {
                    return Err(Refusal::PreconditionFailed);
                }
            }
        }
        if self.if_none_match.is_some() && current.is_some() {
            return Err(Refusal::PreconditionFailed);
        }
        Ok(())
    }

    /// Like [`check`](Self::check) for a delete: a missing object fails the precondition (412) as S3 does.
    pub(crate) fn check_delete(&self, current: Option<&str>) -> Result<(), Refusal> {
        match self.check(current) {
            Err(Refusal::NoSuchKey) => Err(Refusal::PreconditionFailed),
            decided => decided,
        }
    }
}

/// What a reader, or the source of a copy, demands.
#[derive(Debug, Clone, Default)]
pub(crate) struct ReadCondition {
    pub(crate) if_match: Option<ETagCondition>,
    pub(crate) if_none_match: Option<ETagCondition>,
    pub(crate) if_modified_since: Option<Timestamp>,
    pub(crate) if_unmodified_since: Option<Timestamp>,
}

impl ReadCondition {
    /// Decides with the precedence of RFC 9110, 13.2.2; times count in whole seconds.
    pub(crate) fn check(&self, etag: &str, modified_ms: i64) -> Result<(), Refusal> {
        let modified = modified_ms.div_euclid(1000);
        match (&self.if_match, &self.if_unmodified_since) {
            (Some(ETagCondition::ETag(wanted)), _) if !same(wanted, etag) => {
                return Err(Refusal::PreconditionFailed);
            }
            (None, Some(limit)) if modified > seconds(limit) => {
                return Err(Refusal::PreconditionFailed);
            }
            (Some(_) | None, _) => {}
        }
        let unchanged = match (&self.if_none_match, &self.if_modified_since) {
            (Some(ETagCondition::Any), _) => true,
            (Some(ETagCondition::ETag(known)), _) => known.value() == etag,
            (None, Some(since)) => modified <= seconds(since),
            (None, None) => false,
        };
        if unchanged {
            return Err(Refusal::NotModified {
                etag: etag.to_owned(),
            });
        }
        Ok(())
    }

    /// The same for the source of a copy, where an unchanged source is 412.
    pub(crate) fn check_source(&self, etag: &str, modified_ms: i64) -> Result<(), Refusal> {
        match self.check(etag, modified_ms) {
            Err(Refusal::NotModified { .. }) => Err(Refusal::PreconditionFailed),
            decided => decided,
        }
    }
}

fn same(wanted: &ETag, etag: &str) -> bool {
    wanted.as_strong() == Some(etag)
}

fn seconds(timestamp: &Timestamp) -> i64 {
    OffsetDateTime::from(timestamp.clone()).unix_timestamp()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(value: &str) -> ETagCondition {
        ETagCondition::ETag(ETag::Strong(value.to_owned()))
    }

    fn verdict(result: Result<(), Refusal>) -> &'static str {
        match result {
            Ok(()) => "ok",
            Err(Refusal::PreconditionFailed) => "412",
            Err(Refusal::NoSuchKey) => "404",
            Err(Refusal::NotModified { .. }) => "304",
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn writes_are_decided_like_s3_does() {
        let any = Some(ETagCondition::Any);
        for (if_match, if_none_match, current, put, delete) in [
            (None, None, None, "ok", "ok"),
            (None, None, Some("a"), "ok", "ok"),
            (Some(condition("a")), None, Some("a"), "ok", "ok"),
            (Some(condition("a")), None, Some("b"), "412", "412"),
            (Some(condition("a")), None, None, "404", "412"),
            (any.clone(), None, Some("b"), "ok", "ok"),
            (any.clone(), None, None, "404", "412"),
            (None, any.clone(), None, "ok", "ok"),
            (None, any.clone(), Some("a"), "412", "412"),
            (Some(condition("a")), any, Some("a"), "412", "412"),
        ] {
            let condition = WriteCondition {
                if_match,
                if_none_match,
            };
            assert_eq!(
                verdict(condition.check(current)),
                put,
                "{condition:?} on {current:?}"
            );
            assert_eq!(
                verdict(condition.check_delete(current)),
                delete,
                "{condition:?}"
            );
        }
    }

    #[test]
    fn a_weak_etag_never_allows_a_write() {
        let weak = ETagCondition::ETag(ETag::Weak("a".to_owned()));
        let condition = WriteCondition {
            if_match: Some(weak),
            if_none_match: None,
        };
        assert_eq!(verdict(condition.check(Some("a"))), "412");
    }

    #[test]
    fn a_write_with_an_etag_in_if_none_match_is_refused() {
        assert!(WriteCondition::new(None, Some(condition("a"))).is_err());
    }

    #[test]
    fn reads_follow_the_precedence_of_rfc_9110() {
        let at = |s: i64| {
            Some(Timestamp::from(
                OffsetDateTime::from_unix_timestamp(s).unwrap(),
            ))
        };
        for (condition, expected) in [
            (
                ReadCondition {
                    if_match: Some(condition("a")),
                    ..Default::default()
                },
                "ok",
            ),
            (
                ReadCondition {
                    if_match: Some(condition("b")),
                    ..Default::default()
                },
                "412",
            ),
            (
                ReadCondition {
                    if_none_match: Some(condition("a")),
                    ..Default::default()
                },
                "304",
            ),
            (
                ReadCondition {
                    if_none_match: Some(condition("b")),
                    ..Default::default()
                },
                "ok",
            ),
            (
                ReadCondition {
                    if_modified_since: at(10),
                    ..Default::default()
                },
                "304",
            ),
            (
                ReadCondition {
                    if_modified_since: at(9),
                    ..Default::default()
                },
                "ok",
            ),
            (
                ReadCondition {
                    if_unmodified_since: at(9),
                    ..Default::default()
                },
                "412",
            ),
            (
                ReadCondition {
                    if_unmodified_since: at(10),
                    ..Default::default()
                },
                "ok",
            ),
            (
                ReadCondition {
                    if_match: Some(condition("a")),
                    if_unmodified_since: at(9),
                    ..Default::default()
                },
                "ok",
            ),
            (
                ReadCondition {
                    if_none_match: Some(condition("b")),
                    if_modified_since: at(10),
                    ..Default::default()
                },
                "ok",
            ),
        ] {
            assert_eq!(
                verdict(condition.check("a", 10_500)),
                expected,
                "{condition:?}"
            );
        }
    }
}
