//! What is said once in a lifetime: remembered by empty files in the state folder.

use std::path::PathBuf;

/// Something to be said once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remark {
    /// No panel shows the icon.
    MissingTray,
    /// The app runs on without its window.
    ClosedWindow,
}

/// Where it is written down what was said.
#[derive(Clone, Debug)]
pub(crate) struct Once(PathBuf);

impl Once {
    pub(crate) fn new(state: PathBuf) -> Self {
        Self(state)
    }

    pub(crate) fn was_said(&self, remark: Remark) -> bool {
        self.file(remark).exists()
    }

    pub(crate) fn said(&self, remark: Remark) {
        if let Err(error) = std::fs::write(self.file(remark), "") {
            tracing::debug!(%error, ?remark, "it will be said again");
        }
    }

    /// It was said too early.
    pub(crate) fn unsaid(&self, remark: Remark) {
        if let Err(error) = std::fs::remove_file(self.file(remark)) {
            tracing::debug!(%error, ?remark, "it will not be said again");
        }
    }

    fn file(&self, remark: Remark) -> PathBuf {
        self.0.join(match remark {
            Remark::MissingTray => "told-of-missing-tray",
            Remark::ClosedWindow => "told-of-closed-window",
        })
    }
}
