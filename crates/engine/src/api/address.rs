use url::{Host, Url};

use super::ApiError;

/// Reads the address of a server as a person types it. Without a scheme it is `https`, on this
/// machine `http`.
pub(crate) fn server_url(text: &str) -> Result<Url, ApiError> {
    let text = text.trim();
    let refuse = |what: &str| ApiError::BadUrl {
        url: text.to_owned(),
        what: what.to_owned(),
    };
    let full = if text.contains("://") {
        text.to_owned()
    } else {
        let secure = Url::parse(&format!("https://{text}"))
            .map_err(|_| refuse("it is not an Internet address"))?;
        let scheme = if is_loopback(&secure) {
            "http"
        } else {
            "https"
        };
        format!("{scheme}://{text}")
    };
    normal(Url::parse(&full).map_err(|_| refuse("it is not an Internet address"))?)
}

/// The address without a slash at the end, as it is written and compared.
pub(crate) fn server_text(url: &Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}

/// Whether secrets may travel to `url`: by TLS, or without leaving this machine.
pub(crate) fn may_talk_to(url: &Url) -> bool {
    match url.scheme() {
        "https" => url.host().is_some(),
        "http" => is_loopback(url),
        _ => false,
    }
}

pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

/// Checks an address and cuts it to the base that paths are joined to.
pub(super) fn normal(mut url: Url) -> Result<Url, ApiError> {
    let refuse = |url: &Url, what: &str| ApiError::BadUrl {
        url: format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default()),
        what: what.to_owned(),
    };
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(refuse(&url, "it does not start with https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refuse(&url, "it contains a name or password"));
    }
    if !may_talk_to(&url) {
        return Err(refuse(
            &url,
            "without https, others on the way could read your sign-in",
        ));
    }
    url.set_query(None);
    url.set_fragment(None);
    let path = format!("{}/", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn completes_what_people_type() {
        for (typed, meant) in [
            ("cloud.example.org", "https://cloud.example.org"),
            (" https://cloud.example.org/ ", "https://cloud.example.org"),
            ("https://example.org/bm?x#y", "https://example.org/bm"),
            ("localhost:8765", "http://localhost:8765"),
            ("127.0.0.1:8765", "http://127.0.0.1:8765"),
            ("http://[::1]:8765", "http://[::1]:8765"),
        ] {
            assert_eq!(server_text(&server_url(typed).unwrap()), meant, "{typed}");
        }
    }

    #[test]
    fn refuses_what_would_send_a_sign_in_in_the_open() {
        for typed in [
            "http://example.org",
            "http://127.0.0.1.example.org",
            "ftp://example.org",
            "https://ana:secret@example.org",
            "file:///etc",
            "",
            "two words",
        ] {
            let refusal = server_url(typed).unwrap_err();
            assert_eq!(refusal.code(), "bad_url", "{typed}");
            assert!(!refusal.to_string().contains("secret"));
        }
    }
}
