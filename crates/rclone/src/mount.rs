//! One rclone that shows one bucket as a folder, and stays.
//!
//! Each mount is an `rclone rcd` of its own: its configuration comes over its private socket and
//! lives in its memory alone. Files that are not stored yet lie in its cache folder; the next
//! daemon with the same cache folder and bucket stores them.

mod cache;
mod calls;
mod driver;
mod error;
mod mend;
mod table;

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::RcClient;
use crate::config::REMOTE;
use crate::find::Binary;
use crate::rc::{Door, NoDoor};
use crate::supervisor::{self, Environment, Exit, Recipe, capture};
use crate::version::FLOOR;

pub use cache::{CacheState, CachedFile, VfsCache};
pub use calls::{QueuedFile, VfsStats};
pub use driver::{Driver, DriverMissing, PlatformFacts, System};
pub use error::MountError;
pub use table::{MountEntry, parse_table};

const READY_WITHIN: Duration = Duration::from_secs(15);
const ASK_EVERY: Duration = Duration::from_millis(25);
/// Longer than the daemon's own patience with the endpoint.
const CALL_WITHIN: Duration = Duration::from_secs(30);
/// How long a daemon may take to end after SIGTERM, before SIGKILL.
const GRACE: Duration = Duration::from_secs(5);
const DETACH_WITHIN: Duration = Duration::from_secs(10);
const KEPT_LINES: usize = 20;
/// A save is on its way to the bucket after this long without another.
const WRITE_BACK: &str = "100ms";

/// One mount. Everything is explicit; nothing has a default.
#[derive(Clone, Debug)]
pub struct MountSpec {
    /// An existing, empty folder.
    pub folder: PathBuf,
    pub driver: Driver,
    /// What the table of mounts calls it; by this a mount is known to be ours.
    pub device_name: String,
    /// `http://127.0.0.1:PORT`
    pub endpoint: String,
    pub bucket: String,
    pub access_key: String,
    pub secret_key: SecretString,
    /// Holds what is not stored yet, from daemon to daemon; only one may use it at a time.
    pub cache_dir: PathBuf,
    /// How long a listing is believed.
    pub dir_cache: Duration,
    /// An existing folder, mode 0700, of this mount alone.
    pub run_dir: PathBuf,
}

impl MountSpec {
    /// The bucket as rclone's calls name it.
    fn fs(&self) -> String {
        format!("{REMOTE}:{}", self.bucket)
    }
}

/// A running daemon with its mount. Dropping it kills the process.
#[derive(Debug)]
pub struct Daemon {
    rc: RcClient,
    spec: MountSpec,
    ended: watch::Receiver<Option<Ending>>,
    cancel: CancellationToken,
    _kill: DropGuard,
}

/// How a daemon ended.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ending {
    how: String,
    last_lines: Vec<String>,
}

impl Daemon {
    /// Starts a daemon, checks that it reaches the bucket, and mounts.
    ///
    /// # Errors
    /// See [`MountError`]; then nothing is mounted and no process is left.
    pub async fn start(binary: &Binary, spec: MountSpec) -> Result<Self, MountError> {
        let daemon = Self::launch(binary, spec)?;
        daemon.become_ready().await?;
        daemon.rc.create_remote(REMOTE, &daemon.remote()).await?;
        let fs = daemon.spec.fs();
        daemon
            .rc
            .list_folder(&fs, CALL_WITHIN)
            .await
            .map_err(MountError::of_listing)?;
        let asked = daemon.rc.mount(&daemon.mount_options(), CALL_WITHIN).await;
        asked.map_err(MountError::of_mounting)?;
        Ok(daemon)
    }

    fn launch(binary: &Binary, spec: MountSpec) -> Result<Self, MountError> {
        if spec.folder.to_str().is_none() || spec.cache_dir.to_str().is_none() {
            return Err(MountError::PathNotUnicode);
        }
        let door = Door::make(&spec.run_dir).map_err(|error| match error {
            NoDoor::PathTooLong => MountError::SocketPathTooLong,
            NoDoor::Io(error) => MountError::not_started(&error),
        })?;
        let cancel = CancellationToken::new();
        let (ending, ended) = watch::channel(None);
        let recipe = (
            binary.path.clone(),
            arguments(&door, &spec.cache_dir),
            spec.run_dir.clone(),
        );
        let secrets = [spec.secret_key.clone(), spec.access_key.clone().into()];
        let (stop, told) = (cancel.clone(), door.clone());
        tokio::spawn(async move {
            ending.send_replace(Some(live(recipe, secrets, told, &stop).await));
        });
        Ok(Self {
            rc: RcClient::at(door),
            spec,
            ended,
            _kill: cancel.clone().drop_guard(),
            cancel,
        })
    }

    async fn become_ready(&self) -> Result<(), MountError> {
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            if let Some(ending) = self.ended.borrow().clone() {
                return Err(ending.into());
            }
            if let Ok(version) = self.rc.version().await {
                return if version >= FLOOR {
                    Ok(())
                } else {
                    Err(MountError::TooOld { found: version })
                };
            }
            if Instant::now() >= deadline {
                return Err(MountError::NotReady);
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    }

    fn remote(&self) -> Value {
        json!({
            "provider": "Other",
            "endpoint": self.spec.endpoint,
            "region": "us-east-1",
            "force_path_style": "true",
            "access_key_id": self.spec.access_key,
            "secret_access_key": self.spec.secret_key.expose_secret(),
            "no_check_bucket": "true",
            "list_version": "2",
            "list_url_encode": "true",
            // As a bisync does: an object is never of two saves.
            "upload_cutoff": "5Gi",
        })
    }

    fn mount_options(&self) -> Value {
        json!({
            "fs": self.spec.fs(),
            "mountPoint": self.spec.folder,
            "mountType": self.spec.driver.mount_type(),
            "vfsOpt": {
                "CacheMode": "full",
                "DirCacheTime": format!("{}ms", self.spec.dir_cache.as_millis()),
                "WriteBack": WRITE_BACK,
                "PollInterval": "0s",
            },
            "mountOpt": {
                "AttrTimeout": "1s",
                "DeviceName": self.spec.device_name,
                "VolumeName": "Basic Memory",
            },
        })
    }

    /// The folder it shows the bucket in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.spec.folder
    }

    /// Resolves when the process is gone, with what it said last.
    pub async fn ended(&self) -> MountError {
        let mut ended = self.ended.clone();
        let ending = match ended.wait_for(Option::is_some).await {
            Ok(ending) => ending.clone(),
            Err(_) => None,
        };
        ending.map_or(MountError::NotReady, MountError::from)
    }

    /// Whether the daemon answers, still holds its mount, and the system knows of it.
    ///
    /// # Errors
    /// What is wrong.
    pub async fn check(&self) -> Result<(), MountError> {
        let mounted = self.rc.mounted_folders().await?;
        let is_there = mounted.iter().any(|folder| folder == &self.spec.folder);
        if is_there && table::is_mounted(&self.spec.folder, &self.spec.device_name) {
            Ok(())
        } else {
            Err(MountError::Gone)
        }
    }

    /// What is queued, under way, or failed.
    ///
    /// # Errors
    /// If the daemon does not answer.
    pub async fn stats(&self) -> Result<VfsStats, MountError> {
        Ok(self.rc.vfs_stats(&self.spec.fs()).await?)
    }

    /// The files that are not stored yet.
    ///
    /// # Errors
    /// If the daemon does not answer.
    pub async fn queue(&self) -> Result<Vec<QueuedFile>, MountError> {
        Ok(self.rc.vfs_queue(&self.spec.fs()).await?)
    }

    /// Has a queued file stored now instead of after the pause that follows a failure.
    ///
    /// # Errors
    /// If the daemon does not answer.
    pub async fn hurry(&self, file: &QueuedFile) -> Result<(), MountError> {
        Ok(self.rc.hurry(&self.spec.fs(), file.id).await?)
    }

    /// Lists a folder again; one that is not known yet is found by listing those above it.
    ///
    /// # Errors
    /// If the daemon does not answer.
    pub async fn refresh(&self, folder: &str) -> Result<(), MountError> {
        let mut folder = folder;
        let fs = self.spec.fs();
        while !self.rc.refresh(&fs, folder, CALL_WITHIN).await? && !folder.is_empty() {
            folder = folder.rsplit_once('/').map_or("", |(above, _)| above);
        }
        Ok(())
    }

    /// Takes the mount away; what is not stored stays in the cache folder.
    ///
    /// # Errors
    /// [`MountError::Busy`] while a program works in the folder; then it stays mounted.
    pub async fn unmount(&self) -> Result<(), MountError> {
        let asked = self.rc.unmount(&self.spec.folder, CALL_WITHIN).await;
        match asked.map_err(MountError::of_unmounting) {
            Err(MountError::Gone) => Ok(()),
            unmounted => unmounted,
        }
    }

    /// Ends the process, which takes the mount with it.
    pub async fn stop(&self) {
        if timeout(GRACE, self.rc.quit()).await.is_err() {
            tracing::debug!("the daemon did not take the request to end");
        }
        if timeout(GRACE, self.ended()).await.is_err() {
            self.cancel.cancel();
            self.ended().await;
        }
    }
}

impl From<Ending> for MountError {
    fn from(ending: Ending) -> Self {
        Self::Died {
            how: ending.how,
            last_lines: ending.last_lines,
        }
    }
}

fn arguments(door: &Door, cache_dir: &Path) -> Vec<OsString> {
    let mut args: Vec<OsString> = vec!["rcd".into()];
    args.extend(door.arguments());
    let fixed = ["--config", "", "--cache-dir"];
    args.extend(fixed.map(OsString::from));
    args.push(cache_dir.into());
    let fixed = [
        "--use-json-log",
        "-v",
        "--color",
        "NEVER",
        "--low-level-retries",
        "1",
        "--retries",
        "1",
        "--contimeout",
        "3s",
        "--timeout",
        "10s",
        "--multi-thread-streams",
        "0",
    ];
    args.extend(fixed.map(OsString::from));
    args
}

async fn live(
    (program, args, home): (PathBuf, Vec<OsString>, PathBuf),
    secrets: [SecretString; 2],
    door: Door,
    stop: &CancellationToken,
) -> Ending {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let kept = lines.clone();
    let recipe = Recipe {
        program: &program,
        args,
        environment: Environment::Bare { home },
        config: None,
    };
    let ended = supervisor::run(recipe, stop, GRACE, move |_, line| {
        let line = secrets.iter().fold(line, |line, secret| {
            line.replace(secret.expose_secret(), "***")
        });
        tracing::debug!(target: "rclone", "{line}");
        door.heard(&line);
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT_LINES {
            kept.remove(0);
        }
        kept.push(line);
    })
    .await;
    let mut how = String::new();
    let written = match ended {
        Ok(ended) => match ended.exit {
            Exit::Code(code) => write!(how, "exit code {code}"),
            Exit::Signal(signal) => write!(how, "signal {signal}"),
        },
        Err(error) => write!(how, "{error}"),
    };
    written.expect("a string takes all text");
    let last_lines = std::mem::take(&mut *lines.lock().unwrap_or_else(PoisonError::into_inner));
    Ending { how, last_lines }
}

/// Clears away what a daemon of ours that was not stopped has left: the process, if it still
/// answers on the mount's own socket, and a dead mount under our name.
///
/// # Errors
/// If a dead mount cannot be taken away.
pub async fn clear_leftovers(
    folder: &Path,
    device_name: &str,
    run_dir: &Path,
) -> Result<(), MountError> {
    let rc = RcClient::at(Door::left_in(run_dir));
    if let Ok(pid) = rc.pid().await {
        tracing::info!(daemon.pid = pid, "a daemon of an engine before is ended");
        rc.quit().await?;
        let deadline = Instant::now() + GRACE;
        while rc.pid().await.is_ok() && Instant::now() < deadline {
            tokio::time::sleep(ASK_EVERY).await;
        }
    }
    // More than one may lie on top of each other.
    for _ in 0..8 {
        if !table::is_mounted(folder, device_name) {
            return Ok(());
        }
        if let Err(stuck) = detach(folder).await {
            // A daemon that ends takes its own mount away, maybe in this moment.
            if table::is_mounted(folder, device_name) {
                return Err(stuck);
            }
        }
    }
    Err(MountError::Stuck {
        folder: folder.to_owned(),
    })
}

/// Takes a mount away even while programs work in it: they get errors from then on.
///
/// # Errors
/// If the system refuses.
pub async fn detach(folder: &Path) -> Result<(), MountError> {
    let mut refused = String::new();
    for &(program, option) in driver::DETACHERS {
        let recipe = Recipe {
            program: Path::new(program),
            args: vec![option.into(), folder.into()],
            environment: Environment::Bare { home: "/".into() },
            config: None,
        };
        match capture(recipe, DETACH_WITHIN).await {
            Ok((Exit::Code(0), _, _)) => return Ok(()),
            Ok((_, _, said)) => refused = said,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => refused = error.to_string(),
        }
    }
    tracing::warn!(refused, "a mount could not be taken away");
    Err(MountError::Stuck {
        folder: folder.to_owned(),
    })
}
