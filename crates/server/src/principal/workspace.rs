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

    fn verdict(headers: &[(&str, &str)], own: Option<&str>) -> Result<(), &'static str> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            map.append(name, value.parse().unwrap());
        }
        only_own(&map, own).map_err(|error| error.code())
    }

    #[test]
    fn a_named_workspace_is_the_callers_own_or_the_request_is_refused() {
        let own = Some("0190a0a0-0000-7000-8000-00000000000a");
        let (id, other) = ("X-Workspace-ID", "0190a0a0-0000-7000-8000-00000000000b");
        assert_eq!(verdict(&[], own), Ok(()));
        assert_eq!(verdict(&[], None), Ok(()));
        assert_eq!(verdict(&[(id, own.unwrap())], own), Ok(()));
        assert_eq!(verdict(&[(id, &own.unwrap().to_uppercase())], own), Ok(()));
        assert_eq!(verdict(&[(id, other)], own), Err("forbidden"));
        assert_eq!(verdict(&[(id, other)], None), Err("forbidden"));
        let both = [(id, own.unwrap()), (id, other)];
        assert_eq!(verdict(&both, own), Err("forbidden"));
    }

    #[test]
    fn slug_and_type_go_together() {
        let slug = ("X-Basic-Memory-Workspace-Slug", "notes");
        let kind = ("X-Basic-Memory-Workspace-Type", "organization");
        assert_eq!(verdict(&[slug, kind], None), Ok(()));
        assert_eq!(verdict(&[slug], None), Err("invalid_request"));
        assert_eq!(verdict(&[kind], None), Err("invalid_request"));
    }
}
