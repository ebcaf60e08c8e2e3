//! Decides from the head of a request whether and as what it is passed on.

use axum::http::request::Parts;
use axum::http::uri::{Authority, PathAndQuery};
use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};

use super::headers::keep_for_instance;
use super::path::{PathFault, check_path, check_query};

/// What stands before an instance's own paths at our address.
pub(crate) const PREFIX: &str = "/proxy";
/// Longer addresses are refused, in bytes; nginx's default for a request line is the same.
const MAX_TARGET_BYTES: usize = 8 * 1024;

/// Why a request is not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("This method is not passed on.")]
    Method,
    #[error("The request names no host, or more than one.")]
    Host,
    #[error("The request carries more than one authorization.")]
    Authorization,
    #[error("The length of the request's body is told in two ways.")]
    Framing,
    #[error("The address is outside of what is passed on.")]
    Elsewhere,
    #[error("The address is too long.")]
    TooLong,
    #[error("The address cannot be passed on: {0}.")]
    Path(#[from] PathFault),
}

impl Refusal {
    /// A stable word for metrics.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Method => "method",
            Self::Host => "host",
            Self::Authorization => "authorization",
            Self::Framing => "framing",
            Self::Elsewhere => "elsewhere",
            Self::TooLong => "too_long",
            Self::Path(_) => "path",
        }
    }
}

/// A request as the instance gets it, but for our own headers.
#[derive(Debug)]
pub(crate) struct Forward {
    pub(crate) method: Method,
    /// The bytes behind the prefix as they arrived.
    pub(crate) path_and_query: PathAndQuery,
    pub(crate) headers: HeaderMap,
}

/// Accepts the head of a request under [`PREFIX`], or says why not.
///
/// Leading slashes were collapsed before routing; see [`collapse_leading_slashes`].
pub(crate) fn decide(head: Parts) -> Result<Forward, Refusal> {
    if !is_passed_on(&head.method) {
        return Err(Refusal::Method);
    }
    one_host(&head.uri, &head.headers)?;
    if head.headers.get_all(header::AUTHORIZATION).iter().count() > 1 {
        return Err(Refusal::Authorization);
    }
    one_framing(&head.headers)?;
    let path_and_query = target(&head.uri)?;
    let mut headers = head.headers;
    keep_for_instance(&mut headers);
    Ok(Forward {
        method: head.method,
        path_and_query,
        headers,
    })
}

fn is_passed_on(method: &Method) -> bool {
    matches!(
        method.as_str(),
        "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS" | "QUERY"
    )
}

/// Takes exactly one host; an address in absolute form has to name the same one.
fn one_host(uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next(), uri.authority()) {
        (Some(_), None, None) => Ok(()),
        (Some(host), None, Some(authority)) if same_host(host, authority) => Ok(()),
        // HTTP/2 has the authority in the address.
        (None, None, Some(authority)) if !authority.as_str().contains('@') => Ok(()),
        _ => Err(Refusal::Host),
    }
}

fn same_host(host: &HeaderValue, authority: &Authority) -> bool {
    host.as_bytes()
        .eq_ignore_ascii_case(authority.as_str().as_bytes())
}

fn one_framing(headers: &HeaderMap) -> Result<(), Refusal> {
    let lengths = headers.get_all(header::CONTENT_LENGTH).iter().count();
    let mut encodings = headers.get_all(header::TRANSFER_ENCODING).iter();
    match (lengths, encodings.next(), encodings.next()) {
        (0 | 1, None, None) => Ok(()),
        (0, Some(encoding), None) if encoding.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => Err(Refusal::Framing),
    }
}

fn target(uri: &Uri) -> Result<PathAndQuery, Refusal> {
    let whole = uri.path_and_query().map_or("", PathAndQuery::as_str);
    if whole.len() > MAX_TARGET_BYTES {
        return Err(Refusal::TooLong);
    }
    let rest = whole
        .strip_prefix(PREFIX)
        .filter(|rest| rest.starts_with('/'))
        .ok_or(Refusal::Elsewhere)?;
    let (path, query) = rest
        .split_once('?')
        .map_or((rest, None), |(path, query)| (path, Some(query)));
    check_path(path)?;
    query.map_or(Ok(()), check_query)?;
    PathAndQuery::try_from(rest).map_err(|_| Refusal::Path(PathFault::Control))
}

/// Gives the address with one leading slash, if it has more.
///
/// Clients that were told a host with a closing slash ask for `//proxy/…`.
pub(crate) fn collapse_leading_slashes(uri: &Uri) -> Option<Uri> {
    let whole = uri.path_and_query()?.as_str();
    if !whole.starts_with("//") {
        return None;
    }
    let target = format!("/{}", whole.trim_start_matches('/'));
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(target).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests;
