use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::scratch;

/// A file system of its own in memory, of a size that a test can fill; gone with the value.
pub struct SmallDisk(TempDir);

impl SmallDisk {
    /// With the options of `tmpfs`; `None`, said aloud, where this user may not mount.
    #[must_use]
    #[expect(clippy::print_stderr, reason = "a skip is loud")]
    pub fn mount(options: &str) -> Option<Self> {
        let folder = scratch();
        let words = ["-t", "tmpfs", "-o", options, "tmpfs"];
        if run("mount", &words, folder.path()) {
            return Some(Self(folder));
        }
        eprintln!("SKIPPED: mounting is not permitted here");
        None
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        run("umount", &["-l"], self.0.path());
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a drop cannot wait for a child of the testkit"
)]
fn run(program: &str, words: &[&str], folder: &Path) -> bool {
    Command::new(program)
        .args(words)
        .arg(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
