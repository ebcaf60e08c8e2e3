//! How a key set gets here.

use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use reqwest::redirect;
use url::Url;

use super::key_set::MAX_BYTES;

const CONNECT_DEADLINE: Duration = Duration::from_secs(3);
const DEADLINE: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("the issuer could not be reached")]
    Unreachable(#[source] reqwest::Error),
    #[error("the issuer answered with status {0}")]
    Status(u16),
    #[error("the answer is larger than a key set may be")]
    TooLarge,
}

/// Fetches what is published at an address.
#[async_trait]
pub(crate) trait FetchKeys: Send + Sync {
    async fn fetch(&self, url: &Url) -> Result<Bytes, FetchError>;
}

/// How key sets may be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyTransport {
    HttpsOnly,
    /// In development, where an issuer may be on this machine.
    HttpToo,
}

/// Fetches over HTTP: no redirects, no proxies, one deadline, one size.
pub(crate) struct HttpKeys {
    client: reqwest::Client,
}

impl HttpKeys {
    pub(crate) fn new(transport: KeyTransport) -> Result<Self, reqwest::Error> {
        Ok(Self {
            client: reqwest::Client::builder()
                .https_only(transport == KeyTransport::HttpsOnly)
                .redirect(redirect::Policy::none())
                .no_proxy()
                .connect_timeout(CONNECT_DEADLINE)
                .timeout(DEADLINE)
                .user_agent("bm-server")
                .build()?,
        })
    }
}

#[async_trait]
impl FetchKeys for HttpKeys {
    async fn fetch(&self, url: &Url) -> Result<Bytes, FetchError> {
        let request = self.client.get(url.clone());
        let mut answer = request.send().await.map_err(FetchError::Unreachable)?;
        if answer.status() != reqwest::StatusCode::OK {
            return Err(FetchError::Status(answer.status().as_u16()));
        }
        let mut bytes = BytesMut::new();
        while let Some(chunk) = answer.chunk().await.map_err(FetchError::Unreachable)? {
            if bytes.len() + chunk.len() > MAX_BYTES {
                return Err(FetchError::TooLarge);
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes.freeze())
    }
}
