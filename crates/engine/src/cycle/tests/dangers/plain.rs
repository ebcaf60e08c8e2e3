use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::rig::Cloud;

/// `rclone bisync` on the folder itself and straight to the bucket, as its manual shows it.
pub(super) struct Plain {
    folder: PathBuf,
    work: PathBuf,
    remote: String,
}

impl Plain {
    pub(super) fn new(cloud: &Cloud, folder: &Path, home: &Path) -> Self {
        Self::at(cloud, &cloud.behind, folder, home)
    }

    /// Through somebody between.
    pub(super) fn at(cloud: &Cloud, endpoint: &str, folder: &Path, home: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            work: home.join("plain"),
            remote: cloud.remote_at(endpoint),
        }
    }

    /// The same program of the same person, on another folder.
    pub(super) fn on(self, folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            ..self
        }
    }

    /// The first run, or a second first one.
    pub(super) async fn begins(&self) {
        assert!(self.run(&["--resync"]).await);
    }

    /// Whether it says that all went well.
    pub(super) async fn run(&self, more: &[&str]) -> bool {
        let mut child = testkit::program(testkit::rclone())
            .arg("bisync")
            .arg(&self.folder)
            .arg(&self.remote)
            .args(["--config", "", "--retries", "1", "--workdir"])
            .arg(&self.work)
            .args(["--exclude", "/.basic-memory-*"])
            .args(more)
            .spawn();
        let status = child.exit(Duration::from_secs(60)).await;
        eprintln!("bisync {more:?}: {status}\n{}", child.stderr());
        status.success()
    }
}
