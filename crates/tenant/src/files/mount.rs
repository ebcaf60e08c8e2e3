use std::time::Duration;

use engine::{Arrived, Drive, DriveSpec, DriveState, DriveTold};
use tokio::sync::{RwLock, mpsc, watch};
use tokio::time::Instant;
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
    /// Since when something waits to be stored, without a break.
    waits_since: watch::Receiver<Option<Instant>>,
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
        let (tell_since, waits_since) = watch::channel(None);
        tokio::spawn(follow(drive.told(), tell_since));
        Ok(Self {
            told: drive.told(),
            waits_since,
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

async fn follow(mut told: watch::Receiver<DriveTold>, since: watch::Sender<Option<Instant>>) {
    loop {
        let waiting = told.borrow_and_update().waiting;
        let now = Instant::now();
        since.send_modify(|since| *since = since_when(*since, waiting, now));
        if told.changed().await.is_err() {
            return;
        }
    }
}

fn since_when(before: Option<Instant>, waiting: u64, now: Instant) -> Option<Instant> {
    (waiting > 0).then(|| before.unwrap_or(now))
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
            since: *self.waits_since.borrow(),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn drive(waiting: u64) -> DriveTold {
        DriveTold {
            state: DriveState::Mounted,
            waiting,
            message: None,
        }
    }

    #[tokio::test]
    async fn what_waits_has_waited_since_the_first_of_it() {
        let (tell, told) = watch::channel(drive(0));
        let (tell_since, mut since) = watch::channel(None);
        tokio::spawn(follow(told, tell_since));
        since.changed().await.unwrap();
        assert_eq!(*since.borrow_and_update(), None);
        tell.send_replace(drive(1));
        since.changed().await.unwrap();
        let first = *since.borrow_and_update();
        assert!(first.is_some());
        for waiting in [3, 2] {
            tell.send_replace(drive(waiting));
            since.changed().await.unwrap();
            assert_eq!(*since.borrow_and_update(), first, "{waiting}");
        }
        tell.send_replace(drive(0));
        since.changed().await.unwrap();
        assert_eq!(*since.borrow_and_update(), None);
    }
}
