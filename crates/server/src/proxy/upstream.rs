//! Where an instance is reached.

use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, header};

use super::decide::PREFIX;

/// Why an instance's recorded address cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an instance's address: HOST:PORT")]
pub(crate) struct BadAddress(String);

/// An instance's address. It comes from the database only, never from a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Upstream {
    authority: Authority,
    host: HeaderValue,
}

impl Upstream {
    /// Takes `HOST:PORT`, or `http://HOST:PORT` with nothing behind it but an optional slash.
    pub(crate) fn parse(address: &str) -> Result<Self, BadAddress> {
        let bad = || BadAddress(address.to_owned());
        let rest = address.strip_prefix("http://").unwrap_or(address);
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let authority: Authority = rest.parse().map_err(|_| bad())?;
        let whole = authority.port_u16().is_some() || authority.host() == rest;
        if rest.contains('@') || authority.host().is_empty() || !whole {
            return Err(bad());
        }
        let host = HeaderValue::from_str(rest).map_err(|_| bad())?;
        Ok(Self { authority, host })
    }

    pub(super) fn host(&self) -> HeaderValue {
        self.host.clone()
    }

    pub(super) fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Turns a redirect to the instance itself into one to the same place behind us.
    ///
    /// The instance's own address is of no use to callers, and is not theirs to know.
    pub(super) fn hide_in_redirect(&self, headers: &mut HeaderMap) {
        let Some(location) = headers.get(header::LOCATION) else {
            return;
        };
        let Some(path) = location.to_str().ok().and_then(|text| self.own_path(text)) else {
            return;
        };
        if let Ok(value) = HeaderValue::try_from(format!("{PREFIX}{path}")) {
            headers.insert(header::LOCATION, value);
        }
    }

    fn own_path<'a>(&self, location: &'a str) -> Option<&'a str> {
        let path = match location.strip_prefix("http://") {
            Some(rest) => {
                let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
                let (authority, path) = rest.split_at(end);
                if !authority.eq_ignore_ascii_case(self.authority.as_str()) {
                    return None;
                }
                if path.is_empty() { "/" } else { path }
            }
            None => location,
        };
        (path.starts_with('/') && !path.starts_with("//")).then_some(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_plain_http_and_a_host_only() {
        for address in [
            "127.0.0.1:8000",
            "http://127.0.0.1:8000",
            "http://127.0.0.1:8000/",
            "http://[fdaa::1]:8080",
            "http://app.internal",
        ] {
            assert!(Upstream::parse(address).is_ok(), "{address}");
        }
        for address in [
            "",
            "a:b",
            "https://127.0.0.1",
            "http://",
            "http://a@b",
            "http://a/b",
            "http://a?b",
            "http://a b",
        ] {
            assert!(Upstream::parse(address).is_err(), "{address}");
        }
    }

    #[test]
    fn redirects_within_the_instance_stay_behind_us_and_others_are_left_alone() {
        let upstream = Upstream::parse("http://10.0.0.1:80").unwrap();
        for (location, expected) in [
            ("http://10.0.0.1:80/v2/projects/", "/proxy/v2/projects/"),
            ("http://10.0.0.1:80", "/proxy/"),
            ("/a?b#c", "/proxy/a?b#c"),
            ("a/b", "a/b"),
            ("//evil.example/a", "//evil.example/a"),
            (
                "http://10.0.0.1:80//evil.example",
                "http://10.0.0.1:80//evil.example",
            ),
            ("http://10.0.0.1:8080/a", "http://10.0.0.1:8080/a"),
            ("https://elsewhere.example/a", "https://elsewhere.example/a"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::LOCATION, location.parse().unwrap());
            upstream.hide_in_redirect(&mut headers);
            assert_eq!(headers[header::LOCATION], expected);
        }
    }
}
