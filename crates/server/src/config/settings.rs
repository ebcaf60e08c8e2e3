//! The settings of a deployment, judged and complete.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::reader::Problem;
use crate::accept::Bounds;
use crate::buckets::Unattached;
use crate::events::Hearing;
use crate::instances::LocalRun;
use crate::polar::Products;
use crate::proxy::{ProxySettings, SigningKeys};
use crate::retention::VersionRule;
use crate::token::IssuerSettings;
use crate::workspace::WorkspaceKind;

/// What the server is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeploymentMode {
    Production,
    /// On this machine only.
    Development,
}

/// Everything `bm-server serve` is started with.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(crate) mode: DeploymentMode,
    /// Without a slash at its end.
    pub(crate) public_url: String,
    pub(crate) listen: Listen,
    pub(crate) tls: Option<Tls>,
    pub(crate) database: Database,
    pub(crate) storage: Storage,
    pub(crate) old_versions: VersionRule,
    /// The folder of everything kept on this machine, where something is.
    pub(crate) state_folder: Option<PathBuf>,
    pub(crate) sign_in: wire::SignInConfig,
    pub(crate) issuers: Vec<IssuerSettings>,
    pub(crate) subscribe_url: String,
    pub(crate) manage_url: Option<String>,
    pub(crate) workspace_kind: WorkspaceKind,
    pub(crate) polar: Polar,
    pub(crate) instances: Instances,
    pub(crate) proxy: ProxySettings,
    /// The keys that requests to instances are signed with; without any, the state folder has one.
    pub(crate) signing_keys: Option<Arc<SigningKeys>>,
    pub(crate) admin: Option<AdminAccess>,
    pub(crate) limits: Limits,
    pub(crate) events: Events,
    pub(crate) jobs: Jobs,
    pub(crate) log: Log,
    /// Where the metrics page listens.
    pub(crate) metrics: Option<SocketAddr>,
}

impl Settings {
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// What is allowed and probably not meant.
    pub fn doubts(&self) -> Vec<Problem> {
        let mut doubts = Vec::new();
        if !self.polar.webhook_secrets.is_empty() && self.polar.products.are_all() {
            doubts.push(Problem {
                key: "polar.products".to_owned(),
                what: "is empty, so every active subscription of the Polar organization opens an \
                       account, one that costs nothing too"
                    .to_owned(),
                remedy: "name the products that open an account".to_owned(),
            });
        }
        doubts
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Listen {
    pub(crate) address: SocketAddr,
    /// Every name under which requests may come.
    pub(crate) hosts: Vec<String>,
    pub(crate) trusted_proxies: Vec<String>,
    pub(crate) bounds: Bounds,
    pub(crate) drain_delay: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tls {
    pub(crate) certificate_file: PathBuf,
    pub(crate) key_file: PathBuf,
}

#[derive(Clone, Debug)]
pub(crate) enum Database {
    /// In the state folder.
    Sqlite,
    Postgres {
        url: SecretString,
        max_connections: u32,
    },
}

#[derive(Clone, Debug)]
pub(crate) enum Storage {
    /// In the state folder.
    Embedded {
        address: SocketAddr,
        endpoint_url: Url,
    },
    Aws(StorageService),
    Tigris(StorageService, Unattached),
}

#[derive(Clone, Debug)]
pub(crate) struct StorageService {
    /// Where clients reach the buckets.
    pub(crate) endpoint_url: Url,
    /// Where this server reaches them.
    pub(crate) admin_url: Url,
    pub(crate) iam_url: Url,
    pub(crate) region: String,
    pub(crate) access_key: String,
    pub(crate) secret_key: SecretString,
}

#[derive(Clone, Debug)]
pub(crate) struct Polar {
    /// Any of which may have signed a delivery.
    pub(crate) webhook_secrets: Vec<SecretString>,
    /// Those whose subscriptions open an account.
    pub(crate) products: Products,
    pub(crate) api_url: Url,
    pub(crate) api_token: Option<SecretString>,
}

#[derive(Clone, Debug)]
pub(crate) struct Instances {
    pub(crate) source: InstanceSource,
    /// Where instances reach the buckets, if not where clients do.
    pub(crate) s3_endpoint: Option<String>,
    pub(crate) sync_every: Duration,
}

#[derive(Clone, Debug)]
pub(crate) enum InstanceSource {
    None,
    /// One instance for all tenants.
    Fixed(Url),
    /// Processes of this machine.
    Local(LocalSource),
    /// Machines of Fly.
    Fly(FlySource),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LocalSource {
    /// Beside this server's own program if `None`.
    pub(crate) program: Option<PathBuf>,
    pub(crate) run: LocalRun,
}

#[derive(Clone, Debug)]
pub(crate) struct FlySource {
    pub(crate) api_url: String,
    pub(crate) token: SecretString,
    pub(crate) organization: String,
    pub(crate) image: String,
    pub(crate) app_prefix: String,
    /// The private network that this server is in; the organization's own if `None`.
    pub(crate) network: Option<String>,
    /// Nearest first.
    pub(crate) regions: Vec<String>,
    pub(crate) cpus: u32,
    pub(crate) memory_mib: u32,
}

#[derive(Clone, Debug)]
pub(crate) struct AdminAccess {
    pub(crate) organization_id: String,
    pub(crate) role: String,
    /// The admin tool's, where `AuthKit` tokens are accepted for it.
    pub(crate) client_id: Option<String>,
    pub(crate) workos_api_url: Url,
    pub(crate) workos_api_key: Option<SecretString>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) requests_per_minute: u32,
    pub(crate) burst: u32,
    pub(crate) credentials_per_hour: u32,
    pub(crate) live_credentials: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Events {
    pub(crate) retention: Duration,
    pub(crate) streams_per_member: u32,
    pub(crate) streams_per_tenant: u32,
    pub(crate) hearing: Hearing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Jobs {
    pub(crate) workers: u32,
    pub(crate) bucket_retention: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Json,
    Text,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    pub format: LogFormat,
    /// A level, or a filter.
    pub level: String,
}
