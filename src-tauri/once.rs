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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_remark_is_remembered_by_itself_until_it_is_taken_back() {
        let state = tempfile::tempdir().unwrap();
        let once = Once::new(state.path().to_owned());
        let said = |once: &Once| {
            [Remark::MissingTray, Remark::ClosedWindow].map(|remark| once.was_said(remark))
        };
        assert_eq!(said(&once), [false, false]);
        once.said(Remark::MissingTray);
        assert_eq!(said(&once), [true, false]);
        // The next start of the app.
        let once = Once::new(state.path().to_owned());
        once.said(Remark::ClosedWindow);
        assert_eq!(said(&once), [true, true]);
        once.unsaid(Remark::MissingTray);
        assert_eq!(said(&once), [false, true]);
    }
}
