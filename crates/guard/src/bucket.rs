pub(crate) mod operations;
mod probe;
mod sweep;
pub(crate) mod transport;
mod versions;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use secrecy::SecretString;
use url::Url;

use crate::error::BucketError;
use crate::pace::{Limits, Pace};

pub use probe::{Capabilities, Support};
pub use versions::ObjectVersion;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Letters of a device's name; encoded they stay far below what stores take beside an object.
const LONGEST_WRITER: usize = 64;
/// Short, so that a computer that wakes up does not write into connections that died meanwhile.
const IDLE_CONNECTION: Duration = Duration::from_secs(20);

/// Tells the time for signatures.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// A key pair for one bucket.
#[derive(Clone, Debug)]
pub struct Credentials {
    pub access_key: String,
    pub secret_key: SecretString,
}

/// Where a bucket is, and how to sign for it.
#[derive(Clone, Debug)]
pub struct BucketConfig {
    /// `http` or `https`; objects are addressed in path style below it.
    pub endpoint: Url,
    pub region: String,
    pub bucket: String,
    pub credentials: Credentials,
}

/// Requests that left for the bucket, by kind. Parts of multipart uploads count as `put`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestCounts {
    pub list: u64,
    pub head: u64,
    pub get: u64,
    pub put: u64,
    pub delete: u64,
    pub copy: u64,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum RequestKind {
    List,
    Head,
    Get,
    Put,
    Delete,
    Copy,
}

#[derive(Default)]
struct Counters {
    list: AtomicU64,
    head: AtomicU64,
    get: AtomicU64,
    put: AtomicU64,
    delete: AtomicU64,
    copy: AtomicU64,
}

impl Counters {
    fn count(&self, kind: RequestKind) {
        let counter = match kind {
            RequestKind::List => &self.list,
            RequestKind::Head => &self.head,
            RequestKind::Get => &self.get,
            RequestKind::Put => &self.put,
            RequestKind::Delete => &self.delete,
            RequestKind::Copy => &self.copy,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// Where the bucket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// On this machine: never behind a proxy.
    Here,
    Elsewhere,
}

struct Inner {
    http: RwLock<reqwest::Client>,
    reach: Reach,
    /// Who stores through this client, as it is written beside each object.
    writer: OnceLock<String>,
    origin: String,
    region: String,
    bucket: String,
    credentials: RwLock<Credentials>,
    clock: Clock,
    counters: Counters,
    up: Arc<Pace>,
    down: Arc<Pace>,
}

/// A client for one bucket. Clones share connections, credentials and counters.
#[derive(Clone)]
pub struct Bucket {
    inner: Arc<Inner>,
}

impl std::fmt::Debug for Bucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bucket")
            .field("origin", &self.inner.origin)
            .field("bucket", &self.inner.bucket)
            .finish_non_exhaustive()
    }
}

impl Bucket {
    /// Prepares a client; nothing is sent.
    ///
    /// # Errors
    /// [`BucketError::Endpoint`] when the address cannot be used.
    pub fn new(config: BucketConfig, clock: Clock) -> Result<Self, BucketError> {
        let unusable = |reason: &str| BucketError::Endpoint {
            reason: reason.to_owned(),
        };
        let BucketConfig {
            endpoint,
            region,
            bucket,
            credentials,
        } = config;
        if !matches!(endpoint.scheme(), "http" | "https") {
            return Err(unusable("it is neither http nor https"));
        }
        if endpoint.query().is_some() || endpoint.fragment().is_some() {
            return Err(unusable("it has a query or a fragment"));
        }
        let well_formed = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        if bucket.is_empty() || bucket.starts_with('.') || !bucket.chars().all(well_formed) {
            return Err(unusable("the bucket's name is not well formed"));
        }
        let on_loopback = match endpoint.host() {
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            Some(url::Host::Domain(name)) => name == "localhost",
            None => return Err(unusable("it has no host")),
        };
        let reach = if on_loopback {
            Reach::Here
        } else {
            Reach::Elsewhere
        };
        let http = client(reach, None).map_err(|error| unusable(&transport::reason(&error)))?;
        Ok(Self {
            inner: Arc::new(Inner {
                http: RwLock::new(http),
                reach,
                writer: OnceLock::new(),
                origin: endpoint.as_str().trim_end_matches('/').to_owned(),
                region,
                bucket,
                credentials: RwLock::new(credentials),
                clock,
                counters: Counters::default(),
                up: Arc::new(Pace::new()),
                down: Arc::new(Pace::new()),
            }),
        })
    }

    /// Signs every later request with these keys; requests under way are not disturbed.
    pub fn set_credentials(&self, credentials: Credentials) {
        let mut current = self
            .inner
            .credentials
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *current = credentials;
    }

    /// Names the device that stores through this client from here on, for others to read with
    /// [`Bucket::find_writer`]; the first name stays.
    pub fn set_writer(&self, device: &str) {
        let short: String = device.chars().take(LONGEST_WRITER).collect();
        self.inner.writer.get_or_init(|| short);
    }

    /// Reaches the bucket through this proxy from the next request on; without one, as the system
    /// says. A bucket on this machine is reached directly all the same.
    ///
    /// # Errors
    /// [`BucketError::Endpoint`] when the proxy's address cannot be used; then nothing changes.
    pub fn set_proxy(&self, proxy: Option<&Url>) -> Result<(), BucketError> {
        if self.inner.reach == Reach::Here {
            return Ok(());
        }
        let fresh = client(self.inner.reach, proxy).map_err(|error| BucketError::Endpoint {
            reason: transport::reason(&error),
        })?;
        let mut current = self
            .inner
            .http
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *current = fresh;
        Ok(())
    }

    fn http(&self) -> reqwest::Client {
        self.inner
            .http
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn credentials(&self) -> Credentials {
        self.inner
            .credentials
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// How fast bytes pass from now on, together, for all that use this bucket.
    pub fn set_limits(&self, limits: Limits) {
        self.inner.up.set(limits.upload);
        self.inner.down.set(limits.download);
    }

    /// The limits that hold now.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits {
            upload: self.inner.up.rate(),
            download: self.inner.down.rate(),
        }
    }

    pub(crate) fn downward(&self) -> Arc<Pace> {
        Arc::clone(&self.inner.down)
    }

    /// The bucket's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.bucket
    }

    /// What was sent so far, by this client and by the guards above it.
    #[must_use]
    pub fn requests(&self) -> RequestCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &self.inner.counters;
        RequestCounts {
            list: read(&counters.list),
            head: read(&counters.head),
            get: read(&counters.get),
            put: read(&counters.put),
            delete: read(&counters.delete),
            copy: read(&counters.copy),
        }
    }

    pub(crate) fn now(&self) -> SystemTime {
        (self.inner.clock)()
    }
}

fn client(reach: Reach, proxy: Option<&Url>) -> reqwest::Result<reqwest::Client> {
    let client = reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_CONNECTION)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .http1_only()
        .user_agent(concat!("basic-memory-guard/", env!("CARGO_PKG_VERSION")));
    let client = match (reach, proxy) {
        (Reach::Here, _) => client.no_proxy(),
        (Reach::Elsewhere, Some(proxy)) => client.proxy(reqwest::Proxy::all(proxy.clone())?),
        (Reach::Elsewhere, None) => client,
    };
    client.build()
}
