//! One computer of a person: a home of its own, and the real `bm-cloud` in it.

use std::fs;

use tempfile::TempDir;
use testkit::{Child, program, scratch};

use super::{Deployment, SOON};
use crate::support::text;

pub(crate) struct Device {
    home: TempDir,
}

/// How a command ended and what it wrote.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Device {
    pub(crate) fn new() -> Self {
        let home = scratch();
        fs::create_dir(home.path().join("run")).unwrap();
        fs::create_dir(home.path().join("Notes")).unwrap();
        Self { home }
    }

    fn start(&self, words: &[&str]) -> Child {
        program(testkit::bin("bm-cloud"))
            .args(words)
            .env_clear()
            .dir(self.home.path())
            .env("HOME", self.home.path())
            .env("XDG_RUNTIME_DIR", self.home.path().join("run"))
            .env("PATH", "/nonexistent")
            .env("BM_CLOUD_SECRETS", "file")
            .env("BM_CLOUD_DEVICE", "laptop")
            .env("BM_CLOUD_RCLONE", testkit::rclone())
            .spawn()
    }

    pub(crate) async fn run(&self, words: &[&str]) -> Said {
        Said::of(&mut self.start(words)).await
    }

    /// Signs in, with the person's consent in the browser.
    pub(crate) async fn login(&self, deployment: &Deployment, email: &str) -> Said {
        let url = deployment.url();
        let mut login = self.start(&[
            "login",
            "--force",
            "--server",
            url,
            "--no-browser",
            "--json",
        ]);
        let shown = login.json_line(SOON).await;
        deployment.approve(&text(&shown, "userCode"), email).await;
        Said::of(&mut login).await
    }

    pub(crate) fn write(&self, note: &str, text: &str) {
        fs::write(self.home.path().join("Notes").join(note), text).unwrap();
    }

    pub(crate) async fn set_up(&self) -> Said {
        let folder = self.home.path().join("Notes");
        self.run(&["setup", "--folder", folder.to_str().unwrap()])
            .await
    }
}

impl Said {
    async fn of(child: &mut Child) -> Self {
        Self::within(child, SOON).await
    }

    pub(crate) async fn within(child: &mut Child, deadline: std::time::Duration) -> Self {
        let code = child.exit(deadline).await.code();
        Self {
            code,
            out: child.stdout(),
            err: child.stderr(),
        }
    }
}
