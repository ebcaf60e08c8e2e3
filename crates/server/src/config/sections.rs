//! What each section may say, and what the sections need of each other.

mod instances;
mod polar;
mod proxy;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

use super::reader::Reader;
use super::settings::{
    AdminAccess, Database, DeploymentMode, Events, Jobs, Limits, Listen, Log, LogFormat, Settings,
    Storage, StorageService, Tls,
};
use crate::accept::Bounds;
use crate::buckets::Unattached;
use crate::events::Hearing;
use crate::idp;
use crate::proxy::SigningKeys;
use crate::retention::VersionRule;
use crate::token::{IssuerKind, IssuerSettings};
use crate::workspace::WorkspaceKind;

/// Reads everything; `None` where something needed is missing or wrong.
pub(super) fn read(reader: &mut Reader<'_>) -> Option<Settings> {
    let mode = reader.choice(
        "mode",
        &[
            ("production", DeploymentMode::Production),
            ("development", DeploymentMode::Development),
        ],
    );
    let public_url = reader.url("public_url");
    let public_url = reader.needed("public_url", public_url);
    // Each section is read before the first missing one ends this, so that all are judged.
    let listen = listen(reader, public_url.as_ref());
    let tls = tls(reader);
    let state_folder = reader.path("state.folder");
    let database = database(reader);
    let storage = storage(reader);
    let old_versions = old_versions(reader);
    let sign_in = sign_in(reader);
    let issuers = issuers(reader);
    let subscribe_url = reader.url("links.subscribe_url");
    let manage_url = reader.url("links.manage_url");
    let workspace_kind = reader.choice(
        "workspaces.kind",
        &[
            ("organization", WorkspaceKind::Organization),
            ("personal", WorkspaceKind::Personal),
        ],
    );
    let polar = polar::read(reader);
    let instances = instances::read(reader);
    let proxy = proxy::read(reader);
    let signing_keys = signing(reader);
    let admin = admin(reader);
    let limits = limits(reader);
    let events = events(reader);
    let jobs = jobs(reader);
    let log = log(reader);
    let metrics = reader.address("metrics.address");

    let keeps_state = matches!(database, Some(Database::Sqlite))
        || matches!(storage, Some(Storage::Embedded { .. }));
    if keeps_state && state_folder.is_none() {
        let remedy = "name a folder, or use postgres and another object store";
        reader.problem(
            "state.folder",
            "is not set, but something is kept on this machine",
            remedy,
        );
    }
    if state_folder.is_none() && !reader.is_set("signing.current") {
        let remedy = "set it and signing.keys, or name a state.folder in which to keep a key";
        reader.problem("signing.current", "is not set", remedy);
    }
    let settings = Settings {
        mode: mode?,
        public_url: trimmed(&public_url?),
        listen: listen?,
        tls,
        database: database?,
        storage: storage?,
        old_versions: old_versions?,
        state_folder,
        sign_in: sign_in?,
        issuers: issuers?,
        subscribe_url: trimmed(&subscribe_url?),
        manage_url: manage_url.as_ref().map(trimmed),
        workspace_kind: workspace_kind?,
        polar: polar?,
        instances: instances?,
        proxy: proxy?,
        signing_keys,
        admin,
        limits: limits?,
        events: events?,
        jobs: jobs?,
        log: log?,
        metrics,
    };
    judge_issuers(reader, &settings.issuers);
    judge_mode(reader, &settings);
    Some(settings)
}

/// An address as people write it: a lone slash at the end says nothing.
fn trimmed(url: &Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}

fn listen(reader: &mut Reader<'_>, public_url: Option<&Url>) -> Option<Listen> {
    let address = reader.address("listen.address");
    let connections = reader.number("listen.max_connections", 1..=1_000_000);
    let streams = reader.number("listen.max_streams", 1..=10_000);
    let header_deadline = reader.seconds("listen.header_deadline_s", 1..=300);
    let write_idle = reader.seconds("listen.write_idle_s", 1..=3600);
    let drain_delay = reader.seconds("listen.drain_delay_s", 0..=300);
    let drain_deadline = reader.seconds("listen.drain_deadline_s", 0..=3600);
    let mut hosts = reader.list("listen.hosts")?;
    let trusted_proxies = reader.list("listen.trusted_proxies")?;
    for network in &trusted_proxies {
        if !is_network(network) {
            let what = format!("{network:?} is not a network");
            reader.problem("listen.trusted_proxies", &what, "write it like 10.0.0.0/8");
        }
    }
    hosts.extend(public_url.and_then(Url::host_str).map(str::to_owned));
    Some(Listen {
        address: address?,
        hosts,
        trusted_proxies,
        bounds: Bounds {
            header_deadline: header_deadline?,
            write_idle: write_idle?,
            drain_deadline: drain_deadline?,
            max_connections: usize::try_from(connections?).ok()?,
            max_streams: u32::try_from(streams?).ok()?,
        },
        drain_delay: drain_delay?,
    })
}

fn is_network(text: &str) -> bool {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, length.parse::<u8>().ok()),
        None => (text, Some(0)),
    };
    let longest = match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    length.is_some_and(|length| length <= longest)
}

fn tls(reader: &mut Reader<'_>) -> Option<Tls> {
    let certificate_file = existing_file(reader, "tls.certificate_file");
    let key_file = existing_file(reader, "tls.key_file");
    for (there, missing) in [
        ("tls.certificate_file", "tls.key_file"),
        ("tls.key_file", "tls.certificate_file"),
    ] {
        if reader.is_set(there) && !reader.is_set(missing) {
            let remedy = format!("set it too, or leave out {there}");
            reader.problem(missing, "is not set", &remedy);
        }
    }
    Some(Tls {
        certificate_file: certificate_file?,
        key_file: key_file?,
    })
}

fn existing_file(reader: &mut Reader<'_>, key: &str) -> Option<std::path::PathBuf> {
    let file = reader.path(key)?;
    if !Path::new(&file).is_file() {
        let what = format!("{} is not there", file.display());
        reader.problem(key, &what, "name a file that this user can read");
    }
    Some(file)
}

fn database(reader: &mut Reader<'_>) -> Option<Database> {
    let kinds = [("sqlite", true), ("postgres", false)];
    let is_sqlite = reader.choice("database.kind", &kinds);
    let max_connections = reader.number("database.max_connections", 1..=1000);
    if is_sqlite == Some(false) {
        let url = reader.needed_secret("database.url")?;
        if !url.expose_secret().starts_with("postgres") {
            let remedy = "write it like postgres://user:password@host/database";
            reader.problem(
                "database.url",
                "is not the address of a PostgreSQL database",
                remedy,
            );
        }
        return Some(Database::Postgres {
            url,
            max_connections: u32::try_from(max_connections?).ok()?,
        });
    }
    let url = reader.secret("database.url");
    if url.is_some() && is_sqlite.is_some() {
        let remedy = "set database.kind = \"postgres\", or remove it";
        reader.problem("database.url", "is not used with sqlite", remedy);
    }
    is_sqlite.map(|_| Database::Sqlite)
}

#[derive(Clone, Copy)]
enum StorageKind {
    Embedded,
    Aws,
    Tigris,
}

fn storage(reader: &mut Reader<'_>) -> Option<Storage> {
    let kinds = [
        ("embedded", StorageKind::Embedded),
        ("aws", StorageKind::Aws),
        ("tigris", StorageKind::Tigris),
    ];
    let kind = reader.choice("storage.kind", &kinds);
    let address = reader.address("storage.address");
    let endpoint_url = reader.url("storage.endpoint_url");
    let endpoint_url = reader.needed("storage.endpoint_url", endpoint_url);
    let admin_url = reader.url("storage.admin_url");
    let iam_url = reader.url("storage.iam_url");
    let region = reader.text("storage.region");
    let access_key = reader.text("storage.access_key");
    let unattached = reader.choice(
        "storage.unattached_keys",
        &[
            ("report", Unattached::Report),
            ("remove", Unattached::Remove),
        ],
    );
    if matches!(kind?, StorageKind::Embedded) {
        reader.secret("storage.secret_key");
        return Some(Storage::Embedded {
            address: address?,
            endpoint_url: endpoint_url?,
        });
    }
    let iam_url = reader.needed("storage.iam_url", iam_url);
    let access_key = reader.needed("storage.access_key", access_key);
    let secret_key = reader.needed_secret("storage.secret_key");
    let endpoint_url = endpoint_url?;
    let service = StorageService {
        admin_url: admin_url.unwrap_or_else(|| endpoint_url.clone()),
        endpoint_url,
        iam_url: iam_url?,
        region: region?,
        access_key: access_key?,
        secret_key: secret_key?,
    };
    Some(match kind? {
        StorageKind::Tigris => Storage::Tigris(service, unattached?),
        StorageKind::Aws | StorageKind::Embedded => Storage::Aws(service),
    })
}

fn old_versions(reader: &mut Reader<'_>) -> Option<VersionRule> {
    let days = reader.number("storage.old_versions_days", 0..=36_500);
    let newest_kept = reader.number("storage.old_versions_kept", 0..=1000);
    let (days, newest_kept) = (days?, newest_kept?);
    Some(VersionRule {
        kept_for: (days > 0).then(|| Duration::from_secs(days * 24 * 60 * 60)),
        newest_kept: usize::try_from(newest_kept).unwrap_or(usize::MAX),
    })
}

fn sign_in(reader: &mut Reader<'_>) -> Option<wire::SignInConfig> {
    let mut url = |key: &str| {
        let url = reader.url(key);
        reader.needed(key, url)
    };
    let issuer = url("sign_in.issuer");
    let device = url("sign_in.device_authorization_endpoint");
    let token = url("sign_in.token_endpoint");
    let client_id = reader.text("sign_in.client_id");
    let client_id = reader.needed("sign_in.client_id", client_id);
    let scopes = reader.list("sign_in.scopes");
    let pkce = reader.parsed("sign_in.pkce", "true");
    if client_id.as_deref() == Some(idp::CLIENT_ID) {
        let remedy = "name a client of your own issuer, or run `bm-server dev`";
        reader.problem(
            "sign_in.client_id",
            "belongs to the built-in sign-in, which asks for no proof",
            remedy,
        );
    }
    Some(wire::SignInConfig {
        issuer: trimmed(&issuer?),
        client_id: client_id?,
        device_authorization_endpoint: device?.into(),
        token_endpoint: token?.into(),
        scopes: scopes?,
        pkce: pkce?,
    })
}

fn issuers(reader: &mut Reader<'_>) -> Option<Vec<IssuerSettings>> {
    let names = reader.names_below("sign_in.issuers");
    if names.is_empty() {
        let remedy = "add a table [[sign_in.issuers]] for each issuer";
        reader.problem("sign_in.issuers", "is empty, so nobody can sign in", remedy);
    }
    let read: Vec<Option<IssuerSettings>> = names
        .iter()
        .map(|name| issuer(reader, &format!("sign_in.issuers.{name}")))
        .collect();
    read.into_iter().collect()
}

fn issuer(reader: &mut Reader<'_>, table: &str) -> Option<IssuerSettings> {
    let at = |name: &str| format!("{table}.{name}");
    let kinds = [
        ("connect", IssuerKind::Connect),
        ("user_management", IssuerKind::UserManagement),
    ];
    let kind = reader.choice(&at("kind"), &kinds);
    let kind = reader.needed(&at("kind"), kind);
    let names = reader.list(&at("names"));
    let names = reader.needed(&at("names"), names);
    let keys_url = reader.url(&at("keys_url"));
    let keys_url = reader.needed(&at("keys_url"), keys_url);
    let audiences = reader.list(&at("audiences")).unwrap_or_default();
    let client_ids = reader.list(&at("client_ids")).unwrap_or_default();
    let (max_life, leeway) = (at("max_life_s"), at("leeway_s"));
    let max_life = match reader.is_set(&max_life) {
        true => reader.seconds(&max_life, 60..=86_400),
        false => Some(Duration::from_secs(86_400)),
    };
    let leeway = match reader.is_set(&leeway) {
        true => reader.seconds(&leeway, 0..=120),
        false => Some(Duration::from_secs(30)),
    };
    if kind == Some(IssuerKind::Connect) && audiences.is_empty() {
        let remedy = "name the clients or resources its access tokens are for";
        reader.problem(
            &at("audiences"),
            "is empty, but its keys are those of many clients",
            remedy,
        );
    }
    Some(IssuerSettings {
        kind: kind?,
        names: names?,
        keys_url: keys_url?,
        audiences,
        client_ids,
        max_life: max_life?,
        leeway: leeway?,
    })
}

/// The ring, if there is one.
fn signing(reader: &mut Reader<'_>) -> Option<Arc<SigningKeys>> {
    let current = reader.text("signing.current");
    let names: BTreeSet<String> = reader
        .names_below("signing.keys")
        .iter()
        .map(|name| name.trim_end_matches("_file").to_owned())
        .collect();
    let keys: Vec<(String, SecretString)> = names
        .into_iter()
        .filter_map(|name| {
            let secret = reader.secret(&format!("signing.keys.{name}"))?;
            Some((name, secret))
        })
        .collect();
    let current = match current {
        Some(current) => current,
        None if keys.is_empty() => return None,
        None => return reader.needed("signing.current", None),
    };
    let ring = keys.iter().map(|(name, secret)| (name.as_str(), secret));
    match SigningKeys::from_hex(&current, ring) {
        Ok(ring) => Some(Arc::new(ring)),
        Err(error) => {
            let remedy = "set signing.keys.NAME_file to a file made with `openssl rand -hex 32`";
            reader.problem("signing", &error.to_string(), remedy);
            None
        }
    }
}

fn admin(reader: &mut Reader<'_>) -> Option<AdminAccess> {
    let organization_id = reader.text("admin.organization_id");
    let role = reader.text("admin.role");
    let client_id = reader.text("admin.client_id");
    let workos_api_url = reader.url("admin.workos_api_url");
    let workos_api_key = reader.secret("admin.workos_api_key");
    for (there, missing) in [
        ("admin.organization_id", "admin.role"),
        ("admin.role", "admin.organization_id"),
    ] {
        if reader.is_set(there) && !reader.is_set(missing) {
            let remedy = format!("set it too, or leave out {there}");
            reader.problem(missing, "is not set, so nobody would be an admin", &remedy);
        }
    }
    if client_id.is_some() && workos_api_key.is_none() {
        let remedy = "set it, or leave out admin.client_id";
        reader.problem(
            "admin.workos_api_key_file",
            "is not set, but roles of that client are looked up with it",
            remedy,
        );
    }
    Some(AdminAccess {
        organization_id: organization_id?,
        role: role?,
        client_id,
        workos_api_url: workos_api_url?,
        workos_api_key,
    })
}

fn count(reader: &mut Reader<'_>, key: &str) -> Option<u32> {
    let number = reader.number(key, 1..=1_000_000)?;
    u32::try_from(number).ok()
}

fn limits(reader: &mut Reader<'_>) -> Option<Limits> {
    let requests_per_minute = count(reader, "limits.requests_per_minute");
    let burst = count(reader, "limits.burst");
    let credentials_per_hour = count(reader, "limits.credentials_per_hour");
    let live_credentials = count(reader, "limits.live_credentials");
    Some(Limits {
        requests_per_minute: requests_per_minute?,
        burst: burst?,
        credentials_per_hour: credentials_per_hour?,
        live_credentials: live_credentials?,
    })
}

fn events(reader: &mut Reader<'_>) -> Option<Events> {
    let retention = reader.hours("events.retention_hours", 1..=8760);
    let streams_per_member = count(reader, "events.streams_per_member");
    let streams_per_tenant = count(reader, "events.streams_per_tenant");
    let hearing = reader.choice(
        "events.hearing",
        &[
            ("listen", Hearing::ListenAndPoll),
            ("poll", Hearing::PollOnly),
        ],
    );
    Some(Events {
        retention: retention?,
        streams_per_member: streams_per_member?,
        streams_per_tenant: streams_per_tenant?,
        hearing: hearing?,
    })
}

fn jobs(reader: &mut Reader<'_>) -> Option<Jobs> {
    let workers = reader.number("jobs.workers", 1..=256);
    let bucket_retention = reader.hours("jobs.bucket_retention_hours", 0..=87_600);
    Some(Jobs {
        workers: u32::try_from(workers?).ok()?,
        bucket_retention: bucket_retention?,
    })
}

fn log(reader: &mut Reader<'_>) -> Option<Log> {
    let format = reader.choice(
        "log.format",
        &[("json", LogFormat::Json), ("text", LogFormat::Text)],
    );
    let level = reader.text("log.level");
    if let Some(level) = &level
        && tracing_subscriber::EnvFilter::builder()
            .parse(level)
            .is_err()
    {
        let what = format!("{level:?} is neither a level nor a filter");
        reader.problem(
            "log.level",
            &what,
            "write it like info, or info,server=debug",
        );
    }
    Some(Log {
        format: format?,
        level: level?,
    })
}

fn judge_issuers(reader: &mut Reader<'_>, issuers: &[IssuerSettings]) {
    for (place, problem) in IssuerSettings::problems(issuers) {
        let key = format!("sign_in.issuers.{place}.{}", problem.field());
        reader.problem(&key, &problem.to_string(), problem.remedy());
    }
}

/// A development deployment stays on its machine; a production one takes nothing unprotected.
fn judge_mode(reader: &mut Reader<'_>, settings: &Settings) {
    let keys = settings.issuers.iter().enumerate().map(|(index, issuer)| {
        (
            format!("sign_in.issuers.{index}.keys_url"),
            issuer.keys_url.clone(),
        )
    });
    match settings.mode {
        DeploymentMode::Development => {
            if !settings.listen.address.ip().is_loopback() {
                let remedy = "listen on 127.0.0.1, or set mode = \"production\"";
                reader.problem(
                    "listen.address",
                    "is open to others, in a development deployment",
                    remedy,
                );
            }
            for (key, url) in keys {
                if url.scheme() != "https" && !is_loopback(&url) {
                    reader.problem(
                        &key,
                        "is neither https nor on this machine",
                        "write https://",
                    );
                }
            }
        }
        DeploymentMode::Production => {
            for (key, url) in keys {
                if url.scheme() != "https" {
                    let remedy = "write https://, or set mode = \"development\"";
                    reader.problem(&key, "is not https", remedy);
                }
            }
        }
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}
