//! The embedded deployment: all parts, put together and run until told to stop.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::accept::Bounds;
use crate::app::Links;
use crate::buckets::{EmbeddedBuckets, Endpoint, History, MintedKeys, ObjectKeys, Objects};
use crate::clock::{Clock, system_clock};
use crate::compose::{Composition, Ended, Front, InstanceSettings, Parts, compose};
use crate::credentials::{CredentialSettings, SubscriptionPermits};
use crate::events::EventSettings;
use crate::idp::{IdentityProvider, Setup};
use crate::instances::{Instances, LocalInstances, LocalRun, LocalSettings, NoInstances};
use crate::limits::LimitSettings;
use crate::polar::{Polar, PolarError, PolarSettings};
use crate::ports::{self, PortError};
use crate::principal::Admins;
use crate::provisioning::ProvisioningSettings;
use crate::proxy::{ProxySettings, SigningKeys};
use crate::request::Hosts;
use crate::retention::VersionRule;
use crate::serve::program_beside_us;
use crate::state_folder::{Deployment, FolderError, StateFolder};
use crate::store::{SqliteStore, StoreError};
use crate::token::Verifier;
use crate::workspace::WorkspaceKind;

/// The id of the one key that a development server signs requests to instances with.
const DEV_KEY_ID: &str = "dev-1";

/// How a port is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortChoice {
    /// This one.
    Fixed(u16),
    /// The one of the last start, or `at_first` if this is the first.
    Remembered { at_first: u16 },
    /// The one of the last start, or any free one.
    Any,
}

/// What a development server is started with.
#[derive(Clone)]
pub struct DevConfig {
    /// Holds everything the server keeps; made if it is not there.
    pub state: PathBuf,
    pub port: PortChoice,
    pub s3_port: PortChoice,
    /// Where clients reach the S3 endpoint, if something stands before it; without a slash at
    /// its end.
    pub s3_url: Option<String>,
    pub access_token_life: Duration,
    /// Addresses of the people who are administrators.
    pub admins: Vec<String>,
    /// Where people without a subscription are sent.
    pub subscribe_url: String,
    pub manage_url: Option<String>,
    /// What clients that know workspaces are told.
    pub workspace_kind: WorkspaceKind,
    /// The payment provider, if there is one.
    pub polar: Option<PolarSettings>,
    pub instances: DevInstances,
    pub clock: Clock,
}

/// Whether tenants have instances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DevInstances {
    None,
    /// A process of this machine for each tenant.
    Local(DevLocal),
}

/// How the instances of a development server are run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DevLocal {
    /// `bm-tenant`.
    pub program: PathBuf,
    /// Where instances look for programs.
    pub path: OsString,
    /// How instances read their bucket as files.
    pub files: String,
    /// The generation of Basic Memory.
    pub generation: String,
    /// The Python environment that has it; without one, instances have files only.
    pub basic_memory: Option<PathBuf>,
    /// rclone to use before any that is found on the path.
    pub rclone: Option<PathBuf>,
    /// How long an instance stays awake that nobody uses; forever if `None`.
    pub idle: Option<Duration>,
}

impl DevInstances {
    /// `bm-tenant`, if it lies beside the running program.
    pub fn program_beside_us() -> Option<PathBuf> {
        program_beside_us()
    }

    fn open(self, folder: &StateFolder) -> Result<Arc<dyn Instances>, ServerError> {
        let local = match self {
            Self::None => return Ok(Arc::new(NoInstances)),
            Self::Local(local) => local,
        };
        let settings = LocalSettings {
            program: local.program,
            folder: folder.instances(),
            run: LocalRun {
                files: local.files,
                generation: local.generation,
                basic_memory: local.basic_memory,
                rclone: local.rclone,
                idle: local.idle,
                ..LocalRun::new(local.path)
            },
        };
        let opened = LocalInstances::open(settings);
        let opened = opened.map_err(|error| ServerError::Instances(Box::new(error)))?;
        Ok(Arc::new(opened))
    }
}

/// Where a server is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Announcement {
    pub url: String,
    pub s3_endpoint: String,
    pub issuer: String,
    pub pid: u32,
}

/// Why a server could not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error(transparent)]
    StateFolder(#[from] FolderError),
    #[error(transparent)]
    Port(#[from] PortError),
    #[error("{} could not be opened", file.display())]
    Database {
        file: PathBuf,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("the payment provider's part could not start")]
    Polar(#[from] PolarError),
    #[error("no requests can be made to the bucket store")]
    Outbound(#[source] reqwest::Error),
    #[error("the bucket store could not be opened")]
    Buckets(#[source] s3_store::StoreError),
    #[error("instances cannot be run")]
    Instances(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("a part of the server broke; the log says which")]
    PartBroken,
    #[error("the bucket store stopped")]
    BucketsStopped(#[source] std::io::Error),
}

impl ServerError {
    fn database(file: &Path, error: StoreError) -> Self {
        Self::Database {
            file: file.to_owned(),
            source: Box::new(error),
        }
    }
}

/// A development server that listens, and answers once it runs.
#[must_use]
pub struct DevServer {
    announcement: Announcement,
    composition: Composition,
    provider: Arc<IdentityProvider>,
    buckets: s3_store::Store,
    permits: Arc<SubscriptionPermits>,
    api: TcpListener,
    s3: TcpListener,
    _folder: StateFolder,
}

impl DevServer {
    /// Takes the state folder and the ports, and opens everything in the folder.
    pub async fn open(config: DevConfig) -> Result<Self, ServerError> {
        let folder = StateFolder::open(&config.state, Deployment::Development)?;
        let listeners = ports::bind(&folder.ports_file(), config.port, config.s3_port).await?;
        let url = format!("http://127.0.0.1:{}", listeners.api_port);
        let s3_endpoint = format!("http://127.0.0.1:{}", listeners.s3_port);

        let buckets = s3_store::Store::open(&folder.buckets(), Arc::clone(&config.clock))
            .map_err(ServerError::Buckets)?;
        let accounts = folder.database()?;
        let store = SqliteStore::open(&accounts)
            .await
            .map_err(|error| ServerError::database(&accounts, error))?;
        let store = Arc::new(store);
        let setup = Setup {
            base_url: url.clone(),
            key: folder.signing_key()?,
            secret: folder.identity_secret()?,
            access_token_life_s: i64::try_from(config.access_token_life.as_secs())
                .unwrap_or(i64::MAX),
            admins: config.admins,
            clock: Arc::clone(&config.clock),
        };
        let sign_ins = folder.identity_database()?;
        let provider = IdentityProvider::open(&sign_ins, setup)
            .await
            .map_err(|error| ServerError::database(&sign_ins, error))?;
        let provider = Arc::new(provider);

        let polar = config.polar.map(|settings| {
            let chance = Arc::new(rand::random::<f64>);
            Polar::new(settings, store.clone(), Arc::clone(&config.clock), chance)
        });
        let polar = polar.transpose()?.map(Arc::new);

        let permits = SubscriptionPermits::new(store.clone(), Arc::clone(&config.clock));
        let objects = Objects::new(
            Endpoint {
                url: s3_endpoint.clone(),
                region: "auto".to_owned(),
            },
            ObjectKeys::Minted(MintedKeys::new(buckets.clone())),
            History::Versions,
            // The store goes by the system's clock, whatever the deployment goes by.
            system_clock(),
        )
        .map_err(ServerError::Outbound)?;
        let composition = compose(Parts {
            store,
            objects,
            old_versions: VersionRule::default(),
            buckets: Arc::new(EmbeddedBuckets::new(
                buckets.clone(),
                config.s3_url.unwrap_or_else(|| s3_endpoint.clone()),
            )),
            credentials: CredentialSettings::default(),
            limits: LimitSettings::default(),
            events: EventSettings::default(),
            changes: Some(buckets.subscribe()),
            public_url: url.clone(),
            verifier: Arc::new(Verifier::new(vec![provider.issuer()])),
            admins: Some(Admins {
                settings: IdentityProvider::admin_settings(),
                directory: None,
            }),
            clock: config.clock,
            links: Links {
                subscribe_url: config.subscribe_url,
                manage_url: config.manage_url,
            },
            workspace_kind: config.workspace_kind,
            hosts: Hosts::loopback(),
            signing_keys: Arc::new(SigningKeys::single(DEV_KEY_ID, folder.instance_master()?)),
            proxy: ProxySettings::default(),
            sign_in: IdentityProvider::sign_in_config(&url),
            polar,
            instances: config.instances.open(&folder)?,
            instance_settings: InstanceSettings::default(),
            provisioning: ProvisioningSettings::default(),
            development: Some(Arc::clone(&provider)),
        });
        Ok(Self {
            announcement: Announcement {
                issuer: IdentityProvider::issuer_url(&url),
                url,
                s3_endpoint,
                pid: std::process::id(),
            },
            composition,
            provider,
            buckets,
            permits: Arc::new(permits),
            api: listeners.api,
            s3: listeners.s3,
            _folder: folder,
        })
    }

    pub fn announcement(&self) -> &Announcement {
        &self.announcement
    }

    /// Answers until `cancel`, then lets requests in flight end and closes the state.
    pub async fn run(self, cancel: CancellationToken) -> Result<(), ServerError> {
        let (both, stopped) = (cancel.child_token(), CancellationToken::new());
        let s3_cancel = stopped.clone();
        let s3 = async {
            let ended = self
                .buckets
                .serve_permitted(self.permits, self.s3, s3_cancel)
                .await;
            both.cancel();
            ended.map_err(ServerError::BucketsStopped)
        };
        let front = Front {
            listener: self.api,
            bounds: Bounds::default(),
            certificates: None,
            drain_delay: Duration::ZERO,
        };
        let api = async {
            let ended = self
                .composition
                .run(front, both.clone(), both.clone())
                .await;
            stopped.cancel();
            ended
        };
        let (ended, s3) = tokio::join!(api, s3);
        self.provider.close().await;
        match ended {
            Ended::AsTold => s3,
            Ended::Broken => Err(ServerError::PartBroken),
        }
    }
}
