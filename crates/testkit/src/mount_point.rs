use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A folder that something is mounted in; whatever still is, is taken away when this is dropped.
pub struct MountPoint(PathBuf);

impl MountPoint {
    /// Makes the folder.
    ///
    /// # Panics
    /// If it cannot be made.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        std::fs::create_dir_all(&folder).expect("a folder to mount in");
        Self(folder)
    }

    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.0
    }

    /// Whether the system's table of mounts has it.
    #[must_use]
    pub fn is_mounted(&self) -> bool {
        let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let folder = self.0.to_string_lossy();
        table
            .lines()
            .any(|line| line.split(' ').nth(4) == Some(&*folder))
    }

    /// Takes the mount away, even a dead one or one that is worked in.
    #[expect(
        clippy::disallowed_methods,
        reason = "a drop cannot wait for a child of the testkit"
    )]
    pub fn take_away(&self) {
        let status = Command::new("fusermount3")
            .arg("-uz")
            .arg(&self.0)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        drop(status);
    }
}

impl Drop for MountPoint {
    fn drop(&mut self) {
        while self.is_mounted() {
            self.take_away();
        }
    }
}
