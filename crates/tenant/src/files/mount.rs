use std::time::Duration;

use engine::{Arrived, Drive, DriveSpec, DriveState, DriveTold};
use tokio::sync::{RwLock, mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use wire::InstanceStatus;

use super::{DEVICE, Files, FilesSpec, FilesTold, Refresh, folders_of, rclone_of, wait_until_told};
use crate::FilesError;

/// Nobody tells the kernel that an object changed: it believes a size for as long as the mount's
/// `AttrTimeout`.
const KERNEL_BELIEVES: Duration = Duration::from_millis(1_050);
/// The fallback of all notifications. Looking at everything through a mount is slow.
const INTERVAL: Duration = Duration::from_secs(60);

/// rclone's mount behind the guard, kept alive as an engine keeps a person's drive.
pub(super) struct MountFiles {
    drive: RwLock<Option<Drive>>,
    told: watch::Receiver<DriveTold>,
    arrived: mpsc::Sender<Arrived>,
    _interval: DropGuard,
}

impl MountFiles {
    pub(super) async fn start(
        spec: FilesSpec,
        arrived: mpsc::Sender<Arrived>,
    ) -> Result<Self, FilesError> {
        let rclone = rclone_of(&spec).await?;
        if let Err(missing) = rclone::mount::PlatformFacts::look().driver() {
            return Err(FilesError::NoFuse(missing.to_string()));
        }
        let drive = DriveSpec {
            folder: spec.folder,
            places: spec.places,
            bucket: spec.bucket,
            rclone,
            device: DEVICE.to_owned(),
            name: spec.name,
            clock: spec.clock,
        };
        let drive = Drive::start(drive).await.map_err(FilesError::Drive)?;
        let again = CancellationToken::new();
        let (stop, tell) = (again.clone(), arrived.clone());
        tokio::spawn(async move {
            let mut tick = tokio::time::interval(INTERVAL);
            while stop.run_until_cancelled(tick.tick()).await.is_some() {
                if tell.send(Arrived::Anything).await.is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            told: drive.told(),
            drive: RwLock::new(Some(drive)),
            arrived,
            _interval: again.drop_guard(),
        })
    }

    async fn wait_for(&self, state: DriveState) -> Option<String> {
        let told = wait_until_told(&self.told, |told| told.state == state).await;
        told.message
    }
}

#[async_trait::async_trait]
impl Files for MountFiles {
    fn name(&self) -> &'static str {
        "mount"
    }

    fn told(&self) -> FilesTold {
        let told = self.told.borrow().clone();
        FilesTold {
            state: match told.state {
                DriveState::Starting => InstanceStatus::Starting,
                DriveState::Mounted => InstanceStatus::Ok,
                DriveState::Reconnecting | DriveState::Stopping => InstanceStatus::Degraded,
                DriveState::Failed => InstanceStatus::Failed,
            },
            message: told.message,
            pending: usize::try_from(told.waiting).unwrap_or(usize::MAX),
            since: None,
        }
    }

    async fn ready(&self) {
        self.wait_for(DriveState::Mounted).await;
    }

    async fn failed(&self) -> String {
        let message = self.wait_for(DriveState::Failed).await;
        message.unwrap_or_else(|| "the bucket could not be mounted".to_owned())
    }

    async fn refresh(&self, what: Refresh) {
        {
            let drive = self.drive.read().await;
            let Some(drive) = drive.as_ref() else { return };
            let folders = match &what {
                Refresh::Paths(paths) => folders_of(paths).into_iter().collect(),
                Refresh::Everything => vec![String::new()],
            };
            drive.refresh(folders).await;
        }
        tokio::time::sleep(KERNEL_BELIEVES).await;
        let arrived = match what {
            Refresh::Paths(paths) => Arrived::Paths(paths),
            Refresh::Everything => Arrived::Anything,
        };
        if self.arrived.send(arrived).await.is_err() {
            tracing::debug!("nobody hears what arrived");
        }
    }

    async fn stop(&self, within: Duration) {
        let drive = self.drive.write().await.take();
        if let Some(drive) = drive {
            drive.stop(within).await;
        }
    }
}
