//! The certificate of the TLS listener, read again whenever its files change.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub(super) const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";
/// How often the files are looked at; a signal makes it happen at once.
const LOOK_EVERY: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{} is not a readable PEM file", file.display())]
    Unreadable {
        file: PathBuf,
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    #[error("{} has no certificate", file.display())]
    NoCertificate { file: PathBuf },
    #[error("the certificate and the key do not belong together, or are not usable")]
    Mismatch(#[source] rustls::Error),
}

/// A certificate chain with its key, as it is in the files now.
#[derive(Debug)]
pub(crate) struct Certificates {
    certificate_file: PathBuf,
    key_file: PathBuf,
    provider: Arc<CryptoProvider>,
    current: Arc<Current>,
    changed: Notify,
}

#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let key = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&key))
    }
}

impl Certificates {
    pub(crate) fn open(certificate_file: &Path, key_file: &Path) -> Result<Self, TlsError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let key = read(certificate_file, key_file, &provider)?;
        Ok(Self {
            certificate_file: certificate_file.to_owned(),
            key_file: key_file.to_owned(),
            provider,
            current: Arc::new(Current(RwLock::new(key))),
            changed: Notify::new(),
        })
    }

    pub(super) fn server_config(&self) -> Arc<ServerConfig> {
        let resolver: Arc<dyn ResolvesServerCert> = Arc::clone(&self.current) as _;
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .expect("the provider supports TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        config.alpn_protocols = vec![HTTP2.to_vec(), HTTP1.to_vec()];
        Arc::new(config)
    }

    /// Asks for the files to be read now.
    pub(crate) fn reload(&self) {
        self.changed.notify_one();
    }

    /// Takes a new certificate over when its files change, until `cancel`. Files that cannot be
    /// used leave the old certificate in place.
    pub(crate) async fn run(self: Arc<Self>, cancel: CancellationToken) {
        let mut seen = self.modified();
        loop {
            let asked = tokio::select! {
                () = cancel.cancelled() => return,
                () = self.changed.notified() => true,
                () = tokio::time::sleep(LOOK_EVERY) => false,
            };
            let modified = self.modified();
            if !asked && modified == seen {
                continue;
            }
            match read(&self.certificate_file, &self.key_file, &self.provider) {
                Ok(key) => {
                    let mut current = self
                        .current
                        .0
                        .write()
                        .unwrap_or_else(PoisonError::into_inner);
                    *current = key;
                    drop(current);
                    tracing::info!("the TLS certificate was read again");
                }
                Err(error) => {
                    tracing::error!(error = %crate::error::chain(&error), "the TLS certificate stays as it was");
                }
            }
            seen = modified;
        }
    }

    fn modified(&self) -> [Option<SystemTime>; 2] {
        [&self.certificate_file, &self.key_file].map(|file| {
            std::fs::metadata(file)
                .and_then(|found| found.modified())
                .ok()
        })
    }
}

fn read(
    certificate_file: &Path,
    key_file: &Path,
    provider: &CryptoProvider,
) -> Result<Arc<CertifiedKey>, TlsError> {
    let unreadable = |file: &Path| {
        let file = file.to_owned();
        move |source| TlsError::Unreadable { file, source }
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate_file)
        .and_then(Iterator::collect)
        .map_err(unreadable(certificate_file))?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate {
            file: certificate_file.to_owned(),
        });
    }
    let key = PrivateKeyDer::from_pem_file(key_file).map_err(unreadable(key_file))?;
    let certified = CertifiedKey::from_der(chain, key, provider).map_err(TlsError::Mismatch)?;
    Ok(Arc::new(certified))
}
