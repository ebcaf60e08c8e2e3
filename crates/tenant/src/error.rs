use std::path::PathBuf;

use crate::upstream::UpstreamError;

/// Why the bucket cannot be made files.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    #[error("no rclone can be used")]
    Rclone(#[source] rclone::FindError),
    #[error("this machine cannot mount: {0}")]
    NoFuse(String),
    #[error("there is no tigrisfs at {}", .0.display())]
    NoTigrisfs(PathBuf),
    #[error("the replica could not be opened")]
    Replica(#[source] engine::StartError),
    #[error("the drive could not be started")]
    Drive(#[source] std::io::Error),
    #[error("could not make {}", folder.display())]
    Folder {
        folder: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the bucket could not be made readable: {0}")]
    Unreadable(String),
}

/// Why an instance does not run.
#[derive(Debug, thiserror::Error)]
pub enum LifeError {
    #[error(transparent)]
    Files(#[from] FilesError),
    #[error("there is no Basic Memory in {}", .0.display())]
    NoBasicMemory(PathBuf),
    #[error("Basic Memory could not be run: {0}")]
    Upstream(String),
}

impl From<UpstreamError> for LifeError {
    fn from(error: UpstreamError) -> Self {
        Self::Upstream(error.to_string())
    }
}
