//! What requests say about the workspace they are for. It is compared, never used.

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::error::ApiError;

const WORKSPACE_ID: HeaderName = HeaderName::from_static("x-workspace-id");
/// Published clients say both or neither, and so do we ask of everybody.
const WORKSPACE_SLUG: HeaderName = HeaderName::from_static("x-basic-memory-workspace-slug");
const WORKSPACE_TYPE: HeaderName = HeaderName::from_static("x-basic-memory-workspace-type");

/// Lets requests pass that name no workspace, or the caller's own.
pub(super) fn only_own(headers: &HeaderMap, own: Option<&str>) -> Result<(), ApiError> {
    let is_own = |named: &HeaderValue| {
        own.is_some_and(|own| named.as_bytes().eq_ignore_ascii_case(own.as_bytes()))
    };
    if !headers.get_all(WORKSPACE_ID).iter().all(is_own) {
        return Err(ApiError::OtherWorkspace);
    }
    if headers.contains_key(WORKSPACE_SLUG) != headers.contains_key(WORKSPACE_TYPE) {
        return Err(ApiError::InvalidRequest(
            "A workspace's slug and type go together: send both or neither.".to_owned(),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `passed`, or the code of the refusal.
    fn verdict(headers: &[(&str, &str)], own: Option<&str>) -> &'static str {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            map.append(name, value.parse().unwrap());
        }
        match only_own(&map, own) {
            Ok(()) => "passed",
            Err(error) => error.code(),
        }
    }

    #[test]
    fn a_named_workspace_is_the_callers_own_or_the_request_is_refused() {
        let (id, own) = ("X-Workspace-ID", "0190a0a0-0000-7000-8000-00000000000a");
        let (other, own_in_capitals) = ("0190a0a0-0000-7000-8000-00000000000b", own.to_uppercase());
        assert_eq!(verdict(&[], Some(own)), "passed");
        assert_eq!(verdict(&[], None), "passed");
        assert_eq!(verdict(&[(id, own)], Some(own)), "passed");
        assert_eq!(verdict(&[(id, &own_in_capitals)], Some(own)), "passed");
        assert_eq!(verdict(&[(id, other)], Some(own)), "forbidden");
        assert_eq!(verdict(&[(id, other)], None), "forbidden");
        assert_eq!(verdict(&[(id, own), (id, other)], Some(own)), "forbidden");
    }

    #[test]
    fn slug_and_type_go_together() {
        let slug = ("X-Basic-Memory-Workspace-Slug", "notes");
        let kind = ("X-Basic-Memory-Workspace-Type", "organization");
        assert_eq!(verdict(&[slug, kind], None), "passed");
        assert_eq!(verdict(&[slug], None), "invalid_request");
        assert_eq!(verdict(&[kind], None), "invalid_request");
    }
}
