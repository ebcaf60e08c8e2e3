use testkit::{Child, bin, program, wait_until};

use super::super::device::{Home, LONG};

/// A program of ours in the surroundings of one device.
pub(crate) fn dressed(program: testkit::Program, home: &Home) -> testkit::Program {
    #[expect(
        clippy::disallowed_methods,
        reason = "a child needs the path of programs"
    )]
    let path = std::env::var("PATH").unwrap();
    program
        .env_clear()
        .env("PATH", path)
        .env("HOME", home.root())
        .env("BM_CLOUD_SECRETS", "file")
        .env("BM_CLOUD_RCLONE", testkit::rclone())
        .env("BM_CLOUD_DEVICE", home.device())
}

/// `bm-cloud bisync --watch` on one device.
pub(crate) struct Program<'h> {
    child: Child,
    home: &'h Home,
}

impl<'h> Program<'h> {
    pub(crate) fn watch(home: &'h Home) -> Self {
        let watch = program(bin("bm-cloud")).args(["bisync", "--watch", "--interval", "5s"]);
        let child = dressed(watch.arg("--json"), home).spawn();
        Self { child, home }
    }

    /// At once, wherever it is.
    pub(crate) async fn kill(&mut self) {
        assert!(self.child.ended().is_none(), "{}", self.said());
        self.child.kill();
        self.is_gone().await;
    }

    /// As a person ends it.
    pub(crate) async fn end(&mut self) {
        assert!(self.child.ended().is_none(), "{}", self.said());
        self.child.terminate();
        let status = self.child.exit(LONG).await;
        assert!(status.success(), "{status}: {}", self.said());
        self.is_gone().await;
    }

    /// rclone ends with the program that started it.
    async fn is_gone(&self) {
        wait_until(LONG, async || self.home.programs().is_empty()).await;
    }

    fn said(&self) -> String {
        format!("{}\n{}", self.child.stdout(), self.child.stderr())
    }
}
