use std::io;
use std::path::{Path, PathBuf};

/// Folders that were made for something that may yet come to nothing, the deepest first.
#[must_use]
pub(super) struct MadeFolders(Vec<PathBuf>);

impl MadeFolders {
    pub(super) fn none() -> Self {
        Self(Vec::new())
    }

    /// Makes a folder and those above it, as far as they are missing.
    pub(super) fn make(folder: &Path) -> io::Result<Self> {
        let missing = folder.ancestors().take_while(|place| !place.exists());
        let missing = missing.map(Path::to_owned).collect();
        std::fs::create_dir_all(folder)?;
        Ok(Self(missing))
    }

    /// Takes them away again, as far as nobody has put anything into them.
    pub(super) fn take_back(self) {
        for folder in self.0 {
            if let Err(error) = std::fs::remove_dir(&folder) {
                tracing::debug!(%error, folder = %folder.display(), "a folder stays");
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_made_and_is_empty_goes_again() {
        let scratch = tempfile::tempdir().unwrap();
        let root = scratch.path();
        MadeFolders::make(&root.join("a/b")).unwrap().take_back();
        assert!(root.exists() && !root.join("a").exists());

        let made = MadeFolders::make(&root.join("a/b")).unwrap();
        std::fs::create_dir(root.join("a/mine")).unwrap();
        made.take_back();
        assert!(root.join("a/mine").exists() && !root.join("a/b").exists());

        MadeFolders::make(&root.join("a/mine")).unwrap().take_back();
        assert!(root.join("a/mine").exists(), "it was there before");
    }
}
