//! The bucket as files that Basic Memory works on, by one of several drivers.

mod mount;
mod replica;
mod tigrisfs;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use engine::{Arrived, Clock, Places};
use guard::Bucket;
use tokio::sync::{Mutex, mpsc};
use tokio::time::Instant;
use wire::InstanceStatus;

use crate::FilesError;

/// How the bucket becomes files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriverChoice {
    /// The one that serves a search soonest on this machine: the replica.
    Auto,
    /// rclone through FUSE, behind the guard.
    Mount,
    /// A local folder, kept equal.
    Replica,
    /// tigrisfs through FUSE, behind the guard.
    Tigrisfs,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no driver; there are auto, mount, replica and tigrisfs")]
pub struct UnknownDriver(String);

impl FromStr for DriverChoice {
    type Err = UnknownDriver;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            "mount" => Ok(Self::Mount),
            "replica" => Ok(Self::Replica),
            "tigrisfs" => Ok(Self::Tigrisfs),
            other => Err(UnknownDriver(other.to_owned())),
        }
    }
}

/// What a driver is made of.
#[derive(Clone, Debug)]
pub struct FilesSpec {
    pub choice: DriverChoice,
    pub bucket: Bucket,
    /// The folder that Basic Memory sees.
    pub folder: PathBuf,
    /// Of this instance alone.
    pub places: Places,
    /// Where rclone is looked for, in order.
    pub rclone: Vec<PathBuf>,
    /// The program of the third driver.
    pub tigrisfs: PathBuf,
    /// The tenant's id: part of what the system's table of mounts shows.
    pub name: String,
    pub clock: Clock,
}

/// Where to look again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refresh {
    Paths(BTreeSet<String>),
    Everything,
}

/// What a driver says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FilesTold {
    pub(crate) state: InstanceStatus,
    pub(crate) message: Option<String>,
    /// Changes that are known and are on one side only.
    pub(crate) pending: usize,
    pub(crate) since: Option<Instant>,
}

/// A driver at work. What it brings is told to the channel it was started with.
#[async_trait::async_trait]
pub(crate) trait Files: Send + Sync {
    fn name(&self) -> &'static str;

    fn told(&self) -> FilesTold;

    /// Resolves as soon as Basic Memory may work in the folder.
    async fn ready(&self);

    /// Resolves only if the files cannot be made readable; with the reason.
    async fn failed(&self) -> String;

    /// What Basic Memory's turn at a file is taken with, where nobody else tells an older version
    /// from a newer one.
    fn turn(&self) -> Arc<Mutex<()>> {
        Arc::default()
    }

    async fn refresh(&self, what: Refresh);

    /// Stores what was saved, as far as that is possible within the time, and leaves nothing behind.
    async fn stop(&self, within: Duration);
}

/// Starts the chosen driver.
pub(crate) async fn start(
    spec: FilesSpec,
    arrived: mpsc::Sender<Arrived>,
) -> Result<Arc<dyn Files>, FilesError> {
    Ok(match spec.choice {
        DriverChoice::Auto | DriverChoice::Replica => {
            Arc::new(replica::ReplicaFiles::start(spec, arrived).await?)
        }
        DriverChoice::Mount => Arc::new(mount::MountFiles::start(spec, arrived).await?),
        DriverChoice::Tigrisfs => Arc::new(tigrisfs::TigrisFiles::start(spec, arrived).await?),
    })
}

async fn rclone_of(spec: &FilesSpec) -> Result<rclone::Binary, FilesError> {
    rclone::find(&spec.rclone).await.map_err(FilesError::Rclone)
}

/// What conflict copies that an instance makes are named after.
const DEVICE: &str = "cloud";

/// The folders that these paths are in.
fn folders_of(paths: &BTreeSet<String>) -> BTreeSet<String> {
    let folder = |path: &String| {
        path.rsplit_once('/')
            .map_or("", |(folder, _)| folder)
            .to_owned()
    };
    paths.iter().map(folder).collect()
}

/// A folder that something may be mounted in; one with files in it would hide them.
fn make_empty_folder(folder: &Path) -> Result<(), FilesError> {
    std::fs::create_dir_all(folder).map_err(|source| FilesError::Folder {
        folder: folder.to_owned(),
        source,
    })
}

/// Waits until what is told fits; for ever, if nobody tells any more.
async fn wait_until_told<T: Clone>(
    told: &tokio::sync::watch::Receiver<T>,
    fits: impl FnMut(&T) -> bool,
) -> T {
    let mut told = told.clone();
    let found = told.wait_for(fits).await.map(|told| told.clone()).ok();
    match found {
        Some(told) => told,
        None => std::future::pending().await,
    }
}
