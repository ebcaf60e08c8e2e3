//! A configured deployment: what `bm-server serve` runs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::accept::{Certificates, TlsError};
use crate::app::Links;
use crate::buckets::{
    AdminKey, AwsBuckets, Buckets, EmbeddedBuckets, Endpoint, History, MintedKeys, ObjectKeys,
    Objects, Repeats, TigrisBuckets, Versions, VersionsInFolder,
};
use crate::clock::Clock;
use crate::compose::{Composition, Ended, Front, InstanceSettings, Parts, compose};
use crate::config::{
    AdminAccess, Database, DeploymentMode, FlySource, InstanceSource, Jobs, LocalSource, Problem,
    Settings, Storage, StorageService,
};
use crate::credentials::{CredentialSettings, SubscriptionPermits};
use crate::events::{EventSettings, StreamCaps};
use crate::instances::{
    BadAddress, FixedInstances, FlyInstances, FlySettings, Instances, LocalInstances,
    LocalSettings, NoInstances,
};
use crate::limits::LimitSettings;
use crate::metrics::{Metrics, MetricsError};
use crate::polar::{Polar, PolarApiSettings, PolarError, PolarSettings};
use crate::principal::{AdminSettings, Admins};
use crate::provisioning::ProvisioningSettings;
use crate::proxy::SigningKeys;
use crate::request::Hosts;
use crate::state_folder::{Deployment, FolderError, StateFolder, buckets_in};
use crate::store::{PostgresSettings, PostgresStore, SqliteStore, Store, StoreError};
use crate::token::{FetchKeys, HttpKeys, KeyTransport, Memberships, Verifier, WorkosDirectory};
use crate::workflow::EngineSettings;

/// The name of the key that a state folder keeps for itself.
const FOLDER_KEY_ID: &str = "folder";

/// Why a configured server could not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(transparent)]
    StateFolder(#[from] FolderError),
    #[error("{name} could not be listened on; choose another address or stop what uses it")]
    Address {
        name: &'static str,
        #[source]
        source: std::io::Error,
    },
    #[error("the database could not be opened")]
    Database(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the bucket store could not be opened")]
    Buckets(#[source] s3_store::StoreError),
    #[error(transparent)]
    InstanceAddress(#[from] BadAddress),
    #[error("instances cannot be run")]
    Instances(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("the payment provider's part could not start")]
    Polar(#[from] PolarError),
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    #[error("no requests can be made to others")]
    Outbound(#[source] reqwest::Error),
    #[error("a part of the server broke; the log says which")]
    PartBroken,
    #[error("{setting} is not set")]
    Incomplete { setting: &'static str },
}

impl From<StoreError> for ServeError {
    fn from(error: StoreError) -> Self {
        Self::Database(Box::new(error))
    }
}

/// Where a configured server is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Served {
    pub url: String,
    /// Where it listens; behind a proxy that is not where clients go.
    pub address: SocketAddr,
    pub metrics_address: Option<SocketAddr>,
    /// Where the embedded store listens, where there is one.
    pub storage_address: Option<SocketAddr>,
    pub pid: u32,
}

/// A configured server that listens, and answers once it runs.
#[must_use]
pub struct Server {
    served: Served,
    composition: Composition,
    front: Front,
    certificates: Option<Arc<Certificates>>,
    _folder: Option<StateFolder>,
}

impl Server {
    /// Opens everything the settings name, and brings the database to this version's shape.
    pub async fn open(settings: Settings, clock: Clock) -> Result<Self, ServeError> {
        for Problem { key, what, remedy } in settings.doubts() {
            tracing::warn!(setting = key, hint = remedy, "{key} {what}");
        }
        let folder = match &settings.state_folder {
            Some(folder) => Some(StateFolder::open(folder, Deployment::Configured)?),
            None => None,
        };
        let listener = listen(settings.listen.address, "listen.address").await?;
        let certificates = settings.tls.as_ref();
        let certificates = certificates
            .map(|tls| Certificates::open(&tls.certificate_file, &tls.key_file))
            .transpose()?
            .map(Arc::new);
        let metrics = match settings.metrics {
            Some(address) => Some((
                Metrics::install()?,
                listen(address, "metrics.address").await?,
            )),
            None => None,
        };
        let mut served = Served {
            url: settings.public_url.clone(),
            address: local(&listener, "listen.address")?,
            metrics_address: None,
            storage_address: None,
            pid: std::process::id(),
        };
        let store = open_store(&settings.database, folder.as_ref()).await?;
        let storage = open_storage(&settings.storage, folder.as_ref(), &clock).await?;
        let signing_keys = match (&settings.signing_keys, &folder) {
            (Some(keys), _) => Arc::clone(keys),
            (None, Some(folder)) => Arc::new(SigningKeys::single(
                FOLDER_KEY_ID,
                folder.instance_master()?,
            )),
            (None, None) => {
                return Err(ServeError::Incomplete {
                    setting: "signing.current",
                });
            }
        };
        let transport = match settings.mode {
            DeploymentMode::Production => KeyTransport::HttpsOnly,
            DeploymentMode::Development => KeyTransport::HttpToo,
        };
        let fetcher: Arc<dyn FetchKeys> =
            Arc::new(HttpKeys::new(transport).map_err(ServeError::Outbound)?);
        let verifier = Verifier::of_issuers(&settings.issuers, &fetcher, &clock);
        let polar = open_polar(&settings, &store, &clock)?;
        let permits = SubscriptionPermits::new(Arc::clone(&store), Arc::clone(&clock));
        let mut composition = compose(Parts {
            store,
            buckets: storage.buckets,
            objects: storage.objects,
            old_versions: settings.old_versions,
            credentials: CredentialSettings {
                live_at_most: settings.limits.live_credentials.into(),
                hourly_at_most: settings.limits.credentials_per_hour.into(),
                ..CredentialSettings::default()
            },
            limits: limits(&settings),
            events: EventSettings {
                caps: StreamCaps {
                    per_user: settings.events.streams_per_member as usize,
                    per_tenant: settings.events.streams_per_tenant as usize,
                },
                retention: settings.events.retention,
                hearing: settings.events.hearing,
                ..EventSettings::default()
            },
            public_url: settings.public_url.clone(),
            changes: storage
                .embedded
                .as_ref()
                .map(|(store, _)| store.subscribe()),
            verifier: Arc::new(verifier),
            admins: settings.admin.map(admins).transpose()?,
            clock,
            links: Links {
                subscribe_url: settings.subscribe_url,
                manage_url: settings.manage_url,
            },
            workspace_kind: settings.workspace_kind,
            hosts: Hosts::of(settings.listen.hosts.iter().map(String::as_str)),
            signing_keys,
            proxy: settings.proxy,
            sign_in: settings.sign_in,
            polar,
            instances: instances(&settings.instances.source, folder.as_ref())?,
            instance_settings: InstanceSettings {
                s3_endpoint: settings.instances.s3_endpoint,
                sync_every: settings.instances.sync_every,
            },
            provisioning: provisioning(settings.jobs),
            development: None,
        });
        let background = &mut composition.background;
        if let Some((store, listener)) = storage.embedded {
            served.storage_address = Some(local(&listener, "storage.address")?);
            background.add("embedded store", async move |cancel| {
                let served = store.serve_permitted(Arc::new(permits), listener, cancel);
                if let Err(error) = served.await {
                    tracing::error!(%error, "the embedded store stopped");
                }
            });
        }
        if let Some((metrics, listener)) = metrics {
            served.metrics_address = Some(local(&listener, "metrics.address")?);
            background.add("metrics", async move |cancel| {
                metrics.serve(listener, cancel).await;
            });
        }
        if let Some(certificates) = certificates.clone() {
            background.add("certificates", async move |cancel| {
                certificates.run(cancel).await;
            });
        }
        Ok(Self {
            served,
            composition,
            front: Front {
                listener,
                bounds: settings.listen.bounds,
                certificates: certificates.clone(),
                drain_delay: settings.listen.drain_delay,
            },
            certificates,
            _folder: folder,
        })
    }

    pub fn served(&self) -> &Served {
        &self.served
    }

    /// What is to be done when files of the configuration have changed.
    pub fn reload(&self) -> impl Fn() + Send + 'static {
        let certificates = self.certificates.clone();
        move || {
            if let Some(certificates) = &certificates {
                certificates.reload();
            }
        }
    }

    /// Answers until `cancel`, then drains and closes everything; `hurry` cuts the pause short in
    /// which probes are told before connections are refused.
    pub async fn run(
        self,
        cancel: CancellationToken,
        hurry: CancellationToken,
    ) -> Result<(), ServeError> {
        match self.composition.run(self.front, cancel, hurry).await {
            Ended::AsTold => Ok(()),
            Ended::Broken => Err(ServeError::PartBroken),
        }
    }
}

async fn listen(address: SocketAddr, name: &'static str) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| ServeError::Address { name, source })
}

fn admins(access: AdminAccess) -> Result<Admins, ServeError> {
    let directory: Option<Arc<dyn Memberships>> = match access.workos_api_key {
        Some(key) => Some(Arc::new(
            WorkosDirectory::new(&access.workos_api_url, key).map_err(ServeError::Outbound)?,
        )),
        None => None,
    };
    Ok(Admins {
        settings: AdminSettings {
            organization: access.organization_id,
            role: access.role,
            client: access.client_id,
        },
        directory,
    })
}

fn local(listener: &TcpListener, name: &'static str) -> Result<SocketAddr, ServeError> {
    listener
        .local_addr()
        .map_err(|source| ServeError::Address { name, source })
}

fn needed(folder: Option<&StateFolder>) -> Result<&StateFolder, ServeError> {
    folder.ok_or(ServeError::Incomplete {
        setting: "state.folder",
    })
}

async fn open_store(
    database: &Database,
    folder: Option<&StateFolder>,
) -> Result<Arc<dyn Store>, ServeError> {
    Ok(match database {
        Database::Sqlite => Arc::new(SqliteStore::open(&needed(folder)?.database()?).await?),
        Database::Postgres {
            url,
            max_connections,
        } => {
            let settings = PostgresSettings {
                url: url.clone(),
                max_connections: *max_connections,
            };
            Arc::new(PostgresStore::open(&settings).await?)
        }
    })
}

/// Without a webhook secret there is no payment provider.
fn open_polar(
    settings: &Settings,
    store: &Arc<dyn Store>,
    clock: &Clock,
) -> Result<Option<Arc<Polar>>, PolarError> {
    let settings = &settings.polar;
    if settings.webhook_secrets.is_empty() {
        return Ok(None);
    }
    let api_url = settings.api_url.clone();
    let settings = PolarSettings {
        webhook_secrets: settings.webhook_secrets.clone(),
        products: settings.products.clone(),
        api: settings
            .api_token
            .clone()
            .map(|token| PolarApiSettings::new(api_url, token)),
    };
    let chance = Arc::new(rand::random::<f64>);
    let polar = Polar::new(settings, Arc::clone(store), Arc::clone(clock), chance)?;
    Ok(Some(Arc::new(polar)))
}

fn instances(
    source: &InstanceSource,
    folder: Option<&StateFolder>,
) -> Result<Arc<dyn Instances>, ServeError> {
    Ok(match source {
        InstanceSource::None => Arc::new(NoInstances),
        InstanceSource::Fixed(address) => Arc::new(FixedInstances::new(address.as_str())?),
        InstanceSource::Local(source) => {
            let settings = local_settings(source, needed(folder)?)?;
            let opened = LocalInstances::open(settings);
            Arc::new(opened.map_err(|error| ServeError::Instances(Box::new(error)))?)
        }
        InstanceSource::Fly(source) => {
            let opened = FlyInstances::new(fly_settings(source));
            Arc::new(opened.map_err(ServeError::Outbound)?)
        }
    })
}

fn local_settings(source: &LocalSource, folder: &StateFolder) -> Result<LocalSettings, ServeError> {
    let program = match &source.program {
        Some(program) => program.clone(),
        None => program_beside_us().ok_or(ServeError::Incomplete {
            setting: "instances.local.program",
        })?,
    };
    Ok(LocalSettings {
        program,
        folder: folder.instances(),
        run: source.run.clone(),
    })
}

/// `bm-tenant`, if it lies where this program does.
pub(crate) fn program_beside_us() -> Option<PathBuf> {
    let name = format!("bm-tenant{}", std::env::consts::EXE_SUFFIX);
    let program = std::env::current_exe().ok()?.with_file_name(name);
    program.is_file().then_some(program)
}

fn fly_settings(source: &FlySource) -> FlySettings {
    FlySettings {
        api_url: source.api_url.clone(),
        token: source.token.clone(),
        organization: source.organization.clone(),
        image: source.image.clone(),
        app_prefix: source.app_prefix.clone(),
        network: source.network.clone(),
        regions: source.regions.clone(),
        cpus: source.cpus,
        memory_mib: source.memory_mib,
    }
}

fn provisioning(jobs: Jobs) -> ProvisioningSettings {
    let defaults = ProvisioningSettings::default();
    ProvisioningSettings {
        bucket_kept: jobs.bucket_retention,
        engine: EngineSettings {
            workers: usize::try_from(jobs.workers).unwrap_or(usize::MAX),
            ..defaults.engine
        },
        ..defaults
    }
}

struct OpenStorage {
    buckets: Arc<dyn Buckets>,
    objects: Objects,
    embedded: Option<(s3_store::Store, TcpListener)>,
}

async fn open_storage(
    storage: &Storage,
    folder: Option<&StateFolder>,
    clock: &Clock,
) -> Result<OpenStorage, ServeError> {
    match storage {
        Storage::Embedded {
            address,
            endpoint_url,
        } => {
            let store = s3_store::Store::open(&needed(folder)?.buckets(), Arc::clone(clock))
                .map_err(ServeError::Buckets)?;
            let listener = listen(*address, "storage.address").await?;
            let reached = Endpoint {
                url: format!("http://{}", reachable(local(&listener, "storage.address")?)),
                region: "auto".to_owned(),
            };
            let objects = Objects::new(
                reached,
                ObjectKeys::Minted(MintedKeys::new(store.clone())),
                History::Versions,
                Arc::clone(clock),
            );
            let endpoint_url = endpoint_url.as_str().trim_end_matches('/').to_owned();
            Ok(OpenStorage {
                buckets: Arc::new(EmbeddedBuckets::new(store.clone(), endpoint_url)),
                objects: objects.map_err(ServeError::Outbound)?,
                embedded: Some((store, listener)),
            })
        }
        Storage::Aws(service) => {
            let (s3, iam, public, key) = service_parts(service);
            let repeats = Repeats::default();
            let objects = Objects::new(
                s3.clone(),
                ObjectKeys::Server(key.clone()),
                History::Versions,
                Arc::clone(clock),
            );
            let buckets = AwsBuckets::new(s3, iam, public, &key, clock, repeats);
            Ok(OpenStorage {
                objects: objects.map_err(ServeError::Outbound)?,
                buckets: Arc::new(buckets.map_err(ServeError::Outbound)?),
                embedded: None,
            })
        }
        Storage::Tigris(service, unattached) => {
            let (s3, iam, public, key) = service_parts(service);
            let repeats = Repeats::default();
            let objects = Objects::new(
                s3.clone(),
                ObjectKeys::Server(key.clone()),
                // It has snapshots of its own kind, whose interface is not documented to us.
                History::Unlisted,
                Arc::clone(clock),
            );
            let buckets = TigrisBuckets::new(s3, iam, public, &key, *unattached, clock, repeats);
            Ok(OpenStorage {
                objects: objects.map_err(ServeError::Outbound)?,
                buckets: Arc::new(buckets.map_err(ServeError::Outbound)?),
                embedded: None,
            })
        }
    }
}

/// What lists the versions in a deployment's buckets, also beside its servers.
pub(crate) fn versions_of(
    storage: &Storage,
    folder: Option<&Path>,
    clock: &Clock,
) -> Result<Arc<dyn Versions>, ServeError> {
    let repeats = Repeats::default();
    Ok(match storage {
        Storage::Embedded { .. } => {
            let folder = folder.ok_or(ServeError::Incomplete {
                setting: "state.folder",
            })?;
            Arc::new(VersionsInFolder::new(&buckets_in(folder)))
        }
        Storage::Aws(service) => {
            let (s3, iam, public, key) = service_parts(service);
            let buckets = AwsBuckets::new(s3, iam, public, &key, clock, repeats);
            Arc::new(buckets.map_err(ServeError::Outbound)?)
        }
        Storage::Tigris(service, unattached) => {
            let (s3, iam, public, key) = service_parts(service);
            let buckets = TigrisBuckets::new(s3, iam, public, &key, *unattached, clock, repeats);
            Arc::new(buckets.map_err(ServeError::Outbound)?)
        }
    })
}

/// Where a listener of this machine is reached from this machine.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        IpAddr::V4(_) | IpAddr::V6(_) => address.ip(),
    };
    SocketAddr::new(ip, address.port())
}

fn service_parts(service: &StorageService) -> (Endpoint, Endpoint, Endpoint, AdminKey) {
    let at = |url: &Url, region: &str| Endpoint {
        url: url.as_str().trim_end_matches('/').to_owned(),
        region: region.to_owned(),
    };
    let key = AdminKey {
        access_key: service.access_key.clone(),
        secret: service.secret_key.clone(),
    };
    (
        at(&service.admin_url, &service.region),
        at(&service.iam_url, iam_region(&service.region)),
        at(&service.endpoint_url, &service.region),
        key,
    )
}

/// AWS has one IAM for all regions, which signs as the first of them.
fn iam_region(region: &str) -> &str {
    match region {
        "auto" => "auto",
        _ => "us-east-1",
    }
}

fn limits(settings: &Settings) -> LimitSettings {
    let at_least_one = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
    let networks = settings.listen.trusted_proxies.iter();
    LimitSettings {
        requests_per_minute: at_least_one(settings.limits.requests_per_minute),
        burst: at_least_one(settings.limits.burst),
        // The configuration was refused if one of them is no network.
        trusted_proxies: networks.filter_map(|text| text.parse().ok()).collect(),
        ..LimitSettings::default()
    }
}
