//! Looking at the machine, the server and the keys. Changes nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio::time::timeout;

use super::configs::OpenTo;
use super::{ConfigSeen, Facts, FolderSeen, LinkingSeen, NamesSeen, ServerSeen, StorageSeen};
use crate::account::{Account, AuthError};
use crate::api::Transport;
use crate::config::Config;
use crate::disk;
use crate::plan::SENTINEL;
use crate::proxy::ChosenProxy;
use crate::secrets::SecretStore;
use crate::vault::{Linking, Side};
use crate::view::RcloneView;

/// How long one thing is waited for.
const PATIENCE: Duration = Duration::from_secs(8);
/// Copies of a configuration that are looked at at most.
const COPIES: usize = 100;
/// Folders that are counted at most.
const FOLDERS: usize = 200_000;

/// What the engine knows already, and whom it asks.
pub(crate) struct Question {
    pub(crate) config: Config,
    pub(crate) account: Option<Account>,
    pub(crate) secrets: SecretStore,
    pub(crate) rclone: Result<rclone::Binary, RcloneView>,
    /// Folders with the id of their pair.
    pub(crate) pairs: Vec<(String, PathBuf)>,
}

pub(crate) async fn gather(question: Question) -> Facts {
    let Question {
        config,
        account,
        secrets,
        rclone,
        pairs,
    } = question;
    let endpoint = account
        .as_ref()
        .and_then(|account| account.record().endpoint_url);
    let proxy = account.as_ref().map(Account::proxy).unwrap_or_default();
    let ((server, session, keys), storage, configs) = tokio::join!(
        server(account.as_ref(), config.clock.now()),
        storage(endpoint.clone(), proxy),
        configs(&config, rclone.as_ref().ok(), endpoint),
    );
    let data = config.places.data.clone();
    let folders = tokio::task::spawn_blocking(move || {
        pairs
            .iter()
            .map(|(pair, path)| folder(pair, path, &data))
            .collect()
    })
    .await
    .unwrap_or_default();
    let drives = rclone::mount::PlatformFacts::look().driver();
    let copies = configs.iter().flat_map(copies).collect();
    let (keys, access_keys) = keys;
    Facts {
        device: config.device,
        rclone: match rclone {
            Ok(binary) => RcloneView::Ready {
                version: binary.version.to_string(),
                path: binary.path.display().to_string(),
            },
            Err(view) => view,
        },
        configs,
        copies,
        server,
        storage,
        secrets: match account {
            Some(_) => secrets.in_use(),
            None => secrets.look().await,
        },
        session,
        keys,
        access_keys,
        drives: drives
            .map(|driver| driver.to_string())
            .map_err(|missing| (missing.to_string(), missing.hint().to_owned())),
        watches: watches(),
        folders,
    }
}

type Told = (String, Option<String>);
type Keys = (Vec<crate::view::CredentialView>, Vec<(String, String)>);

async fn server(account: Option<&Account>, now: SystemTime) -> (ServerSeen, Option<Told>, Keys) {
    let Some(account) = account else {
        return (ServerSeen::SignedOut, None, Keys::default());
    };
    let server = match account.server_time().await {
        Ok(time) => ServerSeen::Reached {
            url: account.record().server_url,
            ahead_s: time.map(|time| ahead(now, time)),
        },
        Err(error) => ServerSeen::Unreachable {
            message: error.to_string(),
            hint: error.hint(),
        },
    };
    if matches!(server, ServerSeen::Unreachable { .. }) {
        return (server, None, Keys::default());
    }
    match account.credentials_with_access_keys().await {
        Ok(keys) => (server, None, keys),
        Err(error) => (server, Some(told(&error)), Keys::default()),
    }
}

fn told(error: &AuthError) -> Told {
    (error.to_string(), error.hint())
}

/// Seconds by which `now` is ahead of `theirs`.
fn ahead(now: SystemTime, theirs: SystemTime) -> i64 {
    let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    match now.duration_since(theirs) {
        Ok(ahead) => seconds(ahead),
        Err(behind) => -seconds(behind.duration()),
    }
}

/// Any answer will do: without a signature the storage refuses.
async fn storage(endpoint: Option<String>, proxy: ChosenProxy) -> StorageSeen {
    let Some(endpoint) = endpoint else {
        return StorageSeen::Unknown;
    };
    let asked = async {
        let url = url::Url::parse(&endpoint).ok()?;
        let transport = Transport::to(&url).ok()?;
        transport.behind(&proxy);
        let request = transport.request(http::Method::GET, url);
        transport.send(request).await.ok()
    };
    match timeout(PATIENCE, asked).await {
        Ok(Some(_)) => StorageSeen::Reached,
        Ok(None) | Err(_) => StorageSeen::Unreachable { endpoint },
    }
}

/// The configuration that rclone uses, and the one that the upstream command line always writes.
async fn configs(
    config: &Config,
    binary: Option<&rclone::Binary>,
    endpoint: Option<String>,
) -> Vec<ConfigSeen> {
    let mut paths = Vec::new();
    if let Some(binary) = binary
        && let Ok(path) = rclone::config_file(binary).await
    {
        paths.push(path);
    }
    if let Some(base) = config.places.config.parent() {
        paths.push(base.join("rclone/rclone.conf"));
    }
    paths.dedup();
    paths
        .into_iter()
        .filter_map(|path| {
            Some(ConfigSeen {
                text: fs::read_to_string(&path).ok()?,
                open_to: open_to(&path),
                endpoint: endpoint.clone(),
                path,
            })
        })
        .collect()
}

/// Files beside a configuration that are named like its backups.
fn copies(config: &ConfigSeen) -> Vec<ConfigSeen> {
    let (Some(folder), Some(name)) = (config.path.parent(), config.path.file_name()) else {
        return Vec::new();
    };
    let start = format!("{}.backup-", name.to_string_lossy());
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&start))
        .take(COPIES)
        .filter_map(|entry| {
            let path = entry.path();
            Some(ConfigSeen {
                text: fs::read_to_string(&path).ok()?,
                open_to: open_to(&path),
                endpoint: None,
                path,
            })
        })
        .collect()
}

#[cfg(unix)]
fn open_to(path: &Path) -> OpenTo {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(path).map_or(0, |metadata| metadata.permissions().mode() & 0o777);
    if mode & 0o077 == 0 {
        OpenTo::NobodyElse
    } else {
        OpenTo::Others { mode }
    }
}

/// Elsewhere a person's folder is theirs alone by custom.
#[cfg(not(unix))]
fn open_to(_path: &Path) -> OpenTo {
    OpenTo::NobodyElse
}

fn watches() -> Option<u64> {
    let text = fs::read_to_string("/proc/sys/fs/inotify/max_user_watches").ok()?;
    text.trim().parse().ok()
}

fn folder(pair: &str, path: &Path, data: &Path) -> FolderSeen {
    let exists = path.is_dir();
    let folders = walkdir::WalkDir::new(path)
        .into_iter()
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_dir())
        .take(FOLDERS)
        .count();
    let side = Side::open(path, data, pair).ok().filter(|_| exists);
    FolderSeen {
        path: path.to_owned(),
        exists,
        free_bytes: disk::room(path).map(|room| room.free),
        folders: u64::try_from(folders).unwrap_or(u64::MAX),
        linking: side.map(|side| match side.linking {
            Linking::Hard => LinkingSeen::HardLinks,
            Linking::Copy => LinkingSeen::Copies,
        }),
        names: names(path),
    }
}

/// Told by the marker file, which is in every folder that has synced once.
fn names(folder: &Path) -> Option<NamesSeen> {
    if !folder.join(SENTINEL).exists() {
        return None;
    }
    Some(if folder.join(SENTINEL.to_ascii_uppercase()).exists() {
        NamesSeen::CaseInsensitive
    } else {
        NamesSeen::CaseSensitive
    })
}
