//! The proxy that a person chose for the way to the server and the bucket.
//!
//! What is on this machine is never reached through it: rclone, the guard and an embedded server
//! are. rclone itself needs no proxy, since it talks to the guard alone.

use std::sync::Arc;

use tokio::sync::watch;
use url::Url;

/// The choice, as it changes. Clones are one; nothing chosen is the system's way.
#[derive(Clone, Debug)]
pub(crate) struct ChosenProxy(Arc<watch::Sender<Option<Url>>>);

impl Default for ChosenProxy {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }
}

impl ChosenProxy {
    pub(crate) fn now(&self) -> Option<Url> {
        self.0.borrow().clone()
    }

    /// The choice from here on; connections are made anew.
    pub(crate) fn choose(&self, proxy: Option<Url>) {
        self.0.send_if_modified(|current| {
            let changed = *current != proxy;
            *current = proxy;
            changed
        });
    }

    pub(crate) fn follow(&self) -> watch::Receiver<Option<Url>> {
        self.0.subscribe()
    }
}

/// Why an address cannot be a proxy's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProxyError {
    #[error("A proxy has an address such as http://proxy.example:3128")]
    Unreadable,
    #[error("Only proxies that speak http or https can be used")]
    Scheme,
    #[error("An address with a name and password is not kept, as it would lie open on the disk")]
    Credentials,
    #[error("A proxy's address ends with its port")]
    Path,
}

/// Reads a proxy's address as a person types it; without a scheme it is `http`.
pub(crate) fn parse(text: &str) -> Result<Url, ProxyError> {
    let text = text.trim();
    let whole = if text.contains("://") {
        text.to_owned()
    } else {
        format!("http://{text}")
    };
    let url = Url::parse(&whole).map_err(|_| ProxyError::Unreadable)?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(ProxyError::Scheme);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(ProxyError::Credentials);
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(ProxyError::Unreadable);
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err(ProxyError::Path);
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_type_and_keeps_no_password() {
        let read = |text| parse(text).map(|url| url.to_string());
        let plain = Ok("http://proxy.example:3128/".to_owned());
        assert_eq!(read("http://proxy.example:3128"), plain);
        assert_eq!(read(" proxy.example:3128 "), plain);
        assert_eq!(
            read("https://10.0.0.1/"),
            Ok("https://10.0.0.1/".to_owned())
        );
        assert_eq!(read("socks5://proxy:1080"), Err(ProxyError::Scheme));
        assert_eq!(
            read("http://ana:secret@proxy"),
            Err(ProxyError::Credentials)
        );
        assert_eq!(read("http://proxy/path"), Err(ProxyError::Path));
        assert_eq!(read(""), Err(ProxyError::Unreadable));
        assert_eq!(read("http://"), Err(ProxyError::Unreadable));
    }
}
