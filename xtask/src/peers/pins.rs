use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// What a folder of peers was installed from: a copy of the pins, written last.
///
/// Unlike a stamp it lies in the folder and names no path, so that worktrees can share the folder.
pub(super) struct Pins {
    file: PathBuf,
    wanted: Vec<u8>,
}

impl Pins {
    pub(super) fn of(folder: &Path, files: &[&Path]) -> Result<Self> {
        let mut wanted = Vec::new();
        for file in files {
            let bytes = std::fs::read(file)
                .with_context(|| format!("could not read {}", file.display()))?;
            wanted.extend(bytes);
        }
        Ok(Self {
            file: folder.join("installed-from"),
            wanted,
        })
    }

    pub(super) fn are_installed(&self) -> bool {
        std::fs::read(&self.file).is_ok_and(|was| was == self.wanted)
    }

    pub(super) fn keep(&self) -> Result<()> {
        std::fs::write(&self.file, &self.wanted)
            .with_context(|| format!("could not write {}", self.file.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_pins_count_as_installed() {
        let folder = std::env::temp_dir().join(format!("bm-pins-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (one, two) = (folder.join("one"), folder.join("two"));
        std::fs::write(&one, "a==1\n").unwrap();
        std::fs::write(&two, "a==2\n").unwrap();
        let pins = Pins::of(&folder, &[&one]).unwrap();
        assert!(!pins.are_installed());
        pins.keep().unwrap();
        assert!(pins.are_installed());
        assert!(!Pins::of(&folder, &[&two]).unwrap().are_installed());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
