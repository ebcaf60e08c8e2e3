//! A drive for a program, with no engine and no account around it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use guard::{Access, Bucket, CopyName, Limits};
use time::OffsetDateTime;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::keeper::{Command, Keeper, KeeperEnv, Report};
use super::{MountSettings, Told, Wanted};
use crate::config::{Config, Mode, Observer};
use crate::engine::Link;
use crate::naming::numbered_conflict_name;
use crate::view::{MountProfileName, MountState};
use crate::{Clock, Places, SecretChoice};

/// One drive in one set of places.
const ID: &str = "mount_instance";

/// What a drive is made of.
#[derive(Clone, Debug)]
pub struct DriveSpec {
    /// An empty folder; made if it is not there.
    pub folder: PathBuf,
    /// Where what is not stored yet is kept; of this drive alone.
    pub places: Places,
    pub bucket: Bucket,
    pub rclone: rclone::Binary,
    /// What conflict copies made here are named after.
    pub device: String,
    /// What the system's table of mounts calls it.
    pub name: String,
    pub clock: Clock,
}

/// Where a drive is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriveState {
    Starting,
    Mounted,
    Reconnecting,
    Stopping,
    /// It cannot be brought back by trying again.
    Failed,
}

/// Names for the versions that lost a race, as an engine gives them.
pub fn conflict_copies(device: String, clock: Clock) -> CopyName {
    Arc::new(move |path, number| {
        let now = OffsetDateTime::from(clock.now());
        numbered_conflict_name(path, &device, now, number)
    })
}

/// What a drive tells of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriveTold {
    pub state: DriveState,
    /// Files saved in it that are not in the bucket yet.
    pub waiting: u64,
    pub message: Option<String>,
}

/// A drive that is kept alive.
#[derive(Debug)]
pub struct Drive {
    commands: mpsc::Sender<Command>,
    told: watch::Receiver<DriveTold>,
    keeper: JoinHandle<()>,
}

impl Drive {
    /// Clears away what an earlier process left, and begins to mount.
    ///
    /// # Errors
    /// If no gateway to the bucket can be opened on loopback, or the places cannot be made.
    pub async fn start(spec: DriveSpec) -> std::io::Result<Self> {
        spec.places.create()?;
        let settings = MountSettings {
            id: format!("{ID}-{}", spec.name),
            folder: spec.folder,
            profile: MountProfileName::Fast,
            account: String::new(),
            wanted: Wanted::Mounted,
        };
        let link = Link::over(spec.bucket).await?;
        let config = Config {
            places: spec.places,
            device: spec.device,
            clock: spec.clock,
            mode: Mode::OnRequest,
            secrets: SecretChoice::Auto,
            rclone: Some(spec.rclone.path.clone()),
            path_variable: None,
            observer: Observer::none(),
        };
        let (reports, heard) = mpsc::channel(64);
        let (links, link) = watch::channel(Some(link));
        let (access, may) = watch::channel(Access::ReadWrite);
        let (limits, pace) = watch::channel(Limits::default());
        let env = KeeperEnv {
            config,
            account: None,
            rclone: Some(spec.rclone),
            links: link,
            access: may,
            limits: pace,
            reports,
        };
        let (commands, received) = mpsc::channel(64);
        let (tell, told) = watch::channel(DriveTold {
            state: DriveState::Starting,
            waiting: 0,
            message: None,
        });
        let keeper = tokio::spawn(Keeper::new(settings, env).run(received));
        tokio::spawn(async move {
            // They outlive the keeper, which watches them.
            let _kept = (links, access, limits);
            listen(heard, tell).await;
        });
        let drive = Self {
            commands,
            told,
            keeper,
        };
        drive.command(Command::Mount).await;
        Ok(drive)
    }

    /// Lists these folders of the bucket again; over when they are.
    pub async fn refresh(&self, folders: Vec<String>) {
        let (done, waited) = oneshot::channel();
        self.command(Command::RefreshNow(folders, done)).await;
        if waited.await.is_err() {
            tracing::debug!("the drive has stopped");
        }
    }

    async fn command(&self, command: Command) {
        if self.commands.send(command).await.is_err() {
            tracing::debug!("the drive has stopped");
        }
    }

    pub fn told(&self) -> watch::Receiver<DriveTold> {
        self.told.clone()
    }

    /// Has everything stored, as far as that goes on, and takes the mount away.
    pub async fn stop(self, within: Duration) {
        let Self {
            commands, keeper, ..
        } = self;
        drop(commands);
        match tokio::time::timeout(within, keeper).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the drive ended unexpectedly"),
            Err(_) => tracing::warn!("the drive did not end in time; its next start clears it"),
        }
    }
}

async fn listen(mut heard: mpsc::Receiver<Report>, tell: watch::Sender<DriveTold>) {
    while let Some(report) = heard.recv().await {
        match report {
            Report::Told { told, .. } => {
                tell.send_replace(plain(told));
            }
            Report::SetAside { path, copy, .. } => {
                tracing::debug!(path, copy, "a version was stored beside its note");
            }
            Report::Stored { .. } | Report::Linked(_) => {}
        }
    }
}

fn plain(told: Told) -> DriveTold {
    DriveTold {
        state: match told.state {
            MountState::Starting => DriveState::Starting,
            MountState::Mounted => DriveState::Mounted,
            MountState::Reconnecting => DriveState::Reconnecting,
            MountState::Unmounting | MountState::Unmounted => DriveState::Stopping,
            MountState::Failed => DriveState::Failed,
        },
        waiting: told.waiting,
        message: told.words.map(|words| words.message),
    }
}
