use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::rig::{Cloud, delete};

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

    /// The same, with a folder of the bucket alone.
    pub(super) fn below(self, folder: &str) -> Self {
        Self {
            remote: format!("{}/{folder}", self.remote),
            ..self
        }
    }

    /// Where a person would keep what was replaced.
    pub(super) fn backups(&self) -> String {
        let (bucket, _) = self.remote.rsplit_once('/').unwrap();
        format!("{bucket}/backups")
    }

    /// The first run, or a second first one.
    pub(super) async fn begins(&self) {
        assert!(self.run(&["--resync"]).await);
    }

    /// Whether it says that all went well.
    pub(super) async fn run(&self, more: &[&str]) -> bool {
        let mut child = self.program(more).spawn();
        let status = child.exit(Duration::from_secs(60)).await;
        eprintln!("bisync {more:?}: {status}\n{}", child.stderr());
        status.success()
    }

    /// Begins a run, and ends it by SIGKILL after `until`.
    pub(super) async fn killed(&self, more: &[&str], until: impl Future<Output = ()>) {
        let mut child = self.program(more).spawn();
        until.await;
        assert!(child.ended().is_none(), "{}", child.stderr());
        child.kill();
    }

    /// Does what rclone says about the lock that a killed run left.
    pub(super) fn unlock(&self) {
        let entries = std::fs::read_dir(&self.work).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        let locks: Vec<PathBuf> = paths
            .filter(|path| path.extension().is_some_and(|it| it == "lck"))
            .collect();
        assert_eq!(locks.len(), 1, "{locks:?}");
        delete(&locks[0]);
    }

    fn program(&self, more: &[&str]) -> testkit::Program {
        // Files' modes do not bind the person who may do everything; they do bind people.
        let program = if rustix::process::geteuid().is_root() {
            testkit::program("setpriv")
                .arg("--bounding-set=-dac_override,-dac_read_search")
                .arg(testkit::rclone())
        } else {
            testkit::program(testkit::rclone())
        };
        program
            .arg("bisync")
            .arg(&self.folder)
            .arg(&self.remote)
            .args(["--config", "", "--retries", "1", "--workdir"])
            .arg(&self.work)
            .args(["--exclude", "/.basic-memory-*"])
            .args(more)
    }
}
