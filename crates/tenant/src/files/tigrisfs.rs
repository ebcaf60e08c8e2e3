//! tigrisfs 1.2, from its documented flags. It reads no settings of its own from the environment and
//! gets keys that work at the guard alone, so that its writes are compare-and-swap as well.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use engine::{Arrived, conflict_copies};
use guard::{Access, Guard, LiveSpec, Session};
use rclone::{ChildSpec, run_child};
use secrecy::ExposeSecret;
use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use wire::InstanceStatus;

use super::{
    DEVICE, Files, FilesSpec, FilesTold, Refresh, folders_of, make_empty_folder, wait_until_told,
};
use crate::FilesError;

/// Megabytes; of a machine with two gigabytes.
const MEMORY_LIMIT_MB: &str = "512";
const MAX_FLUSHERS: &str = "16";
/// As the seed's `TIGRISFS_STAT_CACHE_TTL`.
const STAT_CACHE_TTL: &str = "5s";
const RETRY_EVERY: Duration = Duration::from_millis(500);
/// A program that needs longer for its mount will not have one.
const READY_WITHIN: Duration = Duration::from_secs(10);
const GRACE: Duration = Duration::from_secs(8);

/// The command line: in the foreground, nothing loaded ahead.
fn arguments(endpoint: &str, bucket: &str, folder: &Path) -> Vec<OsString> {
    let mut args: Vec<OsString> = ["-f", "--no-preload-dir", "--endpoint", endpoint]
        .map(OsString::from)
        .to_vec();
    args.extend(
        [
            "--memory-limit",
            MEMORY_LIMIT_MB,
            "--max-flushers",
            MAX_FLUSHERS,
        ]
        .map(OsString::from),
    );
    args.extend(["--stat-cache-ttl", STAT_CACHE_TTL, bucket].map(OsString::from));
    args.push(folder.into());
    args
}

pub(super) struct TigrisFiles {
    folder: PathBuf,
    told: watch::Receiver<FilesTold>,
    arrived: mpsc::Sender<Arrived>,
    stop: CancellationToken,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl TigrisFiles {
    pub(super) async fn start(
        spec: FilesSpec,
        arrived: mpsc::Sender<Arrived>,
    ) -> Result<Self, FilesError> {
        if !spec.tigrisfs.is_file() {
            return Err(FilesError::NoTigrisfs(spec.tigrisfs));
        }
        // What a killed one left is in the way of everything, even of a look at the folder.
        detach_if_mounted(&spec.folder)
            .await
            .map_err(|error| FilesError::Unreadable(error.to_string()))?;
        make_empty_folder(&spec.folder)?;
        make_empty_folder(&spec.places.runtime)?;
        let guard = Guard::start(spec.bucket.clone())
            .await
            .map_err(FilesError::Drive)?;
        let (events, _) = mpsc::channel(1);
        let session = guard.open_live(LiveSpec {
            access: Access::ReadWrite,
            shown: BTreeMap::new(),
            held: Arc::new(|_| false),
            copy_name: conflict_copies(DEVICE.to_owned(), spec.clock.clone()),
            events,
        });
        let (tell, told) = watch::channel(plain(InstanceStatus::Starting, None));
        let stop = CancellationToken::new();
        let folder = spec.folder.clone();
        let task = tokio::spawn(keep(spec, guard, session, tell, stop.clone()));
        Ok(Self {
            folder,
            told,
            arrived,
            stop,
            task: Mutex::new(Some(task)),
        })
    }

    async fn wait_for(&self, state: InstanceStatus) -> Option<String> {
        let told = wait_until_told(&self.told, |told| told.state == state).await;
        told.message
    }
}

fn plain(state: InstanceStatus, message: Option<String>) -> FilesTold {
    FilesTold {
        state,
        message,
        pending: 0,
        since: None,
    }
}

fn child(spec: &FilesSpec, session: &Session) -> ChildSpec {
    let text = |name: &str, value: &str| (OsString::from(name), OsString::from(value));
    ChildSpec {
        program: spec.tigrisfs.clone(),
        args: arguments(&session.endpoint(), session.bucket(), &spec.folder),
        variables: vec![
            text("PATH", "/usr/local/bin:/usr/bin:/bin"),
            (OsString::from("HOME"), spec.places.runtime.clone().into()),
            text("AWS_ACCESS_KEY_ID", session.access_key()),
            text(
                "AWS_SECRET_ACCESS_KEY",
                session.secret_key().expose_secret(),
            ),
        ],
        folder: spec.places.runtime.clone(),
    }
}

async fn keep(
    spec: FilesSpec,
    _guard: Guard,
    session: Session,
    tell: watch::Sender<FilesTold>,
    stop: CancellationToken,
) {
    let child = child(&spec, &session);
    loop {
        if let Err(error) = detach_if_mounted(&spec.folder).await {
            tell.send_replace(plain(InstanceStatus::Failed, Some(error.to_string())));
            return;
        }
        let life = stop.child_token();
        let run = run_child(&child, &life, GRACE, |line| {
            tracing::debug!(target: "tigrisfs", "{line}");
        });
        tokio::pin!(run);
        let ended = tokio::select! {
            ended = &mut run => ended,
            mounted = mounted(&spec.folder) => {
                if mounted {
                    tell.send_replace(plain(InstanceStatus::Ok, None));
                    run.await
                } else {
                    let message = "tigrisfs did not mount in time".to_owned();
                    life.cancel();
                    if let Err(error) = run.await {
                        tracing::warn!(%error, "tigrisfs could not be ended");
                    }
                    tell.send_replace(plain(InstanceStatus::Failed, Some(message)));
                    break;
                }
            }
        };
        if stop.is_cancelled() {
            break;
        }
        let message = match ended {
            Ok(end) => format!("tigrisfs ended ({end})"),
            Err(error) => format!("tigrisfs could not be started: {error}"),
        };
        let was_up = tell.borrow().state != InstanceStatus::Starting;
        let state = if was_up {
            InstanceStatus::Degraded
        } else {
            InstanceStatus::Failed
        };
        tell.send_replace(plain(state, Some(message)));
        if !was_up {
            break;
        }
        stop.run_until_cancelled(tokio::time::sleep(RETRY_EVERY))
            .await;
    }
    leave_no_mount(&spec.folder).await;
}

async fn detach_if_mounted(folder: &Path) -> Result<(), rclone::mount::MountError> {
    if is_mounted(folder) {
        rclone::mount::detach(folder).await?;
    }
    Ok(())
}

async fn leave_no_mount(folder: &Path) {
    if let Err(error) = detach_if_mounted(folder).await {
        tracing::warn!(%error, "a mount was left");
    }
}

async fn mounted(folder: &Path) -> bool {
    let looked = async {
        while !is_mounted(folder) {
            tokio::time::sleep(RETRY_EVERY).await;
        }
    };
    tokio::time::timeout(READY_WITHIN, looked).await.is_ok()
}

fn is_mounted(folder: &Path) -> bool {
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    rclone::mount::parse_table(&table)
        .iter()
        .any(|entry| entry.folder == folder)
}

#[async_trait::async_trait]
impl Files for TigrisFiles {
    fn name(&self) -> &'static str {
        "tigrisfs"
    }

    fn told(&self) -> FilesTold {
        self.told.borrow().clone()
    }

    async fn ready(&self) {
        self.wait_for(InstanceStatus::Ok).await;
    }

    async fn failed(&self) -> String {
        let message = self.wait_for(InstanceStatus::Failed).await;
        message.unwrap_or_else(|| "the bucket could not be mounted".to_owned())
    }

    async fn refresh(&self, what: Refresh) {
        let folders = match &what {
            Refresh::Paths(paths) => folders_of(paths),
            Refresh::Everything => std::iter::once(String::new()).collect(),
        };
        let folders: Vec<PathBuf> = folders
            .into_iter()
            .map(|folder| self.folder.join(folder))
            .collect();
        // tigrisfs asks the guard in this very process: a working thread could wait for itself.
        let listed = tokio::task::spawn_blocking(move || {
            for folder in folders {
                invalidate(&folder);
            }
        });
        if let Err(error) = listed.await {
            tracing::warn!(%error, "the folders were not listed again");
        }
        let arrived = match what {
            Refresh::Paths(paths) => Arrived::Paths(paths),
            Refresh::Everything => Arrived::Anything,
        };
        if self.arrived.send(arrived).await.is_err() {
            tracing::debug!("nobody hears what arrived");
        }
    }

    async fn stop(&self, within: Duration) {
        self.stop.cancel();
        let Some(mut task) = self.task.lock().await.take() else {
            return;
        };
        match tokio::time::timeout(within, &mut task).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => tracing::warn!(%error, "tigrisfs' keeper ended unexpectedly"),
            Err(_) => {
                tracing::warn!("tigrisfs did not end in time and is killed");
                task.abort();
                // Over, and its child with it, as soon as this is.
                drop(task.await);
            }
        }
        leave_no_mount(&self.folder).await;
    }
}

/// Setting this attribute makes tigrisfs list the folder again.
fn invalidate(folder: &Path) {
    let set = rustix::fs::setxattr(folder, ".invalidate", b"1", rustix::fs::XattrFlags::empty());
    if let Err(error) = set {
        tracing::debug!(%error, "a folder was not listed again");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_has_documented_flags_only() {
        let args = arguments("http://127.0.0.1:1", "b", Path::new("/data"));
        let args: Vec<&str> = args.iter().filter_map(|arg| arg.to_str()).collect();
        assert_eq!(
            args,
            [
                "-f",
                "--no-preload-dir",
                "--endpoint",
                "http://127.0.0.1:1",
                "--memory-limit",
                "512",
                "--max-flushers",
                "16",
                "--stat-cache-ttl",
                "5s",
                "b",
                "/data",
            ]
        );
    }
}
