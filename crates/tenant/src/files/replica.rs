use std::sync::Arc;
use std::time::Duration;

use engine::{Arrived, Replica, ReplicaSpec, ReplicaState, ReplicaTold};
use tokio::sync::{Mutex, RwLock, mpsc, watch};
use wire::InstanceStatus;

use super::{DEVICE, Files, FilesSpec, FilesTold, Refresh, rclone_of, wait_until_told};
use crate::FilesError;

/// A folder on this machine, kept equal to the bucket.
pub(super) struct ReplicaFiles {
    replica: RwLock<Option<Replica>>,
    told: watch::Receiver<ReplicaTold>,
    turn: Arc<Mutex<()>>,
}

impl ReplicaFiles {
    pub(super) async fn start(
        spec: FilesSpec,
        arrived: mpsc::Sender<Arrived>,
    ) -> Result<Self, FilesError> {
        let rclone = rclone_of(&spec).await?;
        let replica = ReplicaSpec {
            folder: spec.folder,
            places: spec.places,
            bucket: spec.bucket,
            rclone,
            device: DEVICE.to_owned(),
            clock: spec.clock,
        };
        let replica = Replica::start(replica, arrived)
            .await
            .map_err(FilesError::Replica)?;
        Ok(Self {
            told: replica.told(),
            turn: replica.turn(),
            replica: RwLock::new(Some(replica)),
        })
    }
}

#[async_trait::async_trait]
impl Files for ReplicaFiles {
    fn name(&self) -> &'static str {
        "replica"
    }

    fn told(&self) -> FilesTold {
        let told = self.told.borrow().clone();
        let (state, message) = match told.state {
            ReplicaState::Filling => (InstanceStatus::Starting, None),
            ReplicaState::Following => (InstanceStatus::Ok, None),
            ReplicaState::Waiting { message, .. }
            | ReplicaState::Retrying { message, .. }
            | ReplicaState::Refused { message, .. } => (InstanceStatus::Degraded, Some(message)),
        };
        FilesTold {
            state,
            message,
            pending: told.pending,
            since: told.since,
        }
    }

    /// At once: what is still missing is indexed as it arrives.
    async fn ready(&self) {}

    async fn failed(&self) -> String {
        let told = wait_until_told(&self.told, |told| {
            matches!(
                told.state,
                ReplicaState::Refused { .. } | ReplicaState::Following
            )
        });
        match told.await.state {
            ReplicaState::Refused { message, .. } => message,
            ReplicaState::Filling
            | ReplicaState::Following
            | ReplicaState::Waiting { .. }
            | ReplicaState::Retrying { .. } => std::future::pending().await,
        }
    }

    fn turn(&self) -> Arc<Mutex<()>> {
        Arc::clone(&self.turn)
    }

    async fn refresh(&self, what: Refresh) {
        let replica = self.replica.read().await;
        let Some(replica) = replica.as_ref() else {
            return;
        };
        match what {
            Refresh::Paths(paths) => replica.hint(paths).await,
            Refresh::Everything => replica.look_at_everything().await,
        }
    }

    async fn stop(&self, within: Duration) {
        let replica = self.replica.write().await.take();
        if let Some(replica) = replica {
            replica.stop(within).await;
        }
    }
}
